"""What is behind it: the stages, the recogniser, live speech, the machines."""

from __future__ import annotations

from kuberay.dashboard.grafana import Panel, Query, Row
from kuberay.dashboard.promql import OURS, increase, level, quantile, rate, serve_level

_RECOGNITION = 'stage="recognition"'

STAGES = Row(
    "Which stage is short",
    (
        Panel(
            "Waiting inside a stage, p95",
            "s",
            (Query(quantile(0.95, "stage_queue_seconds", "stage, work"), "{{stage}} {{work}}"),),
            "From the call's arrival to the moment at which the engine begins with it",
        ),
        Panel(
            "Waiting in front of a stage",
            "short",
            (Query(serve_level("deployment_queued_queries"), "{{deployment}}"),),
            "Calls that no replica takes, since all have max_ongoing_requests",
        ),
        Panel(
            "Replicas: there and wanted",
            "short",
            (
                Query(serve_level("deployment_replica_healthy"), "{{deployment}}"),
                Query(serve_level("autoscaling_target_replicas", how="max"), "{{deployment}} wanted"),
            ),
            "Healthy ones, and what Ray Serve wants within min_replicas and max_replicas",
        ),
        Panel(
            "Applications",
            "short",
            (Query(serve_level("application_status", how="min", by="application"), "{{application}}"),),
            "6 runs, 5 is in deployment; less: 4 is deleted, 3 not started, 2 unhealthy, 1 failed to deploy",
        ),
        Panel(
            "Engines at work",
            "short",
            (Query(rate("stage_busy_seconds_total", "stage, work"), "{{stage}} {{work}}"),),
            "Busy seconds a second: calls, or batches, at once",
            stacked=True,
        ),
        Panel(
            "Calls in replicas",
            "short",
            (Query(serve_level("replica_processing_queries"), "{{deployment}}"),),
            "Taken, waiting inside or worked on",
        ),
        Panel(
            "Work of an engine, p95",
            "s",
            (Query(quantile(0.95, "stage_work_seconds", "stage, work"), "{{stage}} {{work}}"),),
            "Of a call; of the recogniser, of a batch",
        ),
        Panel(
            "Wanted beyond max_replicas",
            "short",
            (
                Query(
                    f"clamp_min({serve_level('autoscaling_desired_replicas', how='max')}"
                    f" - {serve_level('autoscaling_target_replicas', how='max')}, 0)",
                    "{{deployment}}",
                ),
            ),
            "What the load asks for and the Serve config does not allow",
        ),
        Panel(
            "Replicas that started",
            "short",
            (Query(serve_level("deployment_replica_starts_total"), "{{deployment}}"),),
            "Since the controller did; steps without growth are deaths",
        ),
        Panel(
            "How busy replicas are",
            "percent",
            (Query(serve_level("replica_utilization_percent", how="avg"), "{{deployment}}"),),
            "Ray Serve's measure: time spent on calls, of what max_ongoing_requests allows",
        ),
    ),
)

RECOGNISER = Row(
    "Recogniser",
    (
        Panel(
            "Windows in a batch",
            "none",
            (
                Query(
                    f"{rate('stage_queue_seconds_count', 'work', _RECOGNITION)} / {rate('batch_items_count', 'work')}",
                    "{{work}}",
                ),
            ),
            "Mean",
        ),
        Panel(
            "Padding",
            "percentunit",
            (
                Query(
                    f"1 - {rate('stage_audio_seconds_total', 'work', _RECOGNITION)}"
                    f" / {rate('batch_padded_seconds_total', 'work')}",
                    "{{work}}",
                ),
            ),
            "Share of what the engine computes that is no audio",
        ),
        Panel(
            "Times real time",
            "none",
            (
                Query(
                    f"{rate('stage_audio_seconds_total', 'work', _RECOGNITION)}"
                    f" / {rate('stage_busy_seconds_total', 'work', _RECOGNITION)}",
                    "{{work}}",
                ),
            ),
            "RTFx of the engine: seconds of audio in a second of a batch",
        ),
        Panel(
            "Batches that run",
            "short",
            (Query(level("recognition_running_batches", "deployment, replica"), "{{deployment}} {{replica}}"),),
            "Occupancy of each replica; recognition.slots allows so many of each priority",
        ),
        Panel(
            "Audio that waits for a batch",
            "s",
            (Query(level("recognition_queued_seconds", "deployment"), "{{deployment}}"),),
            "Seconds of audio",
        ),
        Panel(
            "Batches that failed or did not fit",
            "short",
            (
                Query(increase("batch_failures_total", "work"), "{{work}} failed"),
                Query(
                    increase("memory_shortages_total", "stage"),
                    "{{stage}} short of memory",
                ),
            ),
            "Within 5 minutes",
        ),
    ),
)

LIVE = Row(
    "Live",
    (
        Panel("Sessions", "short", (Query(level("live_sessions"), "open"),), "Open now"),
        Panel(
            "Final texts",
            "s",
            (
                Query(quantile(0.5, "live_final_seconds"), "p50"),
                Query(quantile(0.95, "live_final_seconds"), "p95"),
            ),
            "From the end of speech, with the silence that ends an utterance (0.5 s by default)",
            2.0,
        ),
        Panel(
            "Utterances",
            "cps",
            (Query(rate("live_utterances_total", "outcome"), "{{outcome}}"),),
            "By what their final says",
            stacked=True,
        ),
        Panel(
            "Partial texts",
            "cps",
            (Query(rate("stage_queue_seconds_count", more='stage="recognition", work="live_partial"'), "recognised"),),
            "Looks at utterances that are not over",
        ),
        Panel(
            "Waiting for a batch, p95",
            "s",
            (Query(quantile(0.95, "stage_queue_seconds", "work", 'stage="recognition", work=~"live.*"'), "{{work}}"),),
            "Finals go first",
        ),
        Panel(
            "Sessions that ended",
            "cps",
            (Query(rate("live_sessions_ended_total", "outcome"), "{{outcome}}"),),
            "By how",
            stacked=True,
        ),
    ),
)

NODES = Row(
    "Nodes",
    (
        Panel(
            "Processors",
            "percent",
            (Query(f"avg by (ip) (ray_node_cpu_utilization{{{OURS}}})", "{{ip}}"),),
            "Of each node",
        ),
        Panel(
            "Memory",
            "percentunit",
            (
                Query(
                    f"max by (ip) (ray_node_mem_used{{{OURS}}}) / max by (ip) (ray_node_mem_total{{{OURS}}})",
                    "{{ip}}",
                ),
            ),
            "Of each node; at 95 % Ray kills processes",
            0.9,
        ),
        Panel(
            "Object store",
            "bytes",
            (
                Query(f"sum by (NodeAddress) (ray_object_store_used_memory{{{OURS}}})", "{{NodeAddress}} used"),
                Query(f"sum by (NodeAddress) (ray_object_store_fallback_memory{{{OURS}}})", "{{NodeAddress}} on disk"),
            ),
            "Audio on its way between stages",
        ),
        Panel(
            "GPUs at work",
            "percent",
            (Query(f"avg by (ip, GpuIndex) (ray_node_gpus_utilization{{{OURS}}})", "{{ip}} GPU {{GpuIndex}}"),),
            "Empty without GPUs",
            width=12,
        ),
        Panel(
            "GPU memory",
            "mbytes",
            (
                Query(f"sum by (ip, GpuIndex) (ray_node_gram_used{{{OURS}}})", "{{ip}} GPU {{GpuIndex}} used"),
                Query(f"sum by (ip, GpuIndex) (ray_node_gram_available{{{OURS}}})", "{{ip}} GPU {{GpuIndex}} free"),
            ),
            "Empty without GPUs",
            width=12,
        ),
    ),
)

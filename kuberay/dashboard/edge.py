"""What callers notice: traffic, answers, jobs, errors."""

from __future__ import annotations

from kuberay.dashboard.grafana import Panel, Query, Row
from kuberay.dashboard.promql import OUR_FAULT, level, quantile, rate, serve_rate


def _number(title: str, unit: str, expr: str, help: str, limit: float | None = None) -> Panel:  # noqa: A002
    return Panel(title, unit, (Query(expr),), help, limit, is_stat=True, width=4)


GLANCE = Row(
    "At a glance",
    (
        _number(
            "Audio recognised per second",
            "s",
            rate("stage_audio_seconds_total", more='stage="recognition"'),
            "Files and live",
        ),
        _number("Open requests", "short", level("open", more='kind="request"'), "Held by all ingress processes"),
        _number("Live sessions", "short", level("live_sessions"), "Open now"),
        _number("Refused per second", "reqps", rate("refused_total"), "For any reason"),
        _number(
            "Failing recordings",
            "percentunit",
            f"{rate('transcriptions_total', more=OUR_FAULT)} / {rate('transcriptions_total')}",
            "Share that failed because of the service",
            0.05,
        ),
        _number(
            "Finals, p95", "s", quantile(0.95, "live_final_seconds"), "From the end of speech to the final text", 2.0
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        Panel("Let in", "reqps", (Query(rate("admitted_total", "dialect"), "{{dialect}}"),), "By API", stacked=True),
        Panel(
            "Refused",
            "reqps",
            (Query(rate("refused_total", "reason"), "{{reason}}"),),
            "By reason: the caller's key or limits, or the service's (overloaded, service_unavailable)",
            stacked=True,
        ),
        Panel(
            "Recordings",
            "reqps",
            (Query(rate("transcriptions_total", "origin, outcome"), "{{origin}} {{outcome}}"),),
            "By how they ended",
            stacked=True,
        ),
        Panel("Held by the ingress", "short", (Query(level("open", "kind"), "{{kind}}"),), "Requests and sockets"),
        Panel(
            "Audio per second",
            "s",
            (Query(rate("transcription_audio_seconds_total", "origin"), "{{origin}}"),),
            "Seconds of recordings transcribed in a second",
            stacked=True,
        ),
        Panel(
            "Bytes",
            "Bps",
            (Query(rate("transcription_bytes_total", "origin"), "{{origin}}"),),
            "Of recordings as they came",
            stacked=True,
        ),
    ),
)

TIME = Row(
    "Where the time of a request goes",
    (
        Panel(
            "Time in each part of the graph, per recording",
            "s",
            (
                Query(
                    f"{rate('transcription_stage_spent_seconds_total', 'stage')}"
                    f" / on () group_left () {rate('transcriptions_total')}",
                    "{{stage}}",
                ),
            ),
            "Mean, with waiting. open: decode and gate. diarize runs beside recognize: the sum is more than the whole",
            stacked=True,
            width=12,
        ),
        Panel(
            "Answers",
            "s",
            (
                Query(quantile(0.5, "transcription_seconds", "length", 'origin="request"'), "{{length}} p50"),
                Query(quantile(0.95, "transcription_seconds", "length", 'origin="request"'), "{{length}} p95"),
            ),
            "From the bytes to the transcript, by the recording's length",
            width=12,
        ),
        Panel(
            "Times real time",
            "none",
            (Query(quantile(0.5, "transcription_rtfx", "length", 'origin="request"'), "{{length}}"),),
            "RTFx of whole requests, median",
        ),
        Panel(
            "Before the work: Limiter",
            "s",
            (
                Query(quantile(0.5, "limiter_seconds"), "p50"),
                Query(quantile(0.95, "limiter_seconds"), "p95"),
            ),
            "Waiting for a place under the user's caps",
        ),
        Panel(
            "Database",
            "s",
            (
                Query(quantile(0.5, "database_seconds", "kind"), "{{kind}} p50"),
                Query(quantile(0.95, "database_seconds", "kind"), "{{kind}} p95"),
            ),
            "Transactions, waiting for a connection included",
            1.0,
        ),
    ),
)

JOBS = Row(
    "Jobs and webhooks",
    (
        Panel(
            "Jobs",
            "short",
            (Query(level("jobs", "state", 'state=~"queued|running"', "max"), "{{state}}"),),
            "That are not done",
        ),
        Panel(
            "The oldest job in the queue",
            "s",
            (Query(level("jobs_oldest_queued_seconds", how="max"), "age"),),
            "How long it has waited",
            1800.0,
        ),
        Panel(
            "Attempts at jobs",
            "cps",
            (Query(rate("job_attempts_total", "outcome"), "{{outcome}}"),),
            "By how they ended",
            stacked=True,
        ),
        Panel(
            "Webhooks",
            "short",
            (Query(level("webhooks", "state", 'state!="delivered"', "max"), "{{state}}"),),
            "That are not delivered",
        ),
        Panel(
            "Attempts to deliver",
            "cps",
            (Query(rate("webhook_attempts_total", "outcome"), "{{outcome}}"),),
            "By how they ended",
            stacked=True,
        ),
        Panel(
            "Time of an attempt to deliver",
            "s",
            (Query(quantile(0.5, "webhook_seconds"), "p50"), Query(quantile(0.95, "webhook_seconds"), "p95")),
            "The receiver's",
        ),
    ),
)

ERRORS = Row(
    "Errors and warnings",
    (
        Panel(
            "Failures of the service",
            "cps",
            (
                Query(rate("transcriptions_total", "outcome", OUR_FAULT), "recording: {{outcome}}"),
                Query(rate("live_sessions_ended_total", "outcome", OUR_FAULT), "session: {{outcome}}"),
                Query(rate("database_failures_total", "kind"), "database: {{kind}}"),
                Query(rate("limiter_failures_total", "call"), "Limiter: {{call}}"),
                Query(rate("leases_lost_total"), "leases lost"),
            ),
            "Not of callers and their audio",
        ),
        Panel(
            "Errors that Ray Serve saw",
            "cps",
            (
                Query(
                    serve_rate("deployment_error_counter_total", "deployment, exception_type"),
                    "{{deployment}} {{exception_type}}",
                ),
            ),
            "Calls of replicas that raised, whoever's fault: audio that cannot be decoded is in it",
        ),
        Panel(
            "Warnings in answers",
            "cps",
            (Query(rate("warnings_total", "origin, code"), "{{origin}} {{code}}"),),
            "By code",
            stacked=True,
        ),
        Panel(
            "Language model",
            "cps",
            (Query(rate("llm_calls_total", "outcome"), "{{outcome}}"),),
            "Questions by how they ended",
            stacked=True,
        ),
        Panel(
            "Language model, time of an answer",
            "s",
            (Query(quantile(0.5, "llm_seconds"), "p50"), Query(quantile(0.95, "llm_seconds"), "p95")),
            "From the question",
        ),
        Panel(
            "Language model, tokens",
            "cps",
            (Query(rate("llm_tokens_total", "kind"), "{{kind}}"),),
            "As an endpoint counts them",
            stacked=True,
        ),
        Panel("Leases", "short", (Query(level("leases"), "given out"),), "Places under users' caps that are taken"),
    ),
)

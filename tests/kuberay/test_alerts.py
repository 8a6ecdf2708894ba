"""Each alert over series made for it, in Prometheus' own tester: what fires it, and what looks like it and does not.

`promtool` comes with Prometheus (`apt-get install prometheus`); without it these are left out, and test_monitoring.py
reads the rules all the same.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kuberay.manifests import of_kind
from tests.kuberay.rendering import rendered

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed"),
]

ASR = 'application="rayscribe", deployment="Recognizer"'
LIMITER = 'application="rayscribe-limiter", deployment="Limiter"'
OPEN = {'ray_rayscribe_open{kind="request"}': "0x360"}
FILE, SPOKEN = 'stage="recognition", work="file"', 'stage="recognition", work="live"'


@dataclass(frozen=True, slots=True)
class Case:
    """Series, one value a minute from 0 (promtool's notation), and whether the alert fires after some minutes."""

    alert: str
    series: dict[str, str]
    fires: bool = True
    after: str = "50m"


def replicas(healthy: str, wanted: str, stage: str = ASR) -> dict[str, str]:
    return {
        f'ray_serve_deployment_replica_healthy{{{stage}, replica="a"}}': healthy,
        f"ray_serve_autoscaling_target_replicas{{{stage}}}": wanted,
    }


def starts(count: int, wanted: str, first_minute: int = 40) -> dict[str, str]:
    """One replica from the beginning, and others that start later, each a series of its own."""
    name = f"ray_serve_deployment_replica_starts_total{{{ASR}, replica="
    begun = {f'{name}"{place}"}}': f"_x{first_minute + place} 1x60" for place in range(count)}
    return {f'{name}"first"}}': "1x60", **begun, f"ray_serve_autoscaling_target_replicas{{{ASR}}}": wanted}


def in_cluster(cluster: str, series: dict[str, str]) -> dict[str, str]:
    """The same of one RayCluster of several."""
    return {name.replace("{", f'{{ray_io_cluster="{cluster}", ', 1): values for name, values in series.items()}


def status(values: str, application: str = "rayscribe") -> dict[str, str]:
    return {f'ray_serve_application_status{{application="{application}"}}': values}


def node_memory(cluster: str) -> dict[str, str]:
    used = {'ray_node_mem_used{ip="a"}': "93x60", 'ray_node_mem_total{ip="a"}': "100x60"}
    return in_cluster(cluster, used) | in_cluster("ours", OPEN)


def object_store(cluster: str) -> dict[str, str]:
    used = {
        'ray_object_store_used_memory{NodeAddress="a"}': "95x60",
        'ray_object_store_available_memory{NodeAddress="a"}': "5x60",
    }
    return in_cluster(cluster, used) | in_cluster("ours", OPEN)


def errors_of(**replicas: str) -> dict[str, str]:
    """Mistakes of our own, as each replica counts them."""
    name = "ray_rayscribe_transcriptions_total"
    return {f'{name}{{outcome="internal_error", replica="{replica}"}}': values for replica, values in replicas.items()}


def histogram(name: str, labels: str, bounds: tuple[str, str]) -> dict[str, str]:
    """Sixty values a minute between two bounds."""
    low, high = bounds
    return {
        f'ray_rayscribe_{name}_bucket{{{labels}, le="{low}"}}': "0x60",
        f'ray_rayscribe_{name}_bucket{{{labels}, le="{high}"}}': "0+60x60",
        f'ray_rayscribe_{name}_bucket{{{labels}, le="+Inf"}}': "0+60x60",
    }


def counters(name: str, **values: str) -> dict[str, str]:
    """By the value of a label, which is in the name: ``refused_total reason``."""
    series, label = name.split()
    return {f'ray_rayscribe_{series}{{{label}="{value}"}}': points for value, points in values.items()}


def two_installations(one: str) -> dict[str, str]:
    return {
        'ray_rayscribe_open{kind="request", namespace="staging"}': "0x90",
        'ray_rayscribe_open{kind="request", namespace="speech"}': one,
    }


CASES = [
    Case("RayscribeDown", {}),
    Case("RayscribeDown", {'ray_rayscribe_open{kind="request"}': "0x90"}, fires=False),
    Case("RayscribeDown", two_installations("0x30 stale"), after="80m"),
    Case("RayscribeDown", two_installations("_x20 0x70"), fires=False, after="80m"),
    Case("RayscribeApplicationUnhealthy", status("6x40 2x20")),
    Case("RayscribeApplicationUnhealthy", status("5x60"), fires=False),
    Case("RayscribeApplicationUnhealthy", status("6x60") | status("6x40 1x20", "rayscribe-limiter")),
    Case("RayscribeApplicationUnhealthy", status("6x60") | status("1x60", "another"), fires=False),
    Case("RayscribeControllerDown", OPEN | status("6x40 stale")),
    Case("RayscribeControllerDown", OPEN | status("6x60"), fires=False),
    # The controller of the old cluster lives, that of the new one does not.
    Case(
        "RayscribeControllerDown",
        in_cluster("old", OPEN | status("6x60")) | in_cluster("new", OPEN | status("6x40 stale")),
    ),
    Case("RayscribeUpdateStuck", status("6x10 5x90"), after="90m"),
    Case("RayscribeUpdateStuck", status("6x40 5x50"), fires=False, after="90m"),
    Case("RayscribeStageWithoutReplica", replicas("1x40 0x20", "1x60")),
    # A process that died without a word: Ray forgets its level.
    Case("RayscribeStageWithoutReplica", replicas("1x40 stale", "1x60")),
    Case("RayscribeStageWithoutReplica", replicas("1x60", "1x60") | replicas("1x40 0x20", "1x60", LIMITER)),
    Case("RayscribeStageWithoutReplica", replicas("1x60", "4x60"), fires=False),
    Case("RayscribeStageWithoutReplica", replicas("0x60", "0x60"), fires=False),
    # For an hour after an upgrade there is the old cluster, where all is well and nothing comes.
    Case(
        "RayscribeStageWithoutReplica",
        in_cluster("old", replicas("1x60", "1x60")) | in_cluster("new", replicas("1x40 0x20", "1x60")),
    ),
    Case("RayscribeReplicasMissing", replicas("1x60", "1x10 4x50")),
    Case(
        "RayscribeReplicasMissing",
        in_cluster("old", replicas("4x60", "4x60")) | in_cluster("new", replicas("1x60", "4x60")),
    ),
    Case("RayscribeReplicasMissing", replicas("1x60", "1x40 4x20"), fires=False),
    Case("RayscribeReplicasRestart", starts(5, "1x60")),
    Case("RayscribeReplicasRestart", starts(5, "1x39 6x20"), fires=False),
    Case("RayscribeReplicasRestart", starts(2, "1x60"), fires=False),
    # An update replaces them all.
    Case("RayscribeReplicasRestart", starts(5, "5x60") | status("6x40 5x3 6x20"), fires=False),
    Case("RayscribeReplicasRestart", starts(5, "1x60") | status("6x60")),
    Case("RayscribeRefusing", counters("refused_total reason", overloaded="0+10x60")),
    Case(
        "RayscribeRefusing",
        counters("refused_total reason", overloaded="0+10x60") | counters("admitted_total dialect", openai="0+100x60"),
    ),
    Case(
        "RayscribeRefusing",
        counters("refused_total reason", rate_limit_reached="0+50x60")
        | counters("admitted_total dialect", openai="0+100x60"),
        fires=False,
    ),
    Case("RayscribeFailing", counters("transcriptions_total outcome", stage_lost="0+1x60", completed="0+9x60")),
    Case(
        "RayscribeFailing",
        counters("transcriptions_total outcome", unsupported_audio="0+5x60", completed="0+5x60"),
        fires=False,
    ),
    # The first of all mistakes: the series begins with it.
    Case("RayscribeInternalErrors", counters("transcriptions_total outcome", internal_error="_x45 1x20")),
    Case("RayscribeInternalErrors", counters("live_sessions_ended_total outcome", internal_error="3x45 4x20")),
    Case("RayscribeInternalErrors", counters("job_attempts_total outcome", internal_error="7x60"), fires=False),
    # A pod that was not scraped for twenty minutes, and one that went with its old mistakes before new ones.
    Case("RayscribeInternalErrors", errors_of(a="7x20 stale _x19 7x30", b="1x90"), fires=False, after="45m"),
    Case("RayscribeInternalErrors", errors_of(a="5x42 stale", b="1x44 2 3 4 5x30"), after="52m"),
    Case(
        "RayscribeWarnings",
        counters("warnings_total code", llm_refinement_unavailable="0+5x60")
        | counters("transcriptions_total outcome", completed="0+10x60"),
    ),
    Case(
        "RayscribeWarnings",
        counters("warnings_total code", no_speech_detected="0+9x60", llm_refinement_rejected="0+1x60")
        | counters("transcriptions_total outcome", completed="0+10x60"),
        fires=False,
    ),
    Case("RayscribeFilesWait", histogram("stage_queue_seconds", FILE, ("30.0", "60.0"))),
    Case("RayscribeFilesWait", histogram("stage_queue_seconds", FILE, ("5.0", "10.0")), fires=False),
    Case("RayscribeFilesWait", histogram("stage_queue_seconds", SPOKEN, ("30.0", "60.0")), fires=False),
    Case("RayscribeLiveWaits", histogram("stage_queue_seconds", SPOKEN, ("1.0", "2.5"))),
    Case("RayscribeLiveWaits", histogram("stage_queue_seconds", FILE, ("1.0", "2.5")), fires=False),
    Case("RayscribeCallsWait", replicas("1x60", "1x60") | {f"ray_serve_deployment_queued_queries{{{ASR}}}": "3x60"}),
    Case(
        "RayscribeCallsWait",
        replicas("1x60", "1x60") | {f"ray_serve_deployment_queued_queries{{{ASR}}}": "2x60"},
        fires=False,
    ),
    Case(
        "RayscribeAtMostReplicas",
        replicas("4x60", "4x60") | {f"ray_serve_autoscaling_desired_replicas{{{ASR}}}": "6x60"},
    ),
    Case("RayscribeBatchesFail", counters("batch_failures_total work", file="_x45 1x20")),
    Case("RayscribeBatchesFail", counters("batch_failures_total work", file="1x60"), fires=False),
    Case("RayscribeMemoryShort", counters("memory_shortages_total stage", recognition="_x45 8x20")),
    Case("RayscribeMemoryShort", counters("memory_shortages_total stage", recognition="_x45 2x20"), fires=False),
    Case("RayscribeFinalsLate", histogram("live_final_seconds", 'replica="a"', ("2.0", "3.0"))),
    Case("RayscribeFinalsLate", histogram("live_final_seconds", 'replica="a"', ("0.6", "0.7")), fires=False),
    Case(
        "RayscribeUtterancesLost",
        counters("live_utterances_total outcome", stage_lost="0+1x60", completed="0+20x60"),
    ),
    Case(
        "RayscribeUtterancesLost",
        counters("live_utterances_total outcome", no_words="0+9x60", completed="0+1x60"),
        False,
    ),
    Case("RayscribeJobsOld", {"ray_rayscribe_jobs_oldest_queued_seconds": "0+60x60"}),
    Case("RayscribeJobsOld", {"ray_rayscribe_jobs_oldest_queued_seconds": "600x60"}, fires=False),
    Case("RayscribeWebhooksFail", counters("webhook_attempts_total outcome", unanswered="0+5x60")),
    Case(
        "RayscribeWebhooksFail",
        counters("webhook_attempts_total outcome", unanswered="0+4x60", delivered="0+6x60"),
        fires=False,
    ),
    Case("RayscribeDatabaseDown", counters("database_failures_total kind", write="_x40 1+5x20")),
    Case("RayscribeDatabaseDown", counters("database_failures_total kind", write="9x60"), fires=False),
    Case("RayscribeDatabaseSlow", histogram("database_seconds", 'kind="write"', ("1.0", "2.5"))),
    Case("RayscribeDatabaseSlow", histogram("database_seconds", 'kind="write"', ("0.01", "0.025")), fires=False),
    Case("RayscribeLimiterDown", counters("limiter_failures_total call", admit="0+5x60")),
    Case("RayscribeLimiterDown", counters("limiter_failures_total call", report="0+5x60"), fires=False),
    # One that was refused while the Limiter moved.
    *(
        Case("RayscribeLimiterDown", counters("limiter_failures_total call", admit="1x40 2x40"), False, f"{minute}m")
        for minute in range(40, 46)
    ),
    Case("RayscribeLeasesLost", {'ray_rayscribe_leases_lost_total{replica="a"}': "_x45 2x20"}),
    Case("RayscribeLanguageModelFails", counters("llm_calls_total outcome", cancelled="0+3x60", answered="0+7x60")),
    Case(
        "RayscribeLanguageModelFails",
        counters("llm_calls_total outcome", unreadable="0+1x60", answered="0+9x60"),
        False,
    ),
    Case("RayscribeObjectStoreFull", object_store("ours")),
    Case("RayscribeObjectStoreFull", object_store("another"), fires=False),
    Case("RayscribeNodeMemory", node_memory("ours")),
    Case("RayscribeNodeMemory", node_memory("another"), fires=False),
    Case(
        "RayscribeNodeMemory",
        OPEN | {'ray_node_mem_used{ip="a"}': "80x60", 'ray_node_mem_total{ip="a"}': "100x60"},
        fires=False,
    ),
]


def groups() -> list[dict[str, Any]]:
    (found,) = of_kind(rendered("gpu"), "PrometheusRule")
    return list(found["spec"]["groups"])


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups()}, sort_keys=False))
    for place, case in enumerate(CASES):
        # Counts series in the state, whatever their other labels are.
        firing = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}}) > bool 0 or vector(0)'
        test = {
            "name": f"{place} {case.alert}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "promql_expr_test": [
                {"expr": firing, "eval_time": case.after, "exp_samples": [{"labels": "{}", "value": int(case.fires)}]}
            ],
        }
        file = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
        (tmp_path / f"{place:03}.yml").write_text(yaml.safe_dump(file, sort_keys=False))
    files = sorted(str(path) for path in tmp_path.glob("[0-9]*.yml"))
    told = subprocess.run(["promtool", "test", "rules", *files], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_is_seen_to_fire() -> None:
    alerts = {rule["alert"] for group in groups() for rule in group["rules"] if "alert" in rule}
    assert alerts == {case.alert for case in CASES if case.fires}

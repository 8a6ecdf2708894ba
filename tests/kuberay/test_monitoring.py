"""The dashboard, the alerts and the pages about them ask for series that there are; the runbook knows every alert."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deployments import errors, signal_table
from deployments.contracts import WarningCode
from deployments.signals import Counter, Gauge, Histogram
from kuberay.dashboard import DASHBOARD, ROWS
from kuberay.dashboard.grafana import as_text
from tests.kuberay.manifests import applications, deployments, of_kind
from tests.kuberay.promql import asked
from tests.kuberay.ray_series import RAY_SERIES
from tests.kuberay.rendering import ROOT, Object, rendered

pytestmark = pytest.mark.unit

ALERTS = ROOT / "kuberay" / "components" / "monitoring" / "alerts.yaml"
METRICS, RUNBOOK = (ROOT / "docs" / name for name in ("metrics.md", "runbook.md"))
# What Prometheus adds to what it scrapes from a pod (components/monitoring/podmonitors.yaml).
FROM_PROMETHEUS = {"namespace", "pod", "ray_io_cluster", "ray_io_group"}
FROM_SERVE = {"application", "deployment", "replica"}


@pytest.fixture(scope="module")
def monitoring() -> list[Object]:
    return rendered("gpu")


@pytest.fixture(scope="module")
def rules(monitoring: list[Object]) -> list[dict[str, Any]]:
    (found,) = of_kind(monitoring, "PrometheusRule")
    return [rule for group in found["spec"]["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def alerts(rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {rule["alert"]: rule for rule in rules if "alert" in rule}
    assert len(found) == sum("alert" in rule for rule in rules) > 20
    return found


@pytest.fixture(scope="module")
def dashboard(monitoring: list[Object]) -> dict[str, Any]:
    (found,) = (o for o in of_kind(monitoring, "ConfigMap") if "grafana_dashboard" in o["metadata"].get("labels", {}))
    # What Grafana's sidecar looks for.
    assert found["metadata"]["labels"] == {"grafana_dashboard": "1"}
    return dict(json.loads(found["data"]["rayscribe.json"]))


def our_series() -> Iterator[tuple[str, set[str]]]:
    for value in vars(signal_table).values():
        match value:
            case Counter():
                yield f"ray_{value.name}_total", {*value.labels, *FROM_SERVE}
            case Gauge():
                yield f"ray_{value.name}", {*value.labels, *FROM_SERVE}
            case Histogram():
                yield f"ray_{value.name}_count", {*value.labels, *FROM_SERVE}
                yield f"ray_{value.name}_bucket", {*value.labels, *FROM_SERVE, "le"}


@functools.cache
def known_values() -> set[str]:
    """Values of labels: words on the page of metrics, errors of ours by their class, warnings by code, deployments."""
    names = (name for name, value in vars(errors).items() if isinstance(value, type))
    labels = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names}
    return {
        *re.findall(r"`(\w+)`", METRICS.read_text()),
        *labels,
        *WarningCode,
        *deployments(rendered("gpu")),
        *applications(rendered("gpu")),
    }


def check(expression: str, recorded: dict[str, set[str]]) -> None:
    known = dict(our_series()) | RAY_SERIES | recorded
    values = known_values()
    series = asked(expression)
    assert series, expression
    for one in series:
        assert one.series in known, f"nothing exports {one.series}: {expression}"
        assert one.labels <= known[one.series] | FROM_PROMETHEUS, f"{one.series} has no such label: {expression}"
        assert one.values <= values, f"{one.values - values} is no value: {expression}"


def recorded_by(rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What the rules themselves record: sums by labels."""
    return {rule["record"]: _grouping(rule["expr"]) for rule in rules if "record" in rule}


def _grouping(expression: str) -> set[str]:
    found = re.match(r"sum by \(([^)]*)\)", expression)
    assert found is not None
    return set(found[1].split(", "))


def test_alerts_ask_for_what_there_is(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        check(rule["expr"], recorded_by(rules))


def test_the_dashboard_asks_for_what_there_is(dashboard: dict[str, Any]) -> None:
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 60
    for expression in expressions:
        check(expression, {})
        assert re.search(r'namespace=~"\$namespace"', expression), "one installation of several"


def test_legends_name_labels_that_are_left(dashboard: dict[str, Any]) -> None:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            by = {label for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
            assert legend == by - {"le"}, target["expr"]


def test_the_file_is_what_the_program_writes() -> None:
    assert as_text(ROWS) == DASHBOARD.read_text(), "run `python -m kuberay.dashboard`"


def test_panels_lie_side_by_side(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set[tuple[int, int]]()
    for panel in panels:
        grid = panel["gridPos"]
        taken = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not taken & places
        assert max(x for x, _ in taken) < 24
        places |= taken


def test_the_dashboard_shows_every_series_of_ours(dashboard: dict[str, Any]) -> None:
    """``_count`` and ``_bucket`` of a histogram are one."""
    shown = set(re.findall(r"ray_rayscribe_\w+", json.dumps(dashboard)))
    for name, _ in our_series():
        base = re.sub("_(count|bucket)$", "", name)
        assert {name, f"{base}_count", f"{base}_bucket"} & shown or base in NOT_SHOWN, name


# Those that others show better.
NOT_SHOWN = {
    # What recordings spent as a counter, which can be divided.
    "ray_rayscribe_transcription_stage_seconds",
    # Audio of sessions comes when they end; the recogniser counts it as it works.
    "ray_rayscribe_live_audio_seconds_total",
}


def test_queries_of_the_pages_ask_for_what_there_is(rules: list[dict[str, Any]]) -> None:
    queries = re.findall(r"^\| [^|`]+\? \| `(.+?)`", METRICS.read_text(), re.MULTILINE)
    queries += re.findall(r"^```promql\n(.+?)\n```$", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    assert len(queries) > 15
    for query in queries:
        check(query, recorded_by(rules))


def test_queries_that_name_an_application_find_the_limiter_too() -> None:
    """It has one of its own, and no other stage has its name."""
    texts = [path.read_text() for path in (RUNBOOK, METRICS, ALERTS)] + [as_text(ROWS).replace("\\", "")]
    patterns = [pattern for text in texts for pattern in re.findall(r'\bapplication=~?"([^"]+)"', text)]
    assert len(patterns) > 20
    for pattern in patterns:
        for name in (*applications(rendered("gpu")), *applications(rendered("cpu"))):
            assert re.fullmatch(pattern, name), (pattern, name)


def test_alerts_have_all_that_whoever_is_woken_needs(
    monitoring: list[Object], alerts: dict[str, dict[str, Any]]
) -> None:
    (found,) = of_kind(monitoring, "PrometheusRule")
    assert (found["apiVersion"], found["spec"].keys()) == ("monitoring.coreos.com/v1", {"groups"})
    for name, alert in alerts.items():
        assert name.startswith("Rayscribe")
        assert (
            {"alert", "expr", "labels", "annotations"}
            <= alert.keys()
            <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert alert["labels"].keys() == {"severity"}
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert re.fullmatch(r"\d+[mh]", alert.get("for", "1m"))
        assert alert["annotations"]["runbook_url"].endswith(f"/runbook#{name.lower()}")


def test_the_runbook_has_a_section_for_every_alert_and_for_no_other(alerts: dict[str, dict[str, Any]]) -> None:
    text = RUNBOOK.read_text()
    sections = dict(re.findall(r"^### (\w+)\n\n(.+?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(alerts)
    for name, section in sections.items():
        assert f"**{alerts[name]['labels']['severity'].capitalize()}.**" in section, name
        assert all(word in section for word in ("Look:", "Do:")), name

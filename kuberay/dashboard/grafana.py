"""Rows of panels as Grafana's JSON (schema 39: Grafana 10.3 and newer)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_COLUMNS = 24
_STAT_HEIGHT, _GRAPH_HEIGHT = 4, 8
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what a line of it is called: ``{{label}}`` is filled in."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph, or with ``is_stat`` one number. ``unit`` is Grafana's name of it.

    Attributes:
        limit: a line in the graph, or where the number turns red.
        stacked: lines lie on top of each other.
        width: of 24.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    help: str
    limit: float | None = None
    stacked: bool = False
    is_stat: bool = False
    width: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(rows: tuple[Row, ...]) -> dict[str, Any]:
    """What Grafana imports."""
    return {
        "uid": "rayscribe",
        "title": "Rayscribe",
        "description": "Where the time goes, and which stage is short. docs/metrics.md explains the series.",
        "tags": ["rayscribe"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource_variable(), _namespace_variable()]},
        "panels": list(_panels(rows)),
    }


def _datasource_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _namespace_variable() -> dict[str, Any]:
    """Of Kubernetes. All of them, by default, also where there are none."""
    query = "label_values(ray_rayscribe_open, namespace)"
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "namespaces"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    numbers = iter(range(1, 1000))
    top = 0
    for row in rows:
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
            "panels": [],
        }
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                top, left = top + height, 0
            height = _STAT_HEIGHT if panel.is_stat else _GRAPH_HEIGHT
            yield {
                "id": next(numbers),
                "gridPos": {"x": left, "y": top, "w": panel.width, "h": height},
                **(_stat(panel) if panel.is_stat else _graph(panel)),
            }
            left += panel.width
        top += height


def _common(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "description": panel.help,
        "datasource": _DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _DATASOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "instant": panel.is_stat,
                "range": not panel.is_stat,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    return {"mode": "absolute", "steps": steps}


def _stat(panel: Panel) -> dict[str, Any]:
    return {
        "type": "stat",
        **_common(panel),
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": _thresholds(panel), "noValue": "0"},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"},
    }


def _graph(panel: Panel) -> dict[str, Any]:
    drawing = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 0,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
    }
    return {
        "type": "timeseries",
        **_common(panel),
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": drawing, "thresholds": _thresholds(panel)},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"], "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def as_text(rows: tuple[Row, ...]) -> str:
    """The file: a line for each panel, so that a change shows where it is."""
    frame = dashboard(rows)
    panels = ",\n".join(json.dumps(panel) for panel in frame.pop("panels"))
    return f'{json.dumps(frame, indent=1)[:-2]},\n "panels": [\n{panels}\n ]\n}}\n'

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from deployments.errors import EngineUnavailable
from deployments.trace_export import start_trace_export
from tests.fakes.trace_collector import running_trace_collector

pytestmark = pytest.mark.unit

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

# A process has one tracer provider, once and for all: each of these is a process of its own.
ONE_SPAN = """
import sys
from deployments.trace_export import start_trace_export
from deployments.tracing import begun_span
start_trace_export()
start_trace_export()
with begun_span("request", None, answer=42):
    pass
print("opentelemetry.sdk.trace" in sys.modules)
"""


def imports_the_sdk(**environment: str) -> bool:
    """Whether a process that makes one span needed the SDK for it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", ONE_SPAN]
    ran = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == ""
    return json.loads(ran.stdout.lower()) is True


def test_spans_go_to_the_endpoint_under_the_name_that_the_environment_says() -> None:
    with running_trace_collector() as collector:
        assert imports_the_sdk(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert imports_the_sdk(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces", OTEL_SERVICE_NAME="asr")
        spans = collector.spans()
    assert [(span.name, span.service) for span in spans] == [("request", "rayscribe"), ("request", "asr")]
    assert spans[0].attributes["rayscribe.answer"] == 42


@pytest.mark.parametrize(
    "environment", [{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}]
)
def test_without_an_endpoint_there_is_no_sdk(environment: dict[str, str]) -> None:
    assert not imports_the_sdk(**environment)


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_what_is_asked_for_and_not_there_is_an_error(wrong: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailable, match=next(iter(wrong.values()))):
        start_trace_export(ENDPOINT | wrong)
    start_trace_export(ENDPOINT | wrong | {"OTEL_SDK_DISABLED": "true"})

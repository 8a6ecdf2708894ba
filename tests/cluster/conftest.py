"""One Ray cluster for the whole session, with the embedded graph as users get it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serve_app.launcher import launched
from serve_app.serve_config import load_config
from tests.cluster import rower
from tests.cluster.service import MAX_UPLOAD_BYTES, RunningService
from tests.cluster.stand_in import StandIn, running_stand_in
from tests.fakes.chat_server import ChatServer, running_chat_server
from tests.fakes.s3_server import S3_ENVIRONMENT, running_s3_server
from tests.fakes.trace_collector import TraceCollector, running_trace_collector
from tests.fakes.web import Web, running_web

CONFIG = Path(__file__).parents[2] / "configs" / "embedded.yaml"
# Processes tell their numbers every ten seconds by default; test_metrics.py waits for several reports.
METRICS_ENVIRONMENT = {"RAY_metrics_report_interval_ms": "2000"}

# Far more than the model needs that answers, and what a test waits for that has none.
LLM_TIMEOUT_S = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A real S3 server; its credentials are those of this process, and so of the replicas."""
    os.environ.update(S3_ENVIRONMENT)
    with running_s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    with running_web() as server:
        yield server


@pytest.fixture(scope="session")
def language_model() -> Iterator[ChatServer]:
    with running_chat_server(rower.reply) as server:
        yield server


@pytest.fixture(scope="session")
def collector() -> Iterator[TraceCollector]:
    with running_trace_collector() as running:
        yield running


@pytest.fixture(scope="session")
def stand_in(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with running_stand_in(service, tmp_path_factory.mktemp("standin")) as running:
        yield running


@pytest.fixture(scope="session")
def service(
    s3_url: str, collector: TraceCollector, language_model: ChatServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    os.environ.update(METRICS_ENVIRONMENT)
    os.environ.update(collector.environment)
    config = load_config(CONFIG, port=free_port())
    # As on Kubernetes: what is in a line is seen by its fields.
    config.logging_config.encoding = "JSON"
    # The graph is the shipped one but for a limit that a test can reach, servers on this machine that it may fetch
    # from, a language model for those who give a context, and a database of its own.
    config.applications[0].args |= {
        "limits": {"max_bytes": MAX_UPLOAD_BYTES},
        "refinement": {"llm": {"endpoint_url": language_model.url, "model": "rower", "timeout_s": LLM_TIMEOUT_S}},
        "sources": {"allowed_networks": ["127.0.0.0/8"], "s3": {"endpoint_url": s3_url}},
        "storage": {"folder": str(tmp_path_factory.mktemp("storage"))},
    }

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    with launched(config, report=lambda _: None, wait=wait, after_ray_init=lambda: None):
        # Ray's processes have it, and this one makes spans for other tests.
        for name in collector.environment:
            del os.environ[name]
        url = f"http://127.0.0.1:{config.http_options.port}"
        with httpx.Client(base_url=url, timeout=120) as client:
            yield RunningService(url, client)

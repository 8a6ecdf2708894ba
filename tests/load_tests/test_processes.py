from __future__ import annotations

import socket

import pytest

from load_tests.processes import MemoryPeaks, ServiceNotLocal, find_service, label_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("command", "label"),
    [
        ("ray::ServeReplica:rayscribe:Recognizer", "Recognizer"),
        ("ray::ServeReplica:rayscribe:Ingress.handle_request_streaming", "Ingress"),
        ("ray::ProxyActor", "proxy"),
        ("ray::ServeController.listen_for_change", "controller"),
        ("ray::DashboardAgent", "ray daemons"),
        ("/usr/lib/ray/core/src/ray/raylet/raylet --head", "ray daemons"),
        ("/usr/bin/python3 -c pass", "other"),
    ],
)
def test_labels(command: str, label: str) -> None:
    assert label_of(command) == label


def test_peaks_are_kept_by_label_and_for_the_sum() -> None:
    peaks = MemoryPeaks()
    peaks.see({"Decoder": 5.0, "Recognizer": 1.0})
    peaks.see({"Decoder": 2.0, "Recognizer": 6.0, "Diarizer": 1.0})
    assert peaks.by_label == {"Decoder": 5.0, "Recognizer": 6.0, "Diarizer": 1.0}
    assert peaks.total == 9.0


def test_a_server_that_is_not_rays_is_not_taken_for_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ServiceNotLocal, match="Ray session"):
        find_service(f"http://127.0.0.1:{server.getsockname()[1]}")

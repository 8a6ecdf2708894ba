from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.responses import Response

from load_tests.served_costs import Load, ServedCosts, spent_s
from load_tests.service import ListenFailed, Service
from tests.fakes.listen_server import ListenServer, running_listen_server

pytestmark = pytest.mark.unit

LOAD = Load([b"a", b"b", b"c", b"d"], rate_hz=1000.0)


class Processes:
    """Processes that have taken four seconds more whenever one asks."""

    def __init__(self) -> None:
        self._asked = 0

    def cpu_s(self) -> dict[str, float]:
        self._asked += 1
        return {"Recognizer": 4.0 * self._asked, "Limiter": 1.0}


@pytest.fixture
def server() -> Iterator[ListenServer]:
    with running_listen_server() as running:
        yield running


def test_what_was_spent_is_shared_by_the_requests(server: ListenServer) -> None:
    with Service(server.url) as service:
        assert spent_s(service, Processes().cpu_s, {}, LOAD) == {"Recognizer": 1.0, "Limiter": 0.0}
    assert sorted(data for _, data in server.uploads) == [b"a", b"b", b"c", b"d"]


def test_what_an_idle_service_takes_is_not_the_requests(server: ListenServer) -> None:
    with Service(server.url) as service:
        spent = spent_s(service, Processes().cpu_s, {"Recognizer": 0.1}, LOAD)
    assert spent["Recognizer"] < 1.0


def test_a_request_that_fails_is_no_measurement(server: ListenServer) -> None:
    server.scripted.append(Response(status_code=503))
    with Service(server.url) as service, pytest.raises(ListenFailed, match="1 of 4"):
        spent_s(service, Processes().cpu_s, {}, LOAD)


def test_less_than_an_idle_service_takes_is_nothing() -> None:
    served = ServedCosts({"Limiter": (-0.002, 0.001), "other": (0.001, 0.002)}, idle_cores=0.2, alone_s=0.3)
    assert served.of("Limiter", "other", "driver") == pytest.approx((0.0, 0.003))

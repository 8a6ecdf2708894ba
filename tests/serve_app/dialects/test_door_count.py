from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.errors import ConcurrencyLimitReached, Overloaded
from deployments.signal_table import ADMITTED, REFUSED
from serve_app.admission import Admission
from serve_app.byte_budget import ByteBudget
from tests.fakes.edge import Edge
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit

FILE = {"audio": ("recording", b"some audio")}


@pytest.fixture
def signals(edge: Edge) -> RecordedSignals:
    recorded = RecordedSignals()
    edge.app.state.services = replace(edge.app.state.services, signals=recorded)
    return recorded


async def test_a_request_that_is_let_in_is_counted_once(edge: Edge, signals: RecordedSignals) -> None:
    assert (await edge.client.post("/v1/listen", files=FILE)).status_code == 200
    assert dict(signals.counts) == {(ADMITTED.name, ("smallest_selfhost",)): 1}


async def test_who_is_turned_away_is_counted_by_the_reason(edge: Edge, signals: RecordedSignals) -> None:
    edge.access.error = ConcurrencyLimitReached(3, 1.0)
    assert (await edge.client.post("/v1/listen", files=FILE)).status_code == 429
    assert dict(signals.counts) == {(REFUSED.name, ("smallest_selfhost", "concurrency_limit_reached")): 1}


async def test_a_process_that_is_full_is_a_reason(edge: Edge, signals: RecordedSignals) -> None:
    full = Admission(0)
    edge.app.state.services = replace(edge.app.state.services, admission=full)
    assert (await edge.client.post("/v1/listen", files=FILE)).status_code == 503
    assert signals.counted(REFUSED, "smallest_selfhost", "overloaded") == 1


async def test_an_error_behind_the_door_is_no_refusal(edge: Edge, signals: RecordedSignals) -> None:
    edge.pipeline.error = Overloaded("The recognition queue is full")
    assert (await edge.client.post("/v1/listen", files=FILE)).status_code == 503
    assert list(signals.counts) == [(ADMITTED.name, ("smallest_selfhost",))]


@pytest.mark.parametrize("dialect_path", ["/v1/listen", "/stt"])
async def test_who_is_let_in_and_has_no_room_for_its_bytes_is_refused_as_well(
    edge: Edge, signals: RecordedSignals, dialect_path: str
) -> None:
    edge.app.state.services = replace(edge.app.state.services, upload_bytes=ByteBudget(10))
    form = {"audio": FILE["audio"], "file": FILE["audio"]}
    assert (await edge.client.post(dialect_path, files=form)).status_code == 503
    dialect = {"/v1/listen": "smallest_selfhost", "/stt": "sixtydb"}[dialect_path]
    assert dict(signals.counts) == {(ADMITTED.name, (dialect,)): 1, (REFUSED.name, (dialect, "overloaded")): 1}


def test_a_door_tells_how_many_are_inside() -> None:
    told: list[int] = []
    admission = Admission(2, told.append)
    with admission.admitted(), admission.admitted(), pytest.raises(Overloaded), admission.admitted():
        pass
    assert told == [0, 1, 2, 1, 0]

from __future__ import annotations

from typing import Any

import httpx
import pytest

from load_tests.load.calls import FileCaller
from load_tests.load.material import Batch, Material, MaterialMissing, material_of
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.plan import FileApi
from load_tests.load.receiver import Receiver
from load_tests.load.traffic import Traffic
from load_tests.load.uploads import LENGTH_CLASSES, Upload, length_class
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.load_tests.load.some_plan import plan

pytestmark = pytest.mark.unit

UPLOADS = (Upload("a.wav", b"a", "audio/wav", 2.0), Upload("b.wav", b"b", "audio/wav", 2.0))
LONG = (Upload("c.ogg", b"c", "audio/ogg", 240.0),)
MATERIAL = Material((Batch(UPLOADS, 3), Batch(LONG, 1)), ())


def traffic(status: int, reported: list[FileCall | LiveCall], **changes: Any) -> Traffic:
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"text": "Red."}, headers={"retry-after": "40"})

    caller = FileCaller("http://127.0.0.1:1", Receiver("http://here", []), 5.0, httpx.MockTransport(respond))
    planned = plan(files={FileApi.LISTEN: 1}, step_s=3600.0, **changes)
    return Traffic("http://127.0.0.1:1", planned, MATERIAL, caller, reported.append)


def test_a_call_is_reported_with_its_step_and_what_was_sent() -> None:
    reported: list[FileCall | LiveCall] = []
    sending = traffic(200, reported)
    sending.tick()
    assert sending.is_open
    assert [sending.call() for _ in range(8)] == [0.0] * 8
    assert sending.in_flight == 0
    calls = [call for call in reported if isinstance(call, FileCall)]
    assert [call.length for call in calls].count("longer") == 2
    assert {(call.step, call.outcome, call.api) for call in calls} == {(0, Outcome.DONE, FileApi.LISTEN)}
    assert all(call.due_s == call.sent_s <= call.ended_s for call in calls)


def test_a_call_that_is_sent_late_counts_from_when_it_was_due() -> None:
    reported: list[FileCall | LiveCall] = []
    sending = traffic(200, reported)
    sending.tick()
    sending.call(due_s=-5.0)
    (call,) = reported
    assert isinstance(call, FileCall)
    assert call.latency_s >= 5.0
    sending.leave_out(1.0, "too many")
    assert isinstance(reported[1], FileCall)
    assert (reported[1].outcome, reported[1].reason) == (Outcome.FAILED, "too many")


def test_who_is_refused_comes_back_later() -> None:
    reported: list[FileCall | LiveCall] = []
    assert traffic(429, reported).call() == 1.0
    # As long as the service says, but no longer than half a minute.
    assert traffic(503, reported, keeps_retry_after=True).call() == 30.0
    assert traffic(500, reported, keeps_retry_after=True).call() == 30.0
    assert [call.outcome for call in reported] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.FAILED]


def test_lengths_have_classes() -> None:
    assert [length_class(seconds) for seconds in (0.1, 5.0, 5.1, 30.0, 120.0, 120.1)] == [
        LENGTH_CLASSES[index] for index in (0, 0, 1, 1, 2, 3)
    ]


def test_built_in_speech_is_cut_to_lengths_that_are_known() -> None:
    material = material_of(plan(lengths={1.0: 3, 61.0: 1}, live_streams=0), None)
    assert material.by_class() == {"up to 5 s": 3, "up to 2 min": 1}
    assert material.shortest.duration_s == 1.0
    long = material.batches[1].uploads
    assert {upload.data[:4] for upload in long} == {b"OggS"}
    assert len({upload.data for upload in material.all_uploads()}) == 4
    assert material.speeches == ()


def test_a_folder_is_sent_as_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("audio")
    with pytest.raises(MaterialMissing):
        material_of(plan(), folder)
    (folder / "inner").mkdir()
    (folder / "inner" / "speech.wav").write_bytes(encode_wav(recording("two_cities")[: 16 * 16_000]))
    (folder / "short.wav").write_bytes(encode_wav(recording("two_cities")[:16_000]))
    (folder / "notes.txt").write_text("no audio")
    material = material_of(plan(), folder)
    assert material.by_class() == {"up to 5 s": 1, "up to 30 s": 1}
    assert [upload.name for upload in material.all_uploads()] == ["short.wav", "speech.wav"]
    assert "notes.txt" in material.skipped[0]
    assert all(speech.utterances for speech in material.speeches)
    assert material.speeches

from __future__ import annotations

import json
import sys

import pytest

from load_tests.live_speech import LiveSpeech
from load_tests.load.conversations import OpenAiConversation, SixtydbConversation, WavesConversation, conversation
from load_tests.load.observations import Outcome
from load_tests.load.plan import Caller, LiveApi
from load_tests.load.talk import resampled, talk
from serve_app.live_client import PIECE_BYTES
from serve_app.settings import LimitSettings, Settings
from tests.fakes.edge import Edge
from tests.fakes.edge_server import served
from tests.fakes.live_server import error, running_live_server, transcript

pytestmark = pytest.mark.unit

ITEM = "conversation.item.input_audio_transcription."
BUFFER = "input_audio_buffer."


def openai(kind: str, item: str = "item_1", **parts: object) -> str:
    return json.dumps({"type": kind, "item_id": item, **parts})


def test_waves_ends_with_the_last_final() -> None:
    dialect = WavesConversation()
    heard = dialect.hear(json.dumps(transcript("Red river.", 1.0, 2.0)))
    assert heard.transcript is not None
    assert heard.transcript.words[0].start == 1.0
    assert not heard.is_over
    assert dialect.hear(json.dumps(transcript("", 2.0, 2.0, is_last=True))).is_over
    assert dialect.hear(json.dumps(error("Full", "SERVICE_UNAVAILABLE"))).error == "SERVICE_UNAVAILABLE"
    assert dialect.hear('{"type": "speech_started"}').transcript is None


def test_sixtydb_ends_when_the_session_is_stopped() -> None:
    dialect = SixtydbConversation()
    words = [{"word": "Red", "start": 1.0, "end": 1.4, "confidence": 0.9}]
    final = dialect.hear(json.dumps({"type": "transcription", "text": "Red.", "is_final": True, "words": words}))
    assert final.transcript is not None
    assert final.transcript.is_final
    assert final.transcript.words[0].end == 1.4
    assert dialect.hear('{"type": "error", "error_code": "STT_CONCURRENCY_LIMIT"}').error == "STT_CONCURRENCY_LIMIT"
    assert dialect.hear('{"type": "connecting", "connecting": true}') == dialect.hear('{"type": "connected"}')
    assert dialect.hear('{"type": "session_stopped"}').is_over


def test_openais_items_have_the_times_of_their_speech() -> None:
    dialect = OpenAiConversation()
    dialect.hear(openai(f"{BUFFER}speech_started", audio_start_ms=700))
    dialect.hear(openai(f"{BUFFER}speech_stopped", audio_end_ms=2100))
    dialect.hear(openai(f"{BUFFER}committed"))
    heard = dialect.hear(openai(f"{ITEM}completed", transcript="Red river."))
    assert heard.transcript is not None
    assert [(word.start, word.end) for word in heard.transcript.words] == [(0.7, 2.1)]
    assert not heard.is_over


def test_openais_deltas_are_the_text_so_far() -> None:
    dialect = OpenAiConversation()
    partials = [dialect.hear(openai(f"{ITEM}delta", delta=delta)).transcript for delta in ("Red", " river")]
    assert [(partial.transcript, partial.is_final) for partial in partials if partial] == [
        ("Red", False),
        ("Red river", False),
    ]


@pytest.mark.parametrize("has_rest", [True, False])
def test_openais_session_is_over_when_the_last_commit_and_all_items_are_answered(has_rest: bool) -> None:
    dialect = OpenAiConversation()
    dialect.hear(openai(f"{BUFFER}speech_started", "item_1", audio_start_ms=0))
    dialect.hear(openai(f"{BUFFER}speech_stopped", "item_1", audio_end_ms=500))
    dialect.hear(openai(f"{BUFFER}committed", "item_1"))
    (commit,) = dialect.closing()
    assert json.loads(commit)["type"] == f"{BUFFER}commit"
    if has_rest:
        assert not dialect.hear(openai(f"{BUFFER}committed", "item_2")).is_over
    else:
        empty = {"code": "input_audio_buffer_commit_empty", "event_id": json.loads(commit)["event_id"]}
        assert not dialect.hear(json.dumps({"type": "error", "error": empty})).is_over
    assert dialect.hear(openai(f"{ITEM}completed", "item_1", transcript="Red.")).is_over is not has_rest
    if has_rest:
        assert dialect.hear(openai(f"{ITEM}completed", "item_2", transcript="")).is_over


def test_openais_failures_are_told() -> None:
    dialect = OpenAiConversation()
    assert dialect.hear(openai(f"{ITEM}failed", error={"message": "lost"})).error == "UTTERANCE_LOST"
    full = {"type": "error", "error": {"code": "service_unavailable", "event_id": None}}
    assert dialect.hear(json.dumps(full)).error == "service_unavailable"


def test_every_dialect_has_its_conversation_and_gets_audio_at_its_rate() -> None:
    speech = LiveSpeech(bytes(32_000), ())
    for api in LiveApi:
        dialect = conversation(api)
        assert len(resampled(speech, dialect.rate_hz)) == 2 * dialect.rate_hz
        assert dialect.target().startswith("/")


@pytest.mark.parametrize("api", list(LiveApi))
def test_a_session_of_each_dialect_comes_to_its_end(api: LiveApi) -> None:
    edge = Edge(settings=Settings(limits=LimitSettings()))
    dialect = conversation(api)
    pcm = resampled(LiveSpeech(bytes(6 * PIECE_BYTES), ()), dialect.rate_hz)
    with served(edge) as url:
        said = talk(url, Caller("all"), dialect, pcm, timeout_s=30.0)
    assert (said.outcome, said.reason) == (Outcome.DONE, "")
    assert len(said.log.sent_at_s) == 6
    assert said.audio_s == pytest.approx(0.6)
    # What locust does to a process must not happen to this one.
    assert "gevent" not in sys.modules


def test_a_session_is_cut_short_and_still_answered() -> None:
    with running_live_server() as server:
        server.last = [transcript("Red.", 0.0, 0.1, is_last=True)]
        said = talk(
            server.url,
            Caller("all", "rs_key"),
            WavesConversation(),
            bytes(99 * PIECE_BYTES),
            30.0,
            lambda: len(server.pieces) > 1,
        )
        assert server.authorizations == ["Bearer rs_key"]
    assert said.outcome is Outcome.DONE
    assert said.log.text == "Red."
    assert said.audio_s < 9.0


def test_refusals_and_failures_of_sockets_are_told_apart() -> None:
    with running_live_server() as server:
        server.refusal = (429, json.dumps({"error_code": "RATE_LIMIT_EXCEEDED"}))
        refused = talk(server.url, Caller("all"), WavesConversation(), bytes(PIECE_BYTES), 30.0)
        server.refusal, server.close_code = None, 1013
        server.script = {PIECE_BYTES: [error("Full", "SERVICE_UNAVAILABLE")]}
        told = talk(server.url, Caller("all"), WavesConversation(), bytes(20 * PIECE_BYTES), 30.0)
        server.script = {PIECE_BYTES: [transcript("Red.", 0.0, 0.1), error("Lost", "SERVICE_UNAVAILABLE")]}
        cut = talk(server.url, Caller("all"), WavesConversation(), bytes(20 * PIECE_BYTES), 30.0)
        server.script, server.close_code = {PIECE_BYTES: ["no json"]}, None
        strange = talk(server.url, Caller("all"), WavesConversation(), bytes(20 * PIECE_BYTES), 30.0)
    gone = talk(server.url, Caller("all"), WavesConversation(), bytes(PIECE_BYTES), 30.0)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "HTTP 429 RATE_LIMIT_EXCEEDED")
    assert (told.outcome, told.reason) == (Outcome.REFUSED, "closed with 1013 SERVICE_UNAVAILABLE")
    assert (cut.outcome, cut.reason) == (Outcome.FAILED, "closed with 1013 SERVICE_UNAVAILABLE")
    assert (strange.outcome, strange.reason) == (Outcome.FAILED, "a message that is none of the dialect")
    assert (gone.outcome, gone.reason) == (Outcome.FAILED, "no socket: ConnectionRefusedError")

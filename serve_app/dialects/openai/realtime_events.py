"""What a realtime transcription session says: server events, in OpenAI's form."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from deployments.contracts import TranscriptionWarning
from deployments.errors import (
    AudioRejected,
    ClientTooFast,
    IllegalMove,
    InvalidRequest,
    MessageTooLarge,
    ServiceUnavailable,
    SessionIdle,
    SessionLimit,
    SessionNotBegun,
)
from serve_app.dialects.openai.answers import LogProbability, log_probability, warnings_of
from serve_app.dialects.openai.errors import error_body
from serve_app.dialects.openai.realtime_text import Piece
from serve_app.dialects.socket_frames import Message

_BUFFER, _TEXT = "input_audio_buffer", "conversation.item.input_audio_transcription"


class EmptyBuffer(InvalidRequest):
    """A commit of hardly any audio; the vendor's words."""

    def __init__(self, buffered_s: float, least_s: float) -> None:
        super().__init__(buffered_s, least_s)
        self.buffered_s = buffered_s
        self.least_s = least_s

    def __str__(self) -> str:
        return (
            f"Error committing input audio buffer: buffer too small. Expected at least {self.least_s * 1000:.0f}ms of "
            f"audio, but buffer only has {self.buffered_s * 1000:.2f}ms of audio."
        )


def session_event(kind: str, session: dict[str, Any]) -> Message:
    """``session.created`` and its like."""
    return _event(kind, session=session)


def speech_started(item_id: str, at_s: float) -> Message:
    """Somebody began to speak."""
    return _event(f"{_BUFFER}.speech_started", audio_start_ms=_ms(at_s), item_id=item_id)


def speech_stopped(item_id: str, at_s: float) -> Message:
    """Nobody speaks any more."""
    return _event(f"{_BUFFER}.speech_stopped", audio_end_ms=_ms(at_s), item_id=item_id)


def committed(item_id: str, previous_item_id: str | None) -> list[Message]:
    """The audio so far is an item."""
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    return [
        _event(f"{_BUFFER}.committed", item_id=item_id, previous_item_id=previous_item_id),
        _event("conversation.item.added", previous_item_id=previous_item_id, item=item),
    ]


def cleared() -> Message:
    """The audio so far is forgotten."""
    return _event(f"{_BUFFER}.cleared")


def delta(item_id: str, pieces: Sequence[Piece], *, logprobs: bool) -> list[Message]:
    """More of the transcript; nothing where there is no more."""
    if not pieces:
        return []
    text = "".join(piece.text for piece in pieces)
    more = _logprobs(pieces) if logprobs else {}
    return [_event(f"{_TEXT}.delta", item_id=item_id, content_index=0, delta=text, **more)]


def completed(
    item_id: str,
    pieces: Sequence[Piece],
    languages: Sequence[str],
    duration_s: float,
    warnings: Sequence[TranscriptionWarning],
    *,
    logprobs: bool,
) -> Message:
    """The whole transcript; ``warnings`` are ours, and only there when there are any."""
    told = warnings_of(warnings)
    return _event(
        f"{_TEXT}.completed",
        item_id=item_id,
        content_index=0,
        transcript="".join(piece.text for piece in pieces),
        languages=[{"code": code} for code in languages],
        usage={"type": "duration", "seconds": round(duration_s, 3)},
        **(_logprobs(pieces) if logprobs else {}),
        **{name: [warning.model_dump() for warning in written] for name, written in told.items()},
    )


def failed(item_id: str, error: ServiceUnavailable) -> Message:
    """There is no whole transcript."""
    return _event(f"{_TEXT}.failed", item_id=item_id, content_index=0, error=error_body(error)[1]["error"])


def error_event(error: Exception, client_event_id: str | None = None) -> Message:
    """Any error, as the API of files has it; ``client_event_id`` names the event that it answers."""
    content = {**error_body(error)[1]["error"], **_of_sessions(error), "event_id": client_event_id}
    return _event("error", error=content)


def _of_sessions(error: Exception) -> dict[str, Any]:
    """What only sessions know."""
    caller: dict[str, Any] = {"message": str(error), "type": "invalid_request_error"}
    match error:
        case EmptyBuffer():
            return {"code": "input_audio_buffer_commit_empty"}
        case IllegalMove():
            return {"code": "invalid_state"}
        case MessageTooLarge():
            return {"code": "message_too_large"}
        case AudioRejected():
            return {"param": "audio"}
        case ClientTooFast():
            return caller | {"code": "audio_too_fast"}
        case SessionIdle() | SessionNotBegun():
            return caller | {"code": "session_idle"}
        case SessionLimit():
            return caller | {"code": "session_expired"}
        case _:
            return {}


def _logprobs(pieces: Sequence[Piece]) -> dict[str, Any]:
    entries = [
        LogProbability(token=piece.text, bytes=list(piece.text.encode()), logprob=log_probability(piece.word))
        for piece in pieces
        if piece.word is not None
    ]
    return {"logprobs": [entry.model_dump() for entry in entries]}


def _ms(at_s: float) -> int:
    return round(max(at_s, 0.0) * 1000)


def _event(kind: str, **content: Any) -> Message:
    return {"type": kind, "event_id": f"event_{uuid.uuid4().hex}", **content}

"""What 60db's ``/ws/stt`` says: messages from events. Pure, but for the time of day that every message carries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from deployments.contracts import Word
from deployments.errors import ClientTooFast, MessageTooLarge, SessionIdle, SessionLimit, SessionNotBegun
from serve_app.access.pricing import from_micros
from serve_app.access.visit import Visit
from serve_app.dialects.sixtydb_errors import error_body
from serve_app.dialects.sixtydb_live_messages import Languages, Start, StartConfig, Warnings, written_warning
from serve_app.dialects.socket_frames import Message
from serve_app.live.contracts import Final, LiveOptions, Partial, SessionEnded, SpeechStarted


def connecting() -> Message:
    """The first message. The vendor's documents write it with ``type`` and without: this one reads as both."""
    return _message("connecting", connecting=True, message="Connecting")


def connection_established(visit: Visit) -> Message:
    """The client may send ``start``. Written with ``type`` and without, like the first."""
    established = {
        "service": "stt",
        "user_id": visit.caller.user_id,
        # Asking the ledger would only slow the handshake down; an empty wallet is refused before.
        "credit_balance": None,
        "workspace": visit.caller.user_name,
    }
    return _message("connection_established", connection_established=established)


def connected(engine: str) -> Message:
    """The client may send audio."""
    return _message("connected", server_info={"server_type": "Rayscribe", "model": engine, "ready": True})


def session_started(session_id: str, start: Start, options: LiveOptions, warnings: Warnings) -> Message:
    """What came of ``start``."""
    return _message(
        "session_started",
        session_id=session_id,
        language=language_label(start.languages),
        config={
            "encoding": start.config.encoding,
            "sample_rate": options.audio.sample_rate_hz,
            "utterance_end_ms": round(options.end_silence_s * 1000),
            "interim_results_frequency": round(options.partial_interval_s * 1000) if options.partials else None,
            "diarize": options.diarize,
        },
        warnings=warnings,
        warning_codes=list(dict.fromkeys(warning["code"] for warning in warnings)),
    )


def language_changed(languages: Languages) -> Message:
    """The answer to other languages."""
    codes = None if not languages else list(languages)
    return _message("language_changed", language=language_label(languages), language_code=codes)


def mode_changed(config: StartConfig, continuous_mode: bool) -> Message:
    """The answer to another mode."""
    return _message(
        "mode_changed",
        continuous_mode=continuous_mode,
        mode_name="continuous" if continuous_mode else "single_utterance",
        silence_threshold=config.utterance_end_ms / 1000,
    )


def test_response(session_id: str | None) -> Message:
    """A sign of life."""
    return _message("test_response", message="ok", session_id=session_id)


def language_label(languages: Languages) -> str:
    """Languages as the vendor writes them."""
    codes = [code.upper() for code in dict.fromkeys(languages or ())]
    if not codes:
        return "Auto-detect"
    return codes[0] if len(codes) == 1 else f"Multi-language: {', '.join(codes)}"


def speech_started(event: SpeechStarted) -> Message:
    """Somebody began to speak."""
    return _message("speech_started", start=round(event.at_s, 3))


def partial(event: Partial, language: str | None) -> Message:
    """Text that may still change."""
    return _transcription(event, language, "streaming", is_final=False, snr_db=None)


def final(event: Final, *, diarize: bool) -> Message:
    """Text that will not change, but for what a language model makes of a provisional one, under the same id."""
    mode = "speech_end" if event.text else "speech_end_no_result"
    message = _transcription(event, event.language, mode, is_final=True, snr_db=event.snr_db)
    message |= {"speech_final": not event.is_provisional, "llm_applied": event.polished}
    if event.warnings:
        codes = list(dict.fromkeys(warning.code.value for warning in event.warnings))
        message |= {"warnings": [written_warning(warning) for warning in event.warnings], "warning_codes": codes}
    return message | {"speaker": event.speaker} if diarize else message


def session_stopped(session_id: str | None, ended: SessionEnded) -> Message:
    """The last message of a session that ended as it should. Seconds and cost are those that are charged."""
    cost = float(from_micros(ended.cost_micros))
    summary = {"total_duration_seconds": round(ended.billable_s, 3), "total_cost": cost}
    return _message("session_stopped", session_id=session_id, billing_summary=summary)


def error_message(error: Exception) -> Message:
    """Any error, with the code that ``POST /stt`` has for it; limits of sessions have their own."""
    _, body = error_body(error)
    text, code, details = body["error"], body["error_code"], body["details"]
    match error:
        case MessageTooLarge():
            code, details = "MESSAGE_TOO_LARGE", {f"max_{error.unit}": error.most}
        case SessionLimit():
            text, code, details = str(error), _limit_code(error), {"limit_sec": error.limit_s}
    return _message("error", error=text, message=text, error_code=code, details=details)


def _limit_code(error: SessionLimit) -> str:
    match error:
        case ClientTooFast():
            return "AUDIO_TOO_FAST"
        case SessionIdle() | SessionNotBegun():
            return "SESSION_IDLE"
        case _:
            return "SESSION_TOO_LONG"


def _transcription(
    event: Partial | Final, language: str | None, mode: str, *, is_final: bool, snr_db: float | None
) -> Message:
    return _message(
        "transcription",
        text=event.text,
        confidence=round(_mean_confidence(event.words), 4),
        language=language,
        is_final=is_final,
        speech_final=is_final,
        is_partial=not is_final,
        sentence_id=event.utterance + 1,
        start=round(event.start_s, 3),
        end=round(event.end_s, 3),
        duration=round(event.end_s - event.start_s, 3),
        processing_mode=mode,
        snr_db=None if snr_db is None else round(snr_db, 2),
        words=[_word(word) for word in event.words],
        llm_applied=False,
    )


def _word(word: Word) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "word": word.text,
        "start": round(word.start_s, 3),
        "end": round(word.end_s, 3),
        "confidence": round(word.confidence, 4),
    }
    if word.speaker is not None:
        parts["speaker"] = word.speaker
    if word.boosted:
        parts["boosted"] = True
    if word.original is not None:
        parts["original"] = word.original
    return parts


def _mean_confidence(words: Sequence[Word]) -> float:
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def _message(kind: str, **content: Any) -> Message:
    return {"type": kind, **content, "timestamp": round(time.time(), 3)}

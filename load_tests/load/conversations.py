"""What is said over a socket of each dialect: messages out, and what the answers mean. Pure; one object a session."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from load_tests.load.calls import error_code
from load_tests.load.plan import LiveApi
from serve_app.live_client import LiveRequest, LiveTranscript, LiveWord

_UTTERANCE_LOST = "UTTERANCE_LOST"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a message of the service says: a text, that all has been said, or that something is wrong."""

    transcript: LiveTranscript | None = None
    is_over: bool = False
    error: str = ""


class Conversation(Protocol):
    """One session from the client's side. ``rate_hz`` is that of the 16-bit audio it is given."""

    rate_hz: int

    def target(self) -> str:
        """Path and query of the socket."""
        ...

    def opening(self) -> list[str]:
        """Messages in front of the audio."""
        ...

    def audio(self, pcm: bytes) -> str | bytes:
        """A message with audio."""
        ...

    def closing(self) -> list[str]:
        """Messages behind it: finish what was said."""
        ...

    def hear(self, message: str) -> Meaning:
        """Read an answer."""
        ...


def conversation(api: LiveApi) -> Conversation:
    """A new one."""
    match api:
        case LiveApi.WAVES:
            return WavesConversation()
        case LiveApi.SIXTYDB:
            return SixtydbConversation()
        case LiveApi.OPENAI:
            return OpenAiConversation()


class WavesConversation:
    """Smallest Waves: binary audio, and transcriptions up to the one that is last."""

    rate_hz = 16_000

    def target(self) -> str:
        """See Conversation."""
        return f"/waves/v1/stt/live?{urlencode(LiveRequest().query())}"

    def opening(self) -> list[str]:
        """The query has said all."""
        return []

    def audio(self, pcm: bytes) -> str | bytes:
        """See Conversation."""
        return pcm

    def closing(self) -> list[str]:
        """See Conversation."""
        return [json.dumps({"type": "close_stream"})]

    def hear(self, message: str) -> Meaning:
        """See Conversation."""
        body = json.loads(message)
        if body.get("type") == "error":
            return Meaning(error=error_code(body))
        if body.get("type") != "transcription":
            return Meaning()
        return Meaning(LiveTranscript.model_validate(body), is_over=body["is_last"])


class SixtydbConversation:
    """60db: a ``start``, binary audio, a ``stop``, and a session that is stopped."""

    rate_hz = 16_000

    def target(self) -> str:
        """See Conversation."""
        return "/ws/stt"

    def opening(self) -> list[str]:
        """See Conversation."""
        config = {"encoding": "linear", "sample_rate": self.rate_hz, "continuous_mode": True}
        return [json.dumps({"type": "start", "languages": None, "config": config})]

    def audio(self, pcm: bytes) -> str | bytes:
        """See Conversation."""
        return pcm

    def closing(self) -> list[str]:
        """See Conversation."""
        return [json.dumps({"type": "stop"})]

    def hear(self, message: str) -> Meaning:
        """See Conversation."""
        body = json.loads(message)
        match body.get("type"):
            case "error":
                return Meaning(error=error_code(body))
            case "session_stopped":
                return Meaning(is_over=True)
            case "transcription":
                words = tuple(LiveWord.model_validate(word) for word in body.get("words") or ())
                return Meaning(_transcript(body["text"], is_final=body["is_final"], words=words))
            case _:
                return Meaning()


class OpenAiConversation:
    """OpenAI's realtime API: base64 at 24 kHz, as its SDKs send, and turns that the server detects.

    Its texts have no times: an item is heard from where its speech started to where it stopped. Deltas are told as the
    text of the item so far, as the other dialects tell their running utterances. The session has no last
    message; it is over when what was committed at the end, or that nothing was left, has been answered, and so has
    every item before it.
    """

    rate_hz = 24_000
    _LAST = "last"

    def __init__(self) -> None:
        self._starts_s: dict[str, float] = {}
        self._ends_s: dict[str, float] = {}
        self._texts: defaultdict[str, str] = defaultdict(str)
        self._open: set[str] = set()
        self._is_closing = False
        self._is_last_committed = False

    def target(self) -> str:
        """See Conversation."""
        return "/v1/realtime?intent=transcription"

    def opening(self) -> list[str]:
        """See Conversation."""
        audio = {"input": {"format": {"type": "audio/pcm", "rate": self.rate_hz}}}
        return [json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": audio}})]

    def audio(self, pcm: bytes) -> str | bytes:
        """See Conversation."""
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})

    def closing(self) -> list[str]:
        """See Conversation."""
        self._is_closing = True
        return [json.dumps({"type": "input_audio_buffer.commit", "event_id": self._LAST})]

    def hear(self, message: str) -> Meaning:
        """See Conversation."""
        body = json.loads(message)
        kind, item = str(body.get("type")), str(body.get("item_id"))
        match kind.removeprefix("input_audio_buffer.").removeprefix("conversation.item.input_audio_transcription."):
            case "error":
                return self._error(body["error"])
            case "speech_started":
                self._open.add(item)
                self._starts_s[item] = body["audio_start_ms"] / 1000
            case "speech_stopped":
                self._ends_s[item] = body["audio_end_ms"] / 1000
            case "committed":
                self._open.add(item)
                # An utterance that ended by itself in that moment does as well: nothing is left then.
                self._is_last_committed = self._is_closing
            case "delta":
                self._texts[item] += body["delta"]
                return Meaning(_transcript(self._texts[item], is_final=False, words=()))
            case "completed" | "failed":
                self._open.discard(item)
                self._texts.pop(item, None)
                error = _UTTERANCE_LOST if kind.endswith("failed") else ""
                return Meaning(self._text(item, body.get("transcript", "")), self._is_over, error)
            case _:
                pass
        return Meaning()

    @property
    def _is_over(self) -> bool:
        return self._is_last_committed and not self._open

    def _error(self, error: dict[str, Any]) -> Meaning:
        if error.get("event_id") == self._LAST and error.get("code") == "input_audio_buffer_commit_empty":
            self._is_last_committed = True
            return Meaning(is_over=self._is_over)
        return Meaning(error=error_code(error))

    def _text(self, item: str, text: str) -> LiveTranscript:
        start_s = self._starts_s.get(item, 0.0)
        span = LiveWord(word=text, start=start_s, end=self._ends_s.get(item, start_s), confidence=1.0)
        return _transcript(text, is_final=True, words=(span,) if text and item in self._ends_s else ())


def _transcript(text: str, *, is_final: bool, words: tuple[LiveWord, ...]) -> LiveTranscript:
    return LiveTranscript(type="transcription", transcript=text, is_final=is_final, is_last=False, words=words)

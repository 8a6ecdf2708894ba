"""A client of our own live socket, ``/waves/v1/stt/live``: audio out, transcripts in while it is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from serve_app.client import ListenError, no_connection
from serve_app.loopback import is_loopback

PATH = "/waves/v1/stt/live"
SAMPLE_RATE_HZ = 16_000
PIECE_S = 0.1
"""Audio in one message. Longer ones come later than they must, shorter ones cost more than they hold."""
PIECE_BYTES = round(PIECE_S * SAMPLE_RATE_HZ) * 2

_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0
# Behind the last words, which the server says when it is done with the session.
_END_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """The query string of a session; None is left out and the server's default holds.

    Attributes:
        language: ISO 639-1, or one of the vendor's sets.
        keywords: ``term[:boost]``, separated by commas.
        diarize: name speakers.
        speech_events: be told when speech begins and ends.
        end_silence_ms: silence that ends an utterance.
    """

    language: str | None = None
    keywords: str | None = None
    diarize: bool = False
    speech_events: bool = False
    end_silence_ms: int | None = None

    def query(self) -> dict[str, str]:
        """Names and values as the vendor's clients write them. Words always come with their times."""
        asked = {
            "language": self.language,
            "keywords": self.keywords,
            "diarize": "true" if self.diarize else None,
            "vad_events": "true" if self.speech_events else None,
            "eou_timeout_ms": None if self.end_silence_ms is None else str(self.end_silence_ms),
        }
        always = {
            "model": "pulse",
            "encoding": "linear16",
            "sample_rate": str(SAMPLE_RATE_HZ),
            "word_timestamps": "true",
        }
        return {**always, **{name: value for name, value in asked.items() if value is not None}}


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class LiveWord(_Message):
    """A word; times in seconds of audio since the session began."""

    word: str
    start: float
    end: float
    confidence: float
    speaker: str | None = None


class LiveTranscript(_Message):
    """What an utterance sounds like so far, or for good where ``is_final``; nothing is said behind ``is_last``."""

    type: Literal["transcription"]
    transcript: str
    is_final: bool
    is_last: bool
    words: tuple[LiveWord, ...] = ()


class SpeechEvent(_Message):
    """Speech begins or ends; seconds of audio since the session began."""

    type: Literal["speech_started", "speech_ended"]
    timestamp: float


class ErrorEvent(_Message):
    """An utterance is lost, and its final is empty. Any other error ends the events."""

    type: Literal["error"]
    message: str
    error_code: str


LiveEvent = LiveTranscript | SpeechEvent | ErrorEvent

_MESSAGE: TypeAdapter[LiveEvent] = TypeAdapter(Annotated[LiveEvent, Field(discriminator="type")])
_UTTERANCE_LOST = "UTTERANCE_LOST"


class LiveConnection:
    """An open session; see live_session. One task may send while another reads the events."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, audio: bytes) -> None:
        """Send 16-bit little-endian mono PCM at SAMPLE_RATE_HZ; a message may end inside a sample.

        On a session that is over this does nothing: ``events`` says what ended it.
        """
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(audio)

    async def finalize(self) -> None:
        """End the running utterance now."""
        await self._control("finalize")

    async def close(self) -> None:
        """No more audio: the events go on up to the last final."""
        await self._control("close_stream")

    async def events(self) -> AsyncIterator[LiveEvent]:
        """All that the server says, up to the last final.

        Raises:
            ListenError: the session ended without it, or its end was no good one.
        """
        try:
            async for message in self._socket:
                event = _read(message)
                yield event
                if isinstance(event, LiveTranscript) and event.is_last:
                    await self._ended()
                    return
        except ConnectionClosed as error:
            raise ListenError(f"The connection was lost: {error}", "CONNECTION_LOST") from error
        raise ListenError("The server closed the session before its last words", "CONNECTION_LOST")

    async def _ended(self) -> None:
        """Return when the server has closed the session, and not for a reason of its own."""
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                async for message in self._socket:
                    _read(message)
        except TimeoutError as error:
            raise ListenError("The server did not close the session", "CONNECTION_LOST") from error

    async def _control(self, kind: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(json.dumps({"type": kind}))


@contextlib.asynccontextmanager
async def live_session(server: str, api_key: str | None, request: LiveRequest) -> AsyncIterator[LiveConnection]:
    """Open a session at a base URL such as ``http://127.0.0.1:7100``; it is left with the block, finished or not.

    Raises:
        ListenError: the server refuses it, or there is none.
    """
    socket = await _connect(server, api_key, request)
    try:
        yield LiveConnection(socket)
    finally:
        await socket.close()


class Pace:
    """Says when the next piece of a stream is due, counted from the first one: a wait that took long is made up for.

    Args:
        speed: seconds of audio in a second.
        lead_s: audio that may be sent before it is due.
    """

    def __init__(self, speed: float = 1.0, lead_s: float = 0.0) -> None:
        self._speed = speed
        self._lead_s = lead_s
        self._begun_s: float | None = None

    async def wait_until(self, audio_s: float) -> None:
        """Return when a microphone would have heard so much audio."""
        loop = asyncio.get_running_loop()
        if self._begun_s is None:
            self._begun_s = loop.time()
        await asyncio.sleep(self._begun_s + (audio_s - self._lead_s) / self._speed - loop.time())


async def _connect(server: str, api_key: str | None, request: LiveRequest) -> ClientConnection:
    base = httpx.URL(server)
    url = base.copy_with(
        scheme="wss" if base.scheme == "https" else "ws", path=base.path.rstrip("/") + PATH, params=request.query()
    )
    try:
        return await connect(
            str(url),
            additional_headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            # A proxy from the environment cannot reach this machine's own loopback.
            proxy=None if is_loopback(base.host) else True,
            # Speech hardly gets smaller by deflating it.
            compression=None,
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
    except InvalidStatus as refusal:
        raise _refusal(refusal) from refusal
    except OSError as error:  # TimeoutError and SSLError are some.
        raise no_connection(server, error) from error
    except WebSocketException as error:
        raise ListenError(f"No session at {server}: {error}", "UNEXPECTED_ANSWER") from error


def _refusal(refusal: InvalidStatus) -> ListenError:
    """The error body of the server; a proxy in between may have sent something else."""
    response = refusal.response
    try:
        body = json.loads(response.body or b"")
    except ValueError:
        body = None
    fields = body if isinstance(body, dict) else {}
    message = str(fields.get("message") or f"HTTP {response.status_code} {response.reason_phrase}")
    code = str(fields.get("error_code") or f"HTTP_{response.status_code}")
    return ListenError(message, code, response.status_code)


def _read(message: str | bytes) -> LiveEvent:
    try:
        event = _MESSAGE.validate_json(message)
    except ValidationError as error:
        raise ListenError("This is not a message of Rayscribe", "UNEXPECTED_ANSWER") from error
    if isinstance(event, ErrorEvent) and event.error_code != _UTTERANCE_LOST:
        raise ListenError(event.message, event.error_code)
    return event

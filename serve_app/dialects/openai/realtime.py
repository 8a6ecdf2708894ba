"""OpenAI's realtime transcription: ``/v1/realtime?intent=transcription``.

A session of this kind only transcribes: conversations with a model are refused by their ``intent``. Once audio is heard
only such settings are taken as do not change how. The first audio waits a moment where no settings came before it: some
clients (Pipecat's) send what the microphone gives from the moment that they are connected, and their settings when they
are greeted. A client ends the session by closing the socket, as with the vendor. Ephemeral keys are made in
``client_secrets``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, WebSocket
from pydantic_core import from_json

from deployments.errors import (
    FeatureNotInPlan,
    InvalidParameter,
    InvalidRequest,
    MissingParameter,
    UnsupportedParameter,
)
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import named
from serve_app.dialects.openai import client_secrets, routes
from serve_app.dialects.openai import realtime_events as events
from serve_app.dialects.openai.errors import error_body
from serve_app.dialects.openai.realtime_items import Items
from serve_app.dialects.openai.realtime_session import (
    RealtimeSettings,
    beta_name,
    check_unchanged,
    read_beta_update,
    read_update,
    spelled,
)
from serve_app.dialects.socket_frames import Message
from serve_app.dialects.sockets import Connection, SocketDialect, converse
from serve_app.live.contracts import (
    AudioFormat,
    Encoding,
    Final,
    LiveEvent,
    LiveOptions,
    LiveSession,
    Partial,
    SessionEnded,
    SpeechEnded,
    SpeechStarted,
)
from serve_app.services import Services, services_of

_INTENT = "transcription"
_BETA = "realtime=v1"
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
# The vendor takes 15 MiB of audio in a message; the server takes 16 MiB, of which base64 leaves 12.
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_LEAST_COMMIT_S = 0.1
# How much audio waits for the first settings: a greeting and its answer take less, and an utterance takes longer.
_LONGEST_WAIT_S = 0.5

router = APIRouter()
router.include_router(client_secrets.router)


class RealtimeConversation:
    """Implements Conversation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._id = f"sess_{uuid.uuid4().hex}"
        self._expires_at = int(time.time() + connection.services.settings.live.max_session_s)
        self._settings = RealtimeSettings()
        self._options = LiveOptions(self._id)
        self._session: LiveSession | None = None
        self._items = Items(detects_turns=True, padding_s=0.0, logprobs=False)
        self._is_told = False
        self._waiting = bytearray()
        self._appended_s = 0.0
        self._committed_s = 0.0
        # What belongs together is said together: the two tasks of a connection take turns.
        self._speaking = asyncio.Lock()

    async def prepare(self) -> None:
        """See Conversation."""
        query, secret_session = self._connection.query, self._connection.visit.secret_session
        if secret_session is not None:
            self._settings = RealtimeSettings.model_validate_json(secret_session)
        # A secret says itself what kind of session it is for.
        if query.get("intent", None if secret_session is None else _INTENT) != _INTENT:
            raise UnsupportedParameter("intent", "sessions of this service transcribe, and nothing else", (_INTENT,))
        self._settings = self._settings.named_by(query.get("model"))

    async def greet(self) -> None:
        """See Conversation."""
        await self._say([self._session_event("created", is_beta=_is_beta(self._connection))])

    async def hear(self, message: str | bytes) -> None:
        """See Conversation. An error that the client can mend names the event that it answers."""
        event_id: str | None = None
        try:
            event = _read(message)
            event_id = event["event_id"] if isinstance(event.get("event_id"), str) else None
            await self._obey(event)
        except Exception as error:
            if not isinstance(named(error), InvalidRequest | FeatureNotInPlan):
                raise
            await self._say([events.error_event(named(error), event_id)])

    async def tell(self, event: LiveEvent) -> None:
        """See Conversation."""
        async with self._speaking:
            for message in self._told(event):
                await self._connection.send(message)

    def _told(self, event: LiveEvent) -> list[Message]:
        match event:
            case SpeechStarted():
                return self._items.speech_started(event.at_s)
            case SpeechEnded():
                if self._options.endpointing:
                    self._committed_s = max(self._committed_s, event.at_s)
                return self._items.speech_ended(event.at_s)
            case Partial():
                return self._items.partial(event)
            case Final():
                return self._items.final(event)
            case SessionEnded():
                # Nobody asks for it: a client that has enough closes the socket.
                self._connection.finish()
                return []

    async def _obey(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "session.update":
                self._update(self._settings.updated(read_update(event.get("session"))))
                await self._updated(is_beta=False)
            case "transcription_session.update":
                update = read_beta_update(event.get("session"))
                with spelled(beta_name):
                    self._update(self._settings.updated(update))
                await self._updated(is_beta=True)
            case "input_audio_buffer.append":
                await self._append(_audio_of(event))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case _:
                raise InvalidParameter("type", "is not an event of transcription sessions")

    def _update(self, settings: RealtimeSettings) -> None:
        options = self._options_of(settings)
        if self._session is not None:
            check_unchanged(self._options, options)
        self._settings, self._is_told = settings, True
        self._items.padding_s, self._items.logprobs = settings.padding_s, settings.logprobs

    async def _updated(self, *, is_beta: bool) -> None:
        await self._say([self._session_event("updated", is_beta=is_beta)])
        await self._hear_what_waits()

    def _options_of(self, settings: RealtimeSettings) -> LiveOptions:
        return settings.to_options(self._id, self._connection.visit.plan, self._connection.services.settings)

    async def _append(self, audio: bytes) -> None:
        if not audio:
            return
        if self._session is not None:
            await self._feed(self._session, audio)
            return
        self._waiting += audio
        if self._is_told or _length_s(self._waiting, self._settings.format.audio) >= _LONGEST_WAIT_S:
            await self._hear_what_waits()

    async def _hear_what_waits(self) -> None:
        if self._waiting:
            audio, self._waiting = bytes(self._waiting), bytearray()
            await self._feed(await self._begin(), audio)

    async def _feed(self, session: LiveSession, audio: bytes) -> None:
        await session.feed(audio)
        self._appended_s += _length_s(audio, self._options.audio)

    async def _begin(self) -> LiveSession:
        options = self._options_of(self._settings)
        session = await self._connection.start(options)
        self._session, self._options = session, options
        self._items = Items(
            detects_turns=options.endpointing, padding_s=self._settings.padding_s, logprobs=self._settings.logprobs
        )
        return session

    async def _commit(self) -> None:
        await self._hear_what_waits()
        buffered_s = self._appended_s - self._committed_s
        if self._session is None or buffered_s < _LEAST_COMMIT_S:
            raise events.EmptyBuffer(buffered_s, _LEAST_COMMIT_S)
        self._committed_s = self._appended_s
        async with self._speaking:
            for message in self._items.commit(self._appended_s):
                await self._connection.send(message)
        await self._session.finalize()

    async def _clear(self) -> None:
        self._waiting.clear()
        if self._session is not None:
            await self._session.clear()
        self._committed_s = self._appended_s
        async with self._speaking:
            for message in self._items.clear(self._appended_s):
                await self._connection.send(message)

    async def _say(self, messages: list[Message]) -> None:
        async with self._speaking:
            for message in messages:
                await self._connection.send(message)

    def _session_event(self, what: str, *, is_beta: bool) -> Message:
        if is_beta:
            session = self._settings.to_beta_json(self._id, self._expires_at)
            return events.session_event(f"transcription_session.{what}", session)
        return events.session_event(f"session.{what}", self._settings.to_json(self._id, self._expires_at))


def _length_s(audio: bytes | bytearray, written: AudioFormat) -> float:
    return len(audio) / (2 if written.encoding is Encoding.PCM_S16 else 1) / written.sample_rate_hz


def _is_beta(connection: Connection) -> bool:
    """Whether the client was made for the beta: it says so in a header or, from a browser, in a subprotocol."""
    asked = {value.strip() for value in connection.headers.get("openai-beta", "").split(",")}
    return _BETA in asked or _BETA_SUBPROTOCOL in connection.subprotocols


def _read(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise InvalidParameter("audio", "is taken in base64 only, by input_audio_buffer.append")
    try:
        event = from_json(message)
    except ValueError:
        raise InvalidParameter("event", "is not JSON") from None
    if not isinstance(event, dict):
        raise InvalidParameter("event", "is not a JSON object")
    return event


def _audio_of(event: dict[str, Any]) -> bytes:
    audio = event.get("audio")
    if audio is None:
        raise MissingParameter("audio")
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidParameter("audio", "is not base64") from None


SOCKET = SocketDialect(
    name=routes.NAME,
    error_form=error_body,
    error_message=events.error_event,
    conversation=RealtimeConversation,
    max_message_bytes=_MAX_MESSAGE_BYTES,
    subprotocol="realtime",
    takes_secrets=True,
)


@router.websocket("/v1/realtime")
async def realtime(websocket: WebSocket, services: Annotated[Services, Depends(services_of)]) -> None:
    """Live transcription, for OpenAI's SDKs."""
    await converse(websocket, services, SOCKET)


DIALECT = Dialect(routes.NAME, router)

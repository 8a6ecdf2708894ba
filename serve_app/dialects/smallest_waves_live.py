"""Smallest Waves, live: the socket ``/waves/v1/stt/live``, its older paths, and the self-hosted ``/v1/listen/stream``.

Source: the vendor's AsyncAPI documents, pages and SDK. Nobody documents the messages of ``/v1/listen/stream``; the
vendor's self-hosted images speak Waves elsewhere, so it does, too. Where the documents are silent:

* The client sends audio in binary messages, and ``finalize``, ``close_stream`` or the older ``end``. Anything else is
  answered with an error message, and the session goes on: the vendor's SDK would raise on a close, and lose audio.
* What comes after ``close_stream`` is not looked at. The last message is the last utterance, or an empty one.
* All errors of the handshake are HTTP answers but one: at the limit of concurrent sessions the vendor closes with 1008.
"""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, WebSocket
from pydantic import BaseModel

from deployments import service_log as log
from deployments.errors import ConcurrencyLimitReached, InvalidParameter
from serve_app.capabilities import check_session
from serve_app.dialects import smallest_selfhost, smallest_waves
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.smallest_waves_errors import error_body
from serve_app.dialects.smallest_waves_live_messages import WavesMessages, error_message, lost_message
from serve_app.dialects.smallest_waves_live_query import PathDefaults, read_query
from serve_app.dialects.smallest_waves_query import PARAMETER_NAMES
from serve_app.dialects.socket_frames import Message
from serve_app.dialects.sockets import Connection, Conversation, SocketDialect, converse
from serve_app.live.contracts import Final, LiveEvent, LiveSession, Partial, SessionEnded, SpeechEnded, SpeechStarted
from serve_app.request_log import this_request
from serve_app.services import Services, services_of

# Five seconds of the largest format, half a minute of the usual one; the vendor advises 100 ms.
_MAX_MESSAGE_BYTES = 1024 * 1024

router = APIRouter()


class _Control(BaseModel):
    """A text message; the vendor's has no other field."""

    type: str = ""


class WavesConversation:
    """Implements Conversation: one session, from the handshake's query string to ``close_stream``."""

    def __init__(self, connection: Connection, session_id: str, defaults: PathDefaults) -> None:
        self._connection = connection
        self._session_id = session_id
        self._defaults = defaults
        self._closing = False
        self._held: Message | None = None

    async def prepare(self) -> None:
        """See Conversation."""
        query = read_query(self._connection.query, self._defaults)
        options = query.to_options(self._session_id)
        check_session(options, self._connection.visit.plan, self._connection.services.settings, PARAMETER_NAMES)
        if query.external_session_id is not None:
            log.info("live session named", session=self._session_id, external_session=query.external_session_id)
        self._tells_speech = query.tells_speech
        self._messages = WavesMessages(self._session_id, query)
        self._session: LiveSession = await self._connection.start(options)

    async def greet(self) -> None:
        """The vendor says nothing before it hears something."""

    async def hear(self, message: str | bytes) -> None:
        """See Conversation."""
        if self._closing:
            return
        if isinstance(message, bytes):
            await self._session.feed(message)
            return
        match _Control.model_validate_json(message).type:
            case "finalize":
                await self._session.finalize()
            case "close_stream" | "end":
                self._closing = True
                await self._session.close()
            case _:
                raise InvalidParameter("type", "must be finalize or close_stream")

    async def tell(self, event: LiveEvent) -> None:
        """See Conversation."""
        match event:
            case SpeechStarted() | SpeechEnded():
                if self._tells_speech:
                    await self._connection.send(self._messages.of_speech(event))
            case Partial():
                await self._let_go()
                await self._connection.send(self._messages.of_partial(event))
            case Final():
                await self._let_go()
                if event.failure is not None:
                    await self._connection.send(lost_message(event.failure))
                self._held = self._messages.of_final(event)
                if not self._closing:
                    await self._let_go()
            case SessionEnded():
                last = self._held or self._messages.of_final(Final(0, "", (), event.audio_s, event.audio_s, None))
                self._connection.finish({**last, "is_last": True})

    async def _let_go(self) -> None:
        """While the session closes a final is held back: only what comes next tells whether it was the last."""
        if self._held is not None:
            held, self._held = self._held, None
            await self._connection.send(held)


async def _answer(websocket: WebSocket, services: Services, name: str, defaults: PathDefaults) -> None:
    session_id = str(uuid.uuid4())
    this_request().session = session_id

    def conversation(connection: Connection) -> Conversation:
        return WavesConversation(connection, session_id, defaults)

    told = (ConcurrencyLimitReached,)
    await converse(
        websocket, services, SocketDialect(name, error_body, error_message, conversation, _MAX_MESSAGE_BYTES, told)
    )


@router.websocket("/waves/v1/stt/live")
async def live(websocket: WebSocket, services: Annotated[Services, Depends(services_of)]) -> None:
    """Transcribe what comes while it comes."""
    await _answer(websocket, services, smallest_waves.NAME, PathDefaults())


@router.websocket("/waves/v1/pulse/get_text")
@router.websocket("/api/v1/pulse/get_text")
@router.websocket("/api/v1/lightning/get_text")
async def get_text(websocket: WebSocket, services: Annotated[Services, Depends(services_of)]) -> None:
    """The same on older paths, where words are told without being asked for."""
    await _answer(websocket, services, smallest_waves.NAME, PathDefaults("pulse", word_timestamps=True))


@router.websocket("/v1/listen/stream")
async def listen_stream(websocket: WebSocket, services: Annotated[Services, Depends(services_of)]) -> None:
    """The same for clients of the self-hosted API, which knows no models."""
    await _answer(websocket, services, smallest_selfhost.NAME, PathDefaults("pulse"))


DIALECT = Dialect(smallest_waves.NAME, router)

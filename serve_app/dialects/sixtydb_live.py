"""60db: live transcription over ``/ws/stt``.

The order of the handshake is that of the vendor's API reference, on which its own LiveKit plugin insists:
``connecting`` and ``connection_established`` come unasked, ``connected`` and ``session_started`` answer ``start``.
Binary audio in front of any ``start`` is µ-law at 8 kHz, as telephones send it; behind one it is what ``start`` named.

A message that cannot be honoured is answered with an error, and the connection goes on; what makes it impossible to go
on is an error and a close with 1008, or the code in ``sockets``. Keys and limits are told the same way, after the
upgrade, as the vendor does.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, WebSocket
from pydantic import BaseModel, Field

from deployments.errors import IllegalMove, UnsupportedParameter
from serve_app.capabilities import check_languages
from serve_app.checkpoints import model_name
from serve_app.dialects import sixtydb
from serve_app.dialects import sixtydb_live_answers as answers
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import documented, route_class
from serve_app.dialects.sixtydb_errors import error_body
from serve_app.dialects.sixtydb_live_messages import (
    TELEPHONY,
    Audio,
    ClientMessage,
    Config,
    Languages,
    Start,
    Stop,
    Test,
    read,
)
from serve_app.dialects.sockets import Connection, SocketDialect, converse
from serve_app.live.contracts import Final, LiveEvent, LiveOptions, LiveSession, Partial, SessionEnded, SpeechStarted
from serve_app.request_scope import SOCKET_HEALTH
from serve_app.services import Services, services_of

_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_NOTHING = SessionEnded(audio_s=0.0, billable_s=0.0)

router = APIRouter(tags=["60db"], route_class=route_class(error_body))


class SixtydbConversation:
    """Implements Conversation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session_id = f"stt_{uuid.uuid4().hex}"
        self._session: LiveSession | None = None
        self._start = Start()
        self._options = LiveOptions(self._session_id)
        self._is_continuous = True
        self._is_ending = False

    async def prepare(self) -> None:
        """Nothing: a session needs a ``start``."""

    async def greet(self) -> None:
        """See Conversation."""
        await self._connection.send(answers.connecting())
        await self._connection.send(answers.connection_established(self._connection.visit))

    async def hear(self, message: str | bytes) -> None:
        """See Conversation. A client that has not noticed the end yet goes on sending."""
        if self._is_ending:
            return
        if isinstance(message, str):
            await self._obey(read(message))
        else:
            if self._session is None:
                await self._begin(TELEPHONY)
            await self._feed(message)

    async def tell(self, event: LiveEvent) -> None:
        """See Conversation."""
        match event:
            case SpeechStarted():
                await self._connection.send(answers.speech_started(event))
            case Partial():
                await self._connection.send(answers.partial(event, self._options.language))
            case Final():
                if event.failure is not None:
                    # Its final has no text; the next utterance may have one.
                    await self._connection.send(answers.error_message(event.failure))
                await self._connection.send(answers.final(event, diarize=self._options.diarize))
                if event.text and not event.is_provisional and not self._is_continuous:
                    await self._end()
            case SessionEnded():
                self._connection.finish(answers.session_stopped(self._session_id, event))

    async def _obey(self, message: ClientMessage) -> None:
        match message:
            case Start():
                await self._begin(message)
            case Audio():
                if self._session is None:
                    raise IllegalMove("not started", "take audio")
                await self._feed(message.samples(self._options.audio))
            case Config():
                await self._change(message)
            case Test():
                await self._connection.send(answers.test_response(self._session_id if self._session else None))
            case Stop():
                await self._end()

    async def _begin(self, start: Start) -> None:
        if self._session is not None:
            raise IllegalMove("started", "start it again")
        services, plan = self._connection.services, self._connection.visit.plan
        options, warnings = start.to_options(self._session_id, plan, services.settings)
        self._session = await self._connection.start(options)
        self._start, self._options, self._is_continuous = start, options, start.config.continuous_mode
        await self._connection.send(answers.connected(model_name(services.settings)))
        await self._connection.send(answers.session_started(self._session_id, start, options, warnings))

    async def _feed(self, audio: bytes) -> None:
        assert self._session is not None  # noqa: S101  # both callers have made sure
        try:
            await self._session.feed(audio)
        except IllegalMove:
            # While it waited for its turn, the one utterance came to its end.
            if not self._is_ending:
                raise

    async def _change(self, config: Config) -> None:
        if self._session is None:
            raise IllegalMove("not started", "change it")
        if "languages" in config.model_fields_set:
            settings = self._connection.services.settings
            check_languages(config.languages or (), settings, "languages")
            if self._effective(config.languages) != self._effective(self._start.languages):
                raise UnsupportedParameter("languages", "cannot change in a session: stop it, and start another")
            await self._connection.send(answers.language_changed(config.languages))
        if config.continuous_mode is not None:
            self._is_continuous = config.continuous_mode
            await self._connection.send(answers.mode_changed(self._start.config, self._is_continuous))

    def _effective(self, languages: Languages) -> frozenset[str]:
        """Where the engine knows one language, every way to ask for it is the same."""
        recognition = self._connection.services.settings.recognition
        return frozenset(languages or recognition.capabilities().languages)

    async def _end(self) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        if self._session is None:
            self._connection.finish(answers.session_stopped(None, _NOTHING))
        else:
            await self._session.close()


SOCKET = SocketDialect(
    name=sixtydb.NAME,
    error_form=error_body,
    error_message=answers.error_message,
    conversation=SixtydbConversation,
    max_message_bytes=_MAX_MESSAGE_BYTES,
    told=(Exception,),
)


@router.websocket("/ws/stt")
async def stt(websocket: WebSocket, services: Annotated[Services, Depends(services_of)]) -> None:
    """Live transcription. The key comes as ``?apiKey=``, as ``?token=`` or in the header."""
    await converse(websocket, services, SOCKET)


class SocketHealth(BaseModel):
    """The answer of `GET /ws/health`."""

    status: Literal["ok"] = Field("ok", description="Sockets are answered.", examples=["ok"])


@router.get(
    SOCKET_HEALTH,
    responses=documented(error_body, {"Not our fault, nor yours": RuntimeError()}),
    summary="Are sockets answered?",
)
async def health() -> SocketHealth:
    """200 where ``/ws/stt`` can be used."""
    return SocketHealth(status="ok")


DIALECT = Dialect(sixtydb.NAME, router)

"""A service that speaks ``/waves/v1/stt/live`` and answers from a script, over a real socket."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

Message = dict[str, Any]


def transcript(text: str, start_s: float, end_s: float, **parts: Any) -> Message:
    """A message as the service writes it: the words share the time evenly. Final, unless ``parts`` say otherwise."""
    words = text.split()
    step_s = (end_s - start_s) / max(len(words), 1)
    return {
        "type": "transcription",
        "status": "success",
        "session_id": "live_1",
        "transcript": text,
        "transcription": text,
        "is_final": True,
        "is_last": False,
        "words": [
            {
                "word": word,
                "start": start_s + index * step_s,
                "end": start_s + (index + 1) * step_s,
                "confidence": 0.9,
            }
            for index, word in enumerate(words)
        ],
        **parts,
    }


def error(message: str, code: str) -> Message:
    """An error message."""
    return {"type": "error", "status": "error", "message": message, "error_code": code, "session_id": "live_1"}


@dataclass
class LiveServer:
    """Keeps what was sent.

    Attributes:
        script: messages that are sent when so many bytes of audio have come.
        last: what answers ``close_stream``, before the socket is closed.
        close_code: closes the socket behind the script, before anybody asks; None: it does not.
        refusal: status and body of the answer to the handshake; None: it is accepted.
        on_audio: called with the bytes so far, behind the script.
        on_close: called for ``close_stream``, in place of an answer.
    """

    url: str = ""
    script: dict[int, list[Message | str]] = field(default_factory=dict)
    last: list[Message] = field(default_factory=lambda: [transcript("", 0.0, 0.0, is_last=True)])
    close_code: int | None = None
    refusal: tuple[int, str] | None = None
    on_audio: Callable[[int], None] | None = None
    on_close: Callable[[], None] | None = None
    queries: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    pieces: list[int] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """The handshake."""
        parts = urlsplit(request.path)
        assert parts.path.endswith("/waves/v1/stt/live")
        self.queries.append(dict(parse_qsl(parts.query)))
        self.authorizations.append(request.headers.get("authorization"))
        if self.refusal is None:
            return None
        status, body = self.refusal
        return connection.respond(HTTPStatus(status), body)

    def converse(self, connection: ServerConnection) -> None:
        """One session."""
        for message in connection:
            if isinstance(message, str):
                self.controls.append(json.loads(message)["type"])
                if self.controls[-1] != "close_stream":
                    continue
                if self.on_close is None:
                    _tell(connection, self.last)
                    return
                self.on_close()
                continue
            self.audio.extend(message)
            self.pieces.append(len(message))
            for size in sorted(size for size in self.script if size <= len(self.audio)):
                _tell(connection, self.script.pop(size))
            if self.close_code is not None and not self.script:
                connection.close(self.close_code)
                return
            if self.on_audio is not None:
                self.on_audio(len(self.audio))


def _tell(connection: ServerConnection, messages: list[Message] | list[Message | str]) -> None:
    for message in messages:
        connection.send(message if isinstance(message, str) else json.dumps(message))


@contextlib.contextmanager
def running_live_server() -> Iterator[LiveServer]:
    """Serve on a free port of the loopback, in a thread."""
    fake = LiveServer()
    with serve(fake.converse, "127.0.0.1", 0, process_request=fake.process_request) as server:
        fake.url = f"http://127.0.0.1:{_port(server)}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


def _port(server: Server) -> int:
    port = server.socket.getsockname()[1]
    assert isinstance(port, int)
    return port

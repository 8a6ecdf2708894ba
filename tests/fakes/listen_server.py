"""A service that speaks ``POST /v1/listen`` and answers from a script, over real HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile


def answer_for(text: str, **parts: Any) -> dict[str, Any]:
    """A whole answer, as the service writes it."""
    return {
        "request_id": "req_1",
        "text": text,
        "confidence": 0.9,
        "duration": 2.0,
        "language": "en",
        **parts,
    }


@dataclass
class ListenServer:
    """Keeps what was sent; answers ``scripted`` responses first, then with the upload's own bytes as the text."""

    url: str = ""
    scripted: list[Response] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    uploads: list[tuple[str | None, bytes]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    def app(self) -> FastAPI:
        """The routes."""
        app = FastAPI()

        @app.post("/v1/listen")
        async def listen(request: Request) -> Response:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            try:
                return await self._answer(request)
            finally:
                self._now -= 1

        return app

    async def _answer(self, request: Request) -> Response:
        self.authorizations.append(request.headers.get("authorization"))
        form = await request.form()
        audio = form["audio"]
        assert isinstance(audio, UploadFile)
        content = await audio.read()
        self.uploads.append((audio.filename, content))
        self.forms.append({name: str(value) for name, value in form.items() if name != "audio"})
        if self.scripted:
            return self.scripted.pop(0)
        if content == b"not audio":
            return error_response(415, "Unsupported audio format", "UNSUPPORTED_FORMAT")
        return JSONResponse(self.answers.get(audio.filename or "", answer_for(content.decode())))


def error_response(status: int, message: str, code: str, **headers: str) -> Response:
    """An error body of the service."""
    return JSONResponse({"error": message, "code": code}, status_code=status, headers=headers)


@contextlib.contextmanager
def running_listen_server() -> Iterator[ListenServer]:
    """Serve on a free port of the loopback, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        fake = ListenServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(fake.app(), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        listener.listen()
        thread.start()
        try:
            yield fake
        finally:
            server.should_exit = True
            thread.join()

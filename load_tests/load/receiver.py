"""Our own server: recordings for the service to fetch, and webhooks that it sends."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from load_tests.load.uploads import Upload

_AUDIO = "/audio/"
_HOOK = "/hook/"
_MAX_HOOK_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Expected:
    """A webhook that is to come. ``body`` is what its first delivery brought."""

    url: str
    body: dict[str, Any] | None = None
    is_given_up: bool = False
    _came: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout_s: float) -> dict[str, Any] | None:
        """Its body; None where it does not come in time."""
        self._came.wait(timeout_s)
        return self.body

    def take(self, body: dict[str, Any]) -> None:
        """It is here."""
        self.body = body
        self._came.set()


class Receiver:
    """Where the service finds recordings and leaves webhooks.

    Attributes:
        url: how the service reaches it.
        repeated: webhooks that came again, which a service that delivers at least once may do.
        late: webhooks that came when nobody waited for them any more.
    """

    def __init__(self, url: str, uploads: Sequence[Upload]) -> None:
        self.url = url
        self.repeated = 0
        self.late = 0
        # By number: files of different folders may have one name.
        self._files = {f"{_AUDIO}{number}/{quote(upload.name)}": upload for number, upload in enumerate(uploads)}
        self._paths = {upload: path for path, upload in self._files.items()}
        self._expected: dict[str, Expected] = {}

    def audio_url(self, upload: Upload) -> str:
        """Where a recording can be fetched."""
        return f"{self.url}{self._paths[upload]}"

    def audio(self, path: str) -> Upload | None:
        """The recording at a path."""
        return self._files.get(path)

    @contextlib.contextmanager
    def expecting(self) -> Iterator[Expected]:
        """An address for one webhook, which is waited for inside the block."""
        path = f"{_HOOK}{uuid.uuid4().hex}"
        expected = self._expected[path] = Expected(self.url + path)
        try:
            yield expected
        finally:
            expected.is_given_up = True

    def deliver(self, path: str, content: bytes) -> bool:
        """Take a webhook in; False where nobody has asked for it, or it is none."""
        expected = self._expected.get(path)
        try:
            body = json.loads(content)
        except ValueError:
            return False
        if expected is None or not isinstance(body, dict):
            return False
        if expected.body is not None:
            self.repeated += 1
        elif expected.is_given_up:
            self.late += 1
        expected.take(body)
        return True


@contextlib.contextmanager
def running_receiver(uploads: Sequence[Upload], host: str, port: int, public_url: str | None) -> Iterator[Receiver]:
    """Serve while the block runs.

    Args:
        uploads: what can be fetched.
        host, port: to listen on; port 0 takes a free one.
        public_url: how the service reaches it; None: under the address that it listens on.

    Raises:
        OSError: the address cannot be had.
    """
    server = _Server((host, port), _Handler)
    receiver = Receiver(public_url or f"http://{host}:{server.server_address[1]}", uploads)
    server.receiver = receiver
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Sixty-four jobs may be done within the same moment.
    request_queue_size = 256
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        upload = self.server.receiver.audio(self.path)
        self.send_response(404 if upload is None else 200)
        content = b"" if upload is None else upload.data
        if upload is not None:
            self.send_header("content-type", upload.content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", 0))
        if size > _MAX_HOOK_BYTES:
            self.send_error(413)
            return
        is_taken = self.server.receiver.deliver(self.path, self.rfile.read(size))
        self.send_response(204 if is_taken else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Says nothing."""

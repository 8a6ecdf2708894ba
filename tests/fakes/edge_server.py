"""The fake edge over real HTTP, for clients that are not Python or bring their own transport."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from tests.fakes.edge import Edge


@contextlib.contextmanager
def served(edge: Edge) -> Iterator[str]:
    """The base URL of the edge on a free port of the loopback; it is served by a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(edge.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

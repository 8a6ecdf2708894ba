"""A model hub: as much of its HTTP API as huggingface_hub needs to fetch a repository."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)(/revision/(?P<revision>.+))?")
_TREE = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/tree/(?P<revision>.+)")
_FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass
class Hub:
    """Commits of repositories. ``downloads`` are the files that were asked for, in order, with "@" and a commit.

    ``token`` is what clients must show, if anything.
    """

    url: str = ""
    repositories: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)
    token: str | None = None

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        """Add a commit, which is then the head of main."""
        commits = self.repositories.setdefault(repository, [])
        commits.append(files)
        return commit_id(repository, len(commits) - 1)

    def find(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """A commit by its id, or the newest for "main"."""
        commits = self.repositories.get(repository, [])
        ids = [commit_id(repository, number) for number in range(len(commits))]
        if ids and revision == "main":
            return ids[-1], commits[-1]
        return next(((known, files) for known, files in zip(ids, commits, strict=True) if known == revision), None)


def commit_id(repository: str, number: int) -> str:
    """Forty hexadecimal digits, like git's."""
    return hashlib.sha1(f"{repository} {number}".encode()).hexdigest()


@contextlib.contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub without repositories on a free port of this machine."""
    hub = Hub()

    class Handler(_HubHandler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    served: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub = self.served
        path = unquote(urlsplit(self.path).path)
        match = _FILE.fullmatch(path) or _TREE.fullmatch(path) or _INFO.fullmatch(path)
        if hub.token is not None and self.headers["authorization"] != f"Bearer {hub.token}":
            self._send(401, b"", {"x-error-code": "GatedRepo"}, with_body=with_body)
        elif match is None or match["repository"] not in hub.repositories:
            self._send(404, b"", {"x-error-code": "RepoNotFound"}, with_body=with_body)
        elif (commit := hub.find(match["repository"], match["revision"] or "main")) is None:
            self._send(404, b"", {"x-error-code": "RevisionNotFound"}, with_body=with_body)
        elif match.re is _INFO:
            self._send_json({"id": match["repository"], "sha": commit[0], "siblings": [], "private": False})
        elif match.re is _TREE:
            self._send_json(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": _etag(content)}
                    for name, content in commit[1].items()
                ]
            )
        else:
            self._send_file(match["path"], *commit, with_body=with_body)

    def _send_file(self, path: str, commit: str, files: dict[str, bytes], *, with_body: bool) -> None:
        hub = self.served
        if with_body:
            hub.downloads.append(f"{path}@{commit}")
        content = files[path]
        headers = {"etag": f'"{_etag(content)}"', "x-repo-commit": commit, "accept-ranges": "bytes"}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers["range"] or "")
        if start is not None:
            offset = int(start[1])
            headers["content-range"] = f"bytes {offset}-{len(content) - 1}/{len(content)}"
            self._send(206, content[offset:], headers, with_body=with_body)
        else:
            self._send(200, content, headers, with_body=with_body)

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"content-type": "application/json"}, with_body=True)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Says nothing."""


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()

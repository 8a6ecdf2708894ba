"""The service under test, over HTTP as any client would."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import httpx
import typer
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from load_tests.recordings import TimedWord
from load_tests.report import wide_console
from serve_app.client import ListenAnswer, ListenOptions

_ANSWER_TIMEOUT_S = 3600.0
_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 60.0
_SHOWN_LINES = 15


class ServiceUnreachable(Exception):
    """Nothing answers, or it is not ready."""


class ListenFailed(Exception):
    """The service answered with something else than a transcript; ``status`` is HTTP's, where it is one answer's."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, status)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return self.message


class Service:
    """A client for measuring: nothing is tried again unless asked for, since a retry would hide a failure.

    Safe to use from several threads.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        # A proxy from the environment would be measured too, or cannot reach the loopback at all.
        self._http = httpx.Client(base_url=url, timeout=_ANSWER_TIMEOUT_S, limits=limits, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def listen(self, audio: bytes, *, diarize: bool = False, word_times: bool = False) -> ListenAnswer:
        """Transcribe a file, once.

        Raises:
            ListenFailed: any status but 200.
            httpx.HTTPError: no answer.
        """
        options = ListenOptions(diarize=diarize, timestamps=word_times)
        response = self._http.post("/v1/listen", data=options.form_fields(), files={"audio": ("audio", audio)})
        if response.status_code != httpx.codes.OK:
            raise ListenFailed(f"HTTP {response.status_code}: {response.text[:300]}", response.status_code)
        return ListenAnswer.model_validate_json(response.content)

    def listen_patiently(
        self, audio: bytes, *, diarize: bool = False, word_times: bool = False, patience_s: float = 120.0
    ) -> ListenAnswer:
        """Transcribe a file, again if the service is away for a moment: for accuracy, where time does not count."""
        patiently = Retrying(
            retry=retry_if_exception(_is_away), stop=stop_after_delay(patience_s), wait=wait_fixed(2.0), reraise=True
        )
        return patiently(self.listen, audio, diarize=diarize, word_times=word_times)

    def wait_until_ready(self, timeout_s: float = 30.0) -> None:
        """Return once the service can take work.

        Raises:
            ServiceUnreachable: not within the time; the message says how to start one.
        """
        ends_at_s = time.monotonic() + timeout_s
        while not self.is_ready():
            if time.monotonic() > ends_at_s:
                raise ServiceUnreachable(
                    f"No service is ready at {self.url}. Start one with `make serve` (or `rayscribe serve`) in another "
                    "terminal, name one with --server URL, or let this program start its own with --start."
                )
            time.sleep(0.5)

    def is_ready(self) -> bool:
        """Whether the service can take work now."""
        try:
            return self._http.get("/health", timeout=5.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def _is_away(error: BaseException) -> bool:
    """Whether the same request may succeed soon."""
    if isinstance(error, ListenFailed):
        return error.status == httpx.codes.SERVICE_UNAVAILABLE
    return isinstance(error, httpx.TransportError)


def words_of(answer: ListenAnswer) -> tuple[TimedWord, ...]:
    """The timed words of an answer; marks that stand alone are left out."""
    return tuple(
        TimedWord(entry.word, entry.start, entry.end)
        for entry in answer.words
        if any(character.isalnum() for character in entry.word)
    )


def text_by_speaker(answer: ListenAnswer) -> dict[str, str]:
    """All that each speaker said, in order."""
    texts: dict[str, list[str]] = {}
    for turn in answer.speakers:
        texts.setdefault(turn.speaker, []).append(turn.text)
    return {speaker: " ".join(parts) for speaker, parts in texts.items()}


@contextlib.contextmanager
def running_service(url: str, *, start: bool, config: Path | None = None) -> Iterator[Service]:
    """The service at a URL, ready; with ``start``, one of our own that ends with the block.

    Args:
        url: of the service.
        start: whether to start one.
        config: what it is started with; None: the embedded profile.

    Raises:
        ServiceUnreachable: it does not become ready.
    """
    with contextlib.ExitStack() as stack:
        if start:
            stack.enter_context(_own_service(url, config))
        service = stack.enter_context(Service(url))
        service.wait_until_ready()
        yield service


@contextlib.contextmanager
def service_or_exit(url: str, *, start: bool) -> Iterator[Service]:
    """The same for programs: where there is no service, they say so and end with 2."""
    try:
        with running_service(url, start=start) as service:
            yield service
    except ServiceUnreachable as error:
        wide_console().print(str(error), style="red")
        raise typer.Exit(2) from error


@contextlib.contextmanager
def _own_service(url: str, config: Path | None) -> Iterator[None]:
    """``rayscribe serve`` from when it is ready until the block ends.

    Raises:
        ServiceUnreachable: it does not become ready; the message ends with what it said last.
    """
    command = [str(Path(sys.executable).with_name("rayscribe")), "serve", "--port", str(httpx.URL(url).port or 80)]
    if config is not None:
        command += ["--config", str(config)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait_for_start(url, process, log)
            yield
        finally:
            _stop(process)


def _wait_for_start(url: str, process: subprocess.Popen[bytes], log: TextIO) -> None:
    ends_at_s = time.monotonic() + _START_TIMEOUT_S
    with Service(url) as service:
        while not service.is_ready():
            if process.poll() is not None or time.monotonic() > ends_at_s:
                log.seek(0)
                said = "".join(log.readlines()[-_SHOWN_LINES:])
                raise ServiceUnreachable(f"`rayscribe serve` did not become ready. It said last:\n{said}")
            time.sleep(0.5)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""A client of our own service for the command line: uploads to ``POST /v1/listen`` and reads the answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from deployments.contracts import Segment, Word
from deployments.text_joining import joined_words
from serve_app.loopback import is_loopback

MAX_ATTEMPTS = 4
MAX_RETRY_WAIT_S = 30.0
# Two hours of audio with speakers take minutes on a small machine; nothing comes back before the whole answer.
ANSWER_TIMEOUT_S = 3600.0
UNREACHABLE = "UNREACHABLE"


class ListenError(Exception):
    """The service did not give a transcript.

    ``code`` and the message are the server's own where it answered; ``status`` is None where it did not, and code is
    then UNREACHABLE (no connection), TLS_FAILED (none that is secure) or CONNECTION_LOST.
    """

    def __init__(self, message: str, code: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, code, status, retry_after_s)
        self.message = message
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed soon: nothing was sent, or the service said 429 or 503."""
        later = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
        return self.code == UNREACHABLE or self.status in later


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """The form fields of a call; None is left out and the server's default holds."""

    language: str | None = None
    punctuate: bool | None = None
    diarize: bool | None = None
    num_speakers: int | None = None
    timestamps: bool | None = None

    def form_fields(self) -> dict[str, str]:
        """As text, booleans in lower case."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: str(value).lower() for name, value in values.items() if value is not None}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class ListenWord(_Part):
    """A word, or a punctuation mark in an entry of its own with start equal to end; times in seconds."""

    word: str
    start: float
    end: float
    confidence: float
    speaker: str | None = None


class ListenTurn(_Part):
    """A turn of one speaker; turns may overlap, and text is empty where nothing was understood; times in seconds."""

    speaker: str
    text: str
    start: float
    end: float


class ListenWarning(_Part):
    """Something to know about a success."""

    code: str
    message: str


class ListenAnswer(_Part):
    """The answer as it came; ``words`` only with timestamps, ``speakers`` only with diarize."""

    request_id: str
    text: str
    confidence: float
    duration: float
    language: str | None
    words: tuple[ListenWord, ...] = ()
    speakers: tuple[ListenTurn, ...] = ()
    warnings: tuple[ListenWarning, ...] = ()

    def segments(self) -> tuple[Segment, ...]:
        """The transcript in the neutral form: a segment for each change of speaker, or one without speakers.

        Words carry the punctuation mark that follows them. Without words in the answer, segments have only text.
        """
        language = self.language or ""
        words = self._joined_words()
        if not self.speakers:
            whole = Segment(0.0, self.duration, self.text, language, tuple(words))
            return (whole,) if self.text.strip() else ()
        if words:
            return tuple(_segment(list(run), language) for _, run in groupby(words, key=lambda word: word.speaker))
        return tuple(
            Segment(turn.start, turn.end, turn.text, language, (), turn.speaker) for turn in self.speakers if turn.text
        )

    def _joined_words(self) -> list[Word]:
        joined: list[Word] = []
        for entry in self.words:
            is_mark = entry.start == entry.end and not any(char.isalnum() for char in entry.word)
            if is_mark and joined:
                before = joined.pop()
                joined.append(replace(before, text=before.text + entry.word))
            else:
                joined.append(Word(entry.word, entry.start, entry.end, entry.confidence, entry.speaker))
        return joined


def _segment(words: list[Word], language: str) -> Segment:
    text = joined_words(word.text for word in words)
    return Segment(words[0].start_s, words[-1].end_s, text, language, tuple(words), words[0].speaker)


class ListenClient:
    """Calls one server; use it as an async context manager. Temporary failures are tried up to MAX_ATTEMPTS times."""

    def __init__(
        self, server: str, api_key: str | None = None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Prepare to call ``server``, a base URL such as ``http://127.0.0.1:7100``."""
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=server,
            headers={"authorization": f"Token {api_key}"} if api_key else {},
            timeout=httpx.Timeout(60.0, connect=5.0, read=ANSWER_TIMEOUT_S, pool=None),
            # A proxy from the environment cannot reach this machine's own loopback.
            trust_env=not is_loopback(httpx.URL(server).host),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def transcribe(self, path: Path, options: ListenOptions) -> ListenAnswer:
        """Upload a file and wait for its transcript.

        Raises:
            OSError: the file cannot be read.
            ListenError: there is no transcript.
        """
        async for attempt in AsyncRetrying(
            sleep=self._sleep,
            retry=retry_if_exception(lambda error: isinstance(error, ListenError) and error.is_temporary),
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=_wait_s,
            reraise=True,
        ):
            with attempt:
                return await self._transcribe_once(path, options)
        raise AssertionError("tenacity ends by returning or raising")

    async def _transcribe_once(self, path: Path, options: ListenOptions) -> ListenAnswer:
        with path.open("rb") as audio:
            try:
                response = await self._http.post(
                    "/v1/listen", data=options.form_fields(), files={"audio": (path.name, audio)}
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise no_connection(str(self._http.base_url), error) from error
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise ListenError(f"The connection was lost: {reason}", "CONNECTION_LOST") from error
        return _read(response)


def no_connection(server: str, error: BaseException) -> ListenError:
    """Why there is no connection to a server: nobody listens there, or it is not one that can be trusted."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        # httpcore raises its own error while it handles this one, without naming it as the cause.
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return ListenError(f"No server at {server}", UNREACHABLE)
    reason = getattr(cause, "verify_message", None) or cause.reason or "TLS failed"
    return ListenError(f"No secure connection to {server}: {reason}", "TLS_FAILED")


def _read(response: httpx.Response) -> ListenAnswer:
    if not response.is_success:
        raise _error_of(response)
    try:
        return ListenAnswer.model_validate_json(response.content)
    except ValidationError as error:
        raise ListenError("This is not an answer of Rayscribe", "UNEXPECTED_ANSWER", response.status_code) from error


def _error_of(response: httpx.Response) -> ListenError:
    """The error body ``{"error", "code", "retry_after"?}``; a proxy in between may have sent something else."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    fields = body if isinstance(body, dict) else {}
    retry_after = response.headers.get("retry-after", fields.get("retry_after"))
    try:
        retry_after_s = None if retry_after is None else float(retry_after)
    except (TypeError, ValueError):  # An HTTP date: the usual backoff will do.
        retry_after_s = None
    message = str(fields.get("error") or f"HTTP {response.status_code} {response.reason_phrase}")
    code = str(fields.get("code") or f"HTTP_{response.status_code}")
    return ListenError(message, code, response.status_code, retry_after_s)


_backoff_s = wait_exponential_jitter(multiplier=0.25, max=4.0, jitter=0.25)


def _wait_s(state: RetryCallState) -> float:
    """What the server asked for, within reason; else a short exponential wait."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ListenError) and error.retry_after_s is not None:
        return min(max(error.retry_after_s, 0.0), MAX_RETRY_WAIT_S)
    return _backoff_s(state)

"""A small, steady load of every kind: files over all APIs, jobs with webhooks, live sessions. All is written down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from load_tests.drills.endings import Attempt, Ending, ending_of_answer, ending_of_session
from serve_app.live_client import PATH, PIECE_BYTES, SAMPLE_RATE_HZ, LiveRequest, Pace

_ANSWER_TIMEOUT_S = 120.0
_RETRY_WAIT_S = 15.0
_PATIENCE_S = 120.0
_NO_CODE = 1006
_PROBE_TIMEOUT_S = 5.0
FILE_APIS = ("/v1/listen", "/waves/v1/stt/", "/v1/audio/transcriptions", "/stt")


@dataclass(frozen=True, slots=True)
class Speech:
    """What is sent: a WAV file, and the same as 16-bit PCM for a microphone."""

    wav: bytes
    pcm: bytes


@dataclass
class Load:
    """The clients of one service, and what they saw.

    Attributes:
        attempts: in the order in which they ended.
        given_up: requests that were told to come back for longer than anybody waits.
        accepted: ids of jobs.
        probes: answers to a readiness probe each second, by status; 0: none within its time.
    """

    url: str
    key: str = field(repr=False)
    speech: Speech
    hook_url: str
    pause_s: float = 0.2
    attempts: list[Attempt] = field(default_factory=list)
    given_up: int = 0
    accepted: list[str] = field(default_factory=list)
    words_heard: int = 0
    probes: Counter[int] = field(default_factory=Counter)

    @contextlib.asynccontextmanager
    async def running(self, files: int = 2, sessions: int = 2) -> AsyncIterator[None]:
        """Clients work until the block ends; then each finishes what it has begun."""
        stopping = asyncio.Event()
        apis = itertools.cycle(FILE_APIS)
        work = [self._files(apis, stopping) for _ in range(files)]
        work += [self._sessions(delay_s, stopping) for delay_s in range(sessions)]
        work += [self._jobs(stopping), self._probe(stopping)]
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)

    async def _files(self, apis: Iterator[str], stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.send(next(apis))
            await asyncio.sleep(self.pause_s)

    async def _jobs(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            answer = await self.send("/v1/listen", self.hook_url)
            if answer is not None:
                self.accepted.append(answer.json()["job_id"])
            await asyncio.sleep(2.0)

    async def _probe(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            # As a load balancer does: a connection for each.
            async with httpx.AsyncClient(base_url=self.url, timeout=_PROBE_TIMEOUT_S, trust_env=False) as client:
                try:
                    self.probes[(await client.get("/healthz")).status_code] += 1
                except httpx.HTTPError:
                    self.probes[0] += 1
            await asyncio.sleep(1.0)

    async def _sessions(self, delay_s: float, stopping: asyncio.Event) -> None:
        await asyncio.sleep(delay_s)
        while not stopping.is_set():
            attempt = await self.talk()
            self.attempts.append(attempt)
            if attempt.ending is not Ending.ANSWERED:
                await asyncio.sleep(1.0)

    async def send(self, api: str, hook_url: str | None = None) -> httpx.Response | None:
        """One request (a job, with a hook), again where the service says so: the client honours Retry-After."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while True:
            answer, attempt = await self._request(api, hook_url)
            self.attempts.append(attempt)
            if attempt.ending is not Ending.TOLD or answer is None:
                return answer if attempt.ending is Ending.ANSWERED else None
            if time.monotonic() > give_up_s:
                self.given_up += 1
                return None
            await asyncio.sleep(min(float(answer.headers["retry-after"]), _RETRY_WAIT_S))

    async def _request(self, api: str, hook_url: str | None) -> tuple[httpx.Response | None, Attempt]:
        kind = "job" if hook_url else api
        begun_s = time.monotonic()
        # A connection for each, so that all nodes get some.
        async with httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.key}"},
            timeout=_ANSWER_TIMEOUT_S,
            trust_env=False,
        ) as client:
            try:
                answer = await client.post(api, **self._body(api, hook_url))
            except httpx.HTTPError as error:
                label = type(error).__name__
                return None, Attempt(kind, begun_s, time.monotonic(), Ending.FAILED, label)
        ending = ending_of_answer(answer.status_code, answer.headers.get("retry-after"))
        return answer, Attempt(kind, begun_s, time.monotonic(), ending, str(answer.status_code))

    def _body(self, api: str, hook_url: str | None) -> dict[str, Any]:
        wav = ("speech.wav", self.speech.wav, "audio/wav")
        match api:
            case "/waves/v1/stt/":
                return {"content": self.speech.wav, "params": {"model": "pulse", "language": "en"}}
            case "/v1/audio/transcriptions":
                return {"files": {"file": wav}, "data": {"model": "whisper-1"}}
            case "/stt":
                return {"files": {"file": wav}}
        data = {"diarize": "true"} if hook_url is None else {"callback_url": hook_url}
        return {"files": {"audio": wav}, "data": data}

    async def talk(self) -> Attempt:
        """One live session, at the pace of speech."""
        begun_s = time.monotonic()
        socket_url = f"{self.url.replace('http', 'ws', 1)}{PATH}?{httpx.QueryParams(LiveRequest().query())}"
        try:
            socket = await connect(
                socket_url,
                additional_headers={"authorization": f"Bearer {self.key}"},
                proxy=None,
                compression=None,
                open_timeout=_ANSWER_TIMEOUT_S,
            )
        except InvalidStatus as refusal:
            response = refusal.response
            ending = ending_of_answer(response.status_code, response.headers.get("retry-after"))
            return Attempt("live", begun_s, time.monotonic(), ending, f"refused {response.status_code}")
        except (OSError, WebSocketException) as error:
            return Attempt("live", begun_s, time.monotonic(), Ending.FAILED, type(error).__name__)
        try:
            async with asyncio.timeout(len(self.speech.pcm) / 2 / SAMPLE_RATE_HZ + _ANSWER_TIMEOUT_S):
                ending, label = await self._conversation(socket)
        except TimeoutError:
            ending, label = Ending.FAILED, "TimeoutError"
            await socket.close()
        return Attempt("live", begun_s, time.monotonic(), ending, label)

    async def _conversation(self, socket: ClientConnection) -> tuple[Ending, str]:
        has_last_words, error = False, ""
        speaker = asyncio.create_task(_speak(socket, self.speech.pcm))
        try:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "error":
                    error = message["error_code"]
                elif message.get("is_final"):
                    self.words_heard += len(message["words"])
                    has_last_words = has_last_words or message["is_last"]
        except ConnectionClosed:
            pass
        finally:
            speaker.cancel()
        code = _NO_CODE if socket.close_code is None else socket.close_code
        ending = ending_of_session(code, has_last_words=has_last_words, has_error=bool(error))
        return ending, f"{code} {error}".strip()


async def _speak(socket: ClientConnection, pcm: bytes) -> None:
    pace = Pace()
    with contextlib.suppress(ConnectionClosed):
        for first in range(0, len(pcm), PIECE_BYTES):
            piece = pcm[first : first + PIECE_BYTES]
            await pace.wait_until((first + len(piece)) / 2 / SAMPLE_RATE_HZ)
            await socket.send(piece)
        await socket.send(json.dumps({"type": "close_stream"}))

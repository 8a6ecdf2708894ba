"""One recording over one API, once: nothing is tried again, since a second try would hide the first."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from load_tests.load.observations import Outcome, outcome_of
from load_tests.load.plan import Caller, FileApi
from load_tests.load.receiver import Receiver
from load_tests.load.uploads import Upload
from serve_app.loopback import is_loopback

_CONNECT_TIMEOUT_S = 10.0
_MODEL = "whisper-1"
_SHOWN_CHARACTERS = 120
_NO_ADDRESS = "URL_NOT_ALLOWED"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it. ``accepted_s`` is a time of time.perf_counter, for jobs only."""

    outcome: Outcome
    reason: str = ""
    retry_after_s: float | None = None
    has_text: bool = True
    accepted_s: float | None = None


class FileCaller:
    """Calls a service. Safe to use from several threads."""

    def __init__(
        self, server: str, receiver: Receiver, timeout_s: float, transport: httpx.BaseTransport | None = None
    ) -> None:
        """``server`` is a base URL; ``transport`` replaces the network."""
        self._receiver = receiver
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=server,
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=256),
            # A proxy from the environment cannot reach this machine's own loopback.
            trust_env=not is_loopback(httpx.URL(server).host),
            transport=transport,
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def call(self, api: FileApi, upload: Upload, caller: Caller) -> Answer:
        """Send a recording and wait for what the API promises: a transcript, or a webhook with one."""
        try:
            if api is FileApi.JOB:
                return self._call_job(upload, caller)
            response = self._send(api, upload, caller)
        except httpx.HTTPError as error:
            return Answer(Outcome.FAILED, _no_answer(error, self._timeout_s))
        if not response.is_success:
            return _refusal(response)
        text = _field(response, "transcription" if api is FileApi.WAVES else "text")
        return Answer(Outcome.FAILED, "no transcript in the answer") if text is None else _done(text)

    def _send(self, api: FileApi, upload: Upload, caller: Caller) -> httpx.Response:
        headers = _headers(caller)
        part = (upload.name, upload.data, upload.content_type)
        match api:
            case FileApi.WAVES:
                return self._http.post(
                    "/waves/v1/stt/",
                    params={"model": "pulse"},
                    content=upload.data,
                    headers={**headers, "content-type": upload.content_type},
                )
            case FileApi.SIXTYDB:
                return self._http.post("/stt", files={"file": part}, headers=headers)
            case FileApi.OPENAI:
                return self._http.post(
                    "/v1/audio/transcriptions", data={"model": _MODEL}, files={"file": part}, headers=headers
                )
            case FileApi.URL:
                return self._http.post("/v1/listen", json={"url": self._receiver.audio_url(upload)}, headers=headers)
            case _:
                return self._http.post("/v1/listen", files={"audio": part}, headers=headers)

    def _call_job(self, upload: Upload, caller: Caller) -> Answer:
        begun_s = time.perf_counter()
        with self._receiver.expecting() as expected:
            response = self._http.post(
                "/v1/listen",
                data={"callback_url": expected.url},
                files={"audio": (upload.name, upload.data, upload.content_type)},
                headers=_headers(caller),
            )
            if not response.is_success:
                return _refusal(response)
            accepted_s = time.perf_counter()
            job_id = _field(response, "job_id")
            body = expected.wait(self._timeout_s - (accepted_s - begun_s))
        if body is None:
            reason = f"no webhook within {self._timeout_s:g} s; the job is {self._job_status(job_id, caller)}"
            return Answer(Outcome.FAILED, reason, accepted_s=accepted_s)
        result = body.get("result")
        if body.get("job_id") != job_id or not isinstance(result, dict) or "text" not in result:
            return Answer(Outcome.FAILED, f"the webhook says: {_short(json.dumps(body))}", accepted_s=accepted_s)
        return Answer(Outcome.DONE, has_text=bool(result["text"]), accepted_s=accepted_s)

    def _job_status(self, job_id: str | None, caller: Caller) -> str:
        """For people."""
        try:
            return _field(self._http.get(f"/v1/jobs/{job_id}", headers=_headers(caller)), "status") or "not known"
        except httpx.HTTPError as error:
            return f"not known ({type(error).__name__})"


def is_unreachable_from_service(reason: str) -> bool:
    """Whether the service may not fetch from our server, or send webhooks to it."""
    return _NO_ADDRESS in reason or "callback_url" in reason


def error_code(body: Any) -> str:
    """The code in the error body of any of the dialects, or its message; empty where it is no such body."""
    if not isinstance(body, dict):
        return ""
    inner = body["error"] if isinstance(body.get("error"), dict) else body
    named = next((inner[name] for name in ("code", "error_code") if inner.get(name)), "")
    return str(named or inner.get("message") or "")


def _refusal(response: httpx.Response) -> Answer:
    body = _json(response)
    code = error_code(body) or _short(response.text)
    # What a parameter is wrong with is in the message alone.
    message = body.get("error") if isinstance(body, dict) else None
    detail = f": {_short(message)}" if response.status_code == 400 and isinstance(message, str) else ""
    return Answer(
        outcome_of(response.status_code, code),
        f"HTTP {response.status_code} {code}{detail}".strip(),
        retry_after_s=_seconds(response.headers.get("retry-after")),
    )


def _headers(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.key}"} if caller.key else {}


def _done(text: str) -> Answer:
    return Answer(Outcome.DONE, has_text=bool(text.strip()))


def _no_answer(error: httpx.HTTPError, timeout_s: float) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout_s:g} s"
    return f"{type(error).__name__}: {_short(str(error))}"


def _field(response: httpx.Response, name: str) -> str | None:
    body = _json(response)
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"

"""What a webhook is told about a job that ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from deployments import service_log as log
from serve_app.jobs.contracts import CallbackForm, Job


@dataclass(frozen=True, slots=True)
class Message:
    """One request to a webhook; ``body`` is JSON, or empty."""

    url: str = field(repr=False)
    method: str
    body: str = field(repr=False)


def message_of(job: Job, forms: Mapping[str, CallbackForm]) -> Message:
    """How the end of a job is told: a POST carries the body that the job's dialect writes.

    A GET has no body. Its URL gets the parameters ``job_id``, ``request_id``, ``status`` in the dialect's words, and
    ``webhook_extra`` where the caller sent one; the transcript is fetched from ``GET /v1/jobs/{job_id}``, since it
    would not fit into a URL. The scheme of the signature covers the empty body, not the URL.
    """
    callback, body = job.order.callback, ending_of(job, forms)
    if callback.method != "GET":
        return Message(callback.url, callback.method, json.dumps(body))
    parameters = {
        "job_id": job.id,
        "request_id": job.order.request.request_id,
        "status": str(body.get("status", job.status)),
    }
    if callback.extra is not None:
        parameters["webhook_extra"] = callback.extra
    return Message(_with_parameters(callback.url, parameters), "GET", "")


def ending_of(job: Job, forms: Mapping[str, CallbackForm]) -> dict[str, Any]:
    """The body that the job's dialect sends about a job that completed or failed.

    Where the dialect is gone since, or cannot write it, the body says how the job ended and no more: a mistake in it
    must not keep jobs from ending.
    """
    try:
        form = forms[job.order.dialect]
        if job.transcript is not None:
            return form.completed(job, job.transcript)
        if job.failure is not None:
            return form.failed(job, job.failure)
    except Exception as error:
        log.error("webhook cannot be written", error, dialect=job.order.dialect, job=job.id)
    reason = {"error": job.failure.message} if job.failure else {}
    return {"job_id": job.id, "request_id": job.order.request.request_id, "status": job.status.value} | reason


def _with_parameters(url: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(parameters))))))

"""What the service writes into its log: an event by name, and what is known of it as fields.

A line is a sentence for people, ``a job attempt failed job=job_1 attempt=2``, and in JSON has each field by itself
besides, with the sentence's fixed part as ``event``. Ray Serve owns the handlers: it adds the request's id, and which
replica wrote the line (docs/logs.md).

Fields are ids of ours, names of classes, numbers and words from small sets. Never what was said, a file's name, a URL,
an address, a key, or anything else that somebody sent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from opentelemetry import trace

from deployments.errors import RayscribeError
from deployments.signals import failure_label

Field = str | int | float | bool | None

_logger = logging.getLogger("ray.serve")
_bound: ContextVar[Mapping[str, Field] | None] = ContextVar("log_fields", default=None)
_SERVES_WORDS = "Request failed."
_PLAIN = re.compile(r"[\w.:/{}+-]+", re.ASCII)


@contextlib.contextmanager
def bound(**fields: Field) -> Iterator[None]:
    """Every line of this task, and of those that it starts meanwhile, has these fields; None is left out."""
    token = _bound.set({**(_bound.get() or {}), **_known(fields)})
    try:
        yield
    finally:
        _bound.reset(token)


def info(event: str, **fields: Field) -> None:
    """Something happened as it should."""
    _write(logging.INFO, event, fields)


def debug(event: str, **fields: Field) -> None:
    """The same, too often for a log that nobody asked to be long."""
    _write(logging.DEBUG, event, fields)


def warning(event: str, **fields: Field) -> None:
    """The service helps itself, but somebody may want to know."""
    _write(logging.WARNING, event, fields)


def error(event: str, cause: BaseException, **fields: Field) -> None:
    """A mistake of ours, with its traceback."""
    _write(logging.ERROR, event, fields, cause)


def leave_out_refusals() -> None:
    """Keep Serve from writing a traceback for each refusal, a damaged file, say: the stage's own line tells of it."""
    if not any(isinstance(each, _NoRefusals) for each in _logger.filters):
        _logger.addFilter(_NoRefusals())


class _NoRefusals(logging.Filter):
    """Serve logs whatever a call raises. What it does with an error of another class is left to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        refusal = record.exc_info[1] if record.exc_info else None
        return not (record.msg == _SERVES_WORDS and isinstance(refusal, RayscribeError))


@contextlib.contextmanager
def stage_call(stage: str, *, is_frequent: bool = False) -> Iterator[None]:
    """Tell of one call of a stage when it ends. Frequent ones, several in each second of live speech, are for debug."""
    tell = debug if is_frequent else info
    begun_s = time.monotonic()
    outcome = "completed"
    try:
        yield
    except BaseException as failure:
        outcome = failure_label(failure)
        raise
    finally:
        tell("stage call", stage=stage, outcome=outcome, seconds=round(time.monotonic() - begun_s, 3))


def _write(level: int, event: str, fields: Mapping[str, Field], cause: BaseException | None = None) -> None:
    if _logger.isEnabledFor(level):
        known = {**(_bound.get() or {}), **_known(fields)}
        text = " ".join([event, *(f"{name}={_shown(value)}" for name, value in known.items())])
        extra = {"event": event, **known, **_trace()}
        # The line is the caller's, two functions up; no arguments, so that a % is a %.
        _logger.log(level, text, exc_info=cause, extra=extra, stacklevel=3)


def _known(fields: Mapping[str, Field]) -> dict[str, Field]:
    return {name: value for name, value in fields.items() if value is not None}


def _shown(value: Field) -> str:
    """One word, or a quoted string: no value can begin a line, or look like another field."""
    text = value if isinstance(value, str) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _trace() -> dict[str, str]:
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}

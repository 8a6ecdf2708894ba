from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from ray._common.formatters import JSONFormatter

from deployments import service_log as log
from deployments.errors import Overloaded
from tests.fakes.logs import kept_lines

pytestmark = pytest.mark.unit


def test_a_line_is_a_sentence_and_its_fields() -> None:
    with kept_lines() as lines:
        log.info("job attempt", outcome="completed", attempt=2, seconds=0.25, audio_s=None)
    (line,) = lines
    assert line.getMessage() == "job attempt outcome=completed attempt=2 seconds=0.25"
    assert (line.levelno, line.filename) == (logging.INFO, "test_service_log.py")
    fields = json.loads(JSONFormatter().format(line))
    assert fields["event"] == "job attempt"
    assert (fields["outcome"], fields["attempt"], fields["seconds"]) == ("completed", 2, 0.25)
    assert "audio_s" not in fields


def test_a_mistake_of_ours_has_its_traceback() -> None:
    with kept_lines() as lines:
        try:
            int("wrong")
        except ValueError as error:
            log.error("request failed", error, dialect="openai")
    assert lines[0].levelno == logging.ERROR
    assert "ValueError: invalid literal" in json.loads(JSONFormatter().format(lines[0]))["exc_text"]


async def test_what_is_bound_is_in_every_line_of_the_task_and_of_its_children() -> None:
    async def child() -> None:
        log.warning("utterance lost", audio_s=1.5)

    async def other() -> None:
        log.info("something else")

    with kept_lines() as lines:
        elsewhere = asyncio.create_task(other())
        with log.bound(session="stt_1", job=None):
            await asyncio.create_task(child())
        log.info("over")
        await elsewhere
    assert [line.getMessage() for line in lines] == [
        "something else",
        "utterance lost session=stt_1 audio_s=1.5",
        "over",
    ]


def test_the_span_in_hand_is_named() -> None:
    span = NonRecordingSpan(SpanContext(0xABC, 0x12, is_remote=False, trace_flags=TraceFlags(1)))
    with kept_lines() as lines:
        with trace.use_span(span):
            log.info("request")
        log.info("request")
    fields = json.loads(JSONFormatter().format(lines[0]))
    assert (fields["trace_id"], fields["span_id"]) == (f"{0xABC:032x}", f"{0x12:016x}")
    assert "trace_id" not in json.loads(JSONFormatter().format(lines[1]))


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "completed"), (Overloaded("full"), "overloaded"), (KeyError("x"), "internal_error")]
)
def test_a_stage_tells_how_a_call_ended(error: Exception | None, outcome: str) -> None:
    with kept_lines() as lines:
        with contextlib.suppress(Overloaded, KeyError), log.stage_call("decode"):
            if error is not None:
                raise error
        with log.stage_call("recognition", is_frequent=True):
            pass
    fields = [json.loads(JSONFormatter().format(line)) for line in lines]
    assert [(each["stage"], each["outcome"], each["levelname"]) for each in fields] == [
        ("decode", outcome, "INFO"),
        ("recognition", "completed", "DEBUG"),
    ]
    assert fields[0]["seconds"] >= 0


@given(st.text(), st.text())
def test_a_value_is_one_word_of_one_line_whatever_it_is(value: str, other: str) -> None:
    with kept_lines() as lines:
        log.warning("database does not answer", reason=value, other=other, percent="%s %d %(name)s")
    text = lines[0].getMessage()
    assert text.isprintable()
    # A quoted value is a string of JSON, which a shell's rules take apart as well.
    names = [part.partition("=")[0] for part in shlex.split(text.removeprefix("database does not answer "))]
    assert names == ["reason", "other", "percent"]
    fields = json.loads(JSONFormatter().format(lines[0]))
    assert (fields["reason"], fields["other"]) == (value, other)


@pytest.mark.parametrize(("error", "written"), [(Overloaded("full"), False), (ValueError("wrong"), True)])
def test_serve_writes_no_traceback_for_a_refusal(error: Exception, written: bool) -> None:
    log.leave_out_refusals()
    log.leave_out_refusals()
    with kept_lines() as lines:
        logging.getLogger("ray.serve").error("Request failed.", exc_info=error)
    assert bool(lines) is written

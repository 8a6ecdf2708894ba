from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Transcript, TranscriptionRequest, Word
from serve_app.jobs.contracts import Callback, JobFailure, JobOrder
from serve_app.jobs.rows import FAILURE, ORDER, TRANSCRIPT, is_job_id, new_job_id

pytestmark = pytest.mark.unit

# What UTF-8 can carry; NUL is in it.
st.register_type_strategy(str, st.text(st.characters(codec="utf-8"), max_size=10))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


@pytest.mark.parametrize(
    ("adapter", "kind"),
    [
        (ORDER, JobOrder),
        (FAILURE, JobFailure),
        (TRANSCRIPT, Transcript),
    ],
)
@given(data=st.data())
def test_what_is_written_down_comes_back_as_it_was(adapter: Any, kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    written = adapter.dump_json(value).decode()
    assert "\0" not in written
    assert adapter.validate_json(written) == value


def test_a_url_and_its_secrets_are_not_in_a_repr() -> None:
    order = JobOrder("plain", TranscriptionRequest("req_1"), "{}", Callback("https://user:hunter2@example.com/"))
    assert "hunter2" not in repr(order)


def test_a_transcript_keeps_what_its_words_were_heard_as() -> None:
    word = Word("Rayscribe", 0.1, 0.30000000000000004, 1 / 3, boosted=True, original="ray scribe")
    segment = Segment(0.0, 1.0, "Rayscribe", "en", (word,), None, 3)
    adapter: Any = TRANSCRIPT
    base = adapter.validate_json(
        '{"request_id":"r","text":"","language":null,"duration_s":1,"segments":[],"turns":[],"snr_db":null,'
        '"warnings":[],"usage":{"billable_s":0}}'
    )
    transcript = Transcript(
        base.request_id, "Rayscribe", "en", 1.0, (segment,), (), base.snr_db, base.warnings, base.usage
    )
    assert adapter.validate_json(adapter.dump_json(transcript)) == transcript


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_ids_sort_by_time(first_s: float, second_s: float) -> None:
    first, second = new_job_id(first_s), new_job_id(second_s)
    assert is_job_id(first)
    if int(first_s * 1000) != int(second_s * 1000):
        assert (first < second) == (first_s < second_s)

"""What holds for any transcript."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
    TranscriptionVerbose,
)
from pydantic import BaseModel

from deployments.contracts import Segment, Transcript, Usage, Word
from deployments.text_joining import joined_sentences, joined_words
from serve_app.dialects.openai.answers import (
    DiarizedSegment,
    DiarizedTranscription,
    SpeakerLetters,
    VerboseTranscription,
    json_answer,
)
from serve_app.dialects.openai.events import EventWriter, TextDelta
from serve_app.dialects.openai.parameters import TranscriptionOptions

pytestmark = pytest.mark.unit

SDK_EVENTS: dict[str, type[BaseModel]] = {
    "transcript.text.delta": TranscriptionTextDeltaEvent,
    "transcript.text.segment": TranscriptionTextSegmentEvent,
    "transcript.text.done": TranscriptionTextDoneEvent,
}

texts = st.text(st.characters(exclude_categories=("Cs", "Z", "Cc")), min_size=1, max_size=8)
speakers = st.one_of(st.none(), st.sampled_from([f"SPEAKER_{index:02d}" for index in range(40)]))


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    start_s = draw(st.floats(0, 7200))
    speaker = draw(speakers)
    spoken = draw(st.lists(st.tuples(texts, st.floats(0, 1)), min_size=1, max_size=6))
    words = tuple(
        Word(text, start_s + at, start_s + at + 0.5, confidence, speaker)
        for at, (text, confidence) in enumerate(spoken)
    )
    text = joined_words(word.text for word in words)
    return Segment(start_s, words[-1].end_s, text, draw(st.sampled_from(["en", "de", "hi"])), words, speaker)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    said = tuple(draw(st.lists(segments(), max_size=6)))
    return Transcript(
        request_id="req_1",
        text=joined_sentences(segment.text for segment in said),
        language=said[0].language if said else None,
        duration_s=7300.0,
        segments=said,
        turns=(),
        snr_db=None,
        warnings=(),
        usage=Usage(7300.0),
    )


def options_for(response_format: str, **others: object) -> TranscriptionOptions:
    return TranscriptionOptions.model_validate({"model": "m", "response_format": response_format, **others})


@given(transcripts(), st.sampled_from(["json", "diarized_json"]), st.data())
def test_deltas_are_the_text_however_the_segments_come(
    transcript: Transcript, response_format: str, data: st.DataObject
) -> None:
    writer = EventWriter(options_for(response_format))
    deltas, left = [], list(transcript.segments)
    while left:
        count = data.draw(st.integers(1, len(left)))
        deltas += [event.delta for event in writer.more(left[:count]) if isinstance(event, TextDelta)]
        del left[:count]
    assert "".join(deltas) == writer.done(transcript).text == transcript.text


@given(transcripts())
def test_tokens_are_the_text_too(transcript: Transcript) -> None:
    options = options_for("json", include=["logprobs"])
    whole = Transcription.model_validate(json_answer(transcript, options).model_dump(exclude_unset=True))
    writer = EventWriter(options)
    streamed = [
        entry
        for event in writer.more(transcript.segments)
        if isinstance(event, TextDelta)
        for entry in event.logprobs or ()
    ]
    assert "".join(entry.token for entry in streamed) == transcript.text
    assert writer.done(transcript).logprobs == streamed
    assert [(entry.token, entry.logprob) for entry in whole.logprobs or ()] == [
        (entry.token, entry.logprob) for entry in streamed
    ]
    for entry in streamed:
        assert bytes(entry.bytes).decode() == entry.token
        assert math.isfinite(entry.logprob)
        assert entry.logprob <= 0


@given(transcripts())
def test_answers_are_what_the_sdk_types(transcript: Transcript) -> None:
    verbose = json_answer(
        transcript, options_for("verbose_json", timestamp_granularities=["word", "segment"])
    ).model_dump(exclude_unset=True)
    typed = TranscriptionVerbose.model_validate_json(json.dumps(verbose, allow_nan=False))
    assert [word.word for word in typed.words or ()] == [word.text for word in transcript.words]
    assert not typed.model_extra or set(typed.model_extra) == {"task"}
    diarized = json_answer(transcript, options_for("diarized_json")).model_dump(exclude_unset=True)
    assert not TranscriptionDiarized.model_validate_json(json.dumps(diarized, allow_nan=False)).model_extra


@given(transcripts())
def test_events_are_what_the_sdk_types_and_say_what_the_answer_says(transcript: Transcript) -> None:
    options = options_for("diarized_json")
    writer = EventWriter(options)
    events = [*writer.more(transcript.segments), writer.done(transcript)]
    for event in events:
        written = event.model_dump_json(exclude_unset=True)
        assert not SDK_EVENTS[event.type].model_validate_json(written).model_extra
    answer = json_answer(transcript, options)
    assert isinstance(answer, DiarizedTranscription)
    assert [event for event in events if isinstance(event, DiarizedSegment)] == answer.segments


@given(st.lists(speakers, min_size=1))
def test_letters_go_by_appearance(labels: list[str | None]) -> None:
    letters = SpeakerLetters()
    named = {label: letters.name(label) for label in labels}
    assert [letters.name(label) for label in labels] == [named[label] for label in labels]
    assert list(named.values()) == sorted(set(named.values()), key=lambda name: (len(name), name))
    assert letters.name(labels[0]) == "A"


def test_after_z_comes_aa() -> None:
    letters = SpeakerLetters()
    named = [letters.name(str(index)) for index in range(703)]
    assert (named[25], named[26], named[51], named[52], named[701], named[702]) == ("Z", "AA", "AZ", "BA", "ZZ", "AAA")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("bn", "bengali"),
        ("tl", "tagalog"),
        ("mi", "maori"),
        ("my", "myanmar"),
        ("nn", "nynorsk"),
        ("yue", "cantonese"),
        ("ht", "haitian creole"),
        (None, "unknown"),
    ],
)
def test_languages_have_the_names_that_whisper_gives_them(code: str | None, name: str) -> None:
    options = TranscriptionOptions(model="whisper-1", response_format="verbose_json")
    transcript = Transcript("req_1", "", code, 1.0, (), (), None, (), Usage(1.0))
    answer = json_answer(transcript, options)
    assert isinstance(answer, VerboseTranscription)
    assert answer.language == name

"""Any transcript that the contracts allow, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from deployments.contracts import (
    LanguageDetection,
    LanguageSource,
    Segment,
    SpeakerTurn,
    Transcript,
    TranscriptionWarning,
    Usage,
    WarningCode,
    Word,
)

_seconds = st.floats(0, 7200, allow_nan=False)
_languages = st.sampled_from(["en", "hi", "yue", "xx"])
_speakers = st.none() | st.sampled_from(["SPEAKER_00", "SPEAKER_01", "SPEAKER_10"])


@st.composite
def _words(draw: st.DrawFn) -> Word:
    start_s = draw(_seconds)
    return Word(
        text=draw(st.text(min_size=1, max_size=8)),
        start_s=start_s,
        end_s=start_s + draw(st.floats(0, 3)),
        confidence=draw(st.floats(0, 1)),
        speaker=draw(_speakers),
        boosted=draw(st.booleans()),
        original=draw(st.none() | st.text(max_size=8)),
    )


@st.composite
def _turns(draw: st.DrawFn) -> SpeakerTurn:
    start_s = draw(_seconds)
    return SpeakerTurn(draw(st.sampled_from(["SPEAKER_00", "SPEAKER_01"])), start_s, start_s + draw(st.floats(0, 60)))


@st.composite
def _segments(draw: st.DrawFn) -> Segment:
    start_s = draw(_seconds)
    return Segment(
        start_s=start_s,
        end_s=start_s + draw(st.floats(0, 30)),
        text=draw(st.text(max_size=20)),
        language=draw(_languages),
        words=draw(st.lists(_words(), max_size=4).map(tuple)),
        speaker=draw(_speakers),
        chunk=draw(st.none() | st.integers(0, 50)),
    )


_warnings = st.builds(TranscriptionWarning, st.sampled_from(WarningCode), st.text(max_size=20))
_detections = st.builds(
    LanguageDetection,
    st.sampled_from(LanguageSource),
    st.lists(_languages, max_size=3).map(tuple),
    st.integers(0, 100),
)

transcripts = st.builds(
    Transcript,
    request_id=st.uuids().map(str),
    text=st.text(max_size=40),
    language=st.none() | _languages,
    duration_s=_seconds,
    segments=st.lists(_segments(), max_size=4).map(tuple),
    turns=st.lists(_turns(), max_size=4).map(tuple),
    snr_db=st.none() | st.floats(-60, 120),
    warnings=st.lists(_warnings, max_size=2).map(tuple),
    usage=st.builds(Usage, _seconds),
    detection=_detections,
)
"""Transcripts whose parts need not fit each other."""

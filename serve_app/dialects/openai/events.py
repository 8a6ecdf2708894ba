"""What is said in a streamed answer: the events, and how they follow from a transcript. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from deployments.contracts import Segment, Transcript
from deployments.text_joining import sentence_separator
from serve_app.dialects.openai.answers import (
    AnswerWarning,
    DiarizedSegment,
    LanguageCode,
    LogProbability,
    SpeakerLetters,
    diarized_segment,
    languages_of,
    log_probabilities,
    warnings_of,
)
from serve_app.dialects.openai.parameters import TranscriptionOptions


class TextDelta(BaseModel):
    """More of the text. All deltas, one after another, are the text."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str = Field(description="With the space in front of it, unless it is the first.")
    logprobs: list[LogProbability] | None = Field(None, description="Only with `include[]=logprobs`; one per word.")
    segment_id: str | None = Field(None, description="Only in `diarized_json`: the segment that it belongs to.")


class TextDone(BaseModel):
    """The end. It has no usage: the SDK types one of tokens here, and none were counted."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str = Field(description="The whole text.")
    languages: list[LanguageCode] = Field(description="In the order in which they are spoken.")
    logprobs: list[LogProbability] | None = Field(None, description="Only with `include[]=logprobs`; one per word.")
    warnings: list[AnswerWarning] | None = Field(
        None, description="Ours, not the vendor's; only there when there are any."
    )


Event = TextDelta | DiarizedSegment | TextDone


class EventWriter:
    """Turns segments, in order, into events; one for each stream."""

    def __init__(self, options: TranscriptionOptions) -> None:
        self._options = options
        self._letters = SpeakerLetters()
        self._segments = 0
        self._last_text = ""

    def more(self, segments: Sequence[Segment]) -> list[Event]:
        """The events of the next segments."""
        return [event for segment in segments for event in self._of(segment)]

    def done(self, transcript: Transcript) -> TextDone:
        """The last event."""
        logprobs = {"logprobs": log_probabilities(transcript.segments)} if self._options.logprobs else {}
        return TextDone(
            type="transcript.text.done",
            text=transcript.text,
            languages=languages_of(transcript.segments),
            **logprobs,
            **warnings_of(transcript.warnings),
        )

    def _of(self, segment: Segment) -> list[Event]:
        index, before = self._segments, self._last_text
        self._segments += 1
        self._last_text = segment.text or before
        text = sentence_separator(before, segment.text) + segment.text
        delta = TextDelta(type="transcript.text.delta", delta=text)
        if self._options.logprobs:
            delta.logprobs = log_probabilities([segment], before)
        if not self._options.diarize:
            return [delta]
        diarized = diarized_segment(index, segment, self._letters)
        delta.segment_id = diarized.id
        return [delta, diarized]

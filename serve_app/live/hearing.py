"""What a session needs of recognition: the audio of an utterance in, its words out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import Samples, TimeSpan, TranscriptionWarning, Voiceprint, Word


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """The audio of one utterance, as far as it goes.

    Attributes:
        samples: mono at SAMPLE_RATE_HZ, shape [n].
        start_s: where it begins in the stream.
        regions: the parts of it to recognise, in seconds from its own start; sorted and disjoint.
        speech_s: how much of it is speech.
    """

    samples: Samples
    start_s: float
    regions: tuple[TimeSpan, ...]
    speech_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said. Words are in order and do not overlap; times count from the start of the stream.

    ``voice`` is None where nobody asked, or where it could not be told in time. ``warnings`` come with finals alone.
    """

    words: tuple[Word, ...] = ()
    language: str | None = None
    voice: Voiceprint | None = None
    warnings: tuple[TranscriptionWarning, ...] = ()


class Hearing(Protocol):
    """Recognises excerpts of one session."""

    async def __call__(self, excerpt: Excerpt, *, is_partial: bool) -> Heard:
        """Recognise an excerpt; cancelling the call stops the work.

        Args:
            excerpt: what to recognise.
            is_partial: the utterance goes on; the answer is worth nothing if it comes late.

        Raises:
            ServiceUnavailable: it cannot be done now.
        """
        ...

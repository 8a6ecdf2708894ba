"""How far word times are off, on the words that were recognised right."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from load_tests.recordings import TimedWord


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A true word and the recognised one that it was aligned with; both are the same word."""

    truth: TimedWord
    found: TimedWord

    @property
    def start_error_s(self) -> float:
        """Found minus true."""
        return self.found.start_s - self.truth.start_s

    @property
    def end_error_s(self) -> float:
        """Found minus true."""
        return self.found.end_s - self.truth.end_s


@dataclass(frozen=True, slots=True)
class WordTimeErrors:
    """Absolute errors in seconds over matched words."""

    matched: int
    start_median_s: float
    start_mean_s: float
    end_median_s: float
    end_mean_s: float


def match_words(truth: Sequence[TimedWord], found: Sequence[TimedWord]) -> list[WordMatch]:
    """Pair the words that the cheapest alignment of both sequences calls equal; both in order of time."""
    spoken = [(word, bare) for word in truth if (bare := _bare(word.text))]
    heard = [(word, bare) for word in found if (bare := _bare(word.text))]
    if not spoken or not heard:
        return []
    aligned = jiwer.process_words(" ".join(bare for _, bare in spoken), " ".join(bare for _, bare in heard))
    return [
        WordMatch(spoken[chunk.ref_start_idx + offset][0], heard[chunk.hyp_start_idx + offset][0])
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for offset in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]


def word_time_errors(matches: Sequence[WordMatch]) -> WordTimeErrors | None:
    """The summary; None without matches."""
    if not matches:
        return None
    starts_s = [abs(match.start_error_s) for match in matches]
    ends_s = [abs(match.end_error_s) for match in matches]
    return WordTimeErrors(
        matched=len(matches),
        start_median_s=statistics.median(starts_s),
        start_mean_s=statistics.fmean(starts_s),
        end_median_s=statistics.median(ends_s),
        end_mean_s=statistics.fmean(ends_s),
    )


def _bare(text: str) -> str:
    """A word without case and marks, in one piece; empty for an entry that is only a mark."""
    return re.sub(r"[^\w']|_", "", text.lower().replace("’", "'")).strip("'")

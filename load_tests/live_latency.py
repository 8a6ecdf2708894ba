"""How long after something was said its words came. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.contracts import TimeSpan
from load_tests.live_speech import LiveSpeech
from load_tests.live_streams import StreamLog, Told
from load_tests.report import percentile
from serve_app.live_client import PIECE_S

# Word times of a recogniser are off by so much now and then; the next utterance is at least a second away.
_WORD_TIME_ERROR_S = 0.3


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds, by the clock of the client; see latencies_of.

    Attributes:
        first_s: from the first sound of each utterance to the first text of it.
        partial_s: from the last word of each partial text to that text.
        final_s: from the true end of each utterance to the text that is final up to there.
        utterances: how many there were.
    """

    first_s: tuple[float, ...] = ()
    partial_s: tuple[float, ...] = ()
    final_s: tuple[float, ...] = ()
    utterances: int = 0

    def __add__(self, other: Latencies) -> Latencies:
        return Latencies(
            self.first_s + other.first_s,
            self.partial_s + other.partial_s,
            self.final_s + other.final_s,
            self.utterances + other.utterances,
        )

    @property
    def missed(self) -> int:
        """Utterances whose end did not become final."""
        return self.utterances - len(self.final_s)

    def final_percentile_s(self, percent: float) -> float | None:
        """Of final_s; None where there is none."""
        return percentile(self.final_s, percent) if self.final_s else None


def latencies_of(speech: LiveSpeech, log: StreamLog, from_s: float = 0.0, to_s: float = float("inf")) -> Latencies:
    """What was heard of a stream, held against what was said in it.

    A text belongs to an utterance if a word of it lies there. Of several finals the last one counts: an utterance is
    not known before all of it is. One that came before the end cannot hold the end, which is missed then. What was
    not sent, since the stream broke off, is left out.

    Args:
        speech: what was said.
        log: of the stream.
        from_s, to_s: only utterances that end in between.
    """
    if not log.sent_at_s:
        return Latencies()
    spoken = [one.speech for one in speech.utterances if from_s <= one.speech.end_s < to_s]
    sent = [span for span in spoken if span.end_s < len(log.sent_at_s) * PIECE_S]
    first_s = [one.at_s - log.sent_s(span.start_s) for span in sent for one in _those_in(span, log.told)[:1]]
    lasts = [(one.at_s, log.sent_s(span.end_s)) for span in sent for one in _those_in(span, log.finals)[-1:]]
    partial_s = [
        one.at_s - log.sent_s(one.transcript.words[-1].end)
        for one in log.told
        if not one.transcript.is_final and one.transcript.words and from_s <= one.transcript.words[-1].end < to_s
    ]
    final_s = [told_at_s - ended_at_s for told_at_s, ended_at_s in lasts if told_at_s >= ended_at_s]
    return Latencies(tuple(first_s), tuple(partial_s), tuple(final_s), len(sent))


def _those_in(span: TimeSpan, told: Iterable[Told]) -> list[Told]:
    low_s, high_s = span.start_s - _WORD_TIME_ERROR_S, span.end_s + _WORD_TIME_ERROR_S
    return [one for one in told if any(low_s <= (word.start + word.end) / 2 <= high_s for word in one.transcript.words)]

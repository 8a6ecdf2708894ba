"""Recognised spans and speaker turns into the segments of a transcript. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from deployments.contracts import RecognizedSpan, Segment, SpeakerTurn, Word
from deployments.diarization.attribution import attribute_words
from deployments.refinement.punctuation import ends_sentence, is_cased
from deployments.text_joining import joined_words
from deployments.time_index import TimeIndex

# A pause this long ends a segment even in the middle of a sentence.
_PAUSE_S = 1.5
_LONGEST_SEGMENT_S = 30.0
# Somebody who speaks this long said something, even if it was not understood.
_WORDLESS_TURN_S = 1.0


def segments_of(spans: Sequence[RecognizedSpan], turns: Sequence[SpeakerTurn]) -> tuple[Segment, ...]:
    """Segments of one language and one speaker each, cut at sentence ends, pauses and changes.

    Words get speakers when there are turns.
    """
    words = [word for span in spans for word in span.words]
    windows = [window for window, span in enumerate(spans) for _ in span.words]
    cased = is_cased(words)
    segments: list[Segment] = []
    run: list[Word] = []
    last = 0
    for word, window in zip(attribute_words(words, turns) if turns else words, windows, strict=True):
        language = spans[last].language
        if run and (spans[window].language != language or _ends(run, word, cased and window == last)):
            segments.append(_segment(run, language))
            run = []
        run.append(word)
        last = window
    if run:
        segments.append(_segment(run, spans[last].language))
    return tuple(segments)


def _ends(run: Sequence[Word], word: Word, knows_casing: bool) -> bool:
    """Whether a segment ends before a word; ``knows_casing``: of the two words, as one window of the recogniser."""
    last = run[-1]
    return (
        word.speaker != last.speaker
        or ends_sentence(last.text, word if knows_casing else None)
        or word.start_s - last.end_s >= _PAUSE_S
        or word.end_s - run[0].start_s > _LONGEST_SEGMENT_S
    )


def _segment(words: Sequence[Word], language: str) -> Segment:
    return Segment(
        start_s=words[0].start_s,
        end_s=max(word.end_s for word in words),
        text=joined_words(word.text for word in words),
        language=language,
        words=tuple(words),
        speaker=words[0].speaker,
    )


def spoken_turns(segments: Sequence[Segment], turns: Sequence[SpeakerTurn]) -> tuple[Segment, ...]:
    """The speaker turns, in order, each with the words said in it; sorted by start, like turns.

    The times are the diarizer's: words leave gaps and cannot overlap (37.7 % diarization error against 16.3 %). A word
    belongs to the turn of its speaker that it overlaps most, or to the nearest. A turn without a word stays only if it
    is long enough to be more than a breath. Its language is that of most of its words, or, without any, of the segment
    that is nearest.
    """
    said: list[list[Word]] = [[] for _ in turns]
    languages: list[Counter[str]] = [Counter() for _ in turns]
    own = _turns_by_speaker(turns)
    for segment in segments:
        for word in segment.words:
            if word.speaker in own:
                turn = own[word.speaker].closest(word.start_s, word.end_s).position
                said[turn].append(word)
                languages[turn][segment.language] += 1
    everything = TimeIndex(segments)
    return tuple(
        _turn(turn, _most_common(spoken) or _language_near(turn, everything), words)
        for turn, words, spoken in zip(turns, said, languages, strict=True)
        if words or turn.end_s - turn.start_s >= _WORDLESS_TURN_S
    )


class _Numbered(NamedTuple):
    start_s: float
    end_s: float
    position: int


def _turns_by_speaker(turns: Sequence[SpeakerTurn]) -> dict[str | None, TimeIndex[_Numbered]]:
    numbered: dict[str | None, list[_Numbered]] = defaultdict(list)
    for position, turn in enumerate(turns):
        numbered[turn.speaker].append(_Numbered(turn.start_s, turn.end_s, position))
    return {speaker: TimeIndex(own) for speaker, own in numbered.items()}


def _turn(turn: SpeakerTurn, language: str, words: Sequence[Word]) -> Segment:
    text = joined_words(word.text for word in words)
    return Segment(turn.start_s, turn.end_s, text, language, tuple(words), turn.speaker)


def _most_common(languages: Counter[str]) -> str | None:
    return next((language for language, _ in languages.most_common(1)), None)


def _language_near(turn: SpeakerTurn, segments: TimeIndex[Segment]) -> str:
    try:
        return segments.closest(turn.start_s, turn.end_s).language
    except LookupError:
        return ""

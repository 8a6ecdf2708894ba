"""Segments for the tests of refinement, and what has to hold of every rewriting of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from deployments.contracts import Segment, Word
from deployments.text_joining import joined_words


def segment(text: str, language: str = "en", start_s: float = 0.0, speaker: str = "SPEAKER_00") -> Segment:
    """One second for each word, of which it takes 0.9."""
    texts = text.split()
    words = tuple(Word(part, start_s + index, start_s + index + 0.9, 0.6, speaker) for index, part in enumerate(texts))
    return Segment(start_s, start_s + len(texts), joined_words(texts), language, words, speaker)


def segments_of(texts: Sequence[Sequence[str]], language: str) -> tuple[Segment, ...]:
    """Segments of drawn words, one behind the other."""
    made: list[Segment] = []
    for words in texts:
        made.append(segment(" ".join(words), language, made[-1].end_s if made else 0.0))
    return tuple(made)


def check_rewriting(before: Sequence[Segment], rewrite: Callable[[Sequence[Segment]], tuple[Segment, ...]]) -> None:
    """Times and speakers stay, the text is its words, what changed says what was heard, and once is enough."""
    after = rewrite(before)
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert (new.start_s, new.end_s, new.language, new.speaker) == (
            old.start_s,
            old.end_s,
            old.language,
            old.speaker,
        )
        assert new.text == joined_words(word.text for word in new.words)
        at = 0
        for word in new.words:
            heard = [other for other in old.words[at:] if other.end_s <= word.end_s]
            assert heard
            at += len(heard)
            assert (word.start_s, word.end_s) == (heard[0].start_s, heard[-1].end_s)
            if heard != [word]:
                assert word.original is not None
                assert word.original != word.text
        assert at == len(old.words)
        assert all(first.end_s <= second.start_s for first, second in pairwise(new.words))
    assert rewrite(after) == after

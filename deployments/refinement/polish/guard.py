"""What decides which edits are made. Pure, and closed: what no rule allows is refused.

The edits of a passage are a diff of its words. One is made only if it

* quotes words that stand where it says, inside one segment, and that no term of the caller's vocabulary took before;
* has words of the same scripts, and no signs that nobody says;
* leaves numbers and negations as they are, and turns no word into its opposite;
* is about words in doubt, or has a term of the context;
* has as many words as before, or the same letters, or a term of the context ("cuber netties" is "Kubernetes");
* sounds like what was heard, the more so for a name that the context does not have.

Likeness is that of sound_alike, 0..1: "alone" and "Elon" have 0.68, "police" and "please" 0.57, "Paris" and "London" 0.
Where a model wants to change more words than may be, it has rewritten the passage, and none of its edits is believed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import Levenshtein

from deployments.contracts import Word
from deployments.refinement.polish.context_words import ContextWords
from deployments.refinement.polish.edits import Edit
from deployments.refinement.polish.passages import SURE, Passage
from deployments.refinement.polish.protected_words import negations_in, numbers_in, turns_around
from deployments.refinement.rewording import mean_confidence, without_marks
from deployments.refinement.sound_alike import is_spoken, likeness, sound_of, spelling_key

_MOST_WORDS = 4
# "Cuber netties" are two of the five words of a short utterance.
_LEAST_EDITED_WORDS = 2
_INNER_SIGNS = frozenset("'’-.&+#\u200c\u200d")

_ALIKE = 0.5
_NEW_NAME_ALIKE = 0.65
_TERM_ALIKE = 0.35
# A term has to sound more like words that the recogniser was sure of.
_TERM_ALIKE_PER_CONFIDENCE = 0.2


class Refusal(StrEnum):
    """Why an edit is not made."""

    PLACE = "place"
    OVERLAP = "overlap"
    VOCABULARY = "vocabulary"
    CHARACTERS = "characters"
    SAME = "same"
    NUMBER = "number"
    NEGATION = "negation"
    SCRIPT = "script"
    WORD_COUNT = "word_count"
    CONFIDENT = "confident"
    SOUND = "sound"
    EDIT_RATE = "edit_rate"


@dataclass(frozen=True, slots=True)
class Refused:
    """An edit that is not made, as the model wants it, and why."""

    edit: Edit
    why: Refusal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Edits to make, in order and apart from each other; and the others."""

    accepted: tuple[Edit, ...]
    refused: tuple[Refused, ...]

    @property
    def reasons(self) -> tuple[Refusal, ...]:
        """Why the refused ones are."""
        return tuple(refused.why for refused in self.refused)


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges the edits of passages that came with one context."""

    known: ContextWords
    max_edit_rate: float

    def judged(self, passage: Passage, edits: Sequence[Edit]) -> Verdict:
        """Which edits may be made."""
        words = passage.words
        most = max(_LEAST_EDITED_WORDS, int(self.max_edit_rate * len(words)))
        if sum(max(len(edit.old), len(edit.new)) for edit in edits if _changes(edit)) > most:
            return Verdict((), tuple(Refused(edit, Refusal.EDIT_RATE) for edit in edits))
        taken: set[int] = set()
        accepted: list[Edit] = []
        refused: list[Refused] = []
        for edit in edits:
            cleaned = _trimmed(Edit(edit.first, edit.old, tuple(filter(None, map(without_marks, edit.new)))))
            refusal = self._refusal(passage, words, cleaned, taken)
            if refusal is None:
                taken.update(range(cleaned.first, cleaned.end))
                accepted.append(cleaned)
            else:
                refused.append(Refused(edit, refusal))
        return Verdict(tuple(sorted(accepted, key=lambda edit: edit.first)), tuple(refused))

    def _refusal(self, passage: Passage, words: Sequence[Word], edit: Edit, taken: set[int]) -> Refusal | None:
        heard = words[edit.first : edit.end]
        checks = (
            (Refusal.PLACE, not _stands_there(edit, heard, passage.starts)),
            (Refusal.OVERLAP, not taken.isdisjoint(range(edit.first, edit.end))),
            (Refusal.VOCABULARY, any(word.boosted for word in heard)),
            (Refusal.CHARACTERS, not _can_be_said(edit.new)),
            (Refusal.SAME, not _changes(edit) and not self._is_written_as_a_term(edit)),
        )
        for refusal, applies in checks:
            if applies:
                return refusal
        return self._change_of_meaning(edit, passage.language) or self._unheard(edit, heard)

    def _change_of_meaning(self, edit: Edit, language: str) -> Refusal | None:
        old, new = edit.old, edit.new
        if numbers_in(old, language) != numbers_in(new, language):
            return Refusal.NUMBER
        if negations_in(old, language) != negations_in(new, language) or turns_around(old, new):
            return Refusal.NEGATION
        return None if _scripts(new) <= _scripts(old) else Refusal.SCRIPT

    def _unheard(self, edit: Edit, heard: Sequence[Word]) -> Refusal | None:
        """Whether the audio speaks against the edit, as far as the words tell."""
        is_term = _key(edit.new) in self.known.terms
        has_same_letters = _letters(edit.old) == _letters(edit.new)
        if len(edit.old) != len(edit.new) and not (has_same_letters or (is_term and _is_all_of_it(edit))):
            return Refusal.WORD_COUNT
        if not is_term and not _is_in_doubt(edit, heard):
            return Refusal.CONFIDENT
        if is_term:
            least = _TERM_ALIKE + _TERM_ALIKE_PER_CONFIDENCE * mean_confidence(heard)
        else:
            least = _NEW_NAME_ALIKE if self._brings_a_name(edit, heard) else _ALIKE
        return None if _likeness(_key(edit.old), _key(edit.new)) >= least else Refusal.SOUND

    def _is_written_as_a_term(self, edit: Edit) -> bool:
        return self.known.terms.get(_key(edit.new)) == " ".join(edit.new)

    def _brings_a_name(self, edit: Edit, heard: Sequence[Word]) -> bool:
        """A capital where there was none, in a word that the context does not have."""
        had_capitals = any(without_marks(word.text)[:1].isupper() for word in heard)
        return not had_capitals and any(
            any(character.isupper() for character in word) and spelling_key(word) not in self.known.mentioned
            for word in edit.new
        )


def _trimmed(edit: Edit) -> Edit:
    """Without the words at either end that stay; models quote a word more to be clear."""
    if not _changes(edit):
        return edit
    first, old, new = edit.first, edit.old, edit.new
    while len(old) > 1 and len(new) > 1 and spelling_key(old[0]) == spelling_key(new[0]):
        first, old, new = first + 1, old[1:], new[1:]
    while len(old) > 1 and len(new) > 1 and spelling_key(old[-1]) == spelling_key(new[-1]):
        old, new = old[:-1], new[:-1]
    return Edit(first, old, new)


def _stands_there(edit: Edit, heard: Sequence[Word], starts: Sequence[int]) -> bool:
    if not edit.old or len(heard) != len(edit.old) or any(edit.first < start < edit.end for start in starts):
        return False
    keys = [spelling_key(word.text) for word in heard]
    return all(keys) and keys == [spelling_key(text) for text in edit.old]


def _is_in_doubt(edit: Edit, heard: Sequence[Word]) -> bool:
    """Whether the recogniser was unsure of what changes: each word for itself, or one of those that are respelled."""
    unsure = [word.confidence < SURE for word in heard]
    if len(edit.old) != len(edit.new):
        return any(unsure)
    pairs = zip(edit.old, edit.new, unsure, strict=True)
    return all(is_unsure for old, new, is_unsure in pairs if spelling_key(old) != spelling_key(new))


def _is_all_of_it(edit: Edit) -> bool:
    """Whether no word at either end could be left out: in "to cuber netties" the first is none of "Kubernetes"."""
    alike = _likeness(_key(edit.old), _key(edit.new))
    shorter = (edit.old[1:], edit.old[:-1]) if len(edit.old) > 1 else ()
    return all(_likeness(_key(rest), _key(edit.new)) < alike for rest in shorter)


def _can_be_said(texts: Sequence[str]) -> bool:
    return 0 < len(texts) <= _MOST_WORDS and all(
        spelling_key(text) and all(is_spoken(character) or character in _INNER_SIGNS for character in text)
        for text in texts
    )


def _changes(edit: Edit) -> bool:
    return _key(edit.old) != _key(edit.new)


def _key(texts: Sequence[str]) -> str:
    return spelling_key(" ".join(texts))


def _letters(texts: Sequence[str]) -> str:
    return _key(texts).replace(" ", "")


def _likeness(heard: str, wanted: str) -> float:
    spelling = Levenshtein.normalized_similarity(heard, wanted)
    return likeness(wanted, heard, spelling, sound_of(wanted), sound_of(heard))


def _scripts(texts: Sequence[str]) -> frozenset[str]:
    """By the first word of each letter's name: LATIN, DEVANAGARI, CYRILLIC, CJK."""
    letters = (character for text in texts for character in text if character.isalpha())
    return frozenset(unicodedata.name(letter, "?").split()[0] for letter in letters)

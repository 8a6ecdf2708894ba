"""Word errors by kind of recording, and words invented where nobody speaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from load_tests.decoding import decode
from load_tests.exclusions import scored_for_words
from load_tests.library_baseline import CachedLibrary, LibraryMode
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Table
from load_tests.service import Service
from load_tests.wer import WordErrors, count_word_errors, normalised

# One sentence in forty containers shows how formats are handled; pooled with speech it would count forty times.
_APART = ("format",)
_WITHOUT_SPEECH = ("noise", "silence")
_SHOWN_DOUBTS = 8


@dataclass(frozen=True, slots=True)
class HeardWords:
    """What the service and the library made of one recording."""

    recording: Recording
    served: str
    library: str

    @property
    def served_errors(self) -> WordErrors:
        """Against the truth."""
        return count_word_errors(self.recording.text or "", self.served)

    @property
    def library_errors(self) -> WordErrors:
        """Against the truth."""
        return count_word_errors(self.recording.text or "", self.library)

    def as_row(self) -> dict[str, Cell]:
        """For the JSON."""
        return {
            "recording": self.recording.name,
            "kind": self.recording.kind,
            "truth": self.recording.text,
            "served": self.served,
            "library": self.library,
            "words": self.served_errors.reference_words,
            "served_errors": self.served_errors.errors,
            "library_errors": self.library_errors.errors,
        }


def hear_words(service: Service, library: CachedLibrary, recordings: Iterable[Recording]) -> tuple[HeardWords, ...]:
    """Send each recording to both, one after the other."""
    return tuple(_hear(service, library, recording) for recording in recordings)


def with_words(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """What hear_words should hear: English with known words, and recordings without any."""
    without = tuple(recording for recording in recordings if recording.kind in _WITHOUT_SPEECH)
    return scored_for_words(recordings) + without


def word_error_table(heard: Sequence[HeardWords]) -> Table:
    """WER by kind; ``all`` pools the kinds that are speech in its own right."""
    spoken = [one for one in heard if one.recording.text]
    kinds = sorted({one.recording.kind for one in spoken}, key=lambda kind: (kind in _APART, kind))
    pooled = [one for one in spoken if one.recording.kind not in _APART]
    rows = [_error_row(kind, [one for one in spoken if one.recording.kind == kind]) for kind in kinds]
    return Table(
        "Word errors",
        (
            Column("kind"),
            Column("recordings"),
            Column("words"),
            Column("WER %"),
            Column("library WER %"),
            Column("relative %"),
            Column("substituted"),
            Column("deleted"),
            Column("inserted"),
        ),
        (*rows, _error_row("all", pooled)),
        f"Whisper's English normalisation; errors pooled over recordings. all: without {', '.join(_APART)}.",
    )


def invented_words_table(heard: Sequence[HeardWords]) -> Table:
    """Recordings without speech that got words."""
    silent = [one for one in heard if one.recording.kind in _WITHOUT_SPEECH]
    kinds = sorted({one.recording.kind for one in silent})
    return Table(
        "Words invented where nobody speaks",
        (Column("kind"), Column("recordings"), Column("with words"), Column("library: with words"), Column("which")),
        tuple(_invented_row(kind, [one for one in silent if one.recording.kind == kind]) for kind in kinds),
    )


def doubts_table(heard: Sequence[HeardWords]) -> Table:
    """Where the service and the library agree more with each other than with the truth: look at the truth."""
    spoken = [one for one in heard if one.recording.text and one.served_errors.errors]
    ranked = sorted(spoken, key=_doubt, reverse=True)[:_SHOWN_DOUBTS]
    return Table(
        "Truths to look at: both heard the same other words",
        (Column("recording"), Column("truth"), Column("served"), Column("library")),
        tuple(
            (one.recording.name, _short(one.recording.text or ""), _short(one.served), _short(one.library))
            for one in ranked
            if _doubt(one) > 0
        ),
    )


def _hear(service: Service, library: CachedLibrary, recording: Recording) -> HeardWords:
    data = recording.read()
    samples = decode(data).samples
    return HeardWords(
        recording,
        served=service.listen_patiently(data).text,
        library=library.transcribe(samples, recording.sha256, LibraryMode.PLAIN).text,
    )


def _error_row(name: str, heard: Sequence[HeardWords]) -> tuple[Cell, ...]:
    served = sum((one.served_errors for one in heard), WordErrors())
    library = sum((one.library_errors for one in heard), WordErrors())
    relative = 100 * (served.errors / library.errors - 1) if library.errors else None
    return (
        name,
        len(heard),
        served.reference_words,
        served.percent,
        library.percent,
        relative,
        served.substitutions,
        served.deletions,
        served.insertions,
    )


def _invented_row(kind: str, heard: Sequence[HeardWords]) -> tuple[Cell, ...]:
    served = [one for one in heard if normalised(one.served)]
    which = ", ".join(f"{one.recording.name}: {_short(one.served)}" for one in served)
    return kind, len(heard), len(served), sum(bool(normalised(one.library)) for one in heard), which


def _doubt(one: HeardWords) -> int:
    """Errors that both made against the truth, less those between them."""
    between = count_word_errors(one.library, one.served).errors
    return min(one.served_errors.errors, one.library_errors.errors) - between


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"

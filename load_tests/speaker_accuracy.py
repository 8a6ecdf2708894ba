"""Who spoke when and who said what: diarization errors, word times, and word errors by speaker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments.contracts import SpeakerTurn
from load_tests.decoding import decode
from load_tests.der import DiarizationErrors, count_diarization_errors, read_rttm
from load_tests.engines import Diarizer
from load_tests.library_baseline import CachedLibrary, LibraryMode, LibraryResult
from load_tests.recordings import Recording, TimedWord
from load_tests.report import Cell, Column, Table
from load_tests.service import Service, text_by_speaker, words_of
from load_tests.wer import WordErrors, count_speaker_attributed_errors
from load_tests.words import WordMatch, match_words, word_time_errors


@dataclass(frozen=True, slots=True)
class HeardSpeakers:
    """What the service, our engine alone and the library made of one recording."""

    recording: Recording
    served_turns: tuple[SpeakerTurn, ...]
    served_texts: dict[str, str]
    served_words: tuple[TimedWord, ...]
    engine_turns: tuple[SpeakerTurn, ...]
    library: LibraryResult

    @property
    def is_meeting(self) -> bool:
        """AMI: words with times and speakers are known."""
        return self.recording.words_file is not None

    def true_turns(self, *, by_words: bool) -> tuple[SpeakerTurn, ...]:
        """The truth; by words where that is known and wanted."""
        rttm = (self.recording.rttm_words if by_words else None) or self.recording.rttm
        return read_rttm(rttm) if rttm else ()


def bounded(recordings: Sequence[Recording], most_minutes: float | None) -> tuple[Recording, ...]:
    """Recordings with known turns, shortest first, up to so many minutes in all."""
    marked = sorted((one for one in recordings if one.rttm), key=lambda one: (one.duration_s, one.name))
    if most_minutes is None:
        return tuple(marked)
    kept, total_s = [], 0.0
    for recording in marked:
        total_s += recording.duration_s
        if total_s <= most_minutes * 60:
            kept.append(recording)
    return tuple(kept)


def hear_speakers(
    service: Service, library: CachedLibrary, diarizer: Diarizer, recordings: Iterable[Recording]
) -> tuple[HeardSpeakers, ...]:
    """Send each recording to all three, one after the other."""
    return tuple(_hear(service, library, diarizer, recording) for recording in recordings)


def diarization_table(heard: Sequence[HeardSpeakers]) -> Table:
    """DER by group; the pooled row takes AMI by words."""
    meetings = [one for one in heard if one.is_meeting]
    others = [one for one in heard if not one.is_meeting]
    kinds = sorted({one.recording.kind for one in others})
    rows = [
        _diarization_row("AMI, by words", meetings, by_words=True),
        _diarization_row("AMI, by segments", meetings, by_words=False),
        *(_diarization_row(kind, [one for one in others if one.recording.kind == kind]) for kind in kinds),
        _diarization_row("all", heard, by_words=True),
    ]
    return Table(
        "Diarization errors",
        (
            Column("recordings of"),
            Column("recordings"),
            Column("minutes"),
            Column("served DER %"),
            Column("engine DER %"),
            Column("library DER %"),
            Column("engine missed %"),
            Column("engine false alarm %"),
            Column("engine confused %"),
        ),
        tuple(row for row in rows if row[1]),
        "No collar, overlap counted. served: `speakers` of the answer, the turns that have words or are long; engine: "
        "all turns that the Diarizer stage hands on, asked in process. all: AMI by words.",
    )


def meeting_table(heard: Sequence[HeardSpeakers]) -> Table:
    """Word times and speaker-attributed word errors on AMI."""
    meetings = [one for one in heard if one.is_meeting]
    matches = [match for one in meetings for match in _matches(one)]
    times = word_time_errors(matches)
    served = sum((_attributed(one, one.served_texts) for one in meetings), WordErrors())
    library = sum((_attributed(one, one.library.text_by_speaker()) for one in meetings), WordErrors())
    words = sum(len(one.recording.words()) for one in meetings)
    rows: list[tuple[Cell, ...]] = [
        ("cpWER %", served.percent, library.percent),
        ("words said", words, words),
    ]
    if times is not None:
        rows += [
            ("words matched", times.matched, None),
            ("start, median ms", 1000 * times.start_median_s, None),
            ("start, mean ms", 1000 * times.start_mean_s, None),
            ("end, median ms", 1000 * times.end_median_s, None),
            ("end, mean ms", 1000 * times.end_mean_s, None),
        ]
    return Table(
        f"AMI: words with times and speakers, {len(meetings)} recordings",
        (Column("measure"), Column("served"), Column("library")),
        tuple(rows) if meetings else (),
        "Times: absolute errors of words recognised right. The library gives no word times with its tiny model.",
    )


def rows_by_recording(heard: Sequence[HeardSpeakers]) -> list[dict[str, Cell]]:
    """For the JSON."""
    return [
        {
            "recording": one.recording.name,
            "kind": "speakers",
            "served_der": _errors(one, one.served_turns, by_words=True).percent,
            "engine_der": _errors(one, one.engine_turns, by_words=True).percent,
            "library_der": _errors(one, one.library.turns, by_words=True).percent,
            "true_speakers": len({turn.speaker for turn in one.true_turns(by_words=True)}),
            "engine_speakers": len({turn.speaker for turn in one.engine_turns}),
            "library_speakers": len({turn.speaker for turn in one.library.turns}),
        }
        for one in heard
    ]


def _hear(service: Service, library: CachedLibrary, diarizer: Diarizer, recording: Recording) -> HeardSpeakers:
    data = recording.read()
    samples = decode(data).samples
    answer = service.listen_patiently(data, diarize=True, word_times=True)
    return HeardSpeakers(
        recording,
        served_turns=tuple(SpeakerTurn(turn.speaker, turn.start, turn.end) for turn in answer.speakers),
        served_texts=text_by_speaker(answer),
        served_words=words_of(answer),
        engine_turns=diarizer.diarize(samples),
        library=library.transcribe(samples, recording.sha256, LibraryMode.SPEAKERS),
    )


def _errors(one: HeardSpeakers, turns: Sequence[SpeakerTurn], *, by_words: bool) -> DiarizationErrors:
    return count_diarization_errors(one.true_turns(by_words=by_words), turns, one.recording.duration_s)


def _diarization_row(name: str, heard: Sequence[HeardSpeakers], *, by_words: bool = True) -> tuple[Cell, ...]:
    none = DiarizationErrors()
    served = sum((_errors(one, one.served_turns, by_words=by_words) for one in heard), none)
    engine = sum((_errors(one, one.engine_turns, by_words=by_words) for one in heard), none)
    library = sum((_errors(one, one.library.turns, by_words=by_words) for one in heard), none)
    minutes = sum(one.recording.duration_s for one in heard) / 60

    def share(part_s: float) -> float | None:
        return 100 * part_s / engine.reference_s if engine.reference_s else None

    return (
        name,
        len(heard),
        minutes,
        served.percent,
        engine.percent,
        library.percent,
        share(engine.missed_s),
        share(engine.false_alarm_s),
        share(engine.confused_s),
    )


def _matches(one: HeardSpeakers) -> list[WordMatch]:
    return match_words(one.recording.words(), one.served_words)


def _attributed(one: HeardSpeakers, texts: dict[str, str]) -> WordErrors:
    said: dict[str, list[str]] = {}
    for word in one.recording.words():
        said.setdefault(word.speaker or "", []).append(word.text)
    return count_speaker_attributed_errors({speaker: " ".join(words) for speaker, words in said.items()}, texts)

"""How well the speakers of live utterances are named, engines in process: `python -m load_tests.live_speakers`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import typer
from scipy.optimize import linear_sum_assignment

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount, SpeakerTurn
from deployments.diarization.onnx_trunk import load_onnx_diarizer
from deployments.diarization.shared_trunk import SharedTrunkDiarizer
from deployments.speech_gate.silero import SileroVad
from load_tests.decoding import decode
from load_tests.der import read_rttm
from load_tests.hardware import read_hardware
from load_tests.options import DEFAULT_RESULTS, AudioOption, LimitOption, ResultsOption, limited, recordings_in
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Report, Table, wide_console
from serve_app.live.contracts import END_SILENCE_S, AudioFormat
from serve_app.live.endpointing import EndpointingSettings, UtteranceClosed
from serve_app.live.front import PIECE_S, AudioFront
from serve_app.live.speakers import SpeakerRegister
from serve_app.live.voice_activity import StreamingVad


@dataclass(frozen=True, slots=True)
class NamedUtterance:
    """Who speaks most of an utterance, for how long, and who was said to."""

    truth: str
    speech_s: float
    label: str | None


@dataclass(frozen=True, slots=True)
class NamingErrors:
    """Seconds of the true speaker's speech; they add up over recordings."""

    wrong_s: float = 0.0
    nameless_s: float = 0.0
    speech_s: float = 0.0

    def __add__(self, other: NamingErrors) -> NamingErrors:
        return NamingErrors(
            self.wrong_s + other.wrong_s, self.nameless_s + other.nameless_s, self.speech_s + other.speech_s
        )

    def percent(self, part_s: float) -> float | None:
        """Of all speech; None where there is none."""
        return 100 * part_s / self.speech_s if self.speech_s else None


@dataclass(frozen=True, slots=True)
class RecordingNames:
    """One recording: live, and by diarizing all of it."""

    recording: Recording
    utterances: int
    audio_s: float
    cpu_s: float
    live: NamingErrors
    offline: NamingErrors


def count_naming_errors(utterances: Sequence[NamedUtterance]) -> NamingErrors:
    """Errors under the best pairing of labels and speakers."""
    truths = sorted({utterance.truth for utterance in utterances})
    labels = sorted({utterance.label for utterance in utterances if utterance.label is not None})
    shared_s = np.zeros((len(truths), len(labels)))
    for utterance in utterances:
        if utterance.label is not None:
            shared_s[truths.index(utterance.truth), labels.index(utterance.label)] += utterance.speech_s
    rows, columns = linear_sum_assignment(shared_s, maximize=True)
    right_s = float(shared_s[rows, columns].sum())
    speech_s = sum(utterance.speech_s for utterance in utterances)
    nameless_s = sum(utterance.speech_s for utterance in utterances if utterance.label is None)
    return NamingErrors(max(0.0, speech_s - nameless_s - right_s), nameless_s, speech_s)


def name_speakers(recording: Recording, engine: SharedTrunkDiarizer, vad: SileroVad) -> RecordingNames:
    """Cut a recording as a live session does, and name the speaker of each utterance, one after the other."""
    samples = decode(recording.read()).samples
    rttm = recording.rttm_words or recording.rttm
    truth = read_rttm(rttm) if rttm else ()
    whole = engine.diarize(samples, SpeakerCount())
    register = SpeakerRegister(SpeakerCount())
    live: list[NamedUtterance] = []
    offline: list[NamedUtterance] = []
    audio_s = cpu_s = 0.0
    spans = _utterances(samples, vad)
    for start, end in spans:
        began_s = time.process_time()
        label = register.assign(engine.voiceprint(samples[start:end]))
        cpu_s += time.process_time() - began_s
        audio_s += (end - start) / SAMPLE_RATE_HZ
        speaking = _speaking(truth, start, end)
        if speaking:
            speaker, speech_s = speaking.most_common(1)[0]
            live.append(NamedUtterance(speaker, speech_s, label))
            heard = _speaking(whole, start, end).most_common(1)
            offline.append(NamedUtterance(speaker, speech_s, heard[0][0] if heard else None))
    return RecordingNames(
        recording, len(spans), audio_s, cpu_s, count_naming_errors(live), count_naming_errors(offline)
    )


def names_table(named: Sequence[RecordingNames]) -> Table:
    """A row for each kind of recording, and one for all."""
    kinds = sorted({one.recording.kind for one in named})
    rows = [_row(kind, [one for one in named if one.recording.kind == kind]) for kind in kinds]
    return Table(
        "Speakers of live utterances",
        (
            Column("kind"),
            Column("recordings"),
            Column("utterances"),
            Column("wrong %"),
            Column("nameless %"),
            Column("whole: wrong %"),
            Column("whole: nameless %"),
            Column("CPU ms a second"),
        ),
        (*rows, _row("all", named)),
        "Share of the speech of whoever speaks most of an utterance, under the best pairing of labels and speakers. "
        "Whole: the label that diarizing the whole recording gives most of the utterance.",
    )


def live_speakers(
    audio: AudioOption = None, results: ResultsOption = DEFAULT_RESULTS, limit: LimitOption = None
) -> None:
    """Name the speakers of live utterances in all recordings whose turns are known."""
    console = wide_console()
    report = Report("live-speakers", read_hardware())
    recordings, missing = recordings_in(audio)
    marked = limited(tuple(recording for recording in recordings if recording.rttm), limit)
    if missing:
        report.skipped.append(missing)
    if marked:
        engine, vad = load_onnx_diarizer(), SileroVad()
        with console.status("Speakers"):
            report.tables.append(names_table([name_speakers(recording, engine, vad) for recording in marked]))
    report.publish(results, console)


def _utterances(samples: Samples, vad: SileroVad) -> list[tuple[int, int]]:
    front = AudioFront(AudioFormat(), PIECE_S, StreamingVad(vad), EndpointingSettings(end_silence_s=END_SILENCE_S))
    step = int(PIECE_S * SAMPLE_RATE_HZ)
    events = [event for start in range(0, len(samples), step) for event in front.listen(samples[start : start + step])]
    events += [*front.flush(), *front.finalize()]
    return [(event.start, min(event.end, len(samples))) for event in events if isinstance(event, UtteranceClosed)]


def _speaking(turns: Iterable[SpeakerTurn], start: int, end: int) -> Counter[str]:
    """Seconds that each speaks between two samples; whoever says nothing is not in it."""
    spoken_s: Counter[str] = Counter()
    for turn in turns:
        shared_s = min(end / SAMPLE_RATE_HZ, turn.end_s) - max(start / SAMPLE_RATE_HZ, turn.start_s)
        if shared_s > 0:
            spoken_s[turn.speaker] += shared_s  # type: ignore[assignment]  # typeshed has whole numbers only
    return spoken_s


def _row(name: str, named: Sequence[RecordingNames]) -> tuple[Cell, ...]:
    live = sum((one.live for one in named), NamingErrors())
    offline = sum((one.offline for one in named), NamingErrors())
    audio_s = sum(one.audio_s for one in named)
    return (
        name,
        len(named),
        sum(one.utterances for one in named),
        live.percent(live.wrong_s),
        live.percent(live.nameless_s),
        offline.percent(offline.wrong_s),
        offline.percent(offline.nameless_s),
        1000 * sum(one.cpu_s for one in named) / audio_s if audio_s else None,
    )


if __name__ == "__main__":
    typer.run(live_speakers)

"""Word errors of the same clips, spoken into the socket and sent as files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from load_tests.decoding import decode
from load_tests.live_speech import to_pcm
from load_tests.live_streams import StreamLog, play
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Table
from load_tests.service import Service
from load_tests.wer import WordErrors, count_word_errors
from serve_app.live_client import LiveRequest

# Speaking takes its time, so some clips are spoken at once: few enough that nothing waits.
_CLIPS_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class HeardTwice:
    """What one clip became, as a file and live by the silence (ms) that ends an utterance."""

    recording: Recording
    file: str
    live: dict[int, str]
    failures: tuple[str, ...] = ()

    @property
    def file_errors(self) -> WordErrors:
        """Against the truth."""
        return count_word_errors(self.recording.text or "", self.file)

    def live_errors(self, end_silence_ms: int) -> WordErrors:
        """Against the truth."""
        return count_word_errors(self.recording.text or "", self.live[end_silence_ms])

    def as_row(self) -> dict[str, Cell]:
        """For the JSON."""
        return {
            "recording": self.recording.name,
            "truth": self.recording.text,
            "file": self.file,
            **{f"live_{silence_ms}_ms": text for silence_ms, text in self.live.items()},
            "failures": "; ".join(self.failures),
        }


def hear_twice(
    service: Service, recordings: Sequence[Recording], end_silences_ms: Sequence[int]
) -> tuple[HeardTwice, ...]:
    """Send each clip as a file, and speak it once for each silence; a session for each clip."""
    files = [service.listen_patiently(recording.read()).text for recording in recordings]
    pcm = [to_pcm(decode(recording.read()).samples) for recording in recordings]
    logs = {silence_ms: _speak(service.url, pcm, silence_ms) for silence_ms in end_silences_ms}
    return tuple(
        HeardTwice(
            recording,
            files[index],
            {silence_ms: spoken[index].text for silence_ms, spoken in logs.items()},
            tuple(spoken[index].failure for spoken in logs.values() if spoken[index].failure),
        )
        for index, recording in enumerate(recordings)
    )


def live_error_table(heard: Sequence[HeardTwice]) -> Table:
    """A row for files, and one for each silence."""
    file = sum((one.file_errors for one in heard), WordErrors())
    silences = sorted({silence_ms for one in heard for silence_ms in one.live})
    rows = [_row("file", file, file)]
    for silence_ms in silences:
        live = sum((one.live_errors(silence_ms) for one in heard), WordErrors())
        rows.append(_row(f"live, {silence_ms} ms of silence", live, file))
    return Table(
        "Word errors of read English: the same clips through POST /v1/listen and spoken into the socket",
        (
            Column("path"),
            Column("words"),
            Column("WER %"),
            Column("relative %"),
            Column("substituted"),
            Column("deleted"),
            Column("inserted"),
        ),
        tuple(rows),
        f"{len(heard)} clips, a session for each. Whisper's English normalisation; errors pooled.",
    )


def _row(name: str, errors: WordErrors, file: WordErrors) -> tuple[Cell, ...]:
    relative = 100 * (errors.errors / file.errors - 1) if file.errors else None
    return (
        name,
        errors.reference_words,
        errors.percent,
        relative,
        errors.substitutions,
        errors.deletions,
        errors.insertions,
    )


def _speak(server: str, clips: Sequence[bytes], end_silence_ms: int) -> list[StreamLog]:
    async def run() -> list[StreamLog]:
        slots = asyncio.Semaphore(_CLIPS_AT_ONCE)

        async def speak(pcm: bytes) -> StreamLog:
            async with slots:
                return await play(server, pcm, LiveRequest(end_silence_ms=end_silence_ms))

        return await asyncio.gather(*(speak(pcm) for pcm in clips))

    return asyncio.run(run())

"""Speech to stream, whose true ends are known: real clips with pauses between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.speech_gate.regions import RegionSettings, speech_regions
from deployments.speech_gate.silero import SileroVad
from load_tests.decoding import decode
from load_tests.long_recordings import ROOM_TONE_RMS, levelled
from load_tests.recordings import WHEEL_KIND, Recording

PAUSE_S = 1.0
"""Between the audio of two clips; most clips add some silence of their own."""

_LONGEST_CLIP_S = 15.0
# Long recordings are cut into pieces of at least this length, at their pauses.
_SHORTEST_CUT_S = 3.0
_CUT_MARGIN_S = 0.15
_UNPADDED = RegionSettings(padding_s=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class SpokenClip:
    """One stretch of talking, and where in it the speech is. ``text`` is None where the words are not known."""

    samples: Samples
    speech: TimeSpan
    text: str | None


@dataclass(frozen=True, slots=True)
class TrueUtterance:
    """Speech between two long pauses of a stream; seconds from its start."""

    speech: TimeSpan
    text: str | None


@dataclass(frozen=True, slots=True)
class LiveSpeech:
    """A stream as 16-bit PCM at SAMPLE_RATE_HZ, and what is said in it when."""

    pcm: bytes
    utterances: tuple[TrueUtterance, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / 2 / SAMPLE_RATE_HZ

    @property
    def text(self) -> str | None:
        """All words; None where some are not known."""
        known = [utterance.text for utterance in self.utterances if utterance.text is not None]
        return " ".join(known) if len(known) == len(self.utterances) else None


def clips_of(recordings: Sequence[Recording]) -> tuple[SpokenClip, ...]:
    """Short recordings as they are; those of the wheel, and long ones of unknown words, cut at their pauses."""
    vad = SileroVad()
    clips: list[SpokenClip] = []
    for recording in recordings:
        samples = decode(recording.read()).samples
        regions = speech_regions(vad.speech_probabilities(samples), len(samples) / SAMPLE_RATE_HZ, _UNPADDED)
        if not regions:
            continue
        is_long = recording.duration_s > _LONGEST_CLIP_S
        if recording.kind == WHEEL_KIND or (is_long and recording.text is None):
            clips += _cut(samples, regions)
        elif not is_long:
            clips.append(SpokenClip(samples, TimeSpan(regions[0].start_s, regions[-1].end_s), recording.text))
    return tuple(clips)


def live_speech(clips: Sequence[SpokenClip], duration_s: float, seed: int) -> LiveSpeech:
    """Whole clips at one level in a shuffled order, again and again, until the next one would exceed the length.

    At the end is a pause, so that the last end can be heard like the others. The same call gives the same stream.
    """
    rng = np.random.default_rng(seed)
    room = rng.normal(0.0, ROOM_TONE_RMS, round(duration_s * SAMPLE_RATE_HZ)).astype(np.float32)
    pause = round(PAUSE_S * SAMPLE_RATE_HZ)
    utterances: list[TrueUtterance] = []
    position = pause // 2
    for clip in _shuffled(clips, rng):
        end = position + len(clip.samples)
        if end + 2 * pause > len(room):
            break
        room[position:end] = levelled(clip.samples)
        offset_s = position / SAMPLE_RATE_HZ
        speech = TimeSpan(offset_s + clip.speech.start_s, offset_s + clip.speech.end_s)
        utterances.append(TrueUtterance(speech, clip.text))
        position = end + pause
    if not utterances:
        raise ValueError("a stream needs a clip that fits")
    return LiveSpeech(to_pcm(room), tuple(utterances))


def to_pcm(samples: Samples) -> bytes:
    """16 bits, little endian."""
    return (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def _cut(samples: Samples, regions: Sequence[TimeSpan]) -> Iterator[SpokenClip]:
    """Pieces of whole regions, with half of the pauses around them, or a little of it where they are long."""
    bounds_s = [regions[0].start_s, *(_cut_points(regions)), regions[-1].end_s]
    for start_s, end_s in pairwise(bounds_s):
        inside = [region for region in regions if start_s <= region.start_s < end_s]
        first_s, last_s = inside[0].start_s, inside[-1].end_s
        begin_s = max(first_s - _CUT_MARGIN_S, 0.0)
        cut = samples[int(begin_s * SAMPLE_RATE_HZ) : int((last_s + _CUT_MARGIN_S) * SAMPLE_RATE_HZ)]
        yield SpokenClip(cut, TimeSpan(first_s - begin_s, last_s - begin_s), None)


def _cut_points(regions: Sequence[TimeSpan]) -> Iterator[float]:
    start_s = regions[0].start_s
    for region, following in pairwise(regions):
        if region.end_s - start_s >= _SHORTEST_CUT_S:
            start_s = following.start_s
            yield start_s


def _shuffled(clips: Sequence[SpokenClip], rng: np.random.Generator) -> Iterator[SpokenClip]:
    while clips:
        yield from (clips[index] for index in rng.permutation(len(clips)))

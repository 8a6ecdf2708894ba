"""Everything that happens to a session's audio before it is recognised: decoding, voice activity, endpointing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.speech_gate.regions import RegionSettings, speech_regions
from deployments.speech_gate.silero import FRAME_S
from serve_app.live.audio.stream_decoder import StreamDecoder
from serve_app.live.contracts import AudioFormat
from serve_app.live.endpointing import Endpointer, EndpointEvent, EndpointingSettings
from serve_app.live.hearing import Excerpt
from serve_app.live.utterance_buffer import UtteranceBuffer
from serve_app.live.voice_activity import VoiceActivity

PIECE_S = 0.5
"""Audio is looked at in pieces of this length, so that an utterance is told before the audio behind it is looked at."""

_PIECE_SAMPLES = int(PIECE_S * SAMPLE_RATE_HZ)


class Vad(Protocol):
    """Gives probabilities of speech for one stream; see StreamingVad."""

    def advance(self, samples: Samples) -> VoiceActivity:
        """Take the next samples; gives the windows that are full."""
        ...

    def flush(self) -> VoiceActivity:
        """The last window, filled up."""
        ...


class AudioFront:
    """One stream's decoder, detector, endpointer and memory. Not for several threads at once.

    Args:
        audio: what the client sends.
        max_message_s: the most audio that one message may hold.
        vad: of this stream.
        endpointing: what ends an utterance.

    Raises:
        InvalidParameter: the rate is out of range.
    """

    def __init__(self, audio: AudioFormat, max_message_s: float, vad: Vad, endpointing: EndpointingSettings) -> None:
        self._decoder = StreamDecoder(audio, max_message_s)
        self._vad = vad
        self._endpointer = Endpointer(endpointing)
        self._buffer = UtteranceBuffer(endpointing.longest_s + endpointing.preroll_s + 2 * PIECE_S)
        self._regions = RegionSettings(
            enter_probability=endpointing.enter_probability,
            exit_probability=endpointing.exit_probability,
            min_speech_s=endpointing.min_speech_s,
            padding_s=endpointing.preroll_s,
        )

    @property
    def now(self) -> int:
        """Samples heard so far."""
        return self._buffer.end

    @property
    def utterance_end(self) -> int | None:
        """Where the running utterance would end, were it closed now."""
        return self._endpointer.utterance_end

    def decode(self, data: bytes) -> list[Samples]:
        """A message as pieces to listen to.

        Raises:
            UnsupportedAudio: it cannot be decoded.
            ClientTooFast: it holds more audio than a message may.
        """
        return list(_pieces(self._decoder.decode(data)))

    def listen(self, piece: Samples) -> list[EndpointEvent]:
        """Hear the next samples."""
        self._buffer.append(piece)
        return self._follow(self._vad.advance(piece))

    def flush(self) -> list[EndpointEvent]:
        """Hear the last samples of the stream."""
        rest = self._decoder.flush()
        return [*self.listen(rest), *self._follow(self._vad.flush())]

    def split(self, at: int) -> list[EndpointEvent]:
        """Close the running utterance at a sample inside it; speech behind it begins the next."""
        return self._endpointer.split(at)

    def finalize(self) -> list[EndpointEvent]:
        """Close the running utterance, if there is one."""
        return self._endpointer.finalize(self.now)

    def clear(self) -> list[EndpointEvent]:
        """Forget the running utterance."""
        return self._endpointer.clear(self.now)

    def excerpt(self, start: int, end: int) -> Excerpt:
        """The audio of an utterance between two samples of the stream."""
        # The last window of a stream is filled up, and an utterance may end in what was added.
        samples = self._buffer.between(start, min(end, self.now))
        probabilities = self._buffer.probabilities(start, end)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        regions = speech_regions(probabilities, duration_s, self._regions)
        speech_s = float(np.count_nonzero(probabilities >= self._regions.exit_probability)) * FRAME_S
        return Excerpt(samples, start / SAMPLE_RATE_HZ, _widened(regions, duration_s), speech_s)

    def snr_db(self, end: int) -> float | None:
        """Signal-to-noise ratio of what is remembered up to a sample; None where there is no speech in it."""
        return self._buffer.snr_db(end)

    def _follow(self, activity: VoiceActivity) -> list[EndpointEvent]:
        self._buffer.append_probabilities(activity.probabilities)
        return self._endpointer.advance(activity)


def _widened(regions: tuple[TimeSpan, ...], duration_s: float) -> tuple[TimeSpan, ...]:
    """Regions that begin and end with the excerpt: where it is cut was decided with care, and silence is part of it."""
    if len(regions) < 2:
        return (TimeSpan(0.0, duration_s),)
    first, *between, last = regions
    return (TimeSpan(0.0, first.end_s), *between, TimeSpan(last.start_s, duration_s))


def _pieces(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), _PIECE_SAMPLES):
        yield samples[start : start + _PIECE_SAMPLES]

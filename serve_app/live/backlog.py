"""How much audio of a session waits, and whose fault that is."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.live.contracts import AudioFormat, Encoding

_SAMPLE_BYTES = {Encoding.PCM_S16: 2, Encoding.PCM_S32: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}
# Opus for speech takes 16 to 32 kbit/s; the rate that is found out while decoding soon outweighs this second.
_OPUS_BYTES_PER_S = 3_000
# No Opus has more, 510 kbit/s: so many bytes stand for a second also where they hold none. They were work all the same.
_MOST_OPUS_BYTES_PER_S = 64_000
# Messages whose arrival is remembered: of 20 ms, a minute and a half of them.
_REMEMBERED = 4096


class Backlog:
    """Counts audio from the moment it was received until it has been answered, in seconds.

    What compressed bytes hold is only known when they have been decoded; until then they count as those before them,
    but never for less than the densest Opus: pages without audio would come to count for nothing.
    """

    def __init__(self, audio: AudioFormat) -> None:
        sample_bytes = _SAMPLE_BYTES.get(audio.encoding)
        self._is_exact = sample_bytes is not None
        self._least_s_per_byte = 0.0 if self._is_exact else 1 / _MOST_OPUS_BYTES_PER_S
        self._seconds = 1.0
        self._bytes = float(sample_bytes * audio.sample_rate_hz if sample_bytes else _OPUS_BYTES_PER_S)
        self._undecoded_bytes = 0
        self._decoded_bytes = 0
        self._utterances_s = 0.0
        self._lead_s = 0.0
        self._last_s: float | None = None
        self._undecoded_arrivals_s: deque[float] = deque()
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)
        self._samples = 0

    @property
    def waiting_s(self) -> float:
        """All that waits."""
        return self.duration_s(self._undecoded_bytes) + self._utterances_s

    @property
    def decoded_s(self) -> float:
        """All that was decoded; bytes without audio count as well."""
        return max(self._samples / SAMPLE_RATE_HZ, self._decoded_bytes * self._least_s_per_byte)

    @property
    def lead_s(self) -> float:
        """How far the client is ahead of real time. Pauses in sending are not saved up."""
        return self._lead_s

    def duration_s(self, byte_count: int) -> float:
        """How long so many bytes will be."""
        return byte_count * max(self._seconds / self._bytes, self._least_s_per_byte)

    def received(self, byte_count: int, now_s: float) -> None:
        """A message came."""
        if self._last_s is not None:
            self._lead_s = max(0.0, self._lead_s - (now_s - self._last_s))
        self._last_s = now_s
        self._lead_s += self.duration_s(byte_count)
        self._undecoded_bytes += byte_count
        self._undecoded_arrivals_s.append(now_s)

    def decoded(self, byte_count: int, sample_count: int) -> None:
        """A message was decoded, and heard."""
        self._undecoded_bytes -= byte_count
        self._decoded_bytes += byte_count
        self._samples += sample_count
        self._arrivals.append((self._samples, self._undecoded_arrivals_s.popleft()))
        if not self._is_exact:
            self._bytes += byte_count
            self._seconds += sample_count / SAMPLE_RATE_HZ

    def arrival_s(self, sample: int) -> float | None:
        """When the message came that held a sample of the stream; None where that is long ago.

        What has not been decoded yet is taken to be in the message that comes next.
        """
        at = bisect_left(self._arrivals, sample, key=lambda arrival: arrival[0])
        if at < len(self._arrivals):
            is_oldest = at == 0 and len(self._arrivals) == _REMEMBERED
            return None if is_oldest else self._arrivals[at][1]
        return self._undecoded_arrivals_s[0] if self._undecoded_arrivals_s else None

    def closed(self, duration_s: float) -> None:
        """An utterance is complete, and waits for its words."""
        self._utterances_s += duration_s

    def answered(self, duration_s: float) -> None:
        """It has got them."""
        self._utterances_s -= duration_s

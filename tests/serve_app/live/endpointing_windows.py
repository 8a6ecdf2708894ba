"""Voice activity by the window, and endpointing whose durations are whole windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serve_app.live.endpointing import EndpointingSettings
from serve_app.live.voice_activity import WINDOW_SAMPLES, VoiceActivity

W = WINDOW_SAMPLES
# In whole windows: speech 3, likely end 4, end 8, pre-roll 5.
SETTINGS = EndpointingSettings(
    min_speech_s=3 * 0.032, likely_end_s=4 * 0.032, end_silence_s=8 * 0.032, preroll_s=5 * 0.032, longest_s=60 * 0.032
)


def activity(probabilities: Sequence[float], levels_dbfs: Sequence[float] | None = None) -> VoiceActivity:
    levels = levels_dbfs if levels_dbfs is not None else [-30.0] * len(probabilities)
    return VoiceActivity(np.array(probabilities, np.float32), np.array(levels, np.float32))


def windows(*runs: tuple[int, float]) -> list[float]:
    return [probability for count, probability in runs for _ in range(count)]

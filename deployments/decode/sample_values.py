"""Samples whose values are not what they should be: damage, another full scale than 1, a constant offset."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deployments.contracts import Samples

_LOUDEST = 8.0
"""Floats may pass 1 where a mix was too loud. Beyond 18 dB over, they are not sound at this scale."""

_INTEGERS = 2.0**15
_LARGEST = 2.0**31
"""Some write 16-bit values as floats without dividing them, a few 24- or 32-bit ones. What is larger is damage, and
its square would overflow in every stage behind this one."""

_MOST_STRAYS = 0.01
"""Of a block, samples beyond _LOUDEST that are taken for damage; more are a recording at another scale."""


def repair(block: npt.NDArray[np.float32]) -> None:
    """Replace damage by silence, in place: one NaN would spread through the resampler's filter, and one large value
    through all that look for the peak.

    Args:
        block: samples of a float format, [channels, samples].
    """
    # Nearly every block ends here. Comparisons with NaN are false.
    if not block.size or (block.max() <= _LOUDEST and block.min() >= -_LOUDEST):
        return
    strays = ~(np.abs(block) <= _LOUDEST)
    if np.count_nonzero(strays) <= _MOST_STRAYS * block.size:
        block[strays] = 0.0
    else:
        block[~(np.abs(block) <= _LARGEST)] = 0.0


def to_full_scale(samples: Samples) -> None:
    """Bring a whole recording that holds integers back to -1..1, in place; one that does not stays as it is.

    16-bit values keep their level, so that silence is not made loud; larger ones are divided by their peak.
    """
    peak = max(samples.max(initial=0.0), -samples.min(initial=0.0))
    if peak > _LOUDEST:
        samples *= np.float32(1 / max(_INTEGERS, peak))

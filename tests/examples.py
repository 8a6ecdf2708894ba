"""How many examples a property test tries that does not leave it to the profile."""

from __future__ import annotations

from hypothesis import settings

_USUAL = settings.get_profile("default").max_examples


def examples(usual: int) -> int:
    """So many, and by `make fuzz` as many times more as of any other property."""
    return usual * settings().max_examples // _USUAL

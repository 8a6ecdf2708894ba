"""What all sections of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    """Unknown names are errors, and nothing changes a section once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problems_of(error: ValidationError, read_at: str = "") -> list[str]:
    """Each with its place, ``read_at`` and on. The value is left out: it may be a URL with a password."""
    return [
        ": ".join(filter(None, (_place(read_at, problem["loc"]), problem["msg"])))
        for problem in error.errors(include_url=False)
    ]


def _place(read_at: str, location: tuple[int | str, ...]) -> str:
    below = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join((read_at, *below)).lstrip(".")

"""What all sections of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    """Unknown names are errors, and nothing changes a section once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problems_of(error: ValidationError) -> list[str]:
    """Each with its place below what was read. The value is left out: it may be a URL with a password."""
    return [f"{_dotted(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_url=False)]


def _dotted(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")

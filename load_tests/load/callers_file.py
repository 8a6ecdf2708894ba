"""Who calls: a YAML file with keys, so that none has to stand in a command line."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from load_tests.load.plan import Caller, PlanError


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    key: str | None = None
    weight: int = Field(1, ge=1, le=1000)


_ENTRIES = TypeAdapter(list[_Entry])


def read_callers(path: Path) -> tuple[Caller, ...]:
    """A list of ``{name, key, weight}``; the weight is 1 where it is left out.

    Raises:
        PlanError: the file cannot be read, or is no such list. The message has no keys in it.
    """
    try:
        entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error.__class__.__name__}") from error
    except yaml.YAMLError as error:
        raise PlanError(f"{path} is not YAML") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise PlanError(f"{path}: {where}: {first['msg']}") from None
    if not entries or len({entry.name for entry in entries}) < len(entries):
        raise PlanError(f"{path}: at least one caller, and each name once")
    return tuple(Caller(entry.name, entry.key, entry.weight) for entry in entries)

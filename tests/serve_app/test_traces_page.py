"""docs/traces.md names every span that there is, and every attribute."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
_SPAN = re.compile(r'(?:@traced|inner_span|begun_span|start_span)\(\s*"(\w+)"')
_CALL = re.compile(r"\b(?:inner_span|begun_span|annotate)\(((?:[^()]|\([^()]*\))*)\)")
_ATTRIBUTE = re.compile(r"(\w+)=(?!=)")


def sources() -> Iterator[str]:
    for package in ("deployments", "serve_app"):
        yield from (path.read_text() for path in sorted((ROOT / package).rglob("*.py")))


def table() -> list[list[str]]:
    """The cells of the rows that list spans."""
    page = (ROOT / "docs" / "traces.md").read_text()
    rows = page[page.index("| span |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_span_is_on_the_page_and_no_other() -> None:
    made = {name for source in sources() for name in _SPAN.findall(source)}
    told = {row[0].strip("`") for row in table() if " " not in row[0].strip("`")}
    assert len(made) > 10
    assert told == made


def test_every_attribute_is_on_the_page() -> None:
    calls = [call for source in sources() for call in _CALL.findall(source)]
    attributes = {name for call in calls for name in _ATTRIBUTE.findall(call)}
    assert {"audio_s", "job_id", "bytes"} <= attributes
    told = {name for row in table() for name in re.findall(r"`(\w+)`", row[2])}
    assert attributes <= told

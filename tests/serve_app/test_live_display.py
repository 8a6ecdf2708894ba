from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from serve_app.commands.live_display import FinalLines, TerminalLines, tail
from serve_app.live_client import ErrorEvent, LiveTranscript
from tests.fakes.live_server import error, transcript

pytestmark = pytest.mark.unit


def test_a_terminal_shows_what_runs_and_keeps_what_is_final() -> None:
    written = io.StringIO()
    display = TerminalLines(Console(file=written, force_terminal=True, width=40))
    with display.entered():
        display.show(LiveTranscript.model_validate(transcript("[bold] hel", 0.0, 0.3, is_final=False)))
        assert "[bold] hel" in written.getvalue()
        display.show(LiveTranscript.model_validate(transcript("[bold] Hello.", 0.0, 0.5)))
        display.show(LiveTranscript.model_validate(transcript("and", 0.6, 0.7, is_final=False)))
    kept = [line for line in written.getvalue().splitlines() if "Hello" in line]
    assert len(kept) == 1
    assert kept[0].split("\x1b[2K")[-1].split() == ["0.00", "0.50", "[bold]", "Hello."]
    # The running line is taken away at the end: up, and clear.
    assert written.getvalue().rstrip().endswith("\x1b[2K")


def test_a_lost_utterance_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    lost = ErrorEvent.model_validate(error("A worker stopped", "UTTERANCE_LOST"))
    written = io.StringIO()
    display = TerminalLines(Console(file=written, force_terminal=True, width=40))
    with display.entered():
        display.show(lost)
    assert "A worker stopped" in written.getvalue()
    FinalLines().show(lost)
    assert capsys.readouterr() == ("", "A worker stopped\n")


@given(st.text(st.sampled_from("ab c漢字")), st.integers(5, 30))
def test_a_running_text_fits_a_line_and_keeps_its_end(text: str, width: int) -> None:
    shown = tail(text, width)
    assert cell_len(shown) < width
    assert text.endswith(shown.removeprefix("…").lstrip())
    assert shown == text or cell_len(shown) == width - 1

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deployments.contracts import Samples
from load_tests.library_baseline import CachedLibrary, Library, LibraryLine, LibraryMode, LibraryResult, LibrarySpan

pytestmark = pytest.mark.unit

SAMPLES = np.zeros(16, np.float32)


class CountingLibrary(Library):
    """Answers without the real library, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def transcribe(self, samples: Samples, mode: LibraryMode) -> LibraryResult:
        self.calls += 1
        span = LibrarySpan("0", 0.0, 1.0, 0, 4)
        return LibraryResult(1.5, 1.0, (LibraryLine(f"{mode.value} {self.calls}", (span,)),))


def test_a_known_result_is_not_computed_again(tmp_path: Path) -> None:
    library = CountingLibrary()
    first = CachedLibrary(library, tmp_path, fresh=False).transcribe(SAMPLES, "abc", LibraryMode.PLAIN)
    assert CachedLibrary(library, tmp_path, fresh=False).transcribe(SAMPLES, "abc", LibraryMode.PLAIN) == first
    assert library.calls == 1


def test_other_files_and_modes_are_other_results(tmp_path: Path) -> None:
    cached = CachedLibrary(CountingLibrary(), tmp_path, fresh=False)
    texts = {
        cached.transcribe(SAMPLES, sha256, mode).text
        for sha256, mode in [("a", LibraryMode.PLAIN), ("a", LibraryMode.SPEAKERS), ("b", LibraryMode.PLAIN)]
    }
    assert len(texts) == 3


def test_fresh_replaces_what_was_known(tmp_path: Path) -> None:
    library = CountingLibrary()
    CachedLibrary(library, tmp_path, fresh=False).transcribe(SAMPLES, "abc", LibraryMode.PLAIN)
    CachedLibrary(library, tmp_path, fresh=True).transcribe(SAMPLES, "abc", LibraryMode.PLAIN)
    assert CachedLibrary(library, tmp_path, fresh=False).transcribe(SAMPLES, "abc", LibraryMode.PLAIN).text == "plain 2"


def test_a_line_of_two_speakers_is_divided_by_characters() -> None:
    spans = (LibrarySpan("0", 0, 1, 0, 4), LibrarySpan("1", 1, 3, 4, 8))
    result = LibraryResult(1, 1, (LibraryLine("yes no!!", spans), LibraryLine("so", (LibrarySpan("0", 4, 5, 0, 2),))))
    assert result.text_by_speaker() == {"0": "yes  so", "1": "no!!"}


def test_a_line_without_characters_goes_to_who_speaks_longest() -> None:
    spans = (LibrarySpan("0", 0, 1, 0, 0), LibrarySpan("1", 1, 3, 0, 0))
    assert LibraryResult(1, 1, (LibraryLine("yes no", spans),)).text_by_speaker() == {"1": "yes no"}


def test_words_without_a_speaker_are_kept() -> None:
    assert LibraryResult(1, 1, (LibraryLine("yes", ()),)).text_by_speaker() == {"": "yes"}

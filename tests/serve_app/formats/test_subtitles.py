from __future__ import annotations

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from serve_app.formats.plain_text import to_text, to_word_list
from serve_app.formats.subtitles import to_srt, to_vtt

pytestmark = pytest.mark.unit

_DIALOGUE = [
    Segment(
        0.5,
        2.0,
        "Ready? Salt & pepper <now>.",
        "en",
        (
            Word("Ready?", 0.5, 0.9, 0.9),
            Word("Salt", 1.0, 1.2, 0.9),
            Word("&", 1.2, 1.3, 0.9),
            Word("pepper", 1.3, 1.6, 0.9),
            Word("<now>.", 1.6, 2.0, 0.9),
        ),
        "SPEAKER_00",
    ),
    Segment(3.0, 3.4, "Fine.", "en", (Word("Fine.", 3.0, 3.4, 0.9),), "SPEAKER_01"),
    Segment(3605.25, 3606.25, "Late", "en", (Word("Late", 3605.25, 3606.25, 0.9),)),
]

_SRT = """\
1
00:00:00,500 --> 00:00:01,000
SPEAKER_00: Ready?

2
00:00:01,000 --> 00:00:02,000
SPEAKER_00: Salt & pepper <now>.

3
00:00:03,000 --> 00:00:03,833
SPEAKER_01: Fine.

4
01:00:05,250 --> 01:00:06,250
Late

"""

_VTT = """\
WEBVTT

1
00:00:00.500 --> 00:00:01.000
<v SPEAKER_00>Ready?

2
00:00:01.000 --> 00:00:02.000
<v SPEAKER_00>Salt &amp; pepper &lt;now&gt;.

3
00:00:03.000 --> 00:00:03.833
<v SPEAKER_01>Fine.

4
01:00:05.250 --> 01:00:06.250
Late

"""


def test_srt() -> None:
    assert to_srt(_DIALOGUE).rstrip("\n") == _SRT.rstrip("\n")


def test_vtt() -> None:
    assert to_vtt(_DIALOGUE).rstrip("\n") == _VTT.rstrip("\n")


def test_files_without_speech_are_still_files_of_their_format() -> None:
    assert to_srt([]).strip() == ""
    assert to_vtt([]).strip() == "WEBVTT"


@given(st.lists(st.text("{}\\Nnhpi1*<>&-", min_size=1, max_size=8), min_size=1, max_size=12))
def test_no_spelling_of_a_word_is_taken_for_markup(texts: list[str]) -> None:
    words = tuple(Word(text, float(i), i + 0.9, 0.9) for i, text in enumerate(texts))
    srt = to_srt([Segment(0.0, 20.0, " ".join(texts), "en", words)])
    shown = [line for block in srt.strip().split("\n\n") for line in block.split("\n")[2:]]
    assert " ".join(shown).replace("\u2060", "").split() == texts


def test_other_readers_find_the_same_cues() -> None:
    for text, name in ((to_srt(_DIALOGUE), "srt"), (to_vtt(_DIALOGUE), "vtt")):
        read = pysubs2.SSAFile.from_string(text, name)
        assert [(event.start, event.end) for event in read] == [
            (500, 1000),
            (1000, 2000),
            (3000, 3833),
            (3_605_250, 3_606_250),
        ]


def test_plain_text_has_a_paragraph_for_each_stretch_of_a_speaker() -> None:
    more = Segment(4.0, 5.0, "Go on.", "en", (), "SPEAKER_01")
    assert to_text([*_DIALOGUE[:2], more]) == "SPEAKER_00: Ready? Salt & pepper <now>.\nSPEAKER_01: Fine. Go on.\n"


def test_plain_text_without_speakers_is_one_paragraph() -> None:
    segments = [
        Segment(0.0, 1.0, "One.", "en", ()),
        Segment(1.0, 2.0, " ", "en", ()),
        Segment(2.0, 3.0, "Two.", "en", ()),
    ]
    assert to_text(segments) == "One. Two.\n"
    assert to_text([]) == ""


def test_word_list_has_a_line_for_each_word() -> None:
    assert to_word_list(_DIALOGUE[1:]) == "3.00\t3.40\tSPEAKER_01\tFine.\n3605.25\t3606.25\tLate\n"

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from deployments.torch_runtime import Precision, TorchSettings
from load_tests.engine_bench_checkpoints import MoonshineShape, ParakeetShape, Shape, WhisperShape, random_checkpoint
from load_tests.engine_bench_contenders import Ours, PlainPipeline
from load_tests.engine_bench_parts import Part, Stopwatch, clock_for, timed_parts
from load_tests.engine_bench_plan import Family, Speech, family_of, windows_of
from load_tests.engine_bench_tables import same_words_percent
from load_tests.engine_bench_tokenizers import random_pieces

pytestmark = [
    pytest.mark.engine,
    # transformers: dataloaders without forks, and inputs that generate names differently.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

CPU = torch.device("cpu")
SETTINGS = TorchSettings(device="cpu", precision=Precision.FLOAT32)
# A token of four is no start of a word.
WORDS_A_TOKEN = 0.75


@dataclass(frozen=True)
class Case:
    shape: Shape
    speech: Speech
    parts: frozenset[Part]


CASES = {
    "whisper": Case(
        WhisperShape(128, 1, 2, 2, 80, 99, ((1, 0), (1, 1))),
        Speech(30.0, 1.0),
        frozenset({Part.FEATURES, Part.ENCODER, Part.DECODER, Part.ALIGNMENT}),
    ),
    "moonshine": Case(MoonshineShape(128, 1, heads=4), Speech(6.0, 3.5), frozenset({Part.ENCODER, Part.DECODER})),
    "ctc": Case(
        ParakeetShape(Family.CTC, 64, 2, 2, 80, 200, subsampling_channels=16),
        Speech(10.0, 3.5),
        frozenset({Part.FEATURES, Part.ENCODER}),
    ),
    "transducer": Case(
        ParakeetShape(Family.TRANSDUCER, 64, 2, 2, 80, 200, subsampling_channels=16),
        Speech(10.0, 3.5),
        frozenset({Part.FEATURES, Part.ENCODER, Part.DECODER}),
    ),
}


@pytest.fixture(scope="module", params=list(CASES))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    case = CASES[request.param]
    cache = tmp_path_factory.mktemp("random-checkpoints")
    return case, random_checkpoint(request.param, case.shape, cache, case.speech, CPU)


def test_a_checkpoint_is_written_once(subject: tuple[Case, Path]) -> None:
    case, folder = subject
    written = (folder / "config.json").stat().st_mtime_ns
    name = folder.name.split("-")[0]
    assert random_checkpoint(name, case.shape, folder.parent, case.speech, CPU) == folder
    assert (folder / "config.json").stat().st_mtime_ns == written
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert family_of(folder) is case.shape.family


def test_engine_and_pipeline_say_the_same_and_as_much_as_speech(subject: tuple[Case, Path]) -> None:
    case, folder = subject
    windows = windows_of(None, case.speech.window_s, 4)
    ours = Ours(folder, case.shape.family, SETTINGS)
    texts = ours.transcribe(windows)
    # The pipeline reads one frame more of CTC than the window has.
    theirs = PlainPipeline(folder, case.shape.family, SETTINGS).transcribe(windows)
    assert same_words_percent(texts, theirs) > 97.0
    assert [ours.transcribe([window])[0] for window in windows[:2]] == texts[:2]
    words = sum(len(text.split()) for text in texts) / len(texts)
    assert words == pytest.approx(WORDS_A_TOKEN * case.speech.tokens, rel=0.5)


def test_each_part_of_an_engine_takes_its_time(subject: tuple[Case, Path]) -> None:
    case, folder = subject
    windows = windows_of(None, case.speech.window_s, 1)
    ours = Ours(folder, case.shape.family, SETTINGS)
    stopwatch = Stopwatch(clock_for(CPU))
    with timed_parts(ours.parts, stopwatch):
        ours.transcribe(windows)
    taken = {part for part, spent_s in stopwatch.spent_s.items() if spent_s > 0.0}
    assert taken == case.parts | {Part.HOST}


def test_pieces_differ_and_most_begin_words() -> None:
    pieces = random_pieces(1000, "▁")
    assert len(set(pieces)) == 1000
    assert sum(piece.startswith("▁") for piece in pieces) == pytest.approx(750, abs=60)

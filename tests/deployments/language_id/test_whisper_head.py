"""The language head on a checkpoint of the real architecture, whose weights make low tones English and high German."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.contracts import Samples, TimeSpan, Waveform
from deployments.errors import Cancelled, EngineUnavailable, UnsupportedParameter
from deployments.language_id.deployment import LanguageIdentifier, LanguageIdentifierConfig
from deployments.language_id.engines import LanguageEngineOptions, load_language_engine
from deployments.language_id.smoothing import SmoothingSettings
from deployments.language_id.whisper_head import WhisperHead, WhisperHeadSettings
from deployments.stopping import never
from deployments.torch_runtime import Precision, TorchSettings
from tests.fakes.language_checkpoint import HIGH_HZ, LOW_HZ, save_tone_whisper, tones

pytestmark = pytest.mark.engine

ALL = frozenset({"de", "en", "fr"})
# English, a pause, German, a word of English.
RECORDING = tones((LOW_HZ, 6), (0, 1), (HIGH_HZ, 6), (LOW_HZ, 0.5))
REGIONS = (TimeSpan(0.0, 6.0), TimeSpan(7.0, 13.0), TimeSpan(13.0, 13.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tone_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def head(folder: Path) -> WhisperHead:
    return WhisperHead(folder)


def options_of(folder: Path, *languages: str) -> LanguageEngineOptions:
    cache = CheckpointCache(folder.parent / "unused", offline=True)
    return LanguageEngineOptions(frozenset(languages), CheckpointSource(str(folder)), cache)


def probabilities(
    head: WhisperHead, samples: Samples, *regions: TimeSpan, candidates: frozenset[str] = ALL
) -> list[dict[str, float]]:
    evidence = head.identify(samples, regions, candidates, never)
    return [dict(zip(evidence.languages, row, strict=True)) for row in np.exp(evidence.log_probabilities)]


def test_languages_are_those_of_the_checkpoint(head: WhisperHead) -> None:
    assert head.languages == ALL


def test_it_hears_what_is_spoken(head: WhisperHead) -> None:
    english, german, _ = probabilities(head, RECORDING, *REGIONS)
    assert english["en"] > 0.95
    assert german["de"] > 0.85


def test_the_choice_is_among_the_candidates(head: WhisperHead) -> None:
    of_three, of_two = (
        probabilities(head, RECORDING, *REGIONS, candidates=candidates) for candidates in (ALL, frozenset({"de", "fr"}))
    )
    for three, two in zip(of_three, of_two, strict=True):
        assert set(two) == {"de", "fr"}
        assert sum(three.values()) == pytest.approx(1.0)
        assert sum(two.values()) == pytest.approx(1.0)
        assert two["de"] / two["fr"] == pytest.approx(three["de"] / three["fr"], rel=1e-3)


def test_the_only_candidate_is_certain(head: WhisperHead) -> None:
    assert probabilities(head, RECORDING, REGIONS[0], candidates=frozenset({"fr"})) == [{"fr": pytest.approx(1.0)}]


def test_a_batch_hears_what_each_clip_says_by_itself(head: WhisperHead, folder: Path) -> None:
    together = head.identify(RECORDING, REGIONS, ALL, never).log_probabilities
    for batch_clips in (1, 2):
        apart = WhisperHead(folder, WhisperHeadSettings(batch_clips=batch_clips))
        assert apart.identify(RECORDING, REGIONS, ALL, never).log_probabilities == pytest.approx(together, abs=1e-5)


def test_threads_that_ask_at_once_are_told_what_each_asked(folder: Path) -> None:
    head = WhisperHead(folder, WhisperHeadSettings(batch_clips=1))
    asked = [REGIONS, REGIONS[:1], REGIONS[1:], REGIONS[::-1]]
    with ThreadPoolExecutor(len(asked)) as threads:
        told = list(threads.map(lambda regions: head.identify(RECORDING, regions, ALL, never), asked))
    for regions, evidence in zip(asked, told, strict=True):
        alone = head.identify(RECORDING, regions, ALL, never)
        assert evidence.log_probabilities == pytest.approx(alone.log_probabilities, abs=1e-5)


def test_no_regions_have_no_evidence(head: WhisperHead) -> None:
    assert head.identify(RECORDING, [], ALL, never).log_probabilities.shape == (0, 3)


def test_regions_at_and_behind_the_end_have_evidence_as_well(head: WhisperHead) -> None:
    end_s = len(RECORDING) / 16_000
    edges = [TimeSpan(end_s - 0.05, end_s + 0.01), TimeSpan(end_s, end_s), TimeSpan(end_s + 5, end_s + 6)]
    for samples in (RECORDING, np.zeros(0, np.float32)):
        rows = head.identify(samples, edges, ALL, never).log_probabilities
        assert np.isfinite(rows).all()


def test_a_word_is_heard_with_what_surrounds_it(folder: Path) -> None:
    word = tones((HIGH_HZ, 2), (LOW_HZ, 0.3), (HIGH_HZ, 2))
    alone = WhisperHead(folder, WhisperHeadSettings(shortest_clip_s=0.0))
    surrounded = WhisperHead(folder, WhisperHeadSettings(shortest_clip_s=3.0))
    span = TimeSpan(2.0, 2.3)
    assert probabilities(alone, word, span)[0]["en"] > 0.4
    assert probabilities(surrounded, word, span)[0]["de"] > 0.6


def test_a_long_region_is_heard_from_its_start_to_its_end(head: WhisperHead) -> None:
    (row,) = probabilities(head, tones((LOW_HZ, 35), (HIGH_HZ, 55)), TimeSpan(0.0, 90.0))
    assert row["de"] > 0.5 > row["en"] > 0.01
    # Its first thirty seconds alone would say the opposite.
    (first,) = probabilities(head, tones((LOW_HZ, 35), (HIGH_HZ, 55)), TimeSpan(0.0, 30.0))
    assert first["en"] > 0.99


def test_half_precision_hears_nearly_the_same(head: WhisperHead, folder: Path) -> None:
    half = WhisperHead(folder, WhisperHeadSettings(torch=TorchSettings(precision=Precision.BFLOAT16)))
    for full_row, half_row in zip(
        probabilities(head, RECORDING, *REGIONS), probabilities(half, RECORDING, *REGIONS), strict=True
    ):
        assert half_row == pytest.approx(full_row, abs=0.1)


def test_it_stops_between_batches(folder: Path) -> None:
    head = WhisperHead(folder, WhisperHeadSettings(batch_clips=1))
    asked = 0

    def after_the_first() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        head.identify(RECORDING, REGIONS, ALL, after_the_first)
    assert asked == 2


def test_an_english_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="English only"):
        WhisperHead(save_tone_whisper(tmp_path, is_multilingual=False))


def test_a_folder_without_a_whisper_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no config\.json"):
        WhisperHead(tmp_path / "nothing")
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}')
    (tmp_path / "generation_config.json").write_text("{}")
    with pytest.raises(EngineUnavailable, match="wav2vec2 model"):
        WhisperHead(tmp_path)


def test_missing_weights_are_named(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(EngineUnavailable, match="safetensors"):
        WhisperHead(tmp_path)


def test_the_engine_needs_a_checkpoint_and_a_language_of_the_recogniser(folder: Path) -> None:
    with pytest.raises(EngineUnavailable, match="needs a multilingual Whisper checkpoint"):
        load_language_engine("whisper-head", LanguageEngineOptions(frozenset({"en", "de"})))
    with pytest.raises(EngineUnavailable, match="none of the recogniser's languages, ja, ko"):
        load_language_engine("whisper-head", options_of(folder, "ja", "ko"))


def test_weights_that_are_missing_are_not_made_up(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.encoder.layer_norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailable, match=r"encoder\.layer_norm\.weight"):
        WhisperHead(tmp_path)


async def test_the_stage_chooses_among_what_the_recogniser_knows(folder: Path) -> None:
    options = options_of(folder, "en", "de", "or")
    stage = LanguageIdentifier(LanguageIdentifierConfig("whisper-head", options, SmoothingSettings()))
    spans = await stage.identify(Waveform(RECORDING), REGIONS, ("de", "en", "or"))
    # The English word at the end is too short to be believed.
    assert [(span.language, span.span.start_s, span.span.end_s) for span in spans] == [
        ("en", 0.0, 6.0),
        ("de", 7.0, 13.5),
    ]
    with pytest.raises(UnsupportedParameter, match="de, en"):
        await stage.identify(Waveform(RECORDING), REGIONS, ("or", "as"))

"""From a waveform of two languages to a transcript that says so: the pipeline over the real language stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.contracts import LanguageSource, SpeechMap, TimeSpan, TranscriptionRequest, Waveform
from deployments.language_id.deployment import LanguageIdentifier, LanguageIdentifierConfig
from deployments.language_id.engines import LanguageEngineOptions
from deployments.language_id.smoothing import SmoothingSettings
from serve_app.engine_settings import RecognitionSettings
from serve_app.pipeline import Pipeline
from serve_app.settings import Settings
from tests.fakes.language_checkpoint import HIGH_HZ, LANGUAGES, LOW_HZ, save_tone_whisper, tones
from tests.fakes.stages import FakeGraph, FakeStage

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.engine

# What is low is English to the checkpoint, and what is high is German.
SPOKEN = [(LOW_HZ, 5.0), (LOW_HZ, 5.0), (HIGH_HZ, 6.0), (HIGH_HZ, 6.0), (LOW_HZ, 6.0)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> LanguageIdentifier:
    folder: Path = save_tone_whisper(tmp_path_factory.mktemp("whisper"))
    options = LanguageEngineOptions(
        frozenset(LANGUAGES), CheckpointSource(str(folder)), CheckpointCache(tmp_path_factory.mktemp("cache"))
    )
    return LanguageIdentifier(LanguageIdentifierConfig("whisper-head", options, SmoothingSettings()))


def graph_of(stage: LanguageIdentifier) -> FakeGraph:
    graph, regions, at_s = FakeGraph(), [], 0.0
    for _, seconds in SPOKEN:
        regions.append(TimeSpan(at_s, at_s + seconds))
        at_s += seconds + 1.0
    waveform = Waveform(tones(*(piece for tone in SPOKEN for piece in (tone, (0.0, 1.0)))))
    graph.speech = SpeechMap(waveform.duration_s, tuple(regions), 20.0)

    async def decode(_: Any, __: Any = None) -> Waveform:
        return waveform

    graph.decoder = FakeStage(decode=decode)
    graph.language_identifier = FakeStage(identify=stage.identify)
    return graph


@pytest.mark.parametrize(("group_s", "chunks"), [(600.0, 1), (15.0, 3), (6.0, 5)])
async def test_each_segment_is_in_the_language_that_is_spoken_however_the_recording_is_cut(
    stage: LanguageIdentifier, group_s: float, chunks: int
) -> None:
    settings = Settings(recognition=RecognitionSettings(group_s=group_s))
    request = TranscriptionRequest("req_1", candidates=LANGUAGES)
    transcript = await Pipeline(graph_of(stage).handles(), settings).transcribe(request, np.zeros(10, np.uint8))
    assert [(segment.language, segment.start_s) for segment in transcript.segments] == [
        ("en", 0.0),
        ("de", 12.0),
        ("en", 26.0),
    ]
    assert transcript.language == "en"
    assert (transcript.detection.source, transcript.detection.lid_calls) == (LanguageSource.MIXED, chunks)

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from deployments.recognition.engine import RecognitionCapabilities
from deployments.recognition.engines import RecognitionEngineOptions, load_recognition_engine, recognition_capabilities
from deployments.torch_runtime import Precision, TorchSettings

pytestmark = pytest.mark.unit


def capabilities(engine: str, location: str, *languages: str) -> RecognitionCapabilities:
    return recognition_capabilities(
        engine, RecognitionEngineOptions(checkpoint=CheckpointSource(location), languages=languages)
    )


@pytest.mark.parametrize(
    "location",
    ["openai/whisper-tiny.en", "s3://models/asr/whisper-small.en/", "/srv/Whisper-Base.EN", "d/distil-large-v3"],
)
def test_whispers_that_know_english_alone(location: str) -> None:
    assert capabilities("whisper", location).languages == {"en"}


def test_whispers_that_know_all() -> None:
    known = capabilities("whisper", "openai/whisper-small")
    assert {"en", "hi", "zh"} <= known.languages
    assert "yue" not in known.languages
    assert "yue" in capabilities("whisper", "openai/whisper-large-v3-turbo").languages
    assert (known.biasing, known.longest_window_s) == (True, 30.0)


def test_languages_that_are_stated_are_a_choice_among_whispers() -> None:
    assert capabilities("whisper", "openai/whisper-small", "hi", "en").languages == {"hi", "en"}
    with pytest.raises(EngineUnavailable, match=r"does not know xx.*recognition\.languages"):
        capabilities("whisper", "openai/whisper-small", "en", "xx")
    with pytest.raises(EngineUnavailable, match="does not know hi"):
        capabilities("whisper", "openai/whisper-small.en", "hi")


def test_parakeets_are_known_by_their_names() -> None:
    assert capabilities("ctc", "nvidia/parakeet-ctc-1.1b").languages == {"en"}
    assert capabilities("transducer", "nvidia/parakeet-tdt-0.6b-v2").languages == {"en"}
    assert len(capabilities("transducer", "nvidia/parakeet-tdt-0.6b-v3").languages) == 25


def test_of_other_checkpoints_the_languages_have_to_be_stated() -> None:
    for engine in ("ctc", "transducer"):
        with pytest.raises(EngineUnavailable, match=r"list them in recognition\.languages"):
            capabilities(engine, "/srv/mine")
        assert capabilities(engine, "/srv/mine", "de", "fr").languages == {"de", "fr"}


def test_a_moonshine_knows_one_language() -> None:
    assert capabilities("moonshine", "UsefulSensors/moonshine-tiny").languages == {"en"}
    assert capabilities("moonshine", "UsefulSensors/moonshine-tiny-ja").languages == {"ja"}
    assert capabilities("moonshine", "/srv/mine", "de").languages == {"de"}
    with pytest.raises(EngineUnavailable, match="has one language"):
        capabilities("moonshine", "/srv/mine", "de", "fr")


HEEDED_BY_TORCH = RecognitionEngineOptions(
    checkpoint=CheckpointSource("openai/whisper-small"), torch=TorchSettings("cuda", Precision.FLOAT16, 2, compile=True)
)


def test_what_an_engine_cannot_heed_it_refuses() -> None:
    assert recognition_capabilities("whisper", HEEDED_BY_TORCH).word_times
    with pytest.raises(EngineUnavailable, match="beams do not apply"):
        recognition_capabilities("whisper", replace(HEEDED_BY_TORCH, beams=2))
    plain = RecognitionEngineOptions(beams=2, torch=TorchSettings(threads=2))
    assert recognition_capabilities("moonshine-tiny-en", plain).languages == {"en"}
    for told in (
        replace(plain, checkpoint=HEEDED_BY_TORCH.checkpoint),
        replace(plain, languages=("en",)),
        replace(plain, torch=TorchSettings("cuda")),
        replace(plain, torch=TorchSettings(precision=Precision.FLOAT16)),
        replace(plain, torch=TorchSettings(compile=True)),
    ):
        with pytest.raises(EngineUnavailable, match="brings its own weights"):
            recognition_capabilities("moonshine-tiny-en", told)


def test_names_and_checkpoints_that_are_missing() -> None:
    with pytest.raises(EngineUnavailable, match=r"'whispr'; there are: moonshine-tiny-en, whisper, ctc"):
        recognition_capabilities("whispr", RecognitionEngineOptions())
    with pytest.raises(EngineUnavailable, match="whisper needs a checkpoint"):
        recognition_capabilities("whisper", RecognitionEngineOptions())
    with pytest.raises(EngineUnavailable, match="takes a cache"):
        load_recognition_engine("whisper", HEEDED_BY_TORCH)


def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys, serve_app.settings\n"
        "import deployments.recognition.engines, deployments.diarization.engines, deployments.language_id.engines\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'boto3', 'ray', 'onnxruntime', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"

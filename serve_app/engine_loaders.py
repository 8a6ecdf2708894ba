"""Load each stage's engine in this process, as its replica would: for doctor."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from functools import partial

from serve_app.settings import Settings


def engine_loaders(settings: Settings) -> dict[str, Callable[[], object]]:
    """By stage, in the order of the graph: a call that raises where the stage's replica would not start."""
    loaders: dict[str, Callable[[], object]] = {
        "decode": _decode_a_file,
        "speech gate": _load_speech_gate,
        "language": lambda: _load_language(settings),
        "recognition": lambda: _load_recognition(settings),
        **{
            f"recognition: {model}": partial(_load_recognition, settings.serving(model))
            for model in settings.recognizers
        },
        "diarization": lambda: _load_diarization(settings),
    }
    if settings.refinement.llm is not None:
        loaders["refinement"] = lambda: _load_language_model(settings)
    return loaders


def _decode_a_file() -> object:
    """The decoder loads nothing of its own: whether it works is seen on a file."""
    from deployments.decode.limits import DecodeLimits
    from deployments.decode.pyav_engine import PyAvDecoder

    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(2 * 1600))
    return PyAvDecoder(DecodeLimits()).decode(file.getvalue())


def _load_speech_gate() -> object:
    from deployments.speech_gate.gate import SpeechGateEngine

    return SpeechGateEngine()


def _load_language(settings: Settings) -> object:
    from deployments.language_id.engines import load_language_engine

    return load_language_engine(
        settings.language.engine,
        settings.language.options(settings.identified_languages(), settings.checkpoint_cache()),
    )


def _load_recognition(settings: Settings) -> object:
    from deployments.recognition.engines import load_recognition_engine

    recognition = settings.recognition
    return load_recognition_engine(recognition.engine, recognition.options(settings.checkpoint_cache()))


def _load_diarization(settings: Settings) -> object:
    from deployments.diarization.engines import load_diarization_engine

    diarization = settings.diarization
    return load_diarization_engine(diarization.engine, diarization.options(settings.checkpoint_cache()))


def _load_language_model(settings: Settings) -> object:
    from deployments.refinement.polish.loading import load_polisher

    llm = settings.refinement.llm
    return None if llm is None else load_polisher(llm.options(settings.checkpoint_cache()))

"""What a checkpoint's name says about its languages, where its files are not on this machine.

The ingress answers for the engines before they are loaded, and on another node. The names are their authors'; a folder
or a prefix that keeps them is understood, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from deployments.recognition.engine import RecognitionCapabilities
from deployments.recognition.frame_synchronous.capabilities import (
    PARAKEET_CTC_LANGUAGES,
    PARAKEET_TDT_V3_LANGUAGES,
    parakeet_capabilities,
    waveform_ctc_capabilities,
)
from deployments.recognition.moonshine_torch.capabilities import moonshine_torch_capabilities
from deployments.recognition.whisper.capabilities import CAPABILITIES as WHISPER

_ENGLISH = ("en",)
# Of the Whisper family these alone know Cantonese.
_WHISPER_WITH_CANTONESE = "large-v3"
_MOONSHINE_LANGUAGES = ("ar", "ja", "ko", "uk", "vi", "zh")


def whisper_capabilities(source: CheckpointSource, stated: tuple[str, ...]) -> RecognitionCapabilities:
    """Of a Whisper checkpoint; the languages stated in the config are a choice among its own.

    Raises:
        EngineUnavailable: it has not all of them.
    """
    name = _name(source)
    known: frozenset[str] = WHISPER.languages
    if ".en" in name or name.startswith("distil-large-v"):
        known = frozenset(_ENGLISH)
    elif _WHISPER_WITH_CANTONESE in name:
        known |= {"yue"}
    return replace(WHISPER, languages=chosen_languages(known, stated, str(source)))


def ctc_capabilities(source: CheckpointSource, stated: tuple[str, ...]) -> RecognitionCapabilities:
    """Of a CTC checkpoint, Parakeet or one of wav2vec2's relatives, which have shorter windows.

    Raises:
        EngineUnavailable: its languages are neither stated nor known.
    """
    if "parakeet" in _name(source):
        return parakeet_capabilities(stated or PARAKEET_CTC_LANGUAGES)
    return waveform_ctc_capabilities(_stated(source, stated))


def transducer_capabilities(source: CheckpointSource, stated: tuple[str, ...]) -> RecognitionCapabilities:
    """Of a Parakeet transducer.

    Raises:
        EngineUnavailable: its languages are neither stated nor known.
    """
    name = _name(source)
    if not stated and "parakeet" in name:
        stated = PARAKEET_TDT_V3_LANGUAGES if name.endswith("-v3") else _ENGLISH
    return parakeet_capabilities(_stated(source, stated))


def moonshine_capabilities(source: CheckpointSource, stated: tuple[str, ...]) -> RecognitionCapabilities:
    """Of a Moonshine checkpoint, which has one language: that at the end of its name (moonshine-tiny-ja), else English.

    Raises:
        EngineUnavailable: several are stated.
    """
    ending = _name(source).rpartition("-")[2]
    languages = stated or ((ending,) if ending in _MOONSHINE_LANGUAGES else _ENGLISH)
    if len(languages) > 1:
        raise EngineUnavailable(f"A Moonshine checkpoint has one language, and {', '.join(languages)} are stated")
    return moonshine_torch_capabilities(languages)


def chosen_languages(known: Collection[str], stated: tuple[str, ...], checkpoint: str) -> frozenset[str]:
    """Those stated in the config, or all.

    Raises:
        EngineUnavailable: the checkpoint has not all that are stated.
    """
    strange = sorted(set(stated).difference(known))
    if strange:
        raise EngineUnavailable(
            f"The checkpoint {checkpoint} does not know {', '.join(strange[:5])}{' …' if len(strange) > 5 else ''}: "
            "list in recognition.languages what it knows"
        )
    return frozenset(stated or known)


def _stated(source: CheckpointSource, stated: tuple[str, ...]) -> tuple[str, ...]:
    if not stated:
        raise EngineUnavailable(
            f"Nothing says which languages the checkpoint {source} knows: list them in recognition.languages"
        )
    return stated


def _name(source: CheckpointSource) -> str:
    return source.location.rstrip("/").rpartition("/")[2].lower()

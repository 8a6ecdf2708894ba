"""What a Moonshine checkpoint can do; light to import, so that the ingress can ask without loading the engine."""

from __future__ import annotations

from dataclasses import replace

from deployments.recognition.engine import RecognitionCapabilities
from deployments.recognition.moonshine.capabilities import CAPABILITIES


def moonshine_torch_capabilities(languages: tuple[str, ...] = ("en",)) -> RecognitionCapabilities:
    """As of Moonshine tiny; a checkpoint has one language and does not say which."""
    return replace(CAPABILITIES, languages=frozenset(languages))

"""What CTC models and transducers can do; light to import, so that the ingress can ask without loading an engine."""

from __future__ import annotations

from deployments.recognition.engine import RecognitionCapabilities

PARAKEET_CTC_LANGUAGES = ("en",)
"""Of nvidia/parakeet-ctc-0.6b and -1.1b."""

PARAKEET_TDT_V3_LANGUAGES = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it",
    "lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk",
)  # fmt: skip
"""Of nvidia/parakeet-tdt-0.6b-v3, which hears by itself which of them is spoken."""


def parakeet_capabilities(languages: tuple[str, ...]) -> RecognitionCapabilities:
    """Of Parakeet, CTC or transducer. Its attention is over the whole window, so that cost grows with the square."""
    return _capabilities(languages, longest_window_s=60.0, best_window_s=30.0)


def waveform_ctc_capabilities(languages: tuple[str, ...]) -> RecognitionCapabilities:
    """Of wav2vec2 and its relatives, which were trained on utterances of up to about half a minute."""
    return _capabilities(languages, longest_window_s=30.0, best_window_s=20.0)


def _capabilities(languages: tuple[str, ...], longest_window_s: float, best_window_s: float) -> RecognitionCapabilities:
    return RecognitionCapabilities(
        languages=frozenset(languages),
        longest_window_s=longest_window_s,
        best_window_s=best_window_s,
        word_times=True,
        confidences=True,
    )

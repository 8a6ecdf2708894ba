"""What Moonshine tiny can do; light to import, so that the ingress can ask without loading the engine."""

from deployments.recognition.engine import RecognitionCapabilities

CAPABILITIES = RecognitionCapabilities(
    languages=frozenset({"en"}),
    longest_window_s=60.0,
    best_window_s=15.0,
    word_times=True,
    confidences=True,
)

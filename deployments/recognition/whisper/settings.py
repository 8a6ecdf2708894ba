"""How Whisper runs; light to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.torch_runtime import TorchSettings


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When a text is not believed. The defaults are those of the reference (openai/whisper, transcribe.py).

    Attributes:
        lowest_mean_log_probability: over the tokens of a text; one below is unsure.
        highest_compression_ratio: a text above is a loop; words that are repeated count once.
        highest_no_speech_probability: an unsure text above is silence.
    """

    lowest_mean_log_probability: float = -1.0
    highest_compression_ratio: float = 2.4
    highest_no_speech_probability: float = 0.6


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """How Whisper runs.

    Attributes:
        torch: where, and in which precision.
        temperatures: of the first decoding of all windows, and of the retries of those whose text is not believed.
            Drafts are not retried.
        guards: which texts are not believed.
        word_times: align words with the audio. Without it, the words of a window share its time by their length, and
            the engine's capabilities say so.
        most_prompt_tokens: of hints; what they take is missing for the text: both have to fit into 448 tokens.
        most_tokens_per_s: a text with more is stopped. Of the languages written in letters none comes near; those
            whose characters are spelled in bytes reach 30.
    """

    torch: TorchSettings = field(default_factory=TorchSettings)
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    guards: GuardSettings = field(default_factory=GuardSettings)
    word_times: bool = True
    most_prompt_tokens: int = 128
    most_tokens_per_s: float = 40.0

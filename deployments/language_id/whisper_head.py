"""Whisper's language head: its decoder's first step names the language of up to 30 s of speech.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.3; after the start
token the decoder's first prediction is a language token. Restricted to the candidates before the softmax, that is a
distribution over them. Any multilingual Whisper checkpoint will do; a small one is enough beside a large recogniser.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.errors import EngineUnavailable
from deployments.language_id.clips import ClipSettings, clips_of
from deployments.language_id.engine import LanguageEvidence
from deployments.stopping import ShouldStop, never, raise_if_stopped
from deployments.torch_runtime import TorchSettings, halving, placement_of
from deployments.torch_weights import unreadable_told
from deployments.whisper.checkpoint import read_feature_extractor, read_model
from deployments.whisper.features import LogMel


@dataclass(frozen=True, slots=True)
class WhisperHeadSettings:
    """How a WhisperHead runs.

    Attributes:
        torch: where, and in which precision.
        batch_clips: clips in one pass, each padded to the model's 30 s.
        shortest_clip_s: a shorter region is heard with what surrounds it.
        most_clips: heard of a region that is longer than the model's 30 s.
    """

    torch: TorchSettings = field(default_factory=TorchSettings)
    batch_clips: int = 16
    shortest_clip_s: float = 2.0
    most_clips: int = 3


class WhisperHead:
    """Implements LanguageEngine over a checkpoint folder in the layout of the Hugging Face hub.

    ``languages`` are the codes of the checkpoint's language tokens. Calls of several threads take turns between
    batches, so that an utterance of a live session does not wait for the end of a long recording.
    """

    languages: frozenset[str]

    def __init__(self, folder: Path, settings: WhisperHeadSettings | None = None) -> None:
        """Load the checkpoint and run it once; takes seconds, with torch.compile a minute.

        Raises:
            EngineUnavailable: there is no such device, the folder holds no Whisper checkpoint, or one that knows
                English only.
        """
        self._settings = settings or WhisperHeadSettings()
        self._placement = placement_of(self._settings.torch)
        self._tokens = _language_tokens(folder)
        self.languages = frozenset(self._tokens)
        self._mel = LogMel(read_feature_extractor(folder), self._placement)
        self._model = read_model(folder, self._placement)
        self._encode = self._model.get_encoder()
        if self._settings.torch.compile:
            self._encode = torch.compile(self._encode)
        self._clips = ClipSettings(
            shortest_s=self._settings.shortest_clip_s,
            longest_s=self._mel.most_samples / SAMPLE_RATE_HZ,
            most_clips=self._settings.most_clips,
        )
        self._one_at_a_time = threading.Lock()
        self._warm_up()

    def identify(
        self,
        samples: Samples,
        regions: Sequence[TimeSpan],
        candidates: frozenset[str],
        should_stop: ShouldStop,
    ) -> LanguageEvidence:
        """See LanguageEngine. A region's clips count alike: the mean of their log-probabilities, normalised again."""
        languages = tuple(sorted(candidates))
        tokens = [self._tokens[language] for language in languages]
        clips, owners = [], []
        for at, region in enumerate(regions):
            for clip in clips_of(region, len(samples) / SAMPLE_RATE_HZ, self._clips):
                clips.append(_cut(samples, clip))
                owners.append(at)
        size = self._settings.batch_clips
        rows: list[npt.NDArray[np.float64]] = []
        for start in range(0, len(clips), size):
            raise_if_stopped(should_stop)
            rows += halving(lambda batch: self._run(batch, tokens), clips[start : start + size])
        return LanguageEvidence(languages, _mean_by_owner(rows, owners, len(regions), len(languages)))

    def _run(self, clips: Sequence[Samples], tokens: Sequence[int]) -> list[npt.NDArray[np.float64]]:
        """Log-probabilities of the language tokens in each clip, [tokens] each."""
        features = self._features(clips)
        with self._one_at_a_time, torch.inference_mode():
            states = self._encode(features).last_hidden_state[: len(clips)]
            start = torch.full_like(states[:, :1, 0], self._model.config.decoder_start_token_id, dtype=torch.long)
            logits = self._model(
                encoder_outputs=BaseModelOutput(last_hidden_state=states), decoder_input_ids=start, use_cache=False
            ).logits[:, -1]
            rows: npt.NDArray[np.float64] = logits[:, list(tokens)].double().log_softmax(-1).cpu().numpy()
        return list(rows)

    def _features(self, clips: Sequence[Samples]) -> torch.Tensor:
        """Log-mel features, [clips, mels, frames]; in a full batch where compiled code wants one or all of it."""
        padded = list(clips)
        if self._settings.torch.compile and 1 < len(clips) < self._settings.batch_clips:
            padded += [np.zeros(0, np.float32)] * (self._settings.batch_clips - len(clips))
        return self._mel(padded)

    def _warm_up(self) -> None:
        """The first pass of a size builds its kernels, which nobody should wait for."""
        sizes = {1, self._settings.batch_clips} if self._settings.torch.compile else {1}
        silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
        for size in sizes:
            self.identify(silence, [TimeSpan(0.0, 1.0)] * size, self.languages, never)


def _language_tokens(folder: Path) -> dict[str, int]:
    """The checkpoint's language codes and the tokens that stand for them; reads no weights."""
    if not (folder / "config.json").is_file():
        raise EngineUnavailable(f"{folder} is no checkpoint: it has no config.json")
    with unreadable_told(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
    if config.model_type != "whisper":
        raise EngineUnavailable(f"The checkpoint in {folder} is a {config.model_type} model, not a Whisper one")
    tokens: dict[str, int] = getattr(generation, "lang_to_id", None) or {}
    if not tokens or not getattr(generation, "is_multilingual", True):
        raise EngineUnavailable(
            f"The Whisper checkpoint in {folder} knows English only and cannot tell languages apart: take a "
            "multilingual one, such as openai/whisper-base, or the engine 'single-language'"
        )
    return {token.removeprefix("<|").removesuffix("|>"): number for token, number in tokens.items()}


def _cut(samples: Samples, span: TimeSpan) -> Samples:
    return samples[int(span.start_s * SAMPLE_RATE_HZ) : int(span.end_s * SAMPLE_RATE_HZ)]


def _mean_by_owner(
    rows: Sequence[npt.NDArray[np.float64]], owners: Sequence[int], regions: int, languages: int
) -> npt.NDArray[np.float64]:
    """Mean of the rows of each region, [regions, languages], each a distribution again."""
    mean = np.zeros((regions, languages))
    np.add.at(mean, owners, np.asarray(rows).reshape(-1, languages))
    mean /= np.bincount(owners, minlength=regions)[:, None]
    normalised: npt.NDArray[np.float64] = mean - np.logaddexp.reduce(mean, axis=1, keepdims=True)
    return normalised

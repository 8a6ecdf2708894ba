"""Whisper on torch, for batches of windows in any mix of languages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deployments.contracts import SAMPLE_RATE_HZ, TimeSpan, Word
from deployments.recognition.degenerate import without_invented
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.whisper.alignment import FRAME_S, Aligner, AlignmentHeads, SpokenText
from deployments.recognition.whisper.capabilities import capabilities_of, read_json
from deployments.recognition.whisper.decoder import AudioMemory, TextDecoder
from deployments.recognition.whisper.guards import Attempt, Verdict, compressible_from, judge, spared, with_fallback
from deployments.recognition.whisper.search import Decoded, Prefix, Search
from deployments.recognition.whisper.settings import WhisperSettings
from deployments.recognition.whisper.token_rules import token_rules
from deployments.recognition.whisper.tokenizer import Tokenizer
from deployments.recognition.whisper.word_times import shared_starts, timed_words
from deployments.recognition.windows import quietest_point
from deployments.torch_runtime import halving, placement_of
from deployments.whisper.checkpoint import read_feature_extractor, read_model
from deployments.whisper.features import LogMel

_SPARE_TOKENS = 16
# Where a window may be cut whose text does not fit the decoder.
_EARLIEST_CUT, _LATEST_CUT = 0.25, 0.75


class WhisperEngine:
    """One checkpoint of the Whisper family. Calls may overlap: none changes the model or anything that calls share.

    Args:
        folder: the checkpoint, in the layout of the Hugging Face hub.
        settings: see there.

    Raises:
        EngineUnavailable: the device or a file is missing.
    """

    def __init__(self, folder: Path, settings: WhisperSettings) -> None:
        placement = placement_of(settings.torch)
        self.capabilities = replace(capabilities_of(folder), word_times=settings.word_times)
        self._settings = settings
        generation = read_json(folder / "generation_config.json")
        self._tokenizer = Tokenizer(folder, generation)
        self._features = LogMel(read_feature_extractor(folder), placement)
        model = read_model(folder, placement)
        self._encoder = model.get_encoder()
        self._decoder = TextDecoder(model, partial(torch.compile, dynamic=True) if settings.torch.compile else None)
        rules = token_rules(self._tokenizer, generation, model.config.vocab_size, placement.device)
        self._search = Search(self._decoder, rules)
        heads = AlignmentHeads.of(generation, model.config.decoder_layers, model.config.decoder_attention_heads)
        self._aligner = Aligner(self._decoder, heads, self._tokenizer.end_token)

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch; each up to longest_window_s. None changes what another gets.

        A batch that the device's memory does not hold is done in halves. A window whose text is longer than the decoder
        (30 s of Hindi can be) is cut at its quietest point, and its halves are transcribed.

        Raises:
            UnsupportedParameter: a language that the checkpoint does not have.
            ValueError: a window is too long.
            torch.OutOfMemoryError: the device's memory does not hold a single window.
        """
        most_samples = self._features.most_samples
        if any(len(window.samples) > most_samples for window in windows):
            raise ValueError(f"A window is longer than {most_samples / SAMPLE_RATE_HZ:g} s")
        if not windows:
            return []
        with torch.inference_mode():
            results = halving(self._transcribe_batch, windows)
        return [
            self._in_halves(window) if result is None else result
            for window, result in zip(windows, results, strict=True)
        ]

    def _transcribe_batch(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis | None]:
        """None stands for a text that does not fit the decoder."""
        prefixes = [self._prefix(window) for window in windows]
        rooms = [self._decoder.most_positions - len(prefix) for prefix in prefixes]
        limits = [min(room, self._most_tokens(window)) for room, window in zip(rooms, windows, strict=True)]
        audio = self._decoder.audio_memory(self._encode(windows))

        def decode(rows: Sequence[int], temperature: float) -> list[Attempt]:
            heard = audio.rows(rows)
            chosen = [prefixes[row] for row in rows], [limits[row] for row in rows]
            decoded = self._search.decode(heard, *chosen, temperature)
            return self._attempts([windows[row] for row in rows], decoded, heard)

        attempts = with_fallback(decode, [not window.is_draft for window in windows], self._settings.temperatures)
        starts = self._starts_s(windows, attempts, audio)
        return [
            None if _overflows(attempt, room, window) else self._hypothesis(attempt, starts_s, window)
            for attempt, starts_s, room, window in zip(attempts, starts, rooms, windows, strict=True)
        ]

    def _prefix(self, window: SpeechWindow) -> Prefix:
        prompt = self._tokenizer.prompt(window.hints, self._settings.most_prompt_tokens)
        return Prefix(prompt, self._tokenizer.task(window.language))

    def _most_tokens(self, window: SpeechWindow) -> int:
        return math.ceil(window.duration_s * self._settings.most_tokens_per_s) + _SPARE_TOKENS

    def _encode(self, windows: Sequence[SpeechWindow]) -> Tensor:
        """The encoder's output [rows, frames, width]. It sees whole windows: shorter audio is followed by silence."""
        return self._encoder(self._features([window.samples for window in windows])).last_hidden_state

    def _attempts(
        self, windows: Sequence[SpeechWindow], decoded: Sequence[Decoded], audio: AudioMemory
    ) -> list[Attempt]:
        attempts = [self._attempt(each) for each in decoded]

        def timed(rows: Sequence[int]) -> list[tuple[Word, ...]]:
            chosen = [windows[row] for row in rows], [attempts[row] for row in rows]
            starts = self._starts_s(*chosen, audio.rows(rows))
            return [
                self._timed(attempts[row], starts_s, windows[row]) for row, starts_s in zip(rows, starts, strict=True)
            ]

        return spared(attempts, timed, self._settings.guards)

    def _attempt(self, decoded: Decoded) -> Attempt:
        words = self._tokenizer.words(decoded.tokens)
        return Attempt(decoded, words, judge(decoded, [word.text for word in words], self._settings.guards))

    def _starts_s(
        self, windows: Sequence[SpeechWindow], attempts: Sequence[Attempt], audio: AudioMemory
    ) -> list[npt.NDArray[np.float64]]:
        """For each window the starts of its tokens and the end of the last, in seconds."""
        if not self._settings.word_times:
            return [
                shared_starts(attempt.words, len(attempt.decoded.tokens), window.duration_s)
                for attempt, window in zip(attempts, windows, strict=True)
            ]
        texts = [
            SpokenText(self._tokenizer.task(window.language), attempt.decoded.tokens, _frames(window))
            for attempt, window in zip(attempts, windows, strict=True)
        ]
        return self._aligner.starts_s(texts, audio)

    def _hypothesis(self, attempt: Attempt, starts_s: npt.NDArray[np.float64], window: SpeechWindow) -> Hypothesis:
        mean, is_loop_still = attempt.decoded.mean_log_probability, attempt.verdict is Verdict.LOOP
        if attempt.verdict is Verdict.SILENCE:
            return Hypothesis((), mean)
        words = without_invented(self._timed(attempt, starts_s, window), ended=attempt.decoded.ended)
        if is_loop_still:
            words = words[: compressible_from([word.text for word in words], self._settings.guards)]
        return Hypothesis(words, mean, dropped_repeats=is_loop_still)

    def _timed(self, attempt: Attempt, starts_s: npt.NDArray[np.float64], window: SpeechWindow) -> tuple[Word, ...]:
        return timed_words(
            attempt.words,
            attempt.decoded.log_probabilities,
            starts_s,
            window.duration_s,
            are_aligned=self._settings.word_times,
        )

    def _in_halves(self, window: SpeechWindow) -> Hypothesis:
        span = TimeSpan(_EARLIEST_CUT * window.duration_s, _LATEST_CUT * window.duration_s)
        cut = int(quietest_point(window.samples, span) * SAMPLE_RATE_HZ)
        before, after = self.transcribe(
            [replace(window, samples=window.samples[:cut]), replace(window, samples=window.samples[cut:])]
        )
        offset_s = cut / SAMPLE_RATE_HZ
        later = [replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s) for word in after.words]
        return Hypothesis(
            (*before.words, *later),
            (before.mean_log_probability + after.mean_log_probability) / 2,
            dropped_repeats=before.dropped_repeats or after.dropped_repeats,
        )


def _overflows(attempt: Attempt, room: int, window: SpeechWindow) -> bool:
    is_cut_short = not attempt.decoded.ended and len(attempt.decoded.tokens) == room
    return is_cut_short and attempt.verdict not in (Verdict.LOOP, Verdict.SILENCE) and not window.is_draft


def _frames(window: SpeechWindow) -> int:
    """Frames of the encoder that are not padding; at least one."""
    return max(1, int(window.duration_s / FRAME_S))

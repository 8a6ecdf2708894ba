"""The recogniser of the embedded profile: Moonshine tiny, English, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deployments.contracts import Samples
from deployments.onnx_runtime import open_session
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.moonshine.alignment import timed_words, token_starts
from deployments.recognition.moonshine.beam_search import Decoded, SearchSettings, beam_search
from deployments.recognition.moonshine.capabilities import CAPABILITIES
from deployments.recognition.moonshine.decoder_state import EncodedAudio
from deployments.recognition.moonshine.graphs import LAYERS, DecoderGraph, encoder_graph
from deployments.recognition.moonshine.rules import LOOP_NGRAM, Attempt, most_tokens, retry_loops, with_a_frame
from deployments.recognition.moonshine.tokenizer import Tokenizer
from deployments.recognition.moonshine.weights import model_folder, read_decoder, read_encoder

_ENCODER_OUTPUTS = [f"cross_{part}_{layer}" for part in ("key", "value") for layer in range(LAYERS)]


@dataclass(frozen=True, slots=True)
class MoonshineSettings:
    """How Moonshine runs.

    Attributes:
        beams: hypotheses kept while decoding. Four made 3 % (read) to 15 % (noisy) fewer word errors than one, at
            three quarters of the speed. Drafts are decoded with one.
        threads: of one call. More calls at once use more cores than more threads in one do.
    """

    beams: int = 4
    threads: int = 1


class MoonshineEngine:
    """Moonshine tiny. Calls may overlap: a session of ONNX Runtime is shared by threads."""

    capabilities = CAPABILITIES

    def __init__(self, settings: MoonshineSettings) -> None:
        folder = model_folder()
        encoder, decoder = read_encoder(folder), read_decoder(folder)
        self._encoder = open_session(encoder_graph(encoder, decoder), settings.threads)
        self._decoder = open_session(DecoderGraph(decoder).serialize(), settings.threads)
        self._tokenizer = Tokenizer(folder / "tokenizer.bin")
        self._search = SearchSettings(beams=settings.beams)

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch; each up to longest_window_s.

        The encoder runs on one window at a time: it normalises over time, so that padding would change its output.
        """
        hypotheses: dict[int, Hypothesis] = {}
        for is_draft, search in ((False, self._search), (True, replace(self._search, beams=1))):
            chosen = [index for index, window in enumerate(windows) if window.is_draft == is_draft]
            if chosen:
                searched = self._transcribe([windows[index].samples for index in chosen], search)
                hypotheses.update(zip(chosen, searched, strict=True))
        return [hypotheses[index] for index in range(len(windows))]

    def _transcribe(self, windows: Sequence[Samples], search: SearchSettings) -> list[Hypothesis]:
        encoded = [self._encode(window) for window in windows]

        def attempts(rows: Sequence[int], settings: SearchSettings) -> list[Attempt]:
            limits = [most_tokens(windows[row]) for row in rows]
            searched = self._decode([encoded[row] for row in rows], limits, settings)
            return [self._attempt(decoded, windows[row]) for row, decoded in zip(rows, searched, strict=True)]

        careful = replace(search, no_repeat_ngram=LOOP_NGRAM)
        return retry_loops(attempts(range(len(windows)), search), lambda loops: attempts(loops, careful))

    def _encode(self, window: Samples) -> EncodedAudio:
        audio = with_a_frame(window)[None]
        outputs = [output[0] for output in self._encoder.run(_ENCODER_OUTPUTS, {"audio": audio})]
        return EncodedAudio(keys=tuple(outputs[:LAYERS]), values=tuple(outputs[LAYERS:]))

    def _decode(self, encoded: Sequence[EncodedAudio], limits: Sequence[int], search: SearchSettings) -> list[Decoded]:
        return beam_search(self._decoder, encoded, limits, search)

    def _attempt(self, decoded: Decoded, window: Samples) -> Attempt:
        words = timed_words(
            self._tokenizer.words(decoded.tokens),
            decoded.log_probabilities,
            token_starts(decoded.alignment),
            window,
        )
        return Attempt(Hypothesis(words, float(np.mean(decoded.log_probabilities))), ended=not decoded.hit_limit)

"""Beam search over a batch of encoded items; one beam is greedy search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnxruntime

from deployments.recognition.moonshine.decoder_state import DecoderState, EncodedAudio
from deployments.recognition.moonshine.graphs import LAYERS
from deployments.recognition.moonshine.tokenizer import BEGIN_TOKEN, END_TOKEN
from deployments.recognition.moonshine.weights import Array

_OUTPUTS = [
    "top_log_probability",
    "top_token",
    "alignment",
    *(f"new_key_{layer}" for layer in range(LAYERS)),
    *(f"new_value_{layer}" for layer in range(LAYERS)),
]
# More candidates than can be needed where some are forbidden as repeats.
_SPARE_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search.

    Attributes:
        beams: hypotheses kept for each item; 1 is greedy.
        length_exponent: a finished hypothesis scores log probability / length ** exponent (Wu et al. 2016,
            arXiv:1609.08144, without the constant).
        no_repeat_ngram: forbid a hypothesis to repeat any run of this many tokens; 0 allows everything.
    """

    beams: int = 4
    length_exponent: float = 0.6
    no_repeat_ngram: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The best hypothesis of one item.

    Attributes:
        tokens: without the begin and end tokens, n of them.
        log_probabilities: [n + 1], the last for the end token.
        alignment: [heads, n + 1, T], what the alignment heads attended to when each token was chosen.
        hit_limit: the search ran out of tokens before any hypothesis ended.
    """

    tokens: tuple[int, ...]
    log_probabilities: Array
    alignment: Array
    hit_limit: bool


@dataclass(frozen=True, slots=True)
class _Beam:
    """A hypothesis as a linked list from its last token back; the root has token BEGIN_TOKEN and no parent."""

    token: int
    score: float
    length: int
    parent: _Beam | None = None
    log_probability: float = 0.0
    alignment: Array | None = None  # [heads, T] at the step that chose the token

    def path(self) -> list[_Beam]:
        """The hypothesis from its first token on, root excluded."""
        beams, beam = [], self
        while beam.parent is not None:
            beams.append(beam)
            beam = beam.parent
        return beams[::-1]


@dataclass(slots=True)
class _Item:
    """The search of one item."""

    index: int
    frames: int
    max_tokens: int
    alive: list[_Beam]
    finished: list[tuple[float, _Beam]] = field(default_factory=list)


def beam_search(
    decoder: onnxruntime.InferenceSession,
    encoded: Sequence[EncodedAudio],
    max_tokens: Sequence[int],
    settings: SearchSettings,
) -> list[Decoded]:
    """Decode a batch; max_tokens bounds each item's hypothesis."""
    state = DecoderState(encoded, settings.beams)
    items = [
        _Item(index, audio.frames, limit, [_Beam(BEGIN_TOKEN, 0.0, 0)])
        for index, (audio, limit) in enumerate(zip(encoded, max_tokens, strict=True))
    ]
    results: dict[int, Decoded] = {}
    while items:
        _advance(decoder, state, items, settings)
        done = [_is_done(item, settings) for item in items]
        if not any(done):
            continue
        for item, ended in zip(items, done, strict=True):
            if ended and item.index not in results:
                results[item.index] = _best(item)
        # Finished items ride along until they are half of the batch: dropping them copies every cache.
        if sum(item.index in results for item in items) * 2 >= len(items):
            going_on = [row for row, item in enumerate(items) if item.index not in results]
            items = [items[row] for row in going_on]
            if items:
                state.keep(going_on)
    return [results[index] for index in range(len(encoded))]


def _advance(
    decoder: onnxruntime.InferenceSession, state: DecoderState, items: list[_Item], settings: SearchSettings
) -> None:
    """One step of every item."""
    beams = settings.beams
    tokens = np.full((len(items), beams), END_TOKEN, np.int64)
    for row, item in enumerate(items):
        tokens[row, : len(item.alive)] = [beam.token for beam in item.alive]
    candidates = 2 * beams + (_SPARE_CANDIDATES if settings.no_repeat_ngram else 0)
    log_probability, token, alignment, *cache = decoder.run(_OUTPUTS, state.inputs(tokens, candidates))
    log_probability = log_probability.reshape(len(items), beams, candidates)
    token = token.reshape(len(items), beams, candidates)
    parents = np.zeros((len(items), beams), np.int64)
    for row, item in enumerate(items):
        chosen = _extend(item, log_probability[row], token[row], alignment[row], settings)
        parents[row, : len(chosen)] = chosen
    state.append(cache[:LAYERS], cache[LAYERS:], parents)


def _extend(
    item: _Item,
    log_probability: Array,
    token: npt.NDArray[np.int64],
    alignment: Array,
    settings: SearchSettings,
) -> list[int]:
    """Continue an item's beams by their best candidates [K, candidates]; returns each new beam's parent."""
    if not item.alive:
        return []
    scores = np.array([beam.score for beam in item.alive])[:, None] + log_probability[: len(item.alive)]
    width = scores.shape[1]
    parents: list[int] = []
    alive: list[_Beam] = []
    for flat in np.argsort(-scores, axis=None, kind="stable"):
        parent_row, candidate = divmod(int(flat), width)
        parent, next_token = item.alive[parent_row], int(token[parent_row, candidate])
        if settings.no_repeat_ngram and _repeats(parent, next_token, settings.no_repeat_ngram):
            continue
        beam = _Beam(
            token=next_token,
            score=float(scores[parent_row, candidate]),
            length=parent.length + 1,
            parent=parent,
            log_probability=float(log_probability[parent_row, candidate]),
            # A view would keep the whole batch's array of every step alive.
            alignment=alignment[:, parent_row, : item.frames].copy(),
        )
        if next_token == END_TOKEN:
            # Only an end that ranks among the beams counts, as if it took a beam's place.
            if len(alive) < settings.beams:
                item.finished.append((beam.score / beam.length**settings.length_exponent, beam))
            continue
        alive.append(beam)
        parents.append(parent_row)
        if len(alive) == settings.beams:
            break
    item.alive = alive
    return parents


def _repeats(parent: _Beam, token: int, ngram: int) -> bool:
    tokens = [beam.token for beam in parent.path()] + [token]
    run = tokens[-ngram:]
    return len(tokens) > ngram and any(tokens[start : start + ngram] == run for start in range(len(tokens) - ngram))


def _is_done(item: _Item, settings: SearchSettings) -> bool:
    if len(item.finished) >= settings.beams or not item.alive:
        return True
    return item.alive[0].length >= item.max_tokens


def _best(item: _Item) -> Decoded:
    if item.finished:
        best, hit_limit = max(item.finished, key=lambda scored: scored[0])[1], False
    else:
        best, hit_limit = (
            max(item.alive, key=lambda beam: beam.score, default=_Beam(BEGIN_TOKEN, 0.0, 0)),
            True,
        )
    path = best.path()
    item.alive = []
    tokens = tuple(beam.token for beam in path if beam.token != END_TOKEN)
    rows = [beam.alignment for beam in path if beam.alignment is not None]
    return Decoded(
        tokens=tokens,
        log_probabilities=np.array([beam.log_probability for beam in path], np.float32),
        alignment=np.stack(rows, axis=1) if rows else np.zeros((0, 0, item.frames), np.float32),
        hit_limit=hit_limit,
    )

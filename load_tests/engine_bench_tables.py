"""What the benchmark of the engines found, as tables. No torch here."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from load_tests.engine_bench_parts import Part
from load_tests.engine_bench_plan import Target
from load_tests.report import Cell, Column, Table

_MIB = 2**20


@dataclass(slots=True)
class Run:
    """One contender on batches of one size.

    Attributes:
        texts: of the windows of the batch.
        rounds_s: one turn each, on one batch.
        parts_s: of one more turn, in which the device was waited for after every part.
        extra_bytes: the most memory of that turn beyond what was in use before it.
    """

    texts: list[str] = field(default_factory=list)
    rounds_s: list[float] = field(default_factory=list)
    parts_s: dict[Part, float] = field(default_factory=dict)
    extra_bytes: int | None = None


@dataclass(slots=True)
class Measurement:
    """A model in one precision on batches of one size.

    Attributes:
        alone: texts of our engine for the same windows, one by one.
        pipeline: None where its batch did not fit the memory.
    """

    model: str
    precision: str
    batch: int
    window_s: float
    ours: Run
    pipeline: Run | None
    alone: list[str]

    @property
    def real_times(self) -> float:
        """Of our engine."""
        return self._real_times(self.ours)

    @property
    def pipeline_real_times(self) -> float | None:
        """Of the pipeline."""
        return None if self.pipeline is None else self._real_times(self.pipeline)

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the pipeline: the median of the rounds, each with its neighbour."""
        if self.pipeline is None:
            return None
        pairs = zip(self.ours.rounds_s, self.pipeline.rounds_s, strict=True)
        return statistics.median(theirs_s / ours_s for ours_s, theirs_s in pairs)

    def _real_times(self, run: Run) -> float:
        return self.batch * self.window_s / statistics.median(run.rounds_s)


def same_words_percent(texts: Sequence[str], others: Sequence[str]) -> float:
    """Share of words in place in both, over texts one by one."""
    same = total = 0
    for text, other in zip(texts, others, strict=True):
        words, other_words = text.split(), other.split()
        total += len(words) + len(other_words)
        blocks = SequenceMatcher(None, words, other_words, autojunk=False).get_matching_blocks()
        same += 2 * sum(block.size for block in blocks)
    return 100.0 * same / total if total else 100.0


def speed_table(measurements: Sequence[Measurement], unit: str, note: str) -> Table:
    """Times real time of both, by batch size; ``unit`` says of which time."""
    return Table(
        "Engines alone, beside the plain pipeline of transformers",
        (
            Column("model"),
            Column("precision"),
            Column("batch"),
            Column(f"{unit}"),
            Column(f"pipeline {unit}"),
            Column("ratio", digits=2),
            Column("against one at a time", digits=2),
            Column("words a s"),
            Column("same words as alone %"),
            Column("as the pipeline %"),
        ),
        tuple(_speed_rows(measurements)),
        note,
    )


def parts_table(measurements: Sequence[Measurement]) -> Table:
    """Where the time of a window goes, and the memory."""
    return Table(
        "Milliseconds a window, by part; memory beyond the weights",
        (
            Column("model"),
            Column("precision"),
            Column("batch"),
            Column("contender"),
            *(Column(part.value) for part in Part),
            Column("all"),
            Column("MiB", digits=0),
        ),
        tuple(_parts_rows(measurements)),
        "A turn by itself, waiting for the device after each part. features: from samples to the encoder's input. "
        "alignment: word times, which the pipeline does not give; Moonshine's are found while it decodes. "
        "host: tokens to words, and all the rest.",
    )


def targets_table(measurements: Sequence[Measurement], targets: Sequence[Target]) -> Table:
    """The best batch size of each model that has a target, in half precision."""
    return Table(
        "Targets on an H200, in half precision",
        (
            Column("model"),
            Column("batch"),
            Column("× real time"),
            Column("target", digits=0),
            Column("ratio to the pipeline", digits=2),
            Column("target ratio"),
            Column("met"),
        ),
        tuple(_target_rows(measurements, targets)),
    )


def _speed_rows(measurements: Sequence[Measurement]) -> Iterator[tuple[Cell, ...]]:
    one_at_a_time = {(found.model, found.precision): found.real_times for found in measurements if found.batch == 1}
    for found in measurements:
        alone = one_at_a_time.get((found.model, found.precision))
        words = sum(len(text.split()) for text in found.ours.texts)
        yield (
            found.model,
            found.precision,
            found.batch,
            found.real_times,
            found.pipeline_real_times,
            found.ratio,
            None if alone is None else found.real_times / alone,
            words / (found.batch * found.window_s),
            same_words_percent(found.ours.texts[: len(found.alone)], found.alone),
            None if found.pipeline is None else same_words_percent(found.ours.texts, found.pipeline.texts),
        )


def _parts_rows(measurements: Sequence[Measurement]) -> Iterator[tuple[Cell, ...]]:
    for found in measurements:
        for name, run in (("ours", found.ours), ("pipeline", found.pipeline)):
            if run is None:
                continue
            ms = [1000.0 * run.parts_s[part] / found.batch for part in Part]
            memory = None if run.extra_bytes is None else run.extra_bytes / _MIB
            yield (found.model, found.precision, found.batch, name, *ms, sum(ms), memory)


def _target_rows(measurements: Sequence[Measurement], targets: Sequence[Target]) -> Iterator[tuple[Cell, ...]]:
    for target in targets:
        of_model = [found for found in measurements if found.model == target.model and found.precision != "float32"]
        if not of_model:
            yield (target.model, None, None, target.real_times, None, target.pipelines, "not measured")
            continue
        best = max(of_model, key=lambda found: found.real_times)
        is_met = best.real_times >= target.real_times
        if target.pipelines is not None:
            # Where the pipeline's batch did not fit there is nothing to be compared with.
            is_met = is_met and best.ratio is not None and best.ratio >= target.pipelines
        yield (
            target.model,
            best.batch,
            best.real_times,
            target.real_times,
            best.ratio,
            target.pipelines,
            "yes" if is_met else "no",
        )

"""The torch engines by themselves: no Ray, no service, no network, no weights needed.

    pip install torch transformers scipy psutil rich typer
    python -m load_tests.engine_bench

in a checkout, which needs no installation: that is all on a bare machine, with a GPU or without. Where a machine cannot
install, bring the packages in a folder of wheels (``pip download``). The versions that belong together are in
constraints.txt.

Each model runs at full size in our engine, with its default settings, and in the plain pipeline of transformers, on the
same checkpoint folder, windows and precision, both greedy; they take turns. Real checkpoints can be given as folders.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.contracts import Samples
from deployments.torch_runtime import Precision, TorchSettings, placement_of
from load_tests.engine_bench_parts import Clock, Stopwatch, clock_for, timed_parts
from load_tests.engine_bench_plan import (
    FULL,
    QUICK,
    TARGETS,
    WINDOW_S,
    Plan,
    Speech,
    family_of,
    read_speech,
    windows_of,
)
from load_tests.engine_bench_tables import Measurement, Run, parts_table, speed_table, targets_table
from load_tests.hardware import installed_version, read_hardware
from load_tests.options import DEFAULT_RESULTS, ResultsOption
from load_tests.report import Report, Table, wide_console

if TYPE_CHECKING:
    from load_tests.engine_bench_contenders import Contender

_DEFAULT_CACHE = Path.home() / ".cache" / "rayscribe" / "random-checkpoints"
_COMPARED_ALONE = 4

ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="A shape (whisper-large-v3-turbo …) or a checkpoint folder; several times for several."
    ),
]
BatchesOption = Annotated[list[int] | None, typer.Option("--batch", min=1, help="Windows in a batch; several times.")]
PrecisionsOption = Annotated[
    list[Precision] | None,
    typer.Option("--precision", help="Several times; default: float32 on a CPU, else bfloat16 where the GPU has it."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 …")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Of one call on a CPU.")]
CompileOption = Annotated[
    bool, typer.Option("--compile/--no-compile", help="torch.compile in our engines; the pipeline stays plain.")
]
QuickOption = Annotated[
    bool | None,
    typer.Option("--quick/--full", help="Small models in batches of 1 and 8; the default on a CPU, and minutes there."),
]
RoundsOption = Annotated[int | None, typer.Option("--rounds", min=1, help="Turns of each.")]
TokensOption = Annotated[
    float, typer.Option("--tokens-per-s", min=0.1, help="Of audio, in random checkpoints; English has 3 to 4.")
]
WindowOption = Annotated[
    float | None,
    typer.Option("--window-s", min=1.0, max=30.0, help="Length of windows; default: 30, Moonshine 15."),
]
SpeechOption = Annotated[
    Path | None,
    typer.Option(
        "--speech", metavar="WAV", help="16 kHz, 16 bits, mono, for real checkpoints; default: made-up noise."
    ),
]
CheckpointsOption = Annotated[
    Path, typer.Option("--checkpoints", metavar="DIR", help="Where random checkpoints are kept; up to 3.3 GB each.")
]


@dataclass(frozen=True, slots=True)
class Subject:
    """A checkpoint folder, and what is said in a window."""

    name: str
    folder: Path
    speech: Speech


def engine_bench(
    model: ModelsOption = None,
    batch: BatchesOption = None,
    precision: PrecisionsOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 1,
    compile_ours: CompileOption = False,
    quick: QuickOption = None,
    rounds: RoundsOption = None,
    tokens_per_s: TokensOption = 3.5,
    window_s: WindowOption = None,
    speech: SpeechOption = None,
    checkpoints: CheckpointsOption = _DEFAULT_CACHE,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Speed and memory of the torch engines in batches, beside the plain transformers pipeline."""
    console = wide_console()
    if find_spec("torch") is None or find_spec("transformers") is None:
        console.print("This needs torch and transformers: pip install 'rayscribe[torch]'", style="red")
        raise typer.Exit(2)
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    settings = TorchSettings(device=device, threads=threads, compile=compile_ours)
    placement = placement_of(settings)
    on_cpu = placement.device.type == "cpu"
    plan = _plan(on_cpu if quick is None else quick, model, batch, rounds)
    try:
        recording = None if speech is None else read_speech(speech)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--speech") from error
    report = Report("engine-bench", read_hardware())
    if on_cpu:
        wanted = ", ".join(f"{target.model} {target.real_times:.0f} × real time" for target in TARGETS)
        report.skipped.append(f"the targets ({wanted}): they are an H200's, and this ran on a CPU")
    note = _note(placement.device, settings, plan, speech)
    found: list[Measurement] = []
    failed = False
    for name in plan.models:
        try:
            with console.status(f"{name}: its checkpoint"):
                subject = _subject(name, window_s, tokens_per_s, checkpoints, placement.device)
            for chosen in precision or [Precision(str(placement.dtype).removeprefix("torch."))]:
                with console.status(f"{name}, {chosen.value}"):
                    found += _measure(subject, plan, replace(settings, precision=chosen), recording, report)
        except typer.BadParameter:
            raise
        except Exception as error:  # one model that does not run here must not cost the figures of the others
            failed = True
            report.skipped.append(f"{name} failed: {type(error).__name__}: {error}")
        _free_memory()
        report.tables = _tables(found, on_cpu, note)
        # After each model: a run that is cut short has written what it had.
        saved = report.save(results)
    report.print(console)
    console.print(f"Saved {saved}", style="dim")
    if failed:
        raise typer.Exit(1)


def _tables(found: Sequence[Measurement], on_cpu: bool, note: str) -> list[Table]:
    tables = [speed_table(found, "× CPU time" if on_cpu else "× real time", note), parts_table(found)]
    return tables if on_cpu else [*tables, targets_table(found, TARGETS)]


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _plan(quick: bool, models: list[str] | None, batches: list[int] | None, rounds: int | None) -> Plan:
    plan = QUICK if quick else FULL
    sizes = tuple(sorted(set(batches or plan.batches)))
    return Plan(tuple(models or plan.models), sizes, rounds or plan.rounds)


def _subject(name: str, window_s: float | None, tokens_per_s: float, cache: Path, device: Any) -> Subject:
    from load_tests.engine_bench_checkpoints import random_checkpoint
    from load_tests.engine_bench_shapes import SHAPES

    shape = SHAPES.get(name)
    try:
        family = family_of(Path(name)) if shape is None else shape.family
    except ValueError as error:
        reason = f"{error}; shapes: {', '.join(SHAPES)}"
        raise typer.BadParameter(reason, param_hint="--model") from error
    said = Speech(window_s or WINDOW_S[family], tokens_per_s)
    folder = Path(name) if shape is None else random_checkpoint(name, shape, cache, said, device)
    return Subject(name, folder, said)


def _measure(
    subject: Subject, plan: Plan, settings: TorchSettings, recording: Samples | None, report: Report
) -> list[Measurement]:
    """All batch sizes of one model in one precision."""
    from load_tests.engine_bench_contenders import Ours, PeakMemory, PlainPipeline

    family = family_of(subject.folder)
    ours = Ours(subject.folder, family, settings)
    pipeline = PlainPipeline(subject.folder, family, settings)
    device = placement_of(settings).device
    clock, memory = clock_for(device), PeakMemory(device)
    windows = windows_of(recording, subject.speech.window_s, max(plan.batches))
    alone = [ours.transcribe([window])[0] for window in windows[:_COMPARED_ALONE]]
    measurements = []
    for size in plan.batches:
        batch = windows[:size]
        label = f"{subject.name}, {settings.precision.value}, batch of {size}"
        our_run = _first_turn(ours, batch)
        if our_run is None:
            report.skipped.append(f"{label}: not even one window fits the memory")
            continue
        pipeline_run = _first_turn(pipeline, batch)
        if pipeline_run is None:
            report.skipped.append(f"{label}: the pipeline ran out of memory")
        found = Measurement(
            subject.name, settings.precision.value, size, subject.speech.window_s, our_run, pipeline_run, alone[:size]
        )
        measurements.append(found)
    for turn in range(plan.rounds):
        for found in measurements:
            for contender, run in _runs(found, ours, pipeline):
                run.rounds_s.append(_turn_s(contender, windows[: found.batch], clock))
                report.clips.append(_clip(found, contender.name, turn, run.rounds_s[-1]))
    for found in measurements:
        for contender, run in _runs(found, ours, pipeline):
            stopwatch = Stopwatch(clock)
            memory.start()
            with timed_parts(contender.parts, stopwatch):
                contender.transcribe(windows[: found.batch])
            run.parts_s, run.extra_bytes = stopwatch.spent_s, memory.extra_bytes()
            if device.type == "cpu":
                # Nothing was waited for: this turn is like the others.
                run.rounds_s.append(sum(run.parts_s.values()))
    return measurements


def _first_turn(contender: Contender, windows: Sequence[Samples]) -> Run | None:
    """The texts, and whatever is made at the first call of a size; None where the memory does not hold it."""
    import torch

    try:
        return Run(texts=contender.transcribe(windows))
    except torch.OutOfMemoryError:
        pass
    _free_memory()
    return None


def _runs(found: Measurement, ours: Contender, pipeline: Contender) -> Iterator[tuple[Contender, Run]]:
    yield ours, found.ours
    if found.pipeline is not None:
        yield pipeline, found.pipeline


def _turn_s(contender: Contender, windows: Sequence[Samples], clock: Clock) -> float:
    start_s = clock.read_s()
    contender.transcribe(windows)
    return clock.read_s() - start_s


def _clip(found: Measurement, contender: str, turn: int, seconds: float) -> dict[str, str | int | float | None]:
    return {
        "model": found.model,
        "precision": found.precision,
        "batch": found.batch,
        "contender": contender,
        "round": turn + 1,
        "seconds": seconds,
    }


def _note(device: Any, settings: TorchSettings, plan: Plan, speech: Path | None) -> str:
    import torch

    where = (
        f"CPU, {settings.threads} thread{'s' * (settings.threads > 1)}"
        if device.type == "cpu"
        else torch.cuda.get_device_name(device)
    )
    versions = ", ".join(f"{package} {installed_version(package)}" for package in ("torch", "transformers"))
    turns = plan.rounds + (device.type == "cpu")
    compiled = "compiled" if settings.compile else "not compiled"
    heard = "made-up noise" if speech is None else speech.name
    return (
        f"{where}; {versions}; ours {compiled}; medians of {turns} turns, the ratio that of neighbours; "
        f"windows of {heard}. Ours gives words with times and confidences, the pipeline text alone."
    )


if __name__ == "__main__":
    typer.run(engine_bench)

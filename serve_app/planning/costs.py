"""What a request costs in each stage, as measured by ``python -m load_tests.stage_costs``.

A stage's time is processor time of its device, so that costs which were measured on a busy machine are of use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from serve_app.settings_section import problems_of

_FORBID = ConfigDict(extra="forbid")

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class CostsUnusable(Exception):
    """There are no costs, or the file is not one of costs; the message says what to do."""


class Stage(StrEnum):
    """What a request passes through, by the names of the deployments. ``RAY``: daemons and controller, beside it."""

    PROXY = "Proxy"
    INGRESS = "Ingress"
    DECODER = "Decoder"
    SPEECH_GATE = "SpeechGate"
    LANGUAGE_IDENTIFIER = "LanguageIdentifier"
    RECOGNIZER = "Recognizer"
    DIARIZER = "Diarizer"
    REFINER = "Refiner"
    RAY = "Ray"


class Device(StrEnum):
    """What a stage's workers compute on."""

    CPU = "cpu"
    GPU = "gpu"


OPTIONAL = frozenset({Stage.PROXY, Stage.LANGUAGE_IDENTIFIER, Stage.DIARIZER, Stage.RAY})


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a batch takes, ``batch_s + items * (item_s + padded_s * longest) + audio_s * all``, and how batches form.

    Attributes:
        batch_s: of any batch.
        item_s: for each window in it.
        padded_s: for each second of its longest window, in each of its windows: what an engine computes that pads.
        audio_s: for each second of its windows themselves: words, and what is not padded.
        longest_window_s: recordings are cut into windows of up to this.
        max_items, max_padded_s, max_stretch: see deployments.recognition.batcher.BatchLimits.
        group_s: audio of one request that goes to one replica at once.
        groups_in_flight: groups of one request at once.
    """

    __pydantic_config__ = _FORBID

    batch_s: Seconds
    item_s: Seconds
    padded_s: Seconds
    longest_window_s: Positive
    max_items: Count
    max_padded_s: Positive
    max_stretch: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    group_s: Positive
    groups_in_flight: Count
    audio_s: Seconds = 0.0

    def work_s(self, windows_s: Sequence[float]) -> float:
        """Of one batch of these windows."""
        padded_s = self.padded_s * max(windows_s)
        return self.batch_s + len(windows_s) * (self.item_s + padded_s) + self.audio_s * sum(windows_s)

    def slower(self, factor: float) -> BatchCost:
        """Where everything takes so many times as long."""
        return replace(
            self,
            batch_s=self.batch_s * factor,
            item_s=self.item_s * factor,
            padded_s=self.padded_s * factor,
            audio_s=self.audio_s * factor,
        )


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage.

    Attributes:
        stage: which.
        device: what its workers compute on.
        workers: calls, or batches, that one replica works on at once.
        threads: units of the device that one worker takes.
        call_s: CPU seconds a call costs outside the workers: Ray's, and what the event loop does.
        request_s: of a worker, for each request.
        audio_s: of a worker, for each second of audio.
        gpu_share: part of a GPU that a replica reserves, as num_gpus in the config.
        batches: of a stage that works in batches, in place of request_s and audio_s.
        holds: requests that one replica has at once; it refuses more.
    """

    __pydantic_config__ = _FORBID

    stage: Stage
    device: Device = Device.CPU
    workers: Count = 1
    threads: Count = 1
    call_s: Seconds = 0.0
    request_s: Seconds = 0.0
    audio_s: Seconds = 0.0
    gpu_share: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    batches: BatchCost | None = None
    holds: Count | None = None

    def work_s(self, duration_s: float) -> float:
        """Of a worker, for one recording."""
        return self.request_s + self.audio_s * duration_s

    def slower(self, factor: float) -> StageCost:
        """Where everything takes so many times as long."""
        return replace(
            self,
            call_s=self.call_s * factor,
            request_s=self.request_s * factor,
            audio_s=self.audio_s * factor,
            batches=None if self.batches is None else self.batches.slower(factor),
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """All stages of a profile.

    Attributes:
        profile: its name.
        measured_on: the machine, the software and the moment.
        method: how it was measured.
        speech_share: part of a recording that is recognised.
        idle_cpu_cores: what the service takes while nobody asks anything.
        stages: those of a request's way; the order does not matter.
        hops_s: what a request takes beyond all computing: hops between processes, and waking them.
    """

    __pydantic_config__ = _FORBID

    profile: str
    measured_on: str
    method: str
    speech_share: Annotated[float, Field(gt=0, le=1)]
    idle_cpu_cores: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    stages: tuple[StageCost, ...]
    hops_s: Seconds = 0.0
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        names = [cost.stage for cost in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("a stage is there twice")
        if missing := set(Stage) - OPTIONAL - set(names):
            raise ValueError(f"no costs of {', '.join(sorted(missing))}")
        for cost in self.stages:
            if (cost.batches is not None) != (cost.stage is Stage.RECOGNIZER):
                raise ValueError(f"{cost.stage}: the Recognizer has batches, and no other stage")

    def slower(self, factor: float) -> Costs:
        """On a machine that takes so many times as long for everything; hops and what is idle stay."""
        return replace(self, stages=tuple(cost.slower(factor) for cost in self.stages))

    def of(self, stage: Stage) -> StageCost | None:
        """The costs of a stage, if the profile has it."""
        return next((cost for cost in self.stages if cost.stage is stage), None)

    @property
    def recognizer(self) -> BatchCost:
        """How the recogniser's batches form, and what they take."""
        cost = self.of(Stage.RECOGNIZER)
        assert cost is not None  # noqa: S101  # __post_init__ has made sure
        assert cost.batches is not None  # noqa: S101  # the same
        return cost.batches


def costs_of_profile(profile: str) -> Costs:
    """Those that come with Rayscribe.

    Raises:
        CostsUnusable: nobody has measured this profile.
    """
    path = _SHIPPED / f"{profile}.json"
    known = sorted(file.stem for file in _SHIPPED.glob("*.json"))
    if profile not in known:
        raise CostsUnusable(
            f"No costs were measured for the profile {profile!r}, and guessed ones would make a guessed plan "
            f"(measured: {', '.join(known)}).\nOn a machine like those that will serve, run\n"
            f"  python -m load_tests.stage_costs --config configs/{profile}.yaml --start --output costs.json\n"
            "and give the file with --costs costs.json."
        )
    return read_costs(path)


def read_costs(path: Path) -> Costs:
    """Read a file of costs.

    Raises:
        CostsUnusable: it cannot be read, or is not one.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise CostsUnusable(f"Cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        problems = (f"  {problem}" for problem in problems_of(error))
        raise CostsUnusable("\n".join([f"{path} is not a file of stage costs:", *problems])) from error


def costs_json(costs: Costs) -> str:
    """As a file of costs holds them."""
    return _ADAPTER.dump_json(costs, indent=1).decode() + "\n"


_ADAPTER = TypeAdapter(Costs)
_SHIPPED = Path(__file__).resolve().parent / "measured"

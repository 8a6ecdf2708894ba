from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from load_tests.served_costs import ServedCosts
from load_tests.stage_costs import assembled, costs_table, engine_cpu_s
from load_tests.stage_engines import device_of, non_negative_fit
from serve_app.engine_settings import RecognitionSettings
from serve_app.planning.costs import Costs, Device, Stage, StageCost
from tests.serve_app.planning.some_costs import BATCHES, COSTS

pytestmark = pytest.mark.unit

SERVED = ServedCosts(
    {
        "proxy": (0.006, 0.006),
        "Ingress": (0.025, 0.080),
        "Decoder": (0.012, 0.028),
        "Recognizer": (0.080, 0.9),
        "Refiner": (0.004, 0.004),
        "ray daemons": (0.008, 0.008),
        "controller": (0.002, 0.002),
    },
    idle_cores=0.2,
    alone_s=0.3,
)
ENGINES = (
    StageCost(Stage.DECODER, request_s=0.003, audio_s=0.0002),
    StageCost(Stage.SPEECH_GATE, audio_s=0.002),
    StageCost(Stage.RECOGNIZER, workers=2, batches=BATCHES),
)


def test_a_fit_finds_what_made_the_values() -> None:
    terms = [(1.0, float(length)) for length in (5, 20, 60)]
    assert non_negative_fit(terms, [0.01 + 0.002 * length for _, length in terms]) == pytest.approx((0.01, 0.002))


def test_a_fit_has_no_costs_below_nothing() -> None:
    assert min(non_negative_fit([(1.0, 5.0), (1.0, 60.0)], [0.01, 0.5])) == 0.0


def stages_of(
    engines: Sequence[StageCost] = ENGINES, served: ServedCosts = SERVED
) -> tuple[StageCost, StageCost, StageCost, Costs]:
    """The ingress, the decoder and the recogniser of all that was assembled."""
    costs = replace(COSTS, stages=assembled(engines, served, speech_share=1.0, max_requests=64))
    ingress, decoder, recognizer = map(costs.of, (Stage.INGRESS, Stage.DECODER, Stage.RECOGNIZER))
    assert ingress is not None
    assert decoder is not None
    assert recognizer is not None
    return ingress, decoder, recognizer, costs


def test_a_stage_without_an_engine_costs_what_its_process_took() -> None:
    ingress, _, _, costs = stages_of()
    assert ingress.holds == 64
    assert (ingress.work_s(5.0), ingress.work_s(60.0)) == pytest.approx((0.025, 0.080))
    ray = costs.of(Stage.RAY)
    assert ray is not None
    assert ray.work_s(5.0) == pytest.approx(0.010)
    assert len(costs_table(costs).rows) == 7


@pytest.mark.parametrize("stage", [Stage.DECODER, Stage.RECOGNIZER])
def test_engine_and_call_together_cost_what_the_process_took(stage: Stage) -> None:
    cost = stages_of()[3].of(stage)
    assert cost is not None
    whole_s = [cost.call_s + engine_cpu_s(cost, duration_s, 1.0) for duration_s in (5.0, 60.0)]
    assert whole_s == pytest.approx(SERVED.by_process[stage])


def test_an_engine_keeps_its_shape_and_is_as_much_slower_as_it_is_in_the_service() -> None:
    _, decoder, _, _ = stages_of()
    # 16 ms between the lengths in the service, and 11 ms in a process of its own.
    assert decoder.audio_s == pytest.approx(0.0002 * 0.016 / 0.011)
    assert decoder.request_s / decoder.audio_s == pytest.approx(0.003 / 0.0002)


def test_a_recording_of_several_windows_takes_batches_of_them() -> None:
    _, _, recognizer = ENGINES
    assert engine_cpu_s(recognizer, 5.0, 1.0) == pytest.approx(BATCHES.work_s([5.0]))
    # Each window of a batch is as long as the longest, and none is shorter than 0.4 of the longest that may be.
    assert 60 * BATCHES.padded_s < engine_cpu_s(recognizer, 60.0, 1.0) < 2 * 60 * BATCHES.padded_s


def test_a_process_that_took_nothing_has_no_negative_cost() -> None:
    _, decoder, _, _ = stages_of(served=replace(SERVED, by_process={**SERVED.by_process, "Decoder": (-0.001, -0.001)}))
    assert 0 <= decoder.call_s < 1e-5
    assert 0 <= decoder.audio_s < 1e-5


def test_the_process_of_a_gpu_engine_is_all_cost_of_the_call() -> None:
    _, _, recognizer, _ = stages_of((*ENGINES[:2], replace(ENGINES[2], device=Device.GPU)))
    assert recognizer.call_s == pytest.approx(0.080)
    assert recognizer.batches == BATCHES


@pytest.mark.parametrize(("engine", "device"), [("moonshine-tiny-en", "auto"), ("whisper", "cpu")])
def test_engines_of_the_cpu(engine: str, device: str) -> None:
    settings = RecognitionSettings().model_copy(update={"device": device})
    assert device_of(engine, settings) is Device.CPU


def test_an_engine_that_is_told_so_is_on_the_gpu() -> None:
    assert device_of("whisper", RecognitionSettings().model_copy(update={"device": "cuda:0"})) is Device.GPU

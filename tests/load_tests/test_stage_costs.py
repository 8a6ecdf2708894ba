from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from load_tests.stage_costs import ServedCosts, assembled, costs_table, speech_of
from load_tests.stage_engines import device_of, non_negative_fit
from serve_app.engine_settings import RecognitionSettings
from serve_app.planning.costs import Device, Stage, StageCost
from tests.serve_app.planning.some_costs import BATCHES, COSTS

pytestmark = pytest.mark.unit

SERVED = ServedCosts(
    {
        "proxy": (0.006, 0.006),
        "Ingress": (0.025, 0.080),
        "Decoder": (0.010, 0.050),
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


def test_what_the_service_adds_is_the_cost_of_the_call() -> None:
    found = {cost.stage: cost for cost in assembled(ENGINES, SERVED, max_requests=64)}
    assert found[Stage.INGRESS].holds == 64
    assert found[Stage.INGRESS].work_s(5.0) == pytest.approx(0.025)
    assert found[Stage.INGRESS].work_s(60.0) == pytest.approx(0.080)
    assert found[Stage.DECODER].call_s == pytest.approx(0.010 - 0.003 - 5 * 0.0002)
    assert found[Stage.RECOGNIZER].call_s == pytest.approx(0.080 - BATCHES.work_s(1, 5.0))
    assert found[Stage.RAY].work_s(5.0) == pytest.approx(0.010)


def test_less_than_the_engines_took_is_no_negative_cost() -> None:
    served = ServedCosts({**SERVED.by_process, "Decoder": (0.001, 0.001)}, 0.2, 0.3)
    found = {cost.stage: cost for cost in assembled(ENGINES, served, max_requests=64)}
    assert found[Stage.DECODER].call_s == 0.0


def test_the_process_of_a_gpu_engine_is_all_cost_of_the_call() -> None:
    on_gpu = (*ENGINES[:2], replace(ENGINES[2], device=Device.GPU))
    found = {cost.stage: cost for cost in assembled(on_gpu, SERVED, max_requests=64)}
    assert found[Stage.RECOGNIZER].call_s == pytest.approx(0.080)


def test_assembled_costs_are_whole() -> None:
    costs = replace(COSTS, stages=assembled(ENGINES, SERVED, max_requests=64))
    assert len(costs_table(costs).rows) == 7


def test_the_wheels_speech_is_enough_where_there_are_no_recordings() -> None:
    speech = speech_of(())
    assert len(speech) > 75 * 16_000
    assert speech.dtype == np.float32


@pytest.mark.parametrize(("engine", "device"), [("moonshine-tiny-en", "auto"), ("whisper", "cpu")])
def test_engines_of_the_cpu(engine: str, device: str) -> None:
    settings = RecognitionSettings().model_copy(update={"device": device})
    assert device_of(engine, settings) is Device.CPU


def test_an_engine_that_is_told_so_is_on_the_gpu() -> None:
    assert device_of("whisper", RecognitionSettings().model_copy(update={"device": "cuda:0"})) is Device.GPU

"""Costs that are easy to reckon with."""

from __future__ import annotations

from dataclasses import replace

from serve_app.planning.costs import BatchCost, Costs, Device, Stage, StageCost

BATCHES = BatchCost(
    batch_s=0.01,
    item_s=0.0,
    padded_s=0.01,
    longest_window_s=15.0,
    max_items=8,
    max_padded_s=240.0,
    max_stretch=2.0,
    group_s=600.0,
    groups_in_flight=2,
)

COSTS = Costs(
    profile="some",
    measured_on="paper",
    method="thought out",
    speech_share=1.0,
    idle_cpu_cores=0.2,
    stages=(
        StageCost(Stage.PROXY, request_s=0.005),
        StageCost(Stage.INGRESS, request_s=0.02, holds=64),
        StageCost(Stage.DECODER, call_s=0.004, request_s=0.004, audio_s=0.0002),
        StageCost(Stage.SPEECH_GATE, call_s=0.004, audio_s=0.002),
        StageCost(Stage.RECOGNIZER, workers=2, call_s=0.005, batches=BATCHES),
        StageCost(Stage.DIARIZER, call_s=0.005, audio_s=0.03),
        StageCost(Stage.REFINER, request_s=0.003),
        StageCost(Stage.RAY, request_s=0.01),
    ),
)


def on_gpu(costs: Costs) -> Costs:
    """With a recogniser that takes most of a GPU, one batch at a time."""
    batches = replace(BATCHES, batch_s=0.2, padded_s=0.0005, max_items=32, max_padded_s=960.0)
    recognizer = StageCost(Stage.RECOGNIZER, Device.GPU, workers=1, call_s=0.005, gpu_share=0.7, batches=batches)
    kept = (cost for cost in costs.stages if cost.stage is not Stage.RECOGNIZER)
    return replace(costs, stages=(*kept, recognizer))


def free_but(*stages: StageCost) -> Costs:
    """All stages take no time, except these."""
    named = {cost.stage: cost for cost in stages}
    free = {stage: StageCost(stage) for stage in (Stage.INGRESS, Stage.DECODER, Stage.SPEECH_GATE, Stage.REFINER)}
    nothing = replace(BATCHES, batch_s=0.0, padded_s=0.0)
    recognizer = StageCost(Stage.RECOGNIZER, batches=nothing)
    return replace(COSTS, stages=tuple({**free, Stage.RECOGNIZER: recognizer, **named}.values()), idle_cpu_cores=0.0)

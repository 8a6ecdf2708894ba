"""A tiny model that has learned one answer by heart, saved and loaded as any checkpoint is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from deployments.checkpoints.cache import CheckpointCache  # noqa: E402  # behind the guards
from deployments.checkpoints.source import CheckpointSource  # noqa: E402
from deployments.contracts import RefinementContext, RefinementTask, WarningCode  # noqa: E402
from deployments.errors import EngineUnavailable, ServiceUnavailable  # noqa: E402
from deployments.refinement.deployment import Refiner, RefinerConfig  # noqa: E402
from deployments.refinement.polish.checkpoint import CheckpointModel  # noqa: E402
from deployments.refinement.polish.model import Prompt  # noqa: E402
from deployments.refinement.polish.options import CheckpointOptions, LanguageModelOptions  # noqa: E402
from tests.fakes.causal_checkpoint import ANSWER, save_causal_model, teach  # noqa: E402
from tests.fakes.language_model import doubtful_segment, texts  # noqa: E402

pytestmark = pytest.mark.engine

PROMPT = Prompt("Repair.", "0:deploy 1:cuber? 2:netties?")
OTHERS = [Prompt("Repair.", "0:" + "over " * count + "their?") for count in (1, 9, 30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal_model(tmp_path_factory.mktemp("causal") / "random")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teach(tmp_path_factory.mktemp("causal") / "taught")


def options(folder: Path, batch_size: int = 8) -> CheckpointOptions:
    cache = CheckpointCache(folder.parent / "cache")
    return CheckpointOptions(CheckpointSource(str(folder)), cache, batch_size=batch_size)


async def answers(model: CheckpointModel, *prompts: Prompt, max_tokens: int = 12) -> list[str]:
    return await asyncio.gather(*(model.complete(each, max_tokens=max_tokens, timeout_s=60.0) for each in prompts))


async def test_what_was_learned_is_answered_and_ends_with_the_json(taught: Path) -> None:
    (answer,) = await answers(CheckpointModel(options(taught)), PROMPT, max_tokens=100)
    assert answer == ANSWER


async def test_the_refiner_polishes_with_a_checkpoint(taught: Path) -> None:
    config = RefinerConfig(LanguageModelOptions(options(taught), timeout_s=60.0, max_edit_rate=0.5))
    task = RefinementTask(context=RefinementContext(text="We run Kubernetes."))
    said = (doubtful_segment("deploy cuber? netties?"),)
    refined = await Refiner(config).refine(said, task)
    assert texts(refined.segments) == ["Deploy Kubernetes."]
    assert (refined.polished, refined.warnings) == (True, ())


async def test_a_model_that_babbles_changes_nothing(folder: Path) -> None:
    config = RefinerConfig(LanguageModelOptions(options(folder), timeout_s=60.0))
    task = RefinementTask(context=RefinementContext(text="We run Kubernetes."))
    refined = await Refiner(config).refine((doubtful_segment("deploy cuber? netties?"),), task)
    assert texts(refined.segments) == ["Deploy cuber netties."]
    assert [warning.code for warning in refined.warnings] == [WarningCode.LLM_REFINEMENT_REJECTED]


async def test_the_answers_of_a_batch_are_those_of_its_prompts_alone(folder: Path) -> None:
    prompts = [PROMPT, *OTHERS]
    together = await answers(CheckpointModel(options(folder)), *prompts)
    model = CheckpointModel(options(folder, batch_size=1))
    assert together == [(await answers(model, prompt))[0] for prompt in prompts]
    assert len(set(together)) > 1


async def test_a_prompt_that_nobody_waits_for_any_more_does_not_hold_up_the_others(folder: Path) -> None:
    model = CheckpointModel(options(folder, batch_size=1))
    left = asyncio.create_task(model.complete(PROMPT, max_tokens=100, timeout_s=60.0))
    await asyncio.sleep(0)
    left.cancel()
    (answer,) = await answers(model, OTHERS[0])
    assert answer
    await asyncio.wait([left])
    assert left.cancelled()


async def test_a_prompt_that_is_too_long_is_told(folder: Path) -> None:
    model = CheckpointModel(options(folder))
    with pytest.raises(ServiceUnavailable, match="longer"):
        await model.complete(Prompt("Repair.", "over " * 6000), max_tokens=12, timeout_s=60.0)


async def test_a_prompt_that_is_too_long_costs_the_others_nothing(folder: Path) -> None:
    model = CheckpointModel(options(folder))
    long = Prompt("Repair.", "over " * 6000)
    calls = [model.complete(each, max_tokens=12, timeout_s=60.0) for each in (PROMPT, long, OTHERS[0])]
    first, refused, last = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, ServiceUnavailable)
    assert [first, last] == await answers(model, PROMPT, OTHERS[0])


async def test_a_model_without_a_system_role_is_told_all_in_one(tmp_path: Path) -> None:
    template = (
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no such role') }}"
        "{% endif %}<|user|>{{ message['content'] }}<|end|>{% endfor %}<|assistant|>"
    )
    model = CheckpointModel(options(save_causal_model(tmp_path / "gemma", template)))
    assert model._written(PROMPT) == f'<|user|>Repair.\n\n{PROMPT.user}<|end|><|assistant|>{{"edits":'
    assert len(await answers(model, PROMPT)) == 1


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineUnavailable, match=str(tmp_path)):
        CheckpointModel(options(tmp_path))


def test_a_model_that_takes_no_instructions_is_refused(tmp_path: Path) -> None:
    folder = save_causal_model(tmp_path / "base", chat_template=None)
    with pytest.raises(EngineUnavailable, match="chat template"):
        CheckpointModel(options(folder))


def generation_settings(folder: Path) -> Any:
    return transformers.GenerationConfig.from_pretrained(folder)


def test_settings_for_drawing_samples_are_not_heeded(folder: Path) -> None:
    assert generation_settings(folder).temperature == 0.7
    assert not CheckpointModel(options(folder))._model.generation_config.do_sample

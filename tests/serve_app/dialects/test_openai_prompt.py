from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from deployments.contracts import RefinementContext, VocabularyTerm
from serve_app.access.plans import Feature, Plan
from serve_app.capabilities import recogniser_hints
from serve_app.engine_settings import LanguageModelSettings, RecognitionSettings, RefinementSettings
from serve_app.settings import Settings
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit

LLM = RefinementSettings(llm=LanguageModelSettings(endpoint_url="http://llm.example/v1", model="polish"))
BIASED = RecognitionSettings(engine="whisper", checkpoint="openai/whisper-large-v3-turbo", languages=("en",))
PROMPT = "We talk about Ray Serve. Anna asks."
WITHOUT_REFINEMENT = Plan(features=frozenset({Feature.DIARIZATION}))


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    made: Settings = request.param
    return made


@pytest.fixture
async def prompted(settings: Settings) -> AsyncIterator[Edge]:
    built = Edge(settings=settings)
    async with built.client:
        yield built


async def transcribe(edge: Edge, prompt: str = PROMPT) -> httpx.Response:
    fields = {"model": "whisper-1", "prompt": prompt}
    return await edge.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"RIFF")}, data=fields)


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_prompt_is_context_for_the_language_model(prompted: Edge) -> None:
    assert (await transcribe(prompted)).status_code == 200
    assert prompted.pipeline.requests[0].context == RefinementContext(text=PROMPT)


@pytest.mark.parametrize("settings", [Settings(recognition=BIASED)], indirect=True)
async def test_a_prompt_is_a_hint_for_the_recogniser(prompted: Edge) -> None:
    assert (await transcribe(prompted)).status_code == 200
    (request,) = prompted.pipeline.requests
    assert (request.context, request.prompt) == (None, PROMPT)


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_plan_without_refinement_has_no_prompt(prompted: Edge) -> None:
    prompted.access.plan = WITHOUT_REFINEMENT
    response = await transcribe(prompted)
    assert (response.status_code, response.json()["error"]["param"]) == (403, "prompt")


@pytest.mark.parametrize("settings", [Settings(refinement=LLM, recognition=BIASED)], indirect=True)
async def test_a_plan_without_refinement_has_the_hint(prompted: Edge) -> None:
    prompted.access.plan = WITHOUT_REFINEMENT
    assert (await transcribe(prompted)).status_code == 200
    (request,) = prompted.pipeline.requests
    assert (request.context, request.prompt) == (None, PROMPT)


@pytest.mark.parametrize("settings", [Settings()], indirect=True)
async def test_where_nothing_can_use_a_prompt_it_is_refused(prompted: Edge) -> None:
    response = await transcribe(prompted)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "prompt")
    assert (await transcribe(prompted, " ")).status_code == 200
    assert prompted.pipeline.requests[0].context is None


def test_hints_are_terms_and_then_the_sentences_of_the_prompt() -> None:
    vocabulary = (VocabularyTerm("Kubernetes"), VocabularyTerm("Ray Serve"))
    hints = recogniser_hints(vocabulary, PROMPT, Settings(recognition=BIASED))
    assert hints == ("Kubernetes", "Ray Serve", "We talk about Ray Serve", "Anna asks")
    assert recogniser_hints(vocabulary, PROMPT, Settings()) == ()

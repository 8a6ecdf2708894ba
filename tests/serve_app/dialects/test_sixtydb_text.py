"""What 60db promises of text and languages, from the request to the answer: all is real but the ears, and a model's
answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from deployments.contracts import (
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    SpeechMap,
    TimeSpan,
    Transcript,
    TranscriptionRequest,
    Word,
)
from deployments.refinement.deployment import Refiner, RefinerConfig
from serve_app.engine_settings import LanguageSettings, RecognitionSettings
from serve_app.pipeline import Pipeline, SegmentSink, StageHandles
from serve_app.settings import Settings
from tests.fakes.edge import Edge, FakePipeline
from tests.fakes.stages import FakeGraph, FakeStage

pytestmark = pytest.mark.unit

CHECKPOINT = "openai/whisper-large-v3-turbo"
HEARS_THREE = Settings(
    language=LanguageSettings(engine="whisper-head", checkpoint=CHECKPOINT),
    recognition=RecognitionSettings(
        engine="whisper", checkpoint=CHECKPOINT, languages=("de", "en", "hi"), group_s=20.0
    ),
)
REGION_S = 8.0


@dataclass(frozen=True)
class Said:
    """What is said in one region of a recording; a ? in a word says that the recogniser was unsure of it."""

    text: str
    language: str = "en"

    def words(self, start_s: float) -> tuple[Word, ...]:
        parts = self.text.split(" ")
        return tuple(
            Word(part.replace("?", ""), start_s + at * 0.5, start_s + at * 0.5 + 0.4, 0.5 if "?" in part else 0.9)
            for at, part in enumerate(parts)
        )


@dataclass
class RealPipeline(FakePipeline):
    """Runs over stages."""

    stages: StageHandles = field(default_factory=FakeGraph().handles)

    async def transcribe(
        self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], on_segments: SegmentSink | None = None
    ) -> Transcript:
        return await Pipeline(self.stages, HEARS_THREE).transcribe(request, audio, on_segments)


def hearing(said: Sequence[Said]) -> FakeGraph:
    """A graph whose recording has a region for each, with a second between them."""
    graph = FakeGraph()
    starts_s = [at * (REGION_S + 1.0) for at in range(len(said))]
    in_regions = dict(zip(starts_s, said, strict=True))
    regions = tuple(TimeSpan(start_s, start_s + REGION_S) for start_s in starts_s)
    graph.speech = SpeechMap(starts_s[-1] + REGION_S, regions, 20.0)

    async def identify(_: Any, regions: tuple[TimeSpan, ...], *__: Any) -> tuple[LanguageSpan, ...]:
        return tuple(LanguageSpan(region, in_regions[region.start_s].language, 0.9) for region in regions)

    async def recognize(_: Any, spans: tuple[LanguageSpan, ...], task: RecognitionTask) -> tuple[RecognizedSpan, ...]:
        return tuple(
            RecognizedSpan(each.span, each.language, in_regions[each.span.start_s].words(each.span.start_s))
            for each in spans
        )

    graph.language_identifier = FakeStage(identify=identify)
    graph.recognizer = FakeStage(recognize=recognize)
    graph.refiner = FakeStage(refine=Refiner(RefinerConfig()).refine)
    return graph


async def stt(*said: Said | str, **fields: Any) -> dict[str, Any]:
    graph = hearing([Said(each) if isinstance(each, str) else each for each in said])
    edge = Edge(settings=HEARS_THREE, pipeline=RealPipeline(stages=graph.handles()))
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    async with edge.client:
        response = await edge.client.post("/stt", files={"file": b"RIFF"}, data=form)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    # Whatever was changed, the text is its segments, and a segment its words.
    assert answer["text"] == " ".join(segment["text"] for segment in answer["segments"])
    for segment in answer["segments"]:
        assert segment["text"] == " ".join(word["word"] for word in segment["words"])
    assert answer["words"] == list(itertools.chain(*(segment["words"] for segment in answer["segments"])))
    return answer


def changes(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(word["original"], word["word"]) for word in answer["words"] if "original" in word]


async def test_keywords_are_put_right_and_tell_what_was_heard() -> None:
    answer = await stt("we deploy to cuber netties", language="en", keywords="Kubernetes", return_timestamps="word")
    assert answer["text"] == "We deploy to Kubernetes."
    last = {"word": "Kubernetes.", "start": 1.5, "end": 2.4, "boosted": True, "original": "cuber netties"}
    assert answer["words"][-1] == last


@pytest.mark.parametrize(("weight", "text"), [("", "To cooper needs."), (":10", "To Kubernetes.")])
async def test_a_heavier_keyword_takes_more_words(weight: str, text: str) -> None:
    assert (await stt("to cooper needs", language="en", keywords=f"Kubernetes{weight}"))["text"] == text


async def test_all_keywords_are_looked_for_however_many() -> None:
    names = [f"Name{at}x" for at in range(60)]
    answer = await stt("we deploy to cuber netties", language="en", keywords=",".join([*names, "Kubernetes"]))
    assert changes(answer) == [("cuber netties", "Kubernetes.")]


async def test_digits_addresses_and_marks_of_direction_are_normalised_without_being_asked_for() -> None:
    answer = await stt("\u202btwenty\u202c five per cent of example dot com", language="en")
    assert answer["text"] == "25% of example.com."
    assert changes(answer) == [("twenty five per cent", "25%"), ("example dot com", "example.com.")]


async def test_hindi_has_its_numbers_in_ascii_digits() -> None:
    answer = await stt("मैं २५ साल की हूँ और वह साढ़े तीन सौ प्रतिशत", language="hi")
    assert answer["text"] == "मैं 25 साल की हूँ और वह 350%।"


@pytest.mark.parametrize(
    ("correction", "text"),
    [(True, "मैं घर में हूँ। We are at ghar."), (False, "Main ghar mein hoon। We are at घर.")],
)
async def test_scripts_are_corrected_on_request(correction: bool, text: str) -> None:
    said = (Said("main ghar mein hoon।", "hi"), Said("we are at घर", "en"))
    answer = await stt(*said, languages="en,hi", script_correction=correction)
    assert answer["text"] == text
    assert (answer["warning_codes"] == []) == correction


async def test_the_rules_alone_know_a_contexts_names_and_leave_hesitations_out() -> None:
    answer = await stt("um we met anna carenina? uh yesterday", language="en", context="A talk with Anna Karenina.")
    assert answer["text"] == "We met Anna Karenina yesterday."
    assert answer["warning_codes"] == ["llm_refinement_unavailable"]


async def test_a_named_language_takes_the_fast_path() -> None:
    answer = await stt("hello there", language="en")
    assert (answer["language_source"], answer["language"], answer["languages"]) == ("fast_path", "en", None)
    assert answer["language_detection"] == {
        "mode": "fast_path",
        "candidates": ["en"],
        "segment_count": 1,
        "lid_calls": 0,
    }


@pytest.mark.parametrize(
    ("said", "source", "lid_calls"),
    [
        ([Said("hallo", "de")] * 2, "lid_per_segment", 1),
        ([Said("hallo", "de")] * 4, "long_audio_chunked", 2),
        ([Said("hallo", "de"), Said("hello there again", "en")], "mixed", 1),
    ],
)
async def test_an_identified_language_tells_how(said: list[Said], source: str, lid_calls: int) -> None:
    answer = await stt(*said, languages="de,en")
    assert answer["language_source"] == answer["language_detection"]["mode"] == source
    assert answer["language_detection"]["lid_calls"] == lid_calls
    assert answer["language_detection"]["candidates"] == ["de", "en"]
    spoken = list(dict.fromkeys(each.language for each in said))
    assert answer["languages"] == (spoken if len(spoken) > 1 else None)
    assert answer["segments"][0]["language"] == "de"


async def test_words_of_another_script_are_warned_of_with_their_segment() -> None:
    answer = await stt(Said("hello there.", "en"), Said("wir sagen привет.", "de"), languages="de,en")
    (warning,) = answer["warnings"]
    assert (warning["code"], warning["affected_segments"]) == ("inline_code_switch_partial", [1])

"""The vendors' own clients, and requests as their documents show them, against the real service."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from openai import BadRequestError, OpenAI
from smallestai import SmallestAI
from smallestai.environment import SmallestAIEnvironment
from smallestai.waves.types import TranscriptionResponse

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.fakes.s3_server import S3_ENVIRONMENT
from tests.fakes.web import Web

pytestmark = [
    pytest.mark.cluster,
    # smallestai looks for names of old versions of websockets.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

SAID = "best of times"


@pytest.fixture(scope="module")
def audio() -> bytes:
    return encode_wav(recording("two_cities")[: 8 * SAMPLE_RATE_HZ])


@pytest.fixture
def file(audio: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(audio)
    return path


@pytest.fixture
def openai(service: RunningService) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_openai_verbose(openai: OpenAI, file: Path) -> None:
    with file.open("rb") as upload:
        answer = openai.audio.transcriptions.create(
            file=upload, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
    assert SAID in answer.text
    assert answer.language == "english"
    assert answer.words
    assert answer.words[0].end <= answer.words[-1].start
    assert answer.segments


def test_openai_subtitles(openai: OpenAI, file: Path) -> None:
    with file.open("rb") as upload:
        answer = openai.audio.transcriptions.create(file=upload, model="whisper-1", response_format="srt")
    assert " --> " in answer
    assert SAID in answer


def test_openai_speakers(openai: OpenAI, file: Path) -> None:
    with file.open("rb") as upload:
        answer = openai.audio.transcriptions.create(
            file=upload, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
        )
    assert {segment.speaker for segment in answer.segments} == {"A"}


def test_openai_stream(openai: OpenAI, file: Path) -> None:
    with file.open("rb") as upload:
        events = list(openai.audio.transcriptions.create(file=upload, model="gpt-4o-transcribe", stream=True))
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == deltas
    assert SAID in deltas


def test_openai_is_told_what_the_profile_cannot_do(openai: OpenAI, file: Path) -> None:
    with file.open("rb") as upload, pytest.raises(BadRequestError) as caught:
        openai.audio.transcriptions.create(file=upload, model="whisper-1", language="de")
    assert caught.value.param == "language"


def test_openai_models(openai: OpenAI) -> None:
    assert [model.owned_by for model in openai.models.list()] == ["rayscribe"]


def test_smallestai(service: RunningService, audio: bytes) -> None:
    url = service.url
    environment = SmallestAIEnvironment(atoms=url, waves=url, waves_ws=url.replace("http", "ws"), payment=url)
    client = SmallestAI(environment=environment, api_key="any", max_retries=0)
    answer = client.waves.speech_to_text.transcribe(
        model="pulse", language="en", request=audio, word_timestamps=True, diarize=True
    )
    assert isinstance(answer, TranscriptionResponse)
    assert SAID in (answer.transcription or "")
    assert answer.words
    assert answer.utterances


def test_sixtydb_with_requests(service: RunningService, file: Path) -> None:
    with file.open("rb") as upload:
        answer = requests.post(
            f"{service.url}/stt",
            headers={"Authorization": "Bearer any"},
            files={"file": upload},
            data={"diarize": "true", "return_timestamps": "word", "keywords": "foolishness:2"},
            timeout=60,
        ).json()
    assert SAID in answer["text"]
    assert answer["segments"][0]["speakers"][0]["speaker"] == "SPEAKER_00"
    assert answer["language_source"] == "fast_path"


FETCH = """
const [url, path] = process.argv.slice(1);
const form = new FormData();
form.append("audio", new Blob([require("node:fs").readFileSync(path)]), "call.wav");
form.append("timestamps", "true");
fetch(`${url}/v1/listen`, { method: "POST", headers: { Authorization: "Token any" }, body: form })
  .then(async (answer) => console.log(JSON.stringify(await answer.json())));
"""


def test_fetch_from_node(service: RunningService, file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    output = subprocess.run([node, "-e", FETCH, service.url, str(file)], check=True, capture_output=True, timeout=60)
    assert SAID in json.loads(output.stdout)["text"]


def test_curl_with_a_url(service: RunningService, web: Web, audio: bytes) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    web.files["/call.wav"] = audio
    command = [curl, "-sS", "-X", "POST", f"{service.url}/v1/listen", "-H", "Authorization: Token any"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps({"url": f"{web.url}/call.wav"})]
    assert SAID in json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)["text"]


def test_a_recording_in_a_bucket(service: RunningService, s3_url: str, audio: bytes) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name=S3_ENVIRONMENT["AWS_DEFAULT_REGION"],
        aws_access_key_id=S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket="calls")
    s3.put_object(Bucket="calls", Key="today/call.wav", Body=audio)
    answer = service.client.post("/v1/listen", json={"url": "s3://calls/today/call.wav"}).json()
    assert SAID in answer["text"]
    missing = service.client.post("/v1/listen", json={"url": "s3://calls/none.wav"})
    assert (missing.status_code, missing.json()["code"]) == (400, "URL_FETCH_REFUSED")


def test_addresses_of_the_inside_are_refused(service: RunningService) -> None:
    for url in ("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/a.wav", "file:///etc/passwd"):
        answer = service.client.post("/v1/listen", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (400, "URL_NOT_ALLOWED")

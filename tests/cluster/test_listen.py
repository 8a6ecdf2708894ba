"""The service as a client sees it: real speech over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService
from tests.fakes.audio_files import FORMATS, encode, encode_wav
from tests.fakes.recordings import TWO_CITIES, recording, recording_path

pytestmark = pytest.mark.cluster


def two_cities(end_s: float = 10.0) -> bytes:
    return encode_wav(recording("two_cities")[: int(end_s * SAMPLE_RATE_HZ)])


def test_a_recording_becomes_its_text(service: RunningService) -> None:
    response = service.listen(recording_path("two_cities").read_bytes())
    answer = response.json()
    assert response.status_code == 200
    normalise = EnglishTextNormalizer()
    truth = normalise(TWO_CITIES).split()
    heard = normalise(answer["text"]).split()[: len(truth)]
    assert jiwer.wer(" ".join(truth), " ".join(heard)) < 0.1
    assert answer["language"] == "en"
    assert answer["duration"] == pytest.approx(44, abs=1)
    assert 0.5 < answer["confidence"] <= 1
    assert set(answer) == {"request_id", "text", "confidence", "duration", "language"}


def test_words_have_times_that_follow_each_other(service: RunningService) -> None:
    answer = service.listen(two_cities(), timestamps="true").json()
    words: list[dict[str, Any]] = answer["words"]
    assert "".join(answer["text"].split()) == "".join(entry["word"] for entry in words)
    assert words[0]["start"] < 2
    for entry in words:
        assert 0 <= entry["start"] <= entry["end"] <= answer["duration"]
    starts = [entry["start"] for entry in words]
    assert starts == sorted(starts)


def test_two_readers_are_told_apart(service: RunningService) -> None:
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    one, other = recording("two_cities")[: 12 * SAMPLE_RATE_HZ], recording("endgame_nagg_nell")[: 12 * SAMPLE_RATE_HZ]
    joined = encode_wav(np.concatenate([one, pause, other]))
    answer = service.listen(joined, diarize="true", num_speakers="2").json()
    speakers = [turn["speaker"] for turn in answer["speakers"]]
    assert speakers[0] == "SPEAKER_00"
    assert set(speakers) == {"SPEAKER_00", "SPEAKER_01"}
    said = " ".join(turn["text"] for turn in answer["speakers"])
    assert sorted(said.split()) == sorted(answer["text"].split())
    assert main_speaker(answer["speakers"], 0, 12) != main_speaker(answer["speakers"], 13, 25)


def main_speaker(turns: list[dict[str, Any]], start_s: float, end_s: float) -> str:
    """Who speaks longest between two times."""
    spoken_s: dict[str, float] = {}
    for turn in turns:
        overlap_s = min(turn["end"], end_s) - max(turn["start"], start_s)
        spoken_s[turn["speaker"]] = spoken_s.get(turn["speaker"], 0.0) + max(0.0, overlap_s)
    return max(spoken_s, key=lambda speaker: spoken_s[speaker])


@pytest.mark.parametrize("name", ["mp3-44k-stereo", "ogg-opus", "m4a-aac-44k"])
def test_a_compressed_recording_says_the_same(service: RunningService, name: str) -> None:
    audio_format = FORMATS[name]
    speech = recording("two_cities")[: 6 * SAMPLE_RATE_HZ]
    times = np.arange(0, len(speech), SAMPLE_RATE_HZ / audio_format.rate_hz)
    resampled = np.interp(times, np.arange(len(speech)), speech).astype(np.float32)
    answer = service.listen(encode(resampled, audio_format)).json()
    assert "best of times" in answer["text"]


def test_without_punctuation_there_is_none(service: RunningService) -> None:
    text = service.listen(two_cities(), punctuate="false").json()["text"]
    assert "best of times" in text
    assert not set(text) & set(".,;:!?")


def test_silence_has_no_words_and_a_warning(service: RunningService) -> None:
    answer = service.listen(encode_wav(np.zeros(3 * SAMPLE_RATE_HZ, np.float32))).json()
    assert answer["text"] == ""
    assert answer["language"] is None
    assert [warning["code"] for warning in answer["warnings"]] == ["no_speech_detected"]


def test_a_truncated_file_gives_what_is_there_and_a_warning(service: RunningService) -> None:
    whole = encode(recording("two_cities")[: 10 * SAMPLE_RATE_HZ], FORMATS["flac"])
    answer = service.listen(whole[: len(whole) // 2]).json()
    assert "best of times" in answer["text"]
    assert [warning["code"] for warning in answer["warnings"]] == ["audio_truncated"]


def test_the_language_can_be_found_out(service: RunningService) -> None:
    assert service.listen(two_cities(5), language="auto").json()["language"] == "en"


@pytest.mark.parametrize("body", [b"", b"this is no audio at all, " * 40, b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_audio_is_a_415(service: RunningService, body: bytes) -> None:
    response = service.listen(body)
    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_FORMAT"


def test_requests_at_once_get_the_answers_of_requests_alone(service: RunningService) -> None:
    speech = recording("two_cities")
    clips = [
        encode_wav(speech[at * SAMPLE_RATE_HZ : (at + length) * SAMPLE_RATE_HZ])
        for at, length in ((0, 4), (4, 7), (10, 3), (13, 9), (20, 5), (25, 6), (30, 4), (34, 8))
    ]
    alone = [service.listen(clip).json()["text"] for clip in clips]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda clip: service.listen(clip).json()["text"], clips * 2))
    assert together == alone * 2


def test_health_is_told_by_stage(service: RunningService) -> None:
    assert service.client.get("/health").json() == {"status": "healthy"}
    assert service.client.get("/healthz").json() == {"ready": True}
    components = service.client.get("/health?detailed=true").json()["components"]
    assert {"Decoder", "SpeechGate", "LanguageIdentifier", "Recognizer", "Diarizer", "Refiner"} < set(components)
    assert set(components.values()) == {"healthy"}

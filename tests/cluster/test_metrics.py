"""What Ray's metrics endpoint says after a recording, a job and a live session."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.cluster import metrics_urls
from tests.cluster.service import RunningService, eventually
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.fakes.web import Web

pytestmark = pytest.mark.cluster

AUDIO_S = 12
# Four of the processes' reports (conftest.py): when nothing new came for so long, all has come, from every one of them,
# also on a machine that is busy.
QUIET_S = 8.0
SETTLED_WITHIN_S = 120
# What is left of sums and differences of seconds.
_NOTHING_S = 1e-6
_COUNTS = re.compile("_(total|count)$")
# Runners look into the database all the time.
_NEVER_QUIET = "ray_rayscribe_database_"
LEVELS = ("open", "live_sessions", "recognition_running_batches", "recognition_queued_seconds")
OF_RAY = {
    "application",
    "deployment",
    "replica",
    "Component",
    "NodeAddress",
    "SessionName",
    "Version",
    "WorkerId",
    "le",
}


class Scrape:
    """All series of the shipped application, as they are now."""

    def __init__(self) -> None:
        (url,) = metrics_urls()
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        lines = httpx.get(url, timeout=60).text.splitlines(keepends=True)
        ours = "".join(line for line in lines if "ray_rayscribe_" in line)
        for family in text_string_to_metric_families(ours):
            for sample in family.samples:
                if sample.labels.get("application") == "rayscribe":
                    self.samples[sample.name].append((sample.labels, sample.value))

    def counts(self) -> dict[str, float]:
        """All counters that stand still when nothing is asked for, and the counts of such histograms."""
        return {
            name: self.value(name.removeprefix("ray_rayscribe_"))
            for name in self.samples
            if _COUNTS.search(name) and not name.startswith(_NEVER_QUIET)
        }

    def value(self, name: str, **labels: str) -> float:
        """The sum of all series with these labels."""
        found = self.samples.get(f"ray_rayscribe_{name}", [])
        return sum(value for of, value in found if labels.items() <= of.items())

    def is_idle(self) -> bool:
        """Whether nothing runs that would count later."""
        waiting_jobs = self.value("jobs", state="running") + self.value("jobs", state="queued")
        return sum(map(self.value, LEVELS)) + waiting_jobs < _NOTHING_S

    def has_levels(self) -> bool:
        """Whether all levels are told. On a machine that is busy one may be missing for a moment: Ray forgets early."""
        return all(f"ray_rayscribe_{level}" in self.samples for level in (*LEVELS, "jobs"))


def settled() -> Scrape:
    """A scrape after all work is done and every process has told of it: its numbers were the same QUIET_S before."""
    since_s, last = time.monotonic(), Scrape()
    moved: dict[str, float] = {}

    def is_quiet() -> bool:
        nonlocal since_s, last, moved
        time.sleep(QUIET_S / 4)
        now = Scrape()
        if now.counts() != last.counts() or not now.is_idle():
            before = last.counts()
            moved = {name: value for name, value in now.counts().items() if value != before.get(name)}
            since_s, last = time.monotonic(), now
        return time.monotonic() - since_s >= QUIET_S

    assert eventually(is_quiet, SETTLED_WITHIN_S), f"the numbers do not settle; the last to move: {moved}"
    return Scrape()


def test_a_recording_a_job_and_a_session_show_in_the_metrics(service: RunningService, web: Web) -> None:
    before = settled()
    audio = encode_wav(recording("two_cities")[: AUDIO_S * SAMPLE_RATE_HZ])
    response = service.listen(audio, diarize="true")
    assert response.status_code == 200
    assert service.listen(audio, callback_url=f"{web.url}/hook-metrics").status_code == 200
    assert eventually(lambda: any(hook.path == "/hook-metrics" for hook in web.received), 60)
    speak(service)
    now = settled()

    def more(name: str, **labels: str) -> float:
        return now.value(name, **labels) - before.value(name, **labels)

    # Two requests: the recording, and the job. Both recordings have been decoded, gated and recognised.
    assert more("transcriptions_total") == 2
    assert more("transcription_audio_seconds_total") == pytest.approx(2 * AUDIO_S)
    assert more("transcription_seconds_count", origin="request", length="under_15_s") == 1
    assert more("admitted_total", dialect="smallest_selfhost") == 2
    for stage in ("decode", "speech_gate"):
        assert more("stage_audio_seconds_total", stage=stage) == pytest.approx(2 * AUDIO_S)
        assert more("stage_work_seconds_count", stage=stage) == 2
        assert more("stage_busy_seconds_total", stage=stage) > 0
    assert more("stage_audio_seconds_total", stage="diarization") == pytest.approx(AUDIO_S)
    heard_s = more("stage_audio_seconds_total", stage="recognition", work="file")
    assert AUDIO_S < heard_s < 2 * AUDIO_S + 0.001
    assert more("stage_audio_seconds_total", stage="recognition", work="live") > 1
    # Alone in its batch a window has no padding. The counters are sums of floats, so equal is equal to a millisecond.
    assert heard_s - 0.001 <= more("batch_padded_seconds_total", work="file") <= 2 * heard_s
    windows = more("stage_queue_seconds_count", stage="recognition", work="file")
    assert 0 < more("batch_items_count", work="file") <= windows
    for part in ("open", "recognize", "refine"):
        assert more("transcription_stage_seconds_count", stage=part) == 2
    assert more("transcription_stage_seconds_count", stage="diarize") == 1
    assert more("job_attempts_total", outcome="completed") == 1
    assert more("webhook_attempts_total", outcome="delivered") == 1
    assert more("webhook_seconds_count") == 1
    assert more("live_sessions_ended_total", outcome="completed") == 1
    assert more("live_audio_seconds_total") > 1
    assert more("live_utterances_total", outcome="completed") >= 1
    assert more("transcription_bytes_total") == 2 * len(audio)
    assert now.value("database_seconds_count", kind="write") > 0
    check_labels(now)

    def has_all_levels() -> bool:
        now = Scrape()
        return (
            now.has_levels()
            and now.value("jobs", state="completed") > 0
            and len(now.samples["ray_rayscribe_recognition_queued_seconds"]) == 1
        )

    # They are there long after they were set.
    assert eventually(has_all_levels, 60)


def check_labels(scrape: Scrape) -> None:
    """Nothing that a caller sent, or that is new with each request, is in a label."""
    own = {
        value
        for series in scrape.samples.values()
        for labels, _ in series
        for name, value in labels.items()
        if name not in OF_RAY and not name.startswith("otel_")
    }
    assert "completed" in own
    for value in own:
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", value), value


def speak(service: RunningService) -> None:
    """A live session of a few words that ends as it should."""
    samples = recording("beckett")[: 3 * SAMPLE_RATE_HZ]
    url = service.url.replace("http://", "ws://")
    with connect(f"{url}/waves/v1/stt/live?model=pulse&language=en") as socket:
        data = (samples * 32767).astype("<i2").tobytes()
        for start in range(0, len(data), 6400):
            socket.send(data[start : start + 6400])
        socket.send(json.dumps({"type": "close_stream"}))
        for message in socket:
            if json.loads(message)["is_last"]:
                return
    raise AssertionError("the session ended without its last message")

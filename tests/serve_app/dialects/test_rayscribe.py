from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployments.contracts import Transcript, TranscriptionRequest, Usage
from deployments.errors import InvalidParameter, ServiceUnavailable
from serve_app.access.usage import UsageRow, UsageTotal
from serve_app.access.visit import Caller
from serve_app.jobs.contracts import (
    Callback,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Job,
    JobFailure,
    JobOrder,
    JobStatus,
)
from tests.fakes.edge import SEGMENTS, Edge, FakeJobs

pytestmark = pytest.mark.unit

CREATED_S = 1_700_000_000.0
ORDER = JobOrder(
    "smallest_selfhost", TranscriptionRequest("req_1"), '{"language": "en"}', Callback("https://example.com/hook")
)
QUEUED = Job("job_1", "user-1", ORDER, JobStatus.QUEUED, 0, CREATED_S)
TRANSCRIPT = Transcript("req_1", "Hello, there. Yes.", "en", 1.5, SEGMENTS, (), 20.0, (), Usage(1.5))
COMPLETED = replace(
    QUEUED,
    status=JobStatus.COMPLETED,
    attempts=2,
    started_at_s=CREATED_S + 1,
    ended_at_s=CREATED_S + 2.5,
    transcript=TRANSCRIPT,
    deliveries=(
        Delivery(
            "msg_1",
            "https://user:hunter2@example.com:8443/hook?a=1",
            "POST",
            DeliveryState.PENDING,
            CREATED_S + 60,
            (
                DeliveryAttempt(1, CREATED_S + 3, 0.12345, 500),
                DeliveryAttempt(2, CREATED_S + 5, 15.0, None, "example.com did not answer in time"),
                DeliveryAttempt(3, CREATED_S + 9),
            ),
        ),
    ),
)


async def test_a_job_that_waits_shows_what_it_is(edge: Edge) -> None:
    edge.jobs.jobs["job_1"] = QUEUED
    answer = await edge.client.get("/v1/jobs/job_1")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "job_1",
        "request_id": "req_1",
        "status": "queued",
        "dialect": "smallest_selfhost",
        "created": "2023-11-14T22:13:20Z",
        "started": None,
        "ended": None,
        "attempts": 0,
        "failure": None,
        "deliveries": [],
        "result": None,
    }


async def test_a_completed_job_has_the_result_that_its_api_sends(edge: Edge) -> None:
    edge.jobs.jobs["job_1"] = COMPLETED
    answer = (await edge.client.get("/v1/jobs/job_1")).json()
    assert (answer["status"], answer["attempts"]) == ("completed", 2)
    assert (answer["started"], answer["ended"]) == ("2023-11-14T22:13:21Z", "2023-11-14T22:13:22.500000Z")
    assert {key: answer["result"][key] for key in ("job_id", "status")} == {"job_id": "job_1", "status": "completed"}
    assert answer["result"]["result"]["text"] == "Hello, there. Yes."


async def test_deliveries_show_each_attempt_and_no_password(edge: Edge) -> None:
    edge.jobs.jobs["job_1"] = COMPLETED
    response = await edge.client.get("/v1/jobs/job_1")
    (delivery,) = response.json()["deliveries"]
    assert "hunter2" not in response.text
    assert delivery["url"] == "https://example.com:8443/hook?a=1"
    assert (delivery["id"], delivery["state"], delivery["method"]) == ("msg_1", "pending", "POST")
    assert delivery["next_attempt"] == "2023-11-14T22:14:20Z"
    assert [(each["status"], each["error"], each["duration_s"]) for each in delivery["attempts"]] == [
        (500, None, 0.123),
        (None, "example.com did not answer in time", 15.0),
        (None, None, None),
    ]


async def test_a_failed_job_says_why(edge: Edge) -> None:
    failure = JobFailure("UnsupportedAudio", "no audio was found")
    edge.jobs.jobs["job_1"] = replace(QUEUED, status=JobStatus.FAILED, failure=failure)
    answer = (await edge.client.get("/v1/jobs/job_1")).json()
    assert answer["failure"] == {"error": "UnsupportedAudio", "message": "no audio was found"}
    assert answer["result"] is None


async def test_jobs_are_listed_without_results_and_say_whether_there_are_more(edge: Edge) -> None:
    edge.jobs.jobs = {f"job_{number}": replace(QUEUED, id=f"job_{number}") for number in range(3)}
    answer = (await edge.client.get("/v1/jobs?limit=2")).json()
    assert [job["id"] for job in answer["jobs"]] == ["job_2", "job_1"]
    assert answer["next"] == "job_1"
    assert "result" not in answer["jobs"][0]
    assert (await edge.client.get("/v1/jobs?limit=3")).json()["next"] is None


async def test_a_job_is_cancelled(edge: Edge) -> None:
    edge.jobs.jobs["job_1"] = QUEUED
    answer = await edge.client.delete("/v1/jobs/job_1")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_job_that_is_not_there_is_a_404(edge: Edge, method: str) -> None:
    answer = await edge.client.request(method, "/v1/jobs/job_9")
    assert answer.status_code == 404
    assert answer.json() == {"error": "No such job: job_9", "code": "NOT_FOUND"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("jobs?limit=0", "limit"),
        ("jobs?limit=101", "limit"),
        ("jobs?limit=x", "limit"),
        ("usage?days=0", "days"),
        ("usage?days=367", "days"),
    ],
)
async def test_wrong_parameters_are_named(edge: Edge, query: str, parameter: str) -> None:
    answer = await edge.client.get(f"/v1/{query}")
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["parameter"]) == ("INVALID_PARAMETER", parameter)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/job_1", "/v1/usage"])
async def test_who_asks_needs_a_key_where_the_service_has_keys(edge: Edge, path: str) -> None:
    edge.access.key = "rs_good"
    assert (await edge.client.get(path)).status_code == 401
    assert (await edge.client.get(path, headers={"authorization": "Bearer rs_bad"})).status_code == 401


class AwayJobs(FakeJobs):
    """Raises what a store raises."""

    async def find(self, caller: Caller, job_id: str) -> Job:
        raise ServiceUnavailable("The database does not answer", 7)

    async def recent(self, caller: Caller, limit: int, before: str | None = None) -> tuple[Job, ...]:
        raise InvalidParameter("before", "not the id of a job")


async def test_what_the_store_raises_is_answered() -> None:
    edge = Edge(jobs=AwayJobs())
    async with edge.client as client:
        answer = await client.get("/v1/jobs/job_1")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        answer = await client.get("/v1/jobs?before=x")
        assert (answer.status_code, answer.json()["parameter"]) == (400, "before")


async def test_every_status_is_documented_with_an_example(edge: Edge) -> None:
    paths = (await edge.client.get("/openapi.json")).json()["paths"]
    for path, method, statuses in (
        ("/v1/jobs", "get", {"200", "400", "401", "500", "503"}),
        ("/v1/jobs/{job_id}", "get", {"200", "401", "404", "500", "503"}),
        ("/v1/jobs/{job_id}", "delete", {"200", "401", "404", "500", "503"}),
        ("/v1/usage", "get", {"200", "400", "401", "500", "503"}),
    ):
        responses = paths[path][method]["responses"]
        assert set(responses) == statuses
        for status in statuses - {"200"}:
            assert responses[status]["content"]["application/json"]["examples"]


async def test_usage_is_that_of_the_last_days(edge: Edge) -> None:
    today = datetime.now(UTC).date()
    edge.usage.rows = (
        UsageRow(today - timedelta(days=7), "openai", UsageTotal(9, 9.0, 9.0, 9)),
        UsageRow(today - timedelta(days=1), "openai", UsageTotal(2, 10.5, 10.0, 1_500_000)),
        UsageRow(today, "sixtydb", UsageTotal(1, 1.0, 0.0, 1)),
    )
    answer = (await edge.client.get("/v1/usage?days=7")).json()
    assert (answer["since"], answer["until"]) == ((today - timedelta(days=6)).isoformat(), today.isoformat())
    assert answer["total"] == {"requests": 3, "audio_s": 11.5, "billable_s": 10.0, "charged": "1.500001"}
    assert [day["requests"] for day in answer["days"]] == [2, 1]
    assert [row["dialect"] for row in answer["dialects"]] == ["openai", "sixtydb"]

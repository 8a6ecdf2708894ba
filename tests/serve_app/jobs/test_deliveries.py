from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import openai
import pytest
from standardwebhooks import Webhook

from deployments.errors import NotFound, SourceUnreachable
from serve_app.jobs.contracts import Delivery, DeliveryAttempt, DeliveryState, Job
from serve_app.jobs.outbox import AttemptOutcome
from serve_app.jobs.retries import equal_jitter_s
from serve_app.jobs.sender import WebhookSender
from serve_app.jobs.signing import signed_headers
from serve_app.outbound.client import Acknowledgement, GuardedClient
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import JobSettings, WebhookSettings
from tests.fakes.job_bench import SECRET, JobBench, transcript_of
from tests.fakes.scripted_http import fixed, response, scripted_server
from tests.fakes.webhook import FakeWebhook, HangingWebhook, deliver

pytestmark = pytest.mark.unit

SETTINGS = WebhookSettings(first_retry_s=2.0, longest_retry_s=100.0)


async def _completed(bench: JobBench, user: str = "ann", **callback: Any) -> Job:
    job = await bench.accept(user, **callback)
    claim = await bench.queue.claim()
    assert claim is not None
    assert await bench.queue.complete(claim, transcript_of(job.order.request))
    return job


async def _delivery(bench: JobBench, job: Job) -> Delivery:
    (delivery,) = (await bench.store.find(job.user_id, job.id)).deliveries
    return delivery


def _sender(bench: JobBench, client: Any) -> WebhookSender:
    return WebhookSender(bench.outbox, client, SETTINGS, fraction=lambda: 1.0)


@pytest.mark.parametrize("verify", ["standardwebhooks", "openai"])
async def test_the_signature_is_accepted_by_the_verifiers_people_have(bench: JobBench, verify: str) -> None:
    webhook = FakeWebhook()
    job = await _completed(bench)
    await deliver(_sender(bench, webhook))
    ((method, url, headers, body),) = webhook.heard
    assert (method, url, headers["content-type"]) == ("POST", "https://example.com/hook", "application/json")
    assert headers["webhook-id"] == (await _delivery(bench, job)).id
    if verify == "openai":
        client = openai.OpenAI(api_key="none", webhook_secret=SECRET)
        client.webhooks.verify_signature(body, headers)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.verify_signature(body + b" ", headers)
    else:
        assert Webhook(SECRET).verify(body, headers)["job_id"] == job.id


def test_the_signature_is_the_one_of_the_specification() -> None:
    # Example of the specification's repository.
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


async def test_a_delivery_is_tried_again_later_and_later_and_each_attempt_is_on_record(bench: JobBench) -> None:
    webhook = FakeWebhook(
        [Acknowledgement(500), SourceUnreachable("no answer"), Acknowledgement(302), Acknowledgement(200)]
    )
    job = await _completed(bench)
    sender = _sender(bench, webhook)
    for wait_s in (2.0, 4.0, 8.0):
        await deliver(sender)
        pending = await _delivery(bench, job)
        assert pending.state is DeliveryState.PENDING
        assert pending.next_attempt_at_s == bench.clock.now_s + wait_s
        bench.pass_time(wait_s - 0.1)
        await deliver(sender)
        bench.pass_time(0.1)
    await deliver(sender)
    delivered = await _delivery(bench, job)
    assert (delivered.state, delivered.next_attempt_at_s) == (DeliveryState.DELIVERED, None)
    assert [(attempt.number, attempt.status) for attempt in delivered.attempts] == [
        (1, 500), (2, None), (3, 302), (4, 200)
    ]  # fmt: skip
    assert delivered.attempts[1].error == "no answer"
    assert all(attempt.duration_s is not None for attempt in delivered.attempts)
    assert len({heard[2]["webhook-id"] for heard in webhook.heard}) == 1


async def test_after_the_last_attempt_a_delivery_is_on_record_as_failed(bench: JobBench) -> None:
    webhook = FakeWebhook([Acknowledgement(500)])
    job = await _completed(bench)
    for _ in range(10):
        await deliver(_sender(bench, webhook))
        bench.pass_time(100)
    delivery = await _delivery(bench, job)
    assert (delivery.state, len(delivery.attempts), len(webhook.heard)) == (DeliveryState.FAILED, 4, 4)


async def test_a_webhook_that_is_gone_is_not_called_again(bench: JobBench) -> None:
    webhook = FakeWebhook([Acknowledgement(410)])
    job = await _completed(bench)
    await deliver(_sender(bench, webhook))
    bench.pass_time(1000)
    await deliver(_sender(bench, webhook))
    assert len(webhook.heard) == 1
    assert (await _delivery(bench, job)).state is DeliveryState.FAILED


@pytest.mark.parametrize(("retry_after_s", "waits_s"), [(30.0, 30.0), (1.0, 2.0), (1e9, 100.0)])
async def test_a_webhook_says_when_to_come_again_within_bounds(
    bench: JobBench, retry_after_s: float, waits_s: float
) -> None:
    job = await _completed(bench)
    await deliver(_sender(bench, FakeWebhook([Acknowledgement(503, retry_after_s)])))
    assert (await _delivery(bench, job)).next_attempt_at_s == bench.clock.now_s + waits_s


async def test_a_sender_that_dies_leaves_its_attempt_on_record_and_the_message_to_others(bench: JobBench) -> None:
    job = await _completed(bench)
    (lost,) = await bench.outbox.claim(10)
    assert (await _delivery(bench, job)).attempts == (DeliveryAttempt(1, bench.clock.now_s),)
    assert await bench.outbox.claim(10) == ()
    bench.pass_time(45)
    (again,) = await bench.outbox.claim(10)
    assert (again.id, again.number) == (lost.id, 2)
    assert (await _delivery(bench, job)).attempts[0].error == "the worker died before there was an answer"


async def test_a_message_that_kills_its_senders_ends_as_failed(bench: JobBench) -> None:
    job = await _completed(bench)
    for _ in range(10):
        assert len(await bench.outbox.claim(10)) == 1
        bench.pass_time(45)
    assert await bench.outbox.claim(10) == ()
    delivery = await _delivery(bench, job)
    assert (delivery.state, len(delivery.attempts)) == (DeliveryState.FAILED, 10)


async def test_stopping_the_service_gives_no_message_up_however_old_it_is(bench: JobBench) -> None:
    job = await _completed(bench)
    for _ in range(5):
        bench.pass_time(300)
        hook = HangingWebhook()
        sender = _sender(bench, hook)
        await sender.deliver_due()
        await hook.begun.acquire()
        await sender.stop()
        delivery = await _delivery(bench, job)
        assert (delivery.state, delivery.next_attempt_at_s) == (DeliveryState.PENDING, bench.clock.now_s)
    assert {attempt.error for attempt in delivery.attempts} == {"the service was stopped"}
    await deliver(_sender(bench, FakeWebhook()))
    assert (await _delivery(bench, job)).state is DeliveryState.DELIVERED


async def test_after_a_long_outage_of_ours_a_message_is_tried_all_the_same(bench: JobBench) -> None:
    job = await _completed(bench)
    await bench.outbox.claim(10)
    bench.pass_time(1e6)
    await deliver(_sender(bench, FakeWebhook()))
    assert (await _delivery(bench, job)).state is DeliveryState.DELIVERED


async def test_a_message_is_tried_for_a_day_and_seldom_after_the_first_hour(bench: JobBench) -> None:
    settings = WebhookSettings()
    bench = JobBench(bench.database, bench.folder, give_up_deliveries_after_s=settings.give_up_after_s)
    job = await _completed(bench)
    ended_at_s = bench.clock.now_s
    sender = WebhookSender(bench.outbox, FakeWebhook([Acknowledgement(500)]), settings, fraction=lambda: 0.5)
    while (delivery := await _delivery(bench, job)).next_attempt_at_s is not None:
        bench.clock.now_s = delivery.next_attempt_at_s
        await deliver(sender)
    assert 24 * 3600 <= bench.clock.now_s - ended_at_s <= 25 * 3600
    assert len(delivery.attempts) == 43


async def test_the_late_news_of_a_success_is_believed(bench: JobBench) -> None:
    job = await _completed(bench)
    late = WebhookSender(bench.outbox, FakeWebhook(), SETTINGS)
    (first,) = await bench.outbox.claim(10)
    bench.pass_time(45)
    (second,) = await bench.outbox.claim(10)
    await late.attempt(first)
    await WebhookSender(bench.outbox, FakeWebhook([Acknowledgement(500)]), SETTINGS).attempt(second)
    delivery = await _delivery(bench, job)
    assert delivery.state is DeliveryState.DELIVERED
    assert [attempt.status for attempt in delivery.attempts] == [204, 500]


async def test_a_get_carries_parameters_and_no_body(bench: JobBench) -> None:
    webhook = FakeWebhook()
    job = await _completed(bench, url="https://example.com/hook?a=1#part", method="GET", extra="k:v, ü&")
    await deliver(_sender(bench, webhook))
    ((method, url, headers, body),) = webhook.heard
    assert (method, body) == ("GET", b"")
    assert url == (
        f"https://example.com/hook?a=1&job_id={job.id}&request_id=req_1&status=success"
        "&webhook_extra=k%3Av%2C+%C3%BC%26#part"
    )
    assert "content-type" not in headers
    assert Webhook(SECRET).verify(body, headers, json_parse=False) is None


async def test_first_attempts_go_before_repeated_ones(bench: JobBench) -> None:
    await _completed(bench)
    await deliver(_sender(bench, FakeWebhook([Acknowledgement(500)])))
    bench.pass_time(50)
    fresh = await _completed(bench)
    (first,) = await bench.outbox.claim(1)
    assert first.id == (await _delivery(bench, fresh)).id


async def test_users_take_turns_and_attempts_that_hang_hold_up_their_owner_only(bench: JobBench) -> None:
    anns = {(await _completed(bench)).id for _ in range(6)}
    hanging = await bench.outbox.claim(2)
    bench.pass_time(1)
    bobs = [await _completed(bench, "bob") for _ in range(3)]
    began = [delivery.job_id for delivery in (*hanging, *await bench.outbox.claim(2))]
    assert set(began[:2]) < anns
    assert began[2:] == [bobs[0].id, bobs[1].id]
    # Now both have two under way, though bob's are later.
    (fifth, sixth) = await bench.outbox.claim(2)
    assert {fifth.job_id in anns, sixth.job_id in anns} == {True, False}


async def test_an_attempt_that_is_lost_or_has_ended_holds_nobody_up(bench: JobBench) -> None:
    await _completed(bench)
    await bench.outbox.claim(1)
    bench.pass_time(45)
    await _completed(bench)
    await deliver(_sender(bench, FakeWebhook([Acknowledgement(500)])))
    anns, _ = await _completed(bench), await _completed(bench, "bob")
    (next_one,) = await bench.outbox.claim(1)
    assert next_one.job_id == anns.id


async def test_over_a_real_connection_redirects_are_not_followed_and_private_hosts_not_called(
    bench: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "ray.serve")
    caplog.set_level(logging.DEBUG, "aiohttp")
    async with scripted_server(fixed(response(307, location="http://127.0.0.1:1/inside"))) as server:
        url = f"http://user:hunter2@127.0.0.1:{server.port}/hook?token=s3cret"
        job = await _completed(bench, url=url)
        trusting = GuardedClient(AddressGuard(allowed_networks=["127.0.0.1/32"]), 5.0)
        guarded = GuardedClient(AddressGuard(), 5.0)
        for client in (trusting, guarded):
            await deliver(_sender(bench, client))
            bench.pass_time(50)
            await client.close()
        (heard,) = server.heard
    assert json.loads(heard.body)["text"] == "Hello."
    assert heard.headers["user-agent"] == "Rayscribe"
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
    first, second = (await _delivery(bench, job)).attempts
    assert (first.status, first.error) == (307, None)
    assert second.status is None
    assert "not on the public internet" in str(second.error)
    for secret in ("hunter2", "s3cret", "whsec_", "Hello."):
        assert secret not in caplog.text


def test_the_wait_doubles_up_to_a_bound_and_is_spread_over_the_upper_half_of_it() -> None:
    assert [equal_jitter_s(attempt, 2.0, 60.0, lambda: 1.0) for attempt in (1, 2, 3, 6, 10_000)] == [2, 4, 8, 60, 60]
    assert equal_jitter_s(3, 2.0, 60.0, lambda: 0.0) == 4.0
    assert equal_jitter_s(3, 2.0, 60.0, lambda: 0.5) == 6.0


async def test_senders_that_die_do_not_end_a_message_that_is_young(bench: JobBench) -> None:
    bench = JobBench(bench.database, bench.folder, give_up_deliveries_after_s=86_400.0)
    job = await _completed(bench)
    for _ in range(15):
        assert len(await bench.outbox.claim(10)) == 1
        bench.pass_time(45)
    assert (await _delivery(bench, job)).state is DeliveryState.PENDING


async def test_the_late_news_of_a_failure_begins_no_attempt_beside_the_one_under_way(bench: JobBench) -> None:
    await _completed(bench)
    (first,) = await bench.outbox.claim(10)
    bench.pass_time(45)
    await bench.outbox.claim(10)
    await bench.outbox.settle(first, AttemptOutcome(DeliveryState.PENDING, 44.0, 500, retry_in_s=1.0))
    bench.pass_time(2)
    assert await bench.outbox.claim(10) == ()


async def test_a_message_is_claimed_once_however_many_ask(bench: JobBench) -> None:
    for _ in range(8):
        await _completed(bench)
    claims = await asyncio.gather(*(bench.outbox.claim(8) for _ in range(6)))
    ids = [delivery.id for claimed in claims for delivery in claimed]
    assert len(ids) == len(set(ids))


async def test_no_more_attempts_run_at_once_than_there_is_room_for(bench: JobBench) -> None:
    for _ in range(5):
        await _completed(bench)
    hook = HangingWebhook()
    sender = WebhookSender(bench.outbox, hook, SETTINGS.model_copy(update={"concurrent_deliveries": 2}))
    for _ in range(3):
        await sender.deliver_due()
    await asyncio.sleep(0)
    assert len(sender._attempts) == 2
    await sender.stop()


async def test_a_result_goes_in_time_though_its_audio_may_stay_longer(bench: JobBench) -> None:
    bench = JobBench(bench.database, bench.folder, JobSettings(audio_retention_s=1000.0, result_retention_s=10.0))
    job = await bench.accept()
    claim = await bench.queue.claim()
    assert claim is not None
    await bench.queue.complete(claim, transcript_of(job.order.request))
    (due,) = await bench.outbox.claim(1)
    await bench.outbox.settle(due, AttemptOutcome(DeliveryState.DELIVERED, 0.1, 204))
    bench.pass_time(11)
    await bench.sweeper.sweep()
    with pytest.raises(NotFound):
        await bench.store.find("user_ann", job.id)


async def test_an_error_on_record_is_short(bench: JobBench) -> None:
    job = await _completed(bench)
    (due,) = await bench.outbox.claim(1)
    await bench.outbox.settle(due, AttemptOutcome(DeliveryState.PENDING, 0.1, error="x" * 10_000))
    assert len(str((await _delivery(bench, job)).attempts[0].error)) == 500

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import boto3
import numpy as np
import pytest

from deployments.errors import (
    AudioTooLarge,
    InvalidParameter,
    Overloaded,
    SourceForbidden,
    SourceRefused,
    SourceRejected,
    SourceUnreachable,
)
from serve_app.byte_budget import ByteBudget
from serve_app.settings import S3Settings, SourceSettings
from serve_app.sources.fetcher import AudioFetcher
from serve_app.sources.s3_source import parse_s3_url
from tests.fakes.scripted_http import Answer, endless, fixed, response, scripted_server

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("s3_environment")]

_AUDIO = np.random.default_rng(1).bytes(700_000)


@pytest.fixture
def bucket(s3_endpoint: str) -> Iterator[str]:
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket="recordings")
    client.put_object(Bucket="recordings", Key="calls/one.wav", Body=_AUDIO)
    client.put_object(Bucket="recordings", Key="100%25 sure?.wav", Body=b"odd")
    client.put_object(Bucket="recordings", Key="empty.wav", Body=b"")
    yield s3_endpoint
    client.close()


def _fetcher(
    endpoint: str | None, *, max_bytes: int = 1_000_000, any_bucket: bool = True, buckets: tuple[str, ...] | None = None
) -> AudioFetcher:
    s3 = S3Settings(endpoint_url=endpoint, buckets=buckets)
    return AudioFetcher(
        SourceSettings(connect_timeout_s=5.0, max_fetch_s=30.0, s3=s3), max_bytes, any_bucket=any_bucket
    )


async def _fetch(fetcher: AudioFetcher, url: str) -> bytes:
    try:
        return (await fetcher.fetch(url)).tobytes()
    finally:
        await fetcher.close()


async def _fetch_scripted(answer: Answer, **settings: float) -> bytes:
    async with scripted_server(answer) as server:
        s3 = S3Settings(endpoint_url=f"http://us3r:passw0rd@127.0.0.1:{server.port}")
        sources = SourceSettings.model_validate({"connect_timeout_s": 5.0, "max_fetch_s": 30.0, **settings, "s3": s3})
        return await _fetch(AudioFetcher(sources, 1000, any_bucket=True), "s3://recordings/one.wav")


def _error(status: int, code: str) -> Answer:
    message = "<Message>secret-for-tests</Message>"
    return fixed(response(status, f"<Error><Code>{code}</Code>{message}</Error>".encode(), content_type="text/xml"))


async def test_objects_come_as_bytes(bucket: str) -> None:
    fetcher = _fetcher(bucket)
    one, empty = await asyncio.gather(
        fetcher.fetch("s3://recordings/calls/one.wav"), fetcher.fetch("S3://recordings/empty.wav")
    )
    await fetcher.close()
    assert one.dtype == np.uint8
    assert one.tobytes() == _AUDIO
    assert empty.tobytes() == b""


async def test_a_key_is_taken_as_it_stands(bucket: str) -> None:
    assert await _fetch(_fetcher(bucket), "s3://recordings/100%25 sure?.wav") == b"odd"
    assert parse_s3_url("s3://b//a%20b?c#..d").key == "/a%20b?c#..d"


@pytest.mark.parametrize(
    "url", ["s3://../others/one.wav", "s3://recordings/../others/one.wav", "s3://recordings/a/./b"]
)
def test_a_key_leads_to_no_other_bucket(url: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_s3_url(url)
    assert caught.value.parameter == "url"


async def test_the_endpoint_may_come_from_the_environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket)
    assert await _fetch(_fetcher(None), "s3://recordings/calls/one.wav") == _AUDIO


@pytest.mark.parametrize("url", ["s3://recordings/none.wav", "s3://no-such-bucket/one.wav"])
async def test_what_is_not_there_is_refused(bucket: str, url: str) -> None:
    with pytest.raises(SourceRefused, match="NoSuch"):
        await _fetch(_fetcher(bucket), url)


async def test_the_byte_limit_is_exact(bucket: str) -> None:
    assert await _fetch(_fetcher(bucket, max_bytes=700_000), "s3://recordings/calls/one.wav") == _AUDIO
    with pytest.raises(AudioTooLarge, match="699999"):
        await _fetch(_fetcher(bucket, max_bytes=699_999), "s3://recordings/calls/one.wav")


async def test_what_comes_counts_against_what_the_process_may_hold(bucket: str) -> None:
    budget = ByteBudget(1_000_000)
    fetcher = _fetcher(bucket)
    with budget.open_account():
        await fetcher.fetch("s3://recordings/calls/one.wav")
        assert budget.held_bytes == len(_AUDIO)
        with budget.open_account(), pytest.raises(Overloaded):
            await fetcher.fetch("s3://recordings/calls/one.wav")
    await fetcher.close()
    assert budget.held_bytes == 0


async def test_which_buckets_callers_may_name(bucket: str) -> None:
    url = "s3://recordings/calls/one.wav"
    for any_bucket in (True, False):
        assert await _fetch(_fetcher(bucket, any_bucket=any_bucket, buckets=("recordings",)), url) == _AUDIO
        for buckets in (("others",), ()):
            with pytest.raises(SourceForbidden, match=r"sources\.s3\.buckets"):
                await _fetch(_fetcher(bucket, any_bucket=any_bucket, buckets=buckets), url)
    with pytest.raises(SourceForbidden, match=r"sources\.s3\.buckets"):
        await _fetch(_fetcher(bucket, any_bucket=False), url)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", SourceRefused),
        (404, "NoSuchKey", SourceRefused),
        (403, "InvalidObjectState", SourceRefused),
        (403, "InvalidAccessKeyId", SourceUnreachable),
        (403, "SignatureDoesNotMatch", SourceUnreachable),
        (403, "RequestTimeTooSkewed", SourceUnreachable),
        (400, "ExpiredToken", SourceUnreachable),
        (500, "InternalError", SourceUnreachable),
        (503, "SlowDown", SourceUnreachable),
    ],
)
async def test_what_the_server_answers(status: int, code: str, error: type[SourceRejected]) -> None:
    with pytest.raises(error, match=rf"bucket recordings: .*{code}") as caught:
        await _fetch_scripted(_error(status, code))
    assert type(caught.value) is error
    assert caught.value.__suppress_context__
    assert not any(secret in f"{caught.value!r}" for secret in ("us3r", "passw0rd", "secret-for-tests", "one.wav"))


async def test_a_body_that_breaks_off_is_not_taken_for_audio() -> None:
    with pytest.raises(SourceUnreachable, match="broke off"):
        await _fetch_scripted(fixed(response(200, b"audio", content_length="6")))


async def test_a_declared_length_over_the_limit_is_refused_before_the_body() -> None:
    with pytest.raises(AudioTooLarge):
        await _fetch_scripted(endless(response(200, content_length="1001"), b"", 600.0))


async def test_a_slow_drip_ends_at_the_time_limit() -> None:
    with pytest.raises(SourceUnreachable, match=r"longer than 0\.5 s"):
        await _fetch_scripted(endless(response(200, content_length="1000"), b"a", 0.02), max_fetch_s=0.5)


async def test_silence_is_bounded() -> None:
    with pytest.raises(SourceUnreachable, match="reading from the S3 server failed"):
        await _fetch_scripted(endless(response(200, content_length="1000"), b"a", 600.0), connect_timeout_s=1.0)


async def test_cancelling_stops_the_download() -> None:
    async with scripted_server(endless(response(200, content_length="1000000"), b"a", 0.01)) as server:
        fetcher = _fetcher(f"http://127.0.0.1:{server.port}")
        fetching = asyncio.create_task(fetcher.fetch("s3://recordings/one.wav"))
        await asyncio.wait_for(server.called.wait(), 10)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await asyncio.wait_for(server.hung_up.wait(), 10)
        await fetcher.close()


async def test_an_endpoint_where_nobody_is() -> None:
    async with scripted_server(fixed(b"")) as gone:
        pass
    with pytest.raises(SourceUnreachable, match="no connection to the S3 server could be made"):
        await _fetch(_fetcher(f"http://127.0.0.1:{gone.port}"), "s3://recordings/one.wav")


async def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(SourceUnreachable, match="recordings"):
        await _fetch(_fetcher("nowhere"), "s3://recordings/one.wav")


async def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceUnreachable, match="the service has no usable S3 credentials"):
        await _fetch(_fetcher("http://127.0.0.1:9"), "s3://recordings/one.wav")

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select, update

from deployments.errors import ConcurrencyLimitReached, InsufficientCredits, RateLimitReached, Unauthenticated
from serve_app.access.client_secrets import ClientSecretStore
from serve_app.access.control import AccessControl
from serve_app.access.keys import KeyStore
from serve_app.access.lease_holder import LeaseHolder
from serve_app.access.lease_reports import HolderTimes
from serve_app.access.ledger import Ledger
from serve_app.access.plans import Plan
from serve_app.access.users import User
from serve_app.access.visit import Caller
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import CLIENT_SECRETS, USERS
from tests.fakes.clock import FakeClock
from tests.fakes.limiter_link import LimiterHandle, LimiterLink

pytestmark = pytest.mark.unit

SESSION = '{"include":[]}'
# A test's process may stand still for seconds.
TIMES = HolderTimes(heartbeat_s=0.1, lease_ttl_s=60.0, admit_timeout_s=60.0)


@pytest.fixture
def secrets(database: Database, clock: FakeClock) -> ClientSecretStore:
    return ClientSecretStore(database, clock)


@pytest.fixture
async def caller(keys: KeyStore, ann: User) -> Caller:
    return await keys.authenticate((await keys.create(ann, "server")).key)


async def _is_good(secrets: ClientSecretStore, value: str, *, needs_key: bool = True) -> bool:
    try:
        await secrets.redeem(value, needs_key=needs_key)
    except Unauthenticated:
        return False
    return True


async def test_a_secret_is_its_callers_in_every_process_until_it_expires(
    secrets: ClientSecretStore, caller: Caller, database: Database, clock: FakeClock
) -> None:
    secret = await secrets.make(caller, SESSION, 60.0)
    assert secret.expires_at_s == clock.now_s + 60.0
    elsewhere = ClientSecretStore(database, clock)
    clock.now_s += 59.9
    for store in (secrets, elsewhere, elsewhere):
        assert await store.redeem(secret.value, needs_key=True) == (caller, SESSION)
    clock.now_s += 0.1
    assert not await _is_good(secrets, secret.value)


async def test_a_secret_is_256_random_bits_of_which_the_hash_is_stored(
    secrets: ClientSecretStore, caller: Caller, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        secret, other = await secrets.make(caller, SESSION, 60.0), await secrets.make(caller, SESSION, 60.0)
        await secrets.redeem(secret.value, needs_key=True)
    assert secret.value.startswith("ek_")
    assert len(base64.urlsafe_b64decode(secret.value[3:] + "=")) == 32
    assert secret.value != other.value
    async with database.reading() as connection:
        stored = (await connection.execute(select(CLIENT_SECRETS))).all()
    assert secret.value[3:] not in f"{stored} {secret!r} {caplog.text}"
    for attempt in (stored[0].sha256.hex(), f"ek_{stored[0].sha256.hex()}", "ek_", "ek_ключ", "\ud800"):
        assert not await _is_good(secrets, attempt)


async def test_a_secret_ends_when_its_key_is_revoked(
    secrets: ClientSecretStore, caller: Caller, keys: KeyStore, clock: FakeClock
) -> None:
    secret = await secrets.make(caller, SESSION, 60.0)
    assert caller.key_id is not None
    await keys.revoke(caller.key_id)
    assert not await _is_good(secrets, secret.value)
    with pytest.raises(Unauthenticated):
        await secrets.make(caller, SESSION, 60.0)


async def test_a_secret_expires_with_its_key(
    secrets: ClientSecretStore, keys: KeyStore, ann: User, clock: FakeClock
) -> None:
    key = await keys.create(ann, "short", expires_at_s=clock.now_s + 30.0)
    caller = await keys.authenticate(key.key)
    assert (await secrets.make(caller, SESSION, 60.0)).expires_at_s == clock.now_s + 30.0
    clock.now_s += 30.0
    with pytest.raises(Unauthenticated):
        await secrets.make(caller, SESSION, 60.0)


async def test_the_plan_is_that_of_the_moment(secrets: ClientSecretStore, caller: Caller, database: Database) -> None:
    secret = await secrets.make(caller, SESSION, 60.0)
    async with database.writing() as connection:
        await connection.execute(update(USERS).values(plan="gold"))
    assert (await secrets.redeem(secret.value, needs_key=True))[0].plan_name == "gold"


async def test_what_has_expired_is_swept(
    secrets: ClientSecretStore, caller: Caller, database: Database, clock: FakeClock
) -> None:
    async def count() -> int:
        async with database.reading() as connection:
            return (await connection.execute(select(func.count()).select_from(CLIENT_SECRETS))).scalar_one()

    for lifetime_s in (10.0, 20.0, 30.0):
        await secrets.make(caller, SESSION, lifetime_s)
    counts = []
    for now_s in (1009.0, 1020.0, 1020.0, 1030.0):
        clock.now_s = now_s
        await secrets.sweep()
        counts.append(await count())
    assert counts == [3, 1, 1, 0]


@dataclass
class Door:
    """The access of one ingress process."""

    database: Database
    clock: FakeClock
    leases: LeaseHolder

    def control(self, plan: Plan, *, billing: bool = False, local: Caller | None = None) -> AccessControl:
        settings = AccessSettings(plans={"default": plan, "local": plan})
        keys = KeyStore(self.database, cache_s=0.0, clock=self.clock)
        secrets = ClientSecretStore(self.database, self.clock)
        return AccessControl(settings, keys, secrets, Ledger(self.database, billing=billing), self.leases, local)


@pytest.fixture
async def door(database: Database, clock: FakeClock) -> AsyncIterator[Door]:
    link = LimiterLink(TIMES.lease_ttl_s, clock=clock)
    link.start()
    # By now everybody who holds a lease has told a new Limiter of it.
    clock.now_s += TIMES.lease_ttl_s
    leases = LeaseHolder(LimiterHandle(link), TIMES)
    yield Door(database, clock, leases)
    await leases.close()


async def test_a_secret_opens_only_what_takes_secrets_and_counts_as_its_caller(door: Door, caller: Caller) -> None:
    access = door.control(Plan(concurrent_requests=1))
    secret = await access.make_secret(caller, SESSION, 60.0)
    async with access.admitted(secret.value, "openai", takes_secrets=True) as visit:
        assert (visit.caller, visit.secret_session) == (caller, SESSION)
        with pytest.raises(ConcurrencyLimitReached):
            async with access.admitted(secret.value, "openai", takes_secrets=True):
                pass
    with pytest.raises(Unauthenticated):
        await access.identified(secret.value)
    with pytest.raises(Unauthenticated):
        async with access.admitted(secret.value, "openai"):
            pass


async def test_a_secret_pays_from_its_callers_wallet(door: Door, caller: Caller) -> None:
    access = door.control(Plan(), billing=True)
    secret = await access.make_secret(caller, SESSION, 60.0)
    with pytest.raises(InsufficientCredits):
        async with access.admitted(secret.value, "openai", takes_secrets=True):
            pass


async def test_on_an_old_visit_nothing_begins_without_its_key_or_without_credits(
    door: Door, caller: Caller, keys: KeyStore
) -> None:
    access, billed = door.control(Plan()), door.control(Plan(), billing=True)
    secret = await access.make_secret(caller, SESSION, 60.0)
    async with access.admitted(secret.value, "openai", takes_secrets=True) as visit:
        door.clock.now_s += 61.0
        await access.check_again(visit)
        with pytest.raises(InsufficientCredits):
            await billed.check_again(visit)
        assert caller.key_id is not None
        await keys.revoke(caller.key_id)
        with pytest.raises(Unauthenticated):
            await access.check_again(visit)


async def test_a_service_that_is_open_makes_secrets_that_are_good_while_it_is(door: Door, ann: User) -> None:
    local = Caller(ann.id, ann.name, "default")
    opened, closed = door.control(Plan(), local=local), door.control(Plan())
    secret = await opened.make_secret(await opened.identified("any key"), SESSION, 60.0)
    async with opened.admitted(secret.value, "openai", takes_secrets=True) as visit:
        assert (visit.caller, visit.secret_session) == (local, SESSION)
    for access, credential, takes_secrets in (
        (closed, secret.value, True),
        (opened, secret.value, False),
        (opened, "ek_unknown", True),
    ):
        with pytest.raises(Unauthenticated):
            async with access.admitted(credential, "openai", takes_secrets=takes_secrets):
                pass


async def test_many_secrets_at_once(secrets: ClientSecretStore, caller: Caller) -> None:
    made = await asyncio.gather(*(secrets.make(caller, str(number), 60.0) for number in range(20)))
    found = await asyncio.gather(*(secrets.redeem(secret.value, needs_key=True) for secret in made))
    assert [session for _, session in found] == [str(number) for number in range(20)]


async def test_the_door_counts_by_the_apis_cap_and_by_the_rate(door: Door, caller: Caller, ann: User) -> None:
    keys = KeyStore(door.database, cache_s=0.0, clock=door.clock)
    key = (await keys.create(ann, "k")).key
    access = door.control(
        Plan(concurrent_requests=5, dialect_concurrent_requests={"sixtydb": 1}, requests_per_minute=3)
    )
    async with access.admitted(key, "sixtydb"):
        with pytest.raises(ConcurrencyLimitReached):
            async with access.admitted(key, "sixtydb"):
                pass
        async with access.admitted(key, "openai"), access.admitted(key, "openai"):
            with pytest.raises(RateLimitReached):
                async with access.admitted(key, "openai"):
                    pass

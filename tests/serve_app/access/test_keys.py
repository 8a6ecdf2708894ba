from __future__ import annotations

import base64
import logging

import pytest
from sqlalchemy import select

from deployments.errors import InvalidParameter, NotFound, Unauthenticated
from serve_app.access.keys import KeyStore
from serve_app.access.users import User
from serve_app.access.visit import Caller
from serve_app.storage.database import Database
from serve_app.storage.tables import API_KEYS
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit


async def _is_good(keys: KeyStore, key: str) -> bool:
    try:
        await keys.authenticate(key)
    except Unauthenticated:
        return False
    return True


async def test_a_key_says_whose_it_is(keys: KeyStore, ann: User) -> None:
    new = await keys.create(ann, "laptop")
    expected = Caller(ann.id, "ann", "default", new.id)
    assert await keys.authenticate(new.key) == expected
    assert await keys.authenticate(new.key) == expected


async def test_a_key_is_256_random_bits_of_which_the_hash_is_stored(
    keys: KeyStore, ann: User, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        new, other = await keys.create(ann, "laptop"), await keys.create(ann, "laptop")
        await keys.authenticate(new.key)
    assert new.key.startswith("rs_")
    assert len(base64.urlsafe_b64decode(new.key[3:] + "=")) == 32
    assert new.key != other.key
    async with database.reading() as connection:
        stored = (await connection.execute(select(API_KEYS))).all()
    assert new.key[12:] not in f"{stored} {new!r} {await keys.list()} {caplog.text}"


@pytest.mark.parametrize("key", ["", "rs_", "nonsense", "rs_" + "A" * 43, "rs_ключ", "\ud800", "x" * 100_000])
async def test_other_keys_are_refused(key: str, keys: KeyStore, ann: User) -> None:
    await keys.create(ann, "laptop")
    with pytest.raises(Unauthenticated, match="Invalid API key"):
        await keys.authenticate(key)


async def test_the_hash_is_no_key(keys: KeyStore, ann: User, database: Database) -> None:
    new = await keys.create(ann, "laptop")
    async with database.reading() as connection:
        digest = (await connection.execute(select(API_KEYS.c.key_sha256))).scalar_one()
    for attempt in (digest.hex(), digest.decode("latin-1"), new.id, new.prefix):
        assert not await _is_good(keys, attempt)


async def test_a_revoked_key_works_nowhere_after_the_cache_has_forgotten_it(
    keys: KeyStore, ann: User, database: Database, clock: FakeClock
) -> None:
    new = await keys.create(ann, "laptop")
    elsewhere = KeyStore(database, cache_s=5.0, clock=clock)
    await elsewhere.authenticate(new.key)
    await keys.authenticate(new.key)
    await keys.revoke(new.id)
    assert not await _is_good(keys, new.key)
    clock.now_s += 4.9
    assert await _is_good(elsewhere, new.key)
    clock.now_s += 0.1
    assert not await _is_good(elsewhere, new.key)


async def test_a_clock_that_is_set_back_makes_no_key_live_longer(
    keys: KeyStore, ann: User, database: Database, clock: FakeClock
) -> None:
    new = await keys.create(ann, "laptop")
    await keys.authenticate(new.key)
    await KeyStore(database, cache_s=5.0, clock=clock).revoke(new.id)
    clock.now_s -= 100.0
    assert not await _is_good(keys, new.key)


async def test_a_key_expires_even_while_it_is_cached(keys: KeyStore, ann: User, clock: FakeClock) -> None:
    new = await keys.create(ann, "laptop", expires_at_s=clock.now_s + 3.0)
    assert await _is_good(keys, new.key)
    clock.now_s += 2.9
    assert await _is_good(keys, new.key)
    clock.now_s += 0.1
    assert not await _is_good(keys, new.key)
    assert [record.status(clock.now_s) for record in await keys.list()] == ["expired"]


async def test_without_a_cache_revocation_works_at_once(ann: User, database: Database, clock: FakeClock) -> None:
    here, there = (KeyStore(database, cache_s=0.0, clock=clock) for _ in range(2))
    new = await here.create(ann, "laptop")
    assert await _is_good(there, new.key)
    await here.revoke(new.id)
    assert not await _is_good(there, new.key)


@pytest.mark.parametrize("named_by", ["id", "prefix", "key"])
async def test_a_key_is_revoked_by_any_of_its_names(named_by: str, keys: KeyStore, ann: User, clock: FakeClock) -> None:
    new, other = await keys.create(ann, "laptop"), await keys.create(ann, "server")
    clock.now_s = 2000.0
    revoked = await keys.revoke(getattr(new, named_by))
    assert (revoked.id, revoked.user_name, revoked.name, revoked.revoked_at_s) == (new.id, "ann", "laptop", 2000.0)
    clock.now_s = 3000.0
    assert await keys.revoke(new.id) == revoked
    assert await _is_good(keys, other.key)
    assert {record.name: record.status(clock.now_s) for record in await keys.list()} == {
        "laptop": "revoked",
        "server": "active",
    }


async def test_what_cannot_be_revoked_is_not_repeated_when_it_may_be_a_key(keys: KeyStore, ann: User) -> None:
    with pytest.raises(NotFound, match="No such key: key_1"):
        await keys.revoke("key_1")
    with pytest.raises(NotFound) as caught:
        await keys.revoke("rs_0123456789abcdef")
    assert str(caught.value) == "No such key: rs_01234567"


async def test_a_prefix_that_two_keys_share_revokes_neither(keys: KeyStore, ann: User, database: Database) -> None:
    first, second = await keys.create(ann, "laptop"), await keys.create(ann, "server")
    async with database.writing() as connection:
        await connection.execute(API_KEYS.update().values(prefix=first.prefix))
    with pytest.raises(InvalidParameter, match=f"{first.id} and {second.id}|{second.id} and {first.id}"):
        await keys.revoke(first.prefix)
    assert await _is_good(keys, first.key)


async def test_whether_anybody_can_get_in(keys: KeyStore, ann: User, clock: FakeClock) -> None:
    assert not await keys.has_active_keys()
    await keys.create(ann, "short", expires_at_s=clock.now_s + 10.0)
    assert await keys.has_active_keys()
    clock.now_s += 10.0
    assert not await keys.has_active_keys()
    long = await keys.create(ann, "long")
    assert await keys.has_active_keys()
    await keys.revoke(long.id)
    assert not await keys.has_active_keys()


async def test_a_key_that_was_good_is_looked_at_again(keys: KeyStore, ann: User, clock: FakeClock) -> None:
    passing, revoked = await keys.create(ann, "passing", clock.now_s + 100), await keys.create(ann, "laptop")
    for new in (passing, revoked):
        await keys.authenticate(new.key)
        await keys.check(new.id)
    await keys.revoke(revoked.id)
    with pytest.raises(Unauthenticated):
        await keys.check(revoked.id)
    await keys.check(passing.id)
    clock.now_s += 100
    with pytest.raises(Unauthenticated):
        await keys.check(passing.id)


async def test_a_key_has_a_name(keys: KeyStore, ann: User) -> None:
    with pytest.raises(InvalidParameter, match="name"):
        await keys.create(ann, "")


async def test_the_cache_stays_small(ann: User, database: Database, clock: FakeClock) -> None:
    keys = KeyStore(database, cache_s=5.0, clock=clock, most_cached=2)
    made = [await keys.create(ann, f"key {number}") for number in range(3)]
    for new in made:
        await keys.authenticate(new.key)
    for new in made:
        await KeyStore(database, cache_s=0.0, clock=clock).revoke(new.id)
    assert [await _is_good(keys, new.key) for new in made] == [False, True, True]

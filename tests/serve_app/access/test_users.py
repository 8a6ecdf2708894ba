from __future__ import annotations

import asyncio
import base64

import pytest

from deployments.errors import InvalidParameter, NotFound
from serve_app.access.plans import Plan
from serve_app.access.users import UserStore
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database

pytestmark = pytest.mark.unit

_ACCESS = AccessSettings(plans={"default": Plan(), "local": Plan(), "gold": Plan()})


@pytest.fixture
def users(database: Database) -> UserStore:
    return UserStore(database, _ACCESS, clock=lambda: 1000.0)


async def test_a_user_is_made_once(users: UserStore) -> None:
    ann = await users.ensure("ann")
    assert (ann.name, ann.plan_name, ann.balance_micros, ann.created_at_s) == ("ann", "default", 0, 1000.0)
    assert await users.ensure("ann") == ann
    assert await users.find("ann") == ann
    assert await users.get(ann.id) == ann
    bob = await users.ensure("bob", "gold")
    assert bob.plan_name == "gold"
    assert await users.list() == (ann, bob)


async def test_a_user_moves_to_another_plan_when_told_so(users: UserStore) -> None:
    ann = await users.ensure("ann", "gold")
    assert (await users.ensure("ann")).plan_name == "gold"
    moved = await users.ensure("ann", "default")
    assert (moved.id, moved.plan_name, moved.webhook_secret) == (ann.id, "default", ann.webhook_secret)


async def test_who_is_first_with_a_name_decides(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    made = await asyncio.gather(
        *(UserStore(database, _ACCESS).ensure("ann") for database in databases for _ in range(4))
    )
    assert len(set(made)) == 1
    for database in databases:
        await database.close()


async def test_the_settings_name_the_plan_of_the_local_user(users: UserStore, database: Database) -> None:
    local = await users.ensure_local_user()
    assert (local.name, local.plan_name) == ("local", "local")
    changed = UserStore(database, _ACCESS.model_copy(update={"local_plan": "gold"}))
    moved = await changed.ensure_local_user()
    assert (moved.id, moved.plan_name) == (local.id, "gold")
    assert (await users.ensure("local")).plan_name == "gold"


async def test_a_webhook_secret_is_as_standard_webhooks_wants_it(users: UserStore) -> None:
    ann, bob = await users.ensure("ann"), await users.ensure("bob")
    head, secret = ann.webhook_secret[:6], base64.b64decode(ann.webhook_secret[6:], validate=True)
    assert head == "whsec_"
    assert 24 <= len(secret) <= 64
    assert ann.webhook_secret != bob.webhook_secret
    assert ann.webhook_secret not in repr(ann)


async def test_an_unknown_user_or_plan_is_named(users: UserStore) -> None:
    with pytest.raises(NotFound, match="No such user: zoe"):
        await users.find("zoe")
    with pytest.raises(NotFound, match="No such user: user_zoe"):
        await users.get("user_zoe")
    with pytest.raises(InvalidParameter, match="plan: not among default, gold, local"):
        await users.ensure("zoe", "silver")
    assert await users.list() == ()


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201])
async def test_a_name_is_a_line_of_text(name: str, users: UserStore) -> None:
    with pytest.raises(InvalidParameter, match="user"):
        await users.ensure(name)

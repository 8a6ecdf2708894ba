"""Users, which are workspaces: they have keys, a plan, a wallet and a webhook secret."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.errors import InvalidParameter, NotFound
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import USERS

LOCAL_USER = "local"
"""The one user of a service that is open on loopback."""

MAX_NAME_CHARACTERS = 200
_WEBHOOK_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class User:
    """A workspace. The secret signs its webhooks: ``whsec_`` and base64, see the Standard Webhooks specification."""

    id: str
    name: str
    plan_name: str
    balance_micros: int
    created_at_s: float
    webhook_secret: str = field(repr=False)


class UserStore:
    """Makes and finds users. All methods raise ServiceUnavailable when the database does not answer."""

    def __init__(self, database: Database, access: AccessSettings, clock: Callable[[], float] = time.time) -> None:
        """Clock gives seconds since 1970."""
        self._database = database
        self._access = access
        self._clock = clock

    async def get(self, user_id: str) -> User:
        """The user of this id.

        Raises:
            NotFound: there is none.
        """
        return await self._one(USERS.c.id == user_id, user_id)

    async def find(self, name: str) -> User:
        """The user of this name.

        Raises:
            NotFound: there is none.
        """
        return await self._one(USERS.c.name == name, name)

    async def list(self) -> tuple[User, ...]:
        """All users, by name."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(USERS).order_by(USERS.c.name))).all()
        return tuple(_user(row) for row in rows)

    async def ensure(self, name: str, plan_name: str | None = None) -> User:
        """The user of this name, made where there is none, and moved to the plan where one is given.

        Raises:
            InvalidParameter: no such plan, or not a name.
        """
        check_name("user", name)
        if plan_name is not None and plan_name not in self._access.plans:
            raise InvalidParameter("plan", f"not among {', '.join(sorted(self._access.plans))}")
        try:
            return await self._ensure(name, plan_name)
        except IntegrityError:
            # PostgreSQL: another process made the user after we looked. Now it is there.
            return await self._ensure(name, plan_name)

    async def ensure_local_user(self) -> User:
        """The user of a service that needs no keys. The settings name its plan, at each start."""
        return await self.ensure(LOCAL_USER, self._access.local_plan)

    async def _ensure(self, name: str, plan_name: str | None) -> User:
        async with self._database.writing() as connection:
            row = await _row(connection, USERS.c.name == name, lock=True)
            if row is None:
                await connection.execute(insert(USERS).values(self._new_user(name, plan_name)))
            elif plan_name not in (None, row.plan):
                await connection.execute(update(USERS).where(USERS.c.id == row.id).values(plan=plan_name))
            else:
                return _user(row)
            row = await _row(connection, USERS.c.name == name)
            assert row is not None, "it was written in this transaction"  # noqa: S101
            return _user(row)

    def _new_user(self, name: str, plan_name: str | None) -> dict[str, object]:
        default_plan = self._access.local_plan if name == LOCAL_USER else self._access.default_plan
        secret = base64.b64encode(secrets.token_bytes(_WEBHOOK_SECRET_BYTES)).decode()
        return {
            "id": f"user_{secrets.token_hex(8)}",
            "name": name,
            "plan": plan_name or default_plan,
            "balance_micros": 0,
            "webhook_secret": f"whsec_{secret}",
            "created_at_s": self._clock(),
        }

    async def _one(self, condition: ColumnElement[bool], called: str) -> User:
        async with self._database.reading() as connection:
            row = await _row(connection, condition)
        if row is None:
            raise NotFound("user", called)
        return _user(row)


def check_name(parameter: str, name: str) -> None:
    """Raise InvalidParameter unless name is a line of text that a table can show."""
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidParameter(parameter, f"give 1 to {MAX_NAME_CHARACTERS} printable characters")


async def _row(connection: AsyncConnection, condition: ColumnElement[bool], *, lock: bool = False) -> Row[Any] | None:
    query = select(USERS).where(condition)
    return (await connection.execute(query.with_for_update() if lock else query)).one_or_none()


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        plan_name=row.plan,
        balance_micros=row.balance_micros,
        created_at_s=row.created_at_s,
        webhook_secret=row.webhook_secret,
    )

"""API keys: made once, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, insert, or_, select, update

from deployments.errors import InvalidParameter, NotFound, Unauthenticated
from serve_app.access.users import User, check_name
from serve_app.access.visit import Caller
from serve_app.storage.database import Database
from serve_app.storage.tables import API_KEYS, USERS

_SCHEME = "rs_"
_RANDOM_BYTES = 32
_PREFIX_CHARACTERS = len(_SCHEME) + 8
"""Shown in lists: 48 of the 256 random bits, which leaves nothing to guess."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``key`` cannot be had again."""

    id: str
    prefix: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key. Times are seconds since 1970."""

    id: str
    user_name: str
    name: str
    prefix: str
    created_at_s: float
    expires_at_s: float | None
    revoked_at_s: float | None

    def status(self, now_s: float) -> str:
        """active, expired or revoked."""
        if self.revoked_at_s is not None:
            return "revoked"
        return "expired" if self.expires_at_s is not None and self.expires_at_s <= now_s else "active"


class KeyStore:
    """Makes, checks and revokes keys. All methods raise ServiceUnavailable when the database does not answer."""

    def __init__(
        self,
        database: Database,
        *,
        cache_s: float,
        clock: Callable[[], float] = time.time,
        most_cached: int = 10_000,
    ) -> None:
        """A key that was good is taken for good for another cache_s; clock gives seconds since 1970."""
        self._database = database
        self._clock = clock
        self._known = _RecentCallers(cache_s, most_cached)

    async def create(self, user: User, name: str, expires_at_s: float | None = None) -> NewKey:
        """Make a key.

        Raises:
            InvalidParameter: not a name.
        """
        check_name("name", name)
        key = _SCHEME + secrets.token_urlsafe(_RANDOM_BYTES)
        new = NewKey(id=f"key_{secrets.token_hex(8)}", prefix=_prefix(key), key=key)
        async with self._database.writing() as connection:
            await connection.execute(
                insert(API_KEYS).values(
                    id=new.id,
                    user_id=user.id,
                    name=name,
                    key_sha256=_digest(key),
                    prefix=new.prefix,
                    created_at_s=self._clock(),
                    expires_at_s=expires_at_s,
                )
            )
        return new

    async def list(self) -> tuple[KeyRecord, ...]:
        """All keys, by user, the oldest first."""
        columns = API_KEYS.c
        query = _RECORDS.order_by(USERS.c.name, columns.created_at_s, columns.id)
        async with self._database.reading() as connection:
            return tuple(_record(row) for row in await connection.execute(query))

    async def revoke(self, name: str) -> KeyRecord:
        """Revoke a key by its id, its prefix or, as one does with a key found in the wrong place, the key itself.

        Other processes accept it for another cache_s. Revoking again changes nothing.

        Raises:
            NotFound: there is none.
            InvalidParameter: several keys have this prefix.
        """
        columns = API_KEYS.c
        query = _RECORDS.where(or_(columns.id == name, columns.prefix == name, columns.key_sha256 == _digest(name)))
        async with self._database.writing() as connection:
            found = [_record(row) for row in await connection.execute(query)]
            if not found:
                raise NotFound("key", _prefix(name) if name.startswith(_SCHEME) else name)
            if len(found) > 1:
                raise InvalidParameter("id", f"this prefix is that of {' and '.join(record.id for record in found)}")
            record = found[0]
            if record.revoked_at_s is None:
                record = replace(record, revoked_at_s=self._clock())
                change = update(API_KEYS).where(columns.id == record.id, columns.revoked_at_s.is_(None))
                await connection.execute(change.values(revoked_at_s=record.revoked_at_s))
        self._known.forget(record.id)
        return record

    async def authenticate(self, key: str) -> Caller:
        """Whose key this is.

        How long it takes tells nothing of the keys there are: they are looked up by their hash, of which a guess has
        no part in common with theirs.

        Raises:
            Unauthenticated: it is not known, revoked or expired.
        """
        digest = _digest(key)
        now_s = self._clock()
        if (caller := self._known.get(digest, now_s)) is not None:
            return caller
        columns = API_KEYS.c
        query = (
            select(columns.id, columns.expires_at_s, columns.revoked_at_s, USERS.c.id, USERS.c.name, USERS.c.plan)
            .join_from(API_KEYS, USERS)
            .where(columns.key_sha256 == digest)
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).one_or_none()
        if found is None:
            raise Unauthenticated(False)
        key_id, expires_at_s, revoked_at_s, user_id, user_name, plan_name = found
        if revoked_at_s is not None or (expires_at_s is not None and expires_at_s <= now_s):
            raise Unauthenticated(False)
        caller = Caller(user_id, user_name, plan_name, key_id)
        self._known.add(digest, caller, now_s, expires_at_s)
        return caller

    async def check(self, key_id: str) -> None:
        """Whether a key that was good still is; nothing is remembered of it.

        Raises:
            Unauthenticated: it has been revoked, or has expired.
        """
        columns = API_KEYS.c
        query = select(exists().where(columns.id == key_id, *self._is_active()))
        async with self._database.reading() as connection:
            if not (await connection.execute(query)).scalar_one():
                raise Unauthenticated(False)

    async def has_active_keys(self) -> bool:
        """Whether any key is good now."""
        query = select(exists().where(*self._is_active()))
        async with self._database.reading() as connection:
            return bool((await connection.execute(query)).scalar_one())

    def _is_active(self) -> tuple[ColumnElement[bool], ...]:
        columns = API_KEYS.c
        is_current = or_(columns.expires_at_s.is_(None), columns.expires_at_s > self._clock())
        return columns.revoked_at_s.is_(None), is_current


class _RecentCallers:
    """Who the last good keys belonged to, by the hashes of the keys: a busy caller costs no query.

    Keys that were not good are not kept: nobody can fill it with guesses, and a new key works at once.
    """

    def __init__(self, ttl_s: float, most: int) -> None:
        self._ttl_s = ttl_s
        self._most = most
        # In order of age. With each the time when it was asked for, and when its key expires.
        self._callers: dict[bytes, tuple[Caller, float, float]] = {}

    def get(self, digest: bytes, now_s: float) -> Caller | None:
        caller, asked_s, expires_at_s = self._callers.get(digest, (None, 0.0, 0.0))
        # Not even for a moment after a clock that was set back: it may have been by hours.
        return caller if 0 <= now_s - asked_s < self._ttl_s and now_s < expires_at_s else None

    def add(self, digest: bytes, caller: Caller, now_s: float, expires_at_s: float | None) -> None:
        self._callers.pop(digest, None)
        while len(self._callers) >= self._most:
            del self._callers[next(iter(self._callers))]
        self._callers[digest] = caller, now_s, math.inf if expires_at_s is None else expires_at_s

    def forget(self, key_id: str) -> None:
        self._callers = {digest: entry for digest, entry in self._callers.items() if entry[0].key_id != key_id}


_RECORDS: Select[*tuple[Any, ...]] = select(
    API_KEYS.c.id,
    USERS.c.name.label("user_name"),
    API_KEYS.c.name,
    API_KEYS.c.prefix,
    API_KEYS.c.created_at_s,
    API_KEYS.c.expires_at_s,
    API_KEYS.c.revoked_at_s,
).join_from(API_KEYS, USERS)


def _record(row: Row[*tuple[Any, ...]]) -> KeyRecord:
    return KeyRecord(**row._mapping)


def _prefix(key: str) -> str:
    return key[:_PREFIX_CHARACTERS]


def _digest(key: str) -> bytes:
    """SHA-256, without salt or stretching.

    Those protect what people choose, which can be guessed. Of 256 random bits nothing can be guessed at any speed, and
    a slow hash would only slow every request down, and invite others to keep us busy with wrong keys.
    """
    return hashlib.sha256(key.encode(errors="backslashreplace")).digest()

"""Client secrets: keys for a few minutes, which a caller's own clients may have (OpenAI's ephemeral keys, ``ek_…``).

They are stored like keys, as a hash, with what their sessions begin with. That makes them good at every ingress process
and after a restart, lets them end with the key that they were made with, and leaves room for settings of any size: a
signed token that carries its settings would have to fit into the headers of a handshake.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Callable

from sqlalchemy import delete, insert, select

from deployments.errors import Unauthenticated
from serve_app.access.visit import Caller, ClientSecret
from serve_app.storage.database import Database
from serve_app.storage.tables import API_KEYS, CLIENT_SECRETS, USERS

_SCHEME = "ek_"
# In base64 for URLs, which is also what the name of a WebSocket subprotocol may be made of.
_RANDOM_BYTES = 32


def is_client_secret(credential: str) -> bool:
    """Whether it is meant as one, good or not."""
    return credential.startswith(_SCHEME)


class ClientSecretStore:
    """Makes and redeems client secrets. All methods raise ServiceUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """Clock gives seconds since 1970."""
        self._database = database
        self._clock = clock

    async def make(self, caller: Caller, session: str, lifetime_s: float) -> ClientSecret:
        """Make a secret of this caller's; it ends no later than his key.

        Raises:
            Unauthenticated: the key was revoked or has expired.
        """
        value = _SCHEME + secrets.token_urlsafe(_RANDOM_BYTES)
        now_s = math.floor(self._clock())
        expires_at_s = now_s + lifetime_s
        columns = API_KEYS.c
        query = select(columns.expires_at_s, columns.revoked_at_s).where(columns.id == caller.key_id)
        async with self._database.writing() as connection:
            if caller.key_id is not None:
                key_expires_at_s, revoked_at_s = (await connection.execute(query)).one()
                expires_at_s = min(expires_at_s, math.inf if key_expires_at_s is None else key_expires_at_s)
                if revoked_at_s is not None or expires_at_s <= now_s:
                    raise Unauthenticated(False)
            await connection.execute(
                insert(CLIENT_SECRETS).values(
                    sha256=_digest(value),
                    user_id=caller.user_id,
                    key_id=caller.key_id,
                    session=session,
                    expires_at_s=expires_at_s,
                )
            )
        return ClientSecret(value, expires_at_s)

    async def redeem(self, value: str, *, needs_key: bool) -> tuple[Caller, str]:
        """Whose secret this is, and what its session begins with. It may be redeemed again until it expires.

        Nothing is kept in memory: a socket is opened rarely enough to ask, and a revocation counts at once.

        Args:
            value: the secret.
            needs_key: those made while the service was open are not good.

        Raises:
            Unauthenticated: it is not known or has expired, or its key was revoked.
        """
        columns = CLIENT_SECRETS.c
        query = (
            select(USERS.c.id, USERS.c.name, USERS.c.plan, columns.key_id, columns.session)
            .join_from(CLIENT_SECRETS, USERS)
            .outerjoin(API_KEYS, API_KEYS.c.id == columns.key_id)
            .where(
                columns.sha256 == _digest(value),
                columns.expires_at_s > self._clock(),
                API_KEYS.c.revoked_at_s.is_(None),
            )
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).one_or_none()
        if found is None:
            raise Unauthenticated(False)
        user_id, user_name, plan_name, key_id, session = found
        if key_id is None and needs_key:
            raise Unauthenticated(False)
        return Caller(user_id, user_name, plan_name, key_id), session

    async def sweep(self) -> None:
        """Delete those that have expired."""
        expired = CLIENT_SECRETS.c.expires_at_s <= self._clock()
        async with self._database.reading() as connection:
            # Most of the time there is none, and a transaction that writes would make others wait.
            if (await connection.execute(select(CLIENT_SECRETS.c.sha256).where(expired).limit(1))).first() is None:
                return
        async with self._database.writing() as connection:
            await connection.execute(delete(CLIENT_SECRETS).where(expired))


def _digest(value: str) -> bytes:
    """SHA-256 will do for 256 random bits, as for keys."""
    return hashlib.sha256(value.encode(errors="backslashreplace")).digest()

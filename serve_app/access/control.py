"""The door of every ingress process: key or secret, wallet, quota, then one of the user's concurrent requests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from deployments import service_log as log
from deployments.errors import Unauthenticated
from serve_app.access.client_secrets import ClientSecretStore, is_client_secret
from serve_app.access.keys import KeyStore
from serve_app.access.lease_holder import LeaseHolder
from serve_app.access.ledger import Ledger
from serve_app.access.visit import Caller, ClientSecret, Visit
from serve_app.settings import AccessSettings


class AccessControl:
    """Implements Access."""

    def __init__(
        self,
        settings: AccessSettings,
        keys: KeyStore,
        secrets: ClientSecretStore,
        ledger: Ledger,
        leases: LeaseHolder,
        local_caller: Caller | None,
    ) -> None:
        """With a local_caller the service is open: who brings no key, or one that is not ours, is this user."""
        self._settings = settings
        self._keys = keys
        self._secrets = secrets
        self._ledger = ledger
        self._leases = leases
        self._local_caller = local_caller

    async def identified(self, credential: str | None) -> Caller:
        """See Access. An open service takes any key: most SDKs insist on sending one."""
        if credential is None:
            if self._local_caller is None:
                raise Unauthenticated(True)
            return self._local_caller
        if is_client_secret(credential):
            # Not even where any key will do: who tries this on a laptop would only be refused later, by others.
            raise Unauthenticated(False)
        try:
            return await self._keys.authenticate(credential)
        except Unauthenticated:
            if self._local_caller is None:
                raise
            return self._local_caller

    @contextlib.asynccontextmanager
    async def admitted(
        self, credential: str | None, dialect: str, *, takes_secrets: bool = False
    ) -> AsyncIterator[Visit]:
        """See Access."""
        if takes_secrets and credential is not None and is_client_secret(credential):
            caller, session = await self._secrets.redeem(credential, needs_key=self._local_caller is None)
        else:
            caller, session = await self.identified(credential), None
        if caller.plan_name not in self._settings.plans:
            log.warning("plan not configured", user=caller.user_id, plan=caller.plan_name)
        plan = self._settings.plan_of(caller.plan_name)
        await self._ledger.check(caller.user_id, plan)
        cap, per_minute = plan.concurrency_in(dialect), plan.requests_per_minute
        async with self._leases.lease(caller.user_id, cap, per_minute) as rate:
            yield Visit(caller, plan, dialect, rate, session)

    async def check_again(self, visit: Visit) -> None:
        """See Access."""
        if visit.caller.key_id is not None:
            await self._keys.check(visit.caller.key_id)
        await self._ledger.check(visit.caller.user_id, visit.plan)

    async def make_secret(self, caller: Caller, session: str, lifetime_s: float) -> ClientSecret:
        """See Access."""
        return await self._secrets.make(caller, session, lifetime_s)

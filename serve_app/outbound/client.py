"""An HTTP client for hosts that callers name: no connection is made to an address that the guard does not allow."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver

from deployments.errors import SourceForbidden, SourceRejected, SourceUnreachable
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.retry_after import retry_after_s
from serve_app.outbound.urls import HttpUrl, parse_http_url

# Of a look-up.
_TRIES = 2
_REDIRECTS = (301, 302, 303, 307, 308)
# Audio does not get smaller; a body that comes compressed all the same is unpacked at most 256 KiB at a time.
_HEADERS = {"User-Agent": "Rayscribe", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What was answered to something sent; retry_after_s where the server said when to come again."""

    status: int
    retry_after_s: float | None = None


class _AddressNotAllowed(OSError):
    """An OSError, so that the other addresses of a name are still tried, as after any connection that fails."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not allowed")


class GuardedClient:
    """Requests to hosts that callers name. One for each process; it belongs to the event loop that uses it first.

    The check sits where the socket is created, with the numeric address that this socket is then connected to
    (aiohttp's ``socket_factory``). So it covers literals, every address of a name, each redirect and a name that
    changes its answer between two look-ups, and nothing is resolved twice. TLS verifies the host's name as ever.
    Proxies, .netrc and cookies play no part.

    Args:
        guard: which addresses are allowed.
        connect_timeout_s: time to connect to an address, TLS included, and between two chunks of a body.
        resolver: default: one that asks the system's name servers, and reads its hosts file, without a thread: a name
            whose server does not answer holds a thread for as long as it likes, and a process has few of them.
        tls: default: the system's certificate authorities.
        max_connections: open at once to guarded hosts, and again to hosts that the operator trusts.
    """

    def __init__(
        self,
        guard: AddressGuard,
        connect_timeout_s: float,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 100,
    ) -> None:
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        self._given_resolver = resolver
        self._own_resolver: AbstractResolver | None = None
        self._tls = tls
        self._max_connections = max_connections
        # By whether the host is trusted. Apart, so that a connection to a trusted host is never used for another.
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    @contextlib.asynccontextmanager
    async def get(self, url: HttpUrl, max_redirects: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET, following redirects; the body is read by the caller, and the connection closed if it stops early.

        There is no limit on the whole time: the caller knows its own.

        Raises (also out of reading the body inside the context):
            SourceForbidden: an address is not allowed, or a redirect may not be followed.
            SourceUnreachable: no answer, or a broken one.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=self._connect_timeout_s, sock_read=self._connect_timeout_s)
        for _ in range(max_redirects + 1):
            async with self._request("GET", url, timeout) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                url = url.redirected(location)
        raise SourceUnreachable(f"more than {max_redirects} redirects, the last one to {url.host}")

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Acknowledgement:
        """Send a request and follow no redirect; the body of the answer is not read.

        Raises:
            InvalidParameter: url is none.
            SourceForbidden: its scheme or its address is not allowed.
            SourceUnreachable: no answer within timeout_s, all told.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._connect_timeout_s)
        async with self._request(method, parse_http_url(url), timeout, headers, body) as response:
            return Acknowledgement(response.status, retry_after_s(response.headers.get("Retry-After")))

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(session.close() for session in self._sessions.values()))
        if self._own_resolver is not None:
            await self._own_resolver.close()

    @contextlib.asynccontextmanager
    async def _request(
        self,
        method: str,
        url: HttpUrl,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, of more than one kind
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = dict(headers or {})
        if url.authorization is not None:
            sent["Authorization"] = url.authorization
        session = self._session(trusted=self._guard.trusts(url.host))
        try:
            async with session.request(
                method, url.request_url, headers=sent, data=body, allow_redirects=False, timeout=timeout
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError) as error:
            # From None: aiohttp's messages quote the URL.
            raise _rejection(url.host, error) from None

    def _session(self, *, trusted: bool) -> aiohttp.ClientSession:
        # Made late: it needs a running event loop.
        if trusted not in self._sessions:
            self._sessions[trusted] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    resolver=self._resolver(),
                    # Each connection is to an address of its own time; the system caches well enough.
                    use_dns_cache=False,
                    socket_factory=None if trusted else self._guarded_socket,
                    ssl=self._tls or True,
                ),
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._sessions[trusted]

    def _resolver(self) -> AbstractResolver:
        if self._given_resolver is not None:
            return self._given_resolver
        if self._own_resolver is None:
            self._own_resolver = aiohttp.AsyncResolver(timeout=self._connect_timeout_s / _TRIES, tries=_TRIES)
        return self._own_resolver

    def _guarded_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, destination = address
        if not self._guard.allows(str(destination[0])):
            raise _AddressNotAllowed
        return socket.socket(family, kind, protocol)


def _rejection(host: str, error: Exception) -> SourceRejected:
    """In words that name the host and nothing else of the URL."""
    match error:
        case aiohttp.ClientConnectorError(os_error=_AddressNotAllowed()):
            return SourceForbidden(
                f"{host} is not on the public internet "
                "(the settings sources.allowed_hosts and sources.allowed_networks make exceptions)"
            )
        case aiohttp.ClientConnectorDNSError():
            return SourceUnreachable(f"the name {host} could not be resolved")
        case aiohttp.ClientConnectorCertificateError():
            return SourceUnreachable(f"the certificate of {host} could not be verified")
        case aiohttp.ClientSSLError():
            return SourceUnreachable(f"no secure connection to {host} could be made")
        case TimeoutError():
            return SourceUnreachable(f"{host} did not answer in time")
        case aiohttp.ClientConnectorError():
            return SourceUnreachable(f"no connection to {host} could be made")
        case aiohttp.ClientPayloadError():
            return SourceUnreachable(f"what {host} sent broke off or is damaged")
        case _:
            return SourceUnreachable(f"{host} did not answer as HTTP servers do")

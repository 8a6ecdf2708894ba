"""http(s) URLs that callers send, taken apart so that their secrets stay out of messages and logs."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from deployments.errors import InvalidParameter, SourceForbidden, SourceUnreachable
from serve_app.outbound.guard import normal_host

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
# Underscores are no part of a host name (RFC 1123), but containers have them.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """Where a request goes; its repr shows the host at most, because paths and queries carry tokens."""

    host: str
    request_url: URL = field(repr=False)
    """Without user, password and fragment; escaped exactly as the caller did, since a signature may cover it."""
    authorization: str | None = field(repr=False)

    def redirected(self, location: str) -> HttpUrl:
        """Where a redirect leads. Credentials go along within one origin only.

        Raises:
            SourceForbidden: to a scheme other than http and https, or from https down to http: what the caller
                wanted to be private and unaltered would be neither.
            SourceUnreachable: to nowhere.
        """
        try:
            url = self.request_url.join(_parsed(location))
            if url.scheme not in ("http", "https"):
                raise SourceForbidden(f"{self.host} redirects to something other than http and https")
            target = _taken_apart(url)
        except ValueError:
            raise SourceUnreachable(f"{self.host} redirects to what is no valid URL") from None
        if self.request_url.scheme == "https" and target.request_url.scheme == "http":
            raise SourceForbidden(f"{self.host} redirects from https to http")
        if target.authorization is None and target._origin == self._origin:
            return HttpUrl(target.host, target.request_url, self.authorization)
        return target

    @property
    def _origin(self) -> tuple[str, str, int | None]:
        # yarl's own tells https://h and https://h:443 apart.
        return self.request_url.scheme, self.host, self.request_url.port


def parse_http_url(text: str, parameter: str = "url") -> HttpUrl:
    """Take a caller's URL apart.

    Raises:
        InvalidParameter: it is no URL; ``parameter`` names what the caller sent it as.
        SourceForbidden: its scheme is neither http nor https.
    """
    try:
        url = _parsed(text)
        if url.scheme and url.scheme not in ("http", "https"):
            # Not named: in user:password@host the user looks like one.
            raise SourceForbidden("the scheme of this URL is not supported")
        return _taken_apart(url)
    except ValueError:
        # The reason of a ValueError may quote the URL.
        raise InvalidParameter(parameter, "not a valid URL") from None


def _parsed(text: str) -> URL:
    # With encoded=True yarl sends it as it is; else %2F in a query would become / and a signature would not match.
    return URL(text, encoded=_PRINTABLE.fullmatch(text) is not None)


def _taken_apart(url: URL) -> HttpUrl:
    """Raises ValueError for a URL without a scheme or a usable host."""
    if not url.scheme or not url.raw_host or url.port == 0:
        raise ValueError("no host")
    host = url.raw_host.lower()
    if not _is_host(host):
        raise ValueError("neither a host name nor an address")
    authorization = None
    if url.user or url.password:
        authorization = aiohttp.encode_basic_auth(url.user or "", url.password or "")
    return HttpUrl(normal_host(host), url.with_user(None).with_fragment(None), authorization)


def _is_host(host: str) -> bool:
    if ":" in host:
        return _is_address(host)
    labels = host.removesuffix(".").split(".")
    # A name that ends in a number is an IPv4 address or nothing (WHATWG URL, "ends in a number"). Forms such as
    # 127.1, 0x7f.1 and 2130706433 mean an address to some programs and a name to others.
    if _NUMBER.fullmatch(labels[-1]):
        return _is_address(host)
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host

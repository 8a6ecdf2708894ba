"""Which network addresses the service connects to when a caller names the host (server-side request forgery).

What counts is the address of the very socket, never the name: see serve_app/outbound/client.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import psutil

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

# Own tables instead of ipaddress.is_global, whose answer depends on Python's patch version: 3.11.7 calls
# 192.0.0.192, fec0::1, 3fff::1, 5f00::1 and all of multicast global.
# IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its successors), and multicast (RFC 5771).
_SPECIAL_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata is 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform address answers on every virtual machine, though it is a public one
        "169.254.0.0/16",  # link-local, with the metadata of AWS, Google, Azure and most others
        "172.16.0.0/12",
        "192.0.0.0/24",  # Oracle's metadata is 192.0.0.192
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# The only block that IANA gives out to hosts of the internet; the table below lists what is special inside it.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo: a tunnel to any IPv4 address
        "2001:db8::/32",
        "3fff::/20",
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


def addresses_of_this_machine() -> Collection[str]:
    """Those of its interfaces, as text; of IPv6 ones with their zone."""
    return [address.address for interface in psutil.net_if_addrs().values() for address in interface]


class AddressGuard:
    """Lets through what is on the public internet, and what the operator named.

    Args:
        allowed_hosts: host names that may resolve to any address; ``*.corp.example`` stands for every name below it.
        allowed_networks: networks in CIDR notation that may be connected to although they are not public.
        denied_networks: networks that may not, although they are; what is allowed by name or network goes first.
        own_addresses: a machine's own public address leads past its firewall to all that listens on it.

    Raises:
        ValueError: an entry is no host name or no network.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        allowed_networks: Iterable[str] = (),
        denied_networks: Iterable[str] = (),
        own_addresses: Callable[[], Collection[str]] = addresses_of_this_machine,
    ) -> None:
        names = [normal_host(host) for host in allowed_hosts]
        if any(not name.removeprefix("*.") or "*" in name.removeprefix("*.") for name in names):
            raise ValueError("an allowed host is a name, or *. and the end of a name")
        self._hosts = frozenset(name for name in names if not name.startswith("*"))
        self._suffixes = tuple(name.removeprefix("*") for name in names if name.startswith("*"))
        self._allowed = _networks_of(allowed_networks)
        self._denied = _networks_of(denied_networks)
        self._own_addresses = own_addresses

    def trusts(self, host: str) -> bool:
        """Whether the operator named this host, so that its addresses are not looked at."""
        name = normal_host(host)
        return name in self._hosts or name.endswith(self._suffixes)

    def allows(self, address: str) -> bool:
        """Whether a connection to this numeric address may be made. What is no numeric address is not allowed."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address):
            parsed = IPv6Address(int(parsed))  # without its zone
        reached = _embedded(parsed)
        if _is_in(self._allowed, parsed, reached):
            return True
        if _is_in(self._denied, parsed, reached) or not _is_public(reached):
            return False
        return str(reached) not in self._own_addresses()


def _networks_of(written: Iterable[str]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(network) for network in written)


def _is_in(networks: Iterable[_Network], *addresses: _Address) -> bool:
    return any(address in network for network in networks for address in addresses)


def normal_host(host: str) -> str:
    """A host name as names are compared: lower case, punycode, no trailing dot."""
    name = host.lower().rstrip(".")
    return name if name.isascii() else name.encode("idna").decode("ascii")


def _embedded(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address leads to in the end, if it is of such a kind.

    Mapped (RFC 4291), NAT64 by the well-known prefix (RFC 6052), 6to4 (RFC 3056). Without the second a host
    that has IPv6 only would reach nothing.
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return address


def _is_public(address: _Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_IPV6)

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.outbound.guard import AddressGuard, addresses_of_this_machine

pytestmark = pytest.mark.unit

_SPECIAL_NETWORKS = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)


def _embedded_forms(address: IPv4Address) -> list[str]:
    number = int(address)
    return [
        f"::ffff:{address}",
        str(IPv6Address(int(IPv6Address("64:ff9b::")) | number)),
        str(IPv6Address(int(IPv6Address("2002::")) | number << 80)),
    ]


@given(st.sampled_from(_SPECIAL_NETWORKS).flatmap(lambda network: st.ip_addresses(network=network)))
def test_special_networks_are_refused_in_every_embedding(address: IPv4Address) -> None:
    guard = AddressGuard()
    assert not any(guard.allows(form) for form in [str(address), *_embedded_forms(address)])


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_as_itself(address: IPv4Address) -> None:
    guard = AddressGuard()
    assert {guard.allows(form) for form in _embedded_forms(address)} == {guard.allows(str(address))}


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.ip_addresses(network="2000::/3"))
def test_what_python_calls_private_is_refused(address: IPv4Address | IPv6Address) -> None:
    unwrapped = any(address in IPv6Network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16"))
    if not address.is_global and not unwrapped:
        assert not AddressGuard().allows(str(address))


@given(st.ip_addresses(v=6).filter(lambda address: address not in IPv6Network("2000::/3")))
def test_ipv6_outside_global_unicast_is_refused(address: IPv6Address) -> None:
    if address not in IPv6Network("::ffff:0:0/96") and address not in IPv6Network("64:ff9b::/96"):
        assert not AddressGuard().allows(str(address))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # metadata of AWS, Google, Azure
        "169.254.170.2",  # credentials of ECS tasks
        "fd00:ec2::254",  # AWS by IPv6
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure's platform
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "64:ff9b:1::7f00:1",
        "2001:0:7f00:1::",  # Teredo
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
    ],
)
def test_known_targets_are_refused(address: str) -> None:
    assert not AddressGuard().allows(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressGuard().allows(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.1", "8.8.8.8.", " 8.8.8.8", "8.8.8.8:80"]
)
def test_only_numeric_addresses_in_their_usual_form_are_allowed(text: str) -> None:
    assert not AddressGuard(allowed_networks=["0.0.0.0/0", "::/0"]).allows(text)


def test_an_allowed_network_counts_in_every_embedding_and_no_further() -> None:
    guard = AddressGuard(allowed_networks=["10.1.0.0/16", "fd00:1::/32", "127.0.0.1"])
    assert all(guard.allows(form) for form in ["10.1.2.3", "127.0.0.1", *_embedded_forms(IPv4Address("10.1.2.3"))])
    assert guard.allows("fd00:1::5")
    assert guard.allows("fd00:1::5%eth0")
    assert not any(guard.allows(address) for address in ("10.2.0.1", "127.0.0.2", "fd00:2::1"))


@pytest.mark.parametrize("network", ["10.1.2.3/16", "somewhere", "10.0.0.0/33", ""])
def test_a_network_that_is_none_is_noticed_at_the_start(network: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        AddressGuard(allowed_networks=[network])


@pytest.mark.parametrize("host", ["", "*", "*.", "*.*.example", "a*.example"])
def test_a_host_pattern_that_is_none_is_noticed_at_the_start(host: str) -> None:
    with pytest.raises(ValueError, match="allowed host"):
        AddressGuard(allowed_hosts=[host])


def test_named_hosts_are_trusted_exactly() -> None:
    guard = AddressGuard(allowed_hosts=["Minio.internal", "*.corp.example", "bücher.example", "10.0.0.7"])
    for trusted in (
        "minio.internal",
        "MINIO.internal.",
        "a.corp.example",
        "b.a.corp.example",
        "xn--bcher-kva.example",
        "10.0.0.7",
    ):
        assert guard.trusts(trusted)
    for other in ("xminio.internal", "minio.internal.evil.example", "corp.example", "evilcorp.example", "10.0.0.70"):
        assert not guard.trusts(other)


def test_the_oracle_of_these_tests_knows_private_addresses() -> None:
    assert not ipaddress.ip_address("10.0.0.1").is_global


def test_the_machines_own_addresses_are_refused_though_they_are_public() -> None:
    own = ["203.0.112.9", "2600:1f14::5", "fe80::1%eth0"]
    guard = AddressGuard(own_addresses=lambda: own)
    assert not guard.allows("203.0.112.9")
    assert not guard.allows("::ffff:203.0.112.9")
    assert not guard.allows("2600:1f14:0::5")
    assert guard.allows("203.0.112.10")
    assert AddressGuard(allowed_networks=["203.0.112.9/32"], own_addresses=lambda: own).allows("203.0.112.9")


def test_the_addresses_of_this_machine_are_those_of_its_interfaces() -> None:
    assert "127.0.0.1" in addresses_of_this_machine()


def test_public_networks_that_the_operator_names_are_refused() -> None:
    guard = AddressGuard(
        allowed_networks=["2600:1f14:abc:de00::5/128"], denied_networks=["2600:1f14::/32", "8.8.8.0/24"]
    )
    assert not guard.allows("2600:1f14:abc:de00::6")
    assert guard.allows("2600:1f14:abc:de00::5")
    assert not any(guard.allows(form) for form in ["8.8.8.8", *_embedded_forms(IPv4Address("8.8.8.8"))])
    assert guard.allows("8.8.4.4")

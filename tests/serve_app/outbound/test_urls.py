from __future__ import annotations

import base64
import contextlib
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import InvalidParameter, SourceForbidden, SourceUnreachable
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.urls import parse_http_url

pytestmark = pytest.mark.unit


@given(st.ip_addresses(v=4), st.data())
def test_unusual_forms_of_an_address_are_no_hosts(address: IPv4Address, data: st.DataObject) -> None:
    octets = address.packed
    number = int(address)
    form = data.draw(
        st.sampled_from(
            [
                str(number),
                hex(number),
                f"0{number:o}",
                f"{octets[0]}.{number & 0xFFFFFF}",
                f"{octets[0]}.{octets[1]}.{number & 0xFFFF}",
                ".".join(hex(octet) for octet in octets),
                ".".join(f"0{octet:03o}" for octet in octets),
                f"{address}.",
                f"{octets[0]:#X}.{octets[1]}.{octets[2]}.{octets[3]}",
                f"{address}%25eth0",
                f"[{address}]",
                f"[::ffff:{address}%25eth0]",
            ]
        )
    )
    with pytest.raises(InvalidParameter):
        parse_http_url(f"http://{form}/")


@given(st.ip_addresses(network="127.0.0.0/8"))
def test_look_alikes_of_loopback_are_seen_through(address: IPv4Address) -> None:
    wide = str.maketrans("0123456789.", "０１２３４５６７８９。")
    for form in (str(address), str(address).translate(wide), f"[::ffff:{address}]", f"[::FFFF:{address}]"):
        assert not AddressGuard().allows(parse_http_url(f"http://{form}/").host)


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://", "HTTP://h", "http://[", "//", "http://u:p@"]))
def test_any_text_is_a_url_with_a_plain_host_or_a_clear_error(text: str, start: str) -> None:
    with contextlib.suppress(InvalidParameter, SourceForbidden):
        url = parse_http_url(start + text)
        assert url.host
        assert url.host.isascii()
        assert not set(url.host) & set("/\\@%?# \r\n\t\0")
        assert url.request_url.user is None
        assert url.request_url.scheme in ("http", "https")
        assert not {"\r", "\n", " "} & set(url.request_url.raw_path_qs)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audio.wav",
        "/audio.wav",
        "//h/audio.wav",
        "http://",
        "http:///a",
        "http://a..b/",
        "http://-a/",
        f"http://{'a' * 64}/",
        f"http://{'a.' * 130}b/",
        "http://h:99999/",
        "http://h:0/",
        "http://h\\@evil/",
        "http://a b/",
        "http://%6c/",
    ],
)
def test_what_is_no_url_is_an_invalid_parameter_of_the_callers_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_http_url(text, "callback_url")
    assert caught.value.parameter == "callback_url"


@pytest.mark.parametrize(
    "text", ["ftp://h/a", "file:///etc/passwd", "gopher://h", "data:audio/wav;base64,AA", "u:p@h/a"]
)
def test_other_schemes_are_forbidden(text: str) -> None:
    with pytest.raises(SourceForbidden):
        parse_http_url(text)


def test_escapes_stay_as_the_caller_wrote_them() -> None:
    # A presigned URL of a store that signs the raw query.
    query = "/a%2Fb/c%20d.wav?sig=a%2Fb%2Bc%3D&e=%7E&f=x+y"
    assert parse_http_url(f"https://h{query}").request_url.raw_path_qs == query
    assert parse_http_url("http://h/ä b?x=ö").request_url.raw_path_qs == "/%C3%A4%20b?x=%C3%B6"


def test_names_are_compared_in_one_form() -> None:
    assert parse_http_url("http://BÜCHER.Example./").host == "xn--bcher-kva.example"


def test_credentials_are_taken_out_of_the_url_and_never_shown() -> None:
    url = parse_http_url("https://us%20er:p%40ss@h:8443/a?token=t0ken#frag")
    assert url.authorization == "Basic " + base64.b64encode(b"us er:p@ss").decode()
    assert str(url.request_url) == "https://h:8443/a?token=t0ken"
    assert repr(url) == "HttpUrl(host='h')"


def test_credentials_go_along_within_one_origin_only() -> None:
    url = parse_http_url("https://user:pass@h/a/b")
    assert url.redirected("c?x=1").authorization == url.authorization
    assert str(url.redirected("c?x=1").request_url) == "https://h/a/c?x=1"
    assert url.redirected("https://h:443/c").authorization == url.authorization
    for elsewhere in ("https://other/c", "//other/c", "https://h:8443/c", "https://sub.h/c"):
        assert url.redirected(elsewhere).authorization is None


@pytest.mark.parametrize("location", ["http://h/", "http://other/", "ftp://h/", "file:///etc/passwd", "s3://b/k"])
def test_redirects_to_less_are_forbidden(location: str) -> None:
    with pytest.raises(SourceForbidden):
        parse_http_url("https://h/").redirected(location)


def test_a_redirect_to_nowhere_is_the_servers_fault() -> None:
    with pytest.raises(SourceUnreachable):
        parse_http_url("https://h/").redirected("https://127.1/")


def test_a_redirect_may_go_from_http_to_https() -> None:
    assert str(parse_http_url("http://h/").redirected("https://other/a").request_url) == "https://other/a"

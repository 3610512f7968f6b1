"""A plain address is taken apart by hand: with the same result as by the URL parsers."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import FetchError
from monitor.sources.guard import Guard

GUARD = Guard(["127.0.0.0/8", "10.0.0.0/8"])
PLAIN = [
    "http://example.org/feed.xml",
    "https://news.example.co.uk:8443/a/b.rss?x=1&y=%20z",
    "https://example.org:443/",
    "http://127.0.0.1:8080/~user/feed",
    "http://localhost/feed",
    "https://xn--bcher-kva.example/feed?q=a?b",
]
OTHER = [
    "http://example.org",
    "HTTP://Example.org/Feed",
    "http://example.org/a/../b",
    "http://example.org/a/./b",
    "https://bücher.example/feed",
    "http://example.org/ünder?q=ü",
    "http://example.org/a#b",
    "http://example.org/100%",
    "http://example.org:80/%zz",
]


@pytest.mark.parametrize("url", PLAIN)
def test_plain_addresses_need_no_parser(url: str) -> None:
    assert GUARD.target(url).path is not None


@pytest.mark.parametrize("url", OTHER)
def test_what_a_parser_would_change_is_left_to_it(url: str) -> None:
    assert GUARD.target(url).path is None


_HOSTS = st.sampled_from(
    ["example.org", "a-b.example", "a..example", "x.1", "127.0.0.1", "10.1", "0x7f.1", "8.8.8.8",
     "192.168.1.1", "-a.example", "a.example.", "localhost", "0x7f000001", "1.2.3.4.5", "é.example"]
)  # fmt: skip
_PORTS = st.sampled_from(["", ":80", ":443", ":8080", ":0", ":65536", ":080", ":"])
_PATHS = st.text("ab/.%2aF?&=~;,+'!*()@:#{}|^<>\"`é -_$[]", max_size=12).map(
    lambda path: f"/{path}"
)


@given(st.sampled_from(["http", "https", "ftp", "HTTP"]), _HOSTS, _PORTS, _PATHS)
def test_both_ways_agree(scheme: str, host: str, port: str, path: str) -> None:
    url = f"{scheme}://{host}{port}{path}"
    try:
        parts = GUARD.vet_url(url)
    except FetchError as error:
        with pytest.raises(type(error)):
            GUARD.target(url)
        return
    target = GUARD.target(url)
    standard = {"http": 80, "https": 443}[parts.scheme]
    assert (target.scheme, target.host) == (parts.scheme, parts.hostname)
    assert target.port == (parts.port or standard)
    assert target.site == parts.netloc.lower()
    if target.path is not None:
        request = httpx.Request("GET", url)
        assert target.path.encode() == request.url.raw_path
        assert target.authority == request.headers["host"]

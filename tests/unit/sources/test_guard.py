"""What may be dialled: spellings, addresses, names. Ids are the attack cases' own."""

from __future__ import annotations

import ipaddress

import pytest

from monitor.errors import FetchError, RefusedAddress
from monitor.sources.guard import Guard, address_class

# (attack case, URL, a word of the reason)
REFUSED_ADDRESSES = [
    ("SSRF-01", "http://127.0.0.1/", "loopback"),
    ("SSRF-02", "http://127.1/", "loopback"),
    ("SSRF-03", "http://2130706433/", "loopback"),
    ("SSRF-04", "http://0x7f000001/", "loopback"),
    ("SSRF-05", "http://0177.0.0.1/", "loopback"),
    ("SSRF-06", "http://0x7f.1/", "loopback"),
    ("SSRF-07", "http://0/", "unspecified"),
    ("SSRF-08", "http://0.0.0.0/", "unspecified"),
    ("SSRF-11", "http://[::1]/", "loopback"),
    ("SSRF-12", "http://[::]/", "unspecified"),
    ("SSRF-13", "http://[::ffff:127.0.0.1]/", "loopback"),
    ("SSRF-14", "http://[::ffff:7f00:1]/", "loopback"),
    ("SSRF-15", "http://[::127.0.0.1]/", "loopback"),
    ("SSRF-16", "http://[64:ff9b::7f00:1]/", "loopback"),
    ("SSRF-17", "http://[64:ff9b::a9fe:a9fe]/", "metadata"),
    ("SSRF-18", "http://[64:ff9b:1::a9fe:a9fe]/", "NAT64"),
    ("SSRF-19", "http://[2002:7f00:1::]/", "loopback"),
    ("SSRF-20", "http://[2001:0:7f00:1::]/", "loopback"),
    ("SSRF-21", "http://[fe80::1%25lo]/", "link-local"),
    ("SSRF-22", "http://[fec0::1]/", "site-local"),
    ("SSRF-23", "http://[fc00::1]/", "private"),
    ("SSRF-24", "http://[fd00:ec2::254]/", "metadata"),
    ("SSRF-25", "http://[ff02::1]/", "multicast"),
    ("SSRF-26", "http://[2001:db8::1]/", "documentation"),
    ("SSRF-27", "http://10.0.0.1/", "private"),
    ("SSRF-28", "http://172.16.0.1/", "private"),
    ("SSRF-29", "http://192.168.1.1/", "private"),
    ("SSRF-30", "http://169.254.169.254/latest/meta-data/", "metadata"),
    ("SSRF-31", "http://169.254.170.2/", "metadata"),
    ("SSRF-32", "http://2852039166/", "metadata"),
    ("SSRF-33", "http://100.100.100.200/", "metadata"),
    ("SSRF-34", "http://192.0.0.192/", "metadata"),
    ("SSRF-35", "http://168.63.129.16/", "metadata"),
    ("SSRF-36", "http://198.18.0.1/", "benchmarking"),
    ("SSRF-37", "http://224.0.0.1/", "multicast"),
    ("SSRF-38", "http://255.255.255.255/", "broadcast"),
    ("SSRF-39", "http://①②⑦.⓪.⓪.①/", "odd spelling"),
    ("SSRF-40", "http://127。0。0。1/", "odd spelling"),
    ("SSRF-41", "http://%31%32%37.0.0.1/", "odd spelling"),
    ("CGNAT", "http://100.64.0.1/", "carrier-grade"),
    ("ISATAP", "http://[2a00:1450::5efe:a00:1]/", "private"),
    ("mapped 10/8", "http://[::ffff:10.0.0.1]/", "private"),
    ("teredo server", "http://[2001:0:7f00:1::f7f7:f7f7]/", "loopback"),
]

REFUSED_URLS = [
    ("SSRF-43", "gopher://127.0.0.1:6379/_INFO", "bad_scheme"),
    ("SSRF-44", "ftp://127.0.0.1/", "bad_scheme"),
    ("SSRF-45", "dict://127.0.0.1:11211/", "bad_scheme"),
    ("SSRF-46", "data:text/plain,hi", "bad_scheme"),
    ("SSRF-47", "javascript:alert(1)", "bad_scheme"),
    ("SSRF-48", "jar:http://x!/", "bad_scheme"),
    ("SSRF-49", "unix:///run/docker.sock", "bad_scheme"),
    ("SSRF-42", "file:///etc/passwd", "bad_scheme"),
    ("SSRF-50", "http://user:pw@127.0.0.1/", "bad_url"),
    ("SSRF-51", "http://127.0.0.1\\@example.com/", "bad_url"),
    ("SSRF-52", "http:///etc/passwd", "bad_url"),
    ("SSRF-53", "http://1.1.1.1\t@127.0.0.1/", "bad_url"),
    ("SSRF-54", "http://127.0.0.1%00.example.com/", "refused_address"),
    ("port 0", "http://example.org:0/", "bad_url"),
    ("port too large", "http://example.org:99999/", "bad_url"),
    ("dots", "http://example..org/", "bad_url"),
    ("comma", "http://exa,mple.org/", "bad_url"),
    ("newline", "http://example.org/\r\nX: y", "bad_url"),
    ("only dots", "http://../", "refused_address"),
]

PUBLIC = [
    "http://example.org/feed",
    "https://example.org./feed",
    "http://8.8.8.8/",
    "https://1.1.1.1:8443/",
    "http://[2606:4700:4700::1111]/",
    "http://[2a00:1450:4001:80b::200e]/",
    "http://[64:ff9b::808:808]/",  # a public IPv4 address behind NAT64
    "https://bücher.example/feed",
    "https://xn--bcher-kva.example/feed",
    "https://новости.example/",
    "http://a_b.example.org/",
    "http://3com.example/",
    "http://127.0.0.1.example.org/",
]


@pytest.mark.parametrize(
    ("url", "word"), [c[1:] for c in REFUSED_ADDRESSES], ids=[c[0] for c in REFUSED_ADDRESSES]
)
def test_an_address_written_out_is_refused_and_its_class_named(url: str, word: str) -> None:
    with pytest.raises(RefusedAddress, match=word) as caught:
        Guard().vet_url(url)
    assert caught.value.reason == "refused_address"


@pytest.mark.parametrize(
    ("url", "reason"), [c[1:] for c in REFUSED_URLS], ids=[c[0] for c in REFUSED_URLS]
)
def test_a_url_that_is_no_plain_http_is_refused(url: str, reason: str) -> None:
    with pytest.raises(FetchError) as caught:
        Guard().vet_url(url)
    assert caught.value.reason == reason


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_url_passes(url: str) -> None:
    assert Guard().vet_url(url).hostname


ADDRESS_LISTS = [
    ("SSRF-09", "localhost", ["127.0.0.1", "::1"], [], None),
    ("SSRF-10", "localhost.", ["127.0.0.1"], [], None),
    ("SSRF-56 mixed", "news.example", ["93.184.216.34", "10.0.0.1"], [], None),
    ("SSRF-56 mixed v6", "news.example", ["93.184.216.34", "::ffff:10.0.0.1"], [], None),
    ("public", "news.example", ["93.184.216.34"], [], ["93.184.216.34"]),
    ("SSRF-70 allowed", "intra.example", ["10.1.2.3"], ["10.1.2.0/24"], ["10.1.2.3"]),
    ("SSRF-70 next to it", "intra.example", ["10.1.3.3"], ["10.1.2.0/24"], None),
    ("SSRF-70 loopback", "intra.example", ["127.0.0.1"], ["10.1.2.0/24"], None),
    ("SSRF-70 disguised", "intra.example", ["::ffff:10.1.2.3"], ["10.1.2.0/24"], None),
    ("localhost's twin", "localhost", ["::1", "127.0.0.1"], ["127.0.0.0/8"], ["127.0.0.1"]),
    ("unreadable", "news.example", ["fe80::1%eth0"], ["fe80::/10"], None),
    ("none", "news.example", [], [], None),
]


@pytest.mark.parametrize(
    ("host", "addresses", "allow", "expected"),
    [c[1:] for c in ADDRESS_LISTS],
    ids=[c[0] for c in ADDRESS_LISTS],
)
def test_addresses_of_a_name(
    host: str, addresses: list[str], allow: list[str], expected: list[str] | None
) -> None:
    guard = Guard(allow)
    if expected is None:
        with pytest.raises(FetchError):
            guard.vet_addresses(host, addresses)
    else:
        assert guard.vet_addresses(host, addresses) == expected


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(RefusedAddress, match=r"network: \{allow: \[10\.0\.0\.7\]\}"):
        Guard().vet_addresses("intra.example", ["10.0.0.7"])


def test_an_odd_spelling_is_refused_even_where_its_address_is_allowed() -> None:
    with pytest.raises(RefusedAddress, match="odd spelling"):
        Guard(["127.0.0.0/8"]).vet_url("http://127.1/")


def test_a_bad_network_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="10"):
        Guard(["10.0.0.0/33"])


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "2002:808:808::", "::ffff:808:808"]
)
def test_public_addresses_have_no_class(address: str) -> None:
    assert address_class(ipaddress.ip_address(address)) is None


def test_every_special_ipv4_block_is_refused() -> None:
    """Whatever the standard library calls not global is refused as well."""
    guard = Guard()
    for first in range(256):
        address = ipaddress.ip_address(f"{first}.3.2.1")
        if not address.is_global:
            assert guard.refuse_reason(address) is not None

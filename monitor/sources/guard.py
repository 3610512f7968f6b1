"""What may be dialled: the vetting of URLs and of every address a name leads to.

The guard sits under the HTTP transport, so that the addresses it vets are the addresses that are
dialled: no second look-up happens between the two (DNS rebinding finds no gap). It is the one gate
for every outgoing fetch: feeds, redirect hops, article pages, hubs.

Contains no HTTP and keeps no state besides the allow-list.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from monitor.errors import FetchError, RefusedAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Special-purpose ranges (IANA registries for IPv4 and IPv6, RFC 6890), in the words a user sees.
# `ipaddress.is_private` alone misses 100.64/10, NAT64 and Azure's wire server, a global address.
_CLASSES: tuple[tuple[str, str], ...] = (
    ("169.254.169.254/32", "a cloud metadata address"),
    ("169.254.170.2/32", "a cloud metadata address"),
    ("100.100.100.200/32", "a cloud metadata address"),
    ("192.0.0.192/32", "a cloud metadata address"),
    ("168.63.129.16/32", "a cloud metadata address"),
    ("fd00:ec2::254/128", "a cloud metadata address"),
    ("fd20:ce::254/128", "a cloud metadata address"),
    ("127.0.0.0/8", "a loopback address"),
    ("0.0.0.0/8", "an unspecified address"),
    ("10.0.0.0/8", "a private address"),
    ("172.16.0.0/12", "a private address"),
    ("192.168.0.0/16", "a private address"),
    ("169.254.0.0/16", "a link-local address"),
    ("100.64.0.0/10", "a carrier-grade NAT address"),
    ("192.0.0.0/24", "a protocol-assignment address"),
    ("192.0.2.0/24", "a documentation address"),
    ("198.51.100.0/24", "a documentation address"),
    ("203.0.113.0/24", "a documentation address"),
    ("192.88.99.0/24", "a 6to4 relay address"),
    ("198.18.0.0/15", "a benchmarking address"),
    ("224.0.0.0/4", "a multicast address"),
    ("255.255.255.255/32", "the broadcast address"),
    ("240.0.0.0/4", "a reserved address"),
    ("::1/128", "a loopback address"),
    ("::/128", "an unspecified address"),
    ("64:ff9b:1::/48", "a local NAT64 address"),
    ("100::/64", "a discard-only address"),
    ("2001:db8::/32", "a documentation address"),
    ("3fff::/20", "a documentation address"),
    ("2001:10::/28", "a deprecated ORCHID address"),
    ("2001:2::/48", "a benchmarking address"),
    ("5f00::/16", "a segment-routing address"),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a site-local address"),
    ("fc00::/7", "a private address"),
    ("ff00::/8", "a multicast address"),
)
_CLASSIFIED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(cidr), words) for cidr, words in _CLASSES
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 §2.5.5.1, deprecated
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: the third 32-bit group of such an address

# An address as most are: nothing in it that a URL parser would change or read in its own way.
_PLAIN = re.compile(
    r"(https?)://([a-z0-9][a-z0-9.-]*)(?::([1-9][0-9]{0,4}))?"
    r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)\Z"
)
_PORTS = {"http": 80, "https": 443}
_REMEMBERED = 8192  # hosts and addresses, some 200 bytes each
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\Z")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9_])?\.?\Z", re.IGNORECASE)
_IDNA_DOTS = str.maketrans({"。": ".", "．": ".", "｡": "."})  # RFC 3490 §3.1


def _embedded(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the IPv4 addresses an IPv6 address leads to (mapped, compatible, NAT64, 6to4, Teredo
    with its server and its client, ISATAP)."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    number = int(address)
    compatible = address in _COMPATIBLE and number > 1
    if address in _NAT64 or compatible or (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return (ipaddress.IPv4Address(number & 0xFFFF_FFFF),)
    return ()


def address_class(address: Address) -> str | None:
    """Say in plain words why an address is not on the public internet; None if it is.

    IPv4 inside IPv6 is unwrapped and judged as well.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return "a link-local address"
        for network, words in _CLASSIFIED:
            if network.version == 6 and address in network:
                return words
        for inner in _embedded(address):
            words_inside = address_class(inner)
            if words_inside is not None:
                return f"{words_inside} ({inner}) inside IPv6"
        if _embedded(address):
            return None
        return None if address.is_global else "a reserved address"
    for network, words in _CLASSIFIED:
        if network.version == 4 and address in network:
            return words
    return None if address.is_global else "a reserved address"


def _odd_address(host: str) -> Address | None:
    """Return the address an odd spelling stands for to the C library (``127.1``, ``0x7f.1``)."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


class Target(NamedTuple):
    """A vetted web address, taken apart.

    ``site`` is host and port as they stand (in lower case); ``path`` is the request's target and
    ``authority`` its Host header where the address is plain, else None: httpx then spells both.
    """

    url: str
    scheme: str
    host: str
    port: int
    site: str
    path: str | None = None
    authority: str | None = None


class Guard:
    """Decides which URLs and addresses may be dialled.

    ``allow`` lists the networks (CIDR) that may be dialled though they are not public. Only an
    address as it stands is looked up there: an IPv4 network doesn't open its IPv6 disguises.
    Raises ``ValueError`` for a network that can't be read.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allow: tuple[Network, ...] = tuple(
            ipaddress.ip_network(cidr.strip(), strict=False) for cidr in allow
        )
        # A feed's address is judged at each of its polls, and twice: as written and as dialled.
        self._judged: dict[str, str | None] = {}

    def target(self, url: str) -> Target:
        """Return ``url`` vetted (see ``vet_url``, which raises the same) and taken apart."""
        plain = _PLAIN.match(url)
        if plain is not None and "/." not in plain[4] and ".." not in plain[2]:
            scheme, host, digits, path = plain.groups()
            port = int(digits) if digits else _PORTS[scheme]
            if port <= 65535:
                last = host.rpartition(".")[2]
                if not last.isalpha() or last == host:
                    self._vet_host(host, url)
                site = f"{host}:{digits}" if digits else host
                authority = host if port == _PORTS[scheme] else site
                return Target(url, scheme, host, port, site, path, authority)
        parts = self.vet_url(url)
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        return Target(url, parts.scheme, host, port, parts.netloc.lower())

    def refuse_reason(self, address: Address) -> str | None:
        """Say why ``address`` must not be dialled; None if it may be."""
        words = address_class(address)
        if words is None:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            return words
        if any(
            address.version == network.version and address in network for network in self._allow
        ):
            return None
        return words

    def vet_url(self, url: str) -> SplitResult:
        """Return ``url`` split, or raise: it must be plain http(s) to a host that may be dialled.

        Names are not looked up here: their addresses are vetted when they are dialled.

        Raises ``RefusedAddress`` for an address written out, ``FetchError`` for anything else.
        """
        if _CONTROL.search(url):
            raise FetchError(
                f"The address {url!r} has a blank, control character or backslash in it; "
                "correct the spelling",
                "bad_url",
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise FetchError(
                f"The address {url!r} can't be read ({error}); correct the spelling", "bad_url"
            ) from error
        if parts.scheme not in ("http", "https"):
            raise FetchError(
                f"{parts.scheme or 'an address without a scheme'}: only http and https are "
                f"fetched; correct {url!r}",
                "bad_scheme",
            )
        if "@" in parts.netloc:
            raise FetchError(
                "The address has a user name or password in it; use the feed's authentication "
                "settings instead",
                "bad_url",
            )
        host = parts.hostname
        if not host or port == 0:
            raise FetchError(f"The address {url!r} names no host; correct the spelling", "bad_url")
        self._vet_host(host, url)
        return parts

    def _vet_host(self, host: str, url: str) -> None:
        literal = _literal(host)
        if literal is not None:
            words = self._words(host, literal)
            if words is not None:
                raise RefusedAddress(_refusal(host, literal, words), "refused_address")
            return
        folded = unicodedata.normalize("NFKC", host.translate(_IDNA_DOTS)).translate(_IDNA_DOTS)
        last = folded.rstrip(".").rpartition(".")[2]
        if "%" in folded or ":" in folded or not last or _NUMERIC_LABEL.match(last):
            # The C library reads such spellings as addresses where a URL parser sees a name.
            stands_for = _odd_address(folded.rstrip("."))
            words = f", {address_class(stands_for) or 'an address'}" if stands_for else ""
            meaning = f" of {stands_for}{words}" if stands_for else ""
            raise RefusedAddress(
                f"{host!r} is an odd spelling{meaning}: refused; write the host's name, or the "
                "address in its usual form",
                "refused_address",
            )
        if folded.isascii():
            name = folded
        else:
            try:
                name = folded.encode("idna").decode("ascii")
            except UnicodeError as error:
                raise FetchError(
                    f"The host name in {url!r} can't be read; correct the spelling", "bad_url"
                ) from error
        if not _HOST.match(name) or ".." in name:
            raise FetchError(
                f"The host name in {url!r} can't be read; correct the spelling", "bad_url"
            )

    def _words(self, text: str, address: Address) -> str | None:
        """Return ``refuse_reason`` of the address that ``text`` spells, remembered."""
        if text not in self._judged:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            self._judged[text] = self.refuse_reason(address)
        return self._judged[text]

    def vet_addresses(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Return the addresses of ``host`` that may be dialled: all of them.

        One bad address refuses the whole name, since a name that mixes public and private
        addresses is an attack or a mistake. Only ``localhost`` is narrowed to what is allowed,
        because it has an IPv6 twin on most machines.

        Raises ``RefusedAddress``.
        """
        own = host.lower().rstrip(".")
        local = own == "localhost" or own.endswith(".localhost")
        good: list[str] = []
        refusal: RefusedAddress | None = None
        for text in addresses:
            address = _literal(text)
            words = "an address that can't be read" if address is None else None
            if address is not None:
                words = self._words(text, address)
            if words is None:
                good.append(text)
                continue
            refusal = RefusedAddress(_refusal(host, text, words), "refused_address")
            if not local:
                raise refusal
        if not good:
            raise refusal or FetchError(
                f"{host} has no address; check the spelling of the host", "dns"
            )
        return good


def literal_address(host: str) -> str | None:
    """Return ``host`` if it is an IP address in its usual form, else None."""
    return host if _literal(host) is not None else None


@lru_cache(_REMEMBERED)
def is_near(host: str) -> bool:
    """Tell whether ``host``, as it is written, lies in the operator's own network."""
    literal = _literal(host)
    if literal is None:
        return host.lower().rstrip(".") == "localhost"
    return address_class(literal) is not None


@lru_cache(_REMEMBERED)
def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refusal(host: str, address: Address | str, words: str) -> str:
    leads = "is" if str(address) == host else f"leads to {address},"
    return (
        f"{host} {leads} {words}: not dialled; if this feed is meant to be inside your network, "
        f"add its network to network: {{allow: [{address}]}}"
    )

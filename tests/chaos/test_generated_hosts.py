"""100,000 generated addresses inside, in every spelling there is: none is ever let through."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from random import Random

from monitor.errors import FetchError
from monitor.sources.guard import Guard

INSIDE = [
    ipaddress.IPv4Network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]


def octets(number: int) -> list[int]:
    return list(number.to_bytes(4, "big"))


def embedded(prefix: str) -> Callable[[int], str]:
    base = int(ipaddress.IPv6Address(prefix))
    return lambda number: f"[{ipaddress.IPv6Address(base | number)}]"


SPELLINGS: list[Callable[[int], str]] = [
    lambda n: str(ipaddress.IPv4Address(n)),
    lambda n: str(ipaddress.IPv4Address(n)) + ".",
    str,
    hex,
    lambda n: f"0{n:o}",
    lambda n: ".".join(f"0{each:o}" for each in octets(n)),
    lambda n: ".".join(hex(each) for each in octets(n)),
    lambda n: f"{octets(n)[0]}.{n & 0xFFFFFF}",
    lambda n: f"{octets(n)[0]}.{octets(n)[1]}.{n & 0xFFFF}",
    lambda n: str(ipaddress.IPv4Address(n)).translate({48 + i: 0xFF10 + i for i in range(10)}),
    lambda n: str(ipaddress.IPv4Address(n)).replace(".", "\u3002"),
    embedded("::ffff:0:0"),
    embedded("::"),
    embedded("64:ff9b::"),
    lambda n: f"[{ipaddress.IPv6Address((0x2002 << 112) | (n << 80) | 1)}]",
    lambda n: f"[{ipaddress.IPv6Address((0xFC00 << 112) | n)}]",
    lambda n: f"[{ipaddress.IPv6Address((0xFE80 << 112) | n)}]",
]


def test_no_address_inside_passes_in_any_spelling() -> None:
    random, guard = Random(327), Guard()
    passed = []
    for _ in range(100_000):
        network = random.choice(INSIDE)
        number = int(network.network_address) + random.randrange(network.num_addresses)
        host = random.choice(SPELLINGS)(number)
        try:
            guard.vet_url(f"http://{host}/feed")
        except FetchError:
            continue
        passed.append(host)
    assert passed == []


def test_no_name_passes_that_leads_inside_with_one_of_its_addresses() -> None:
    random, guard = Random(328), Guard()
    passed = []
    for _ in range(20_000):
        network = random.choice(INSIDE)
        number = int(network.network_address) + random.randrange(network.num_addresses)
        addresses = ["93.184.215.14", str(ipaddress.IPv4Address(number)), "2606:2800:21f::1"]
        random.shuffle(addresses)
        try:
            guard.vet_addresses("news.example", addresses)
        except FetchError:
            continue
        passed.append(addresses)
    assert passed == []

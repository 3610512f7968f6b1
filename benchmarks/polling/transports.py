"""What one poll costs over each transport: CPU per feed, every feed on a host of its own.

    python -m benchmarks.polling.transports [--feeds 600] [--rounds 3]

``304`` polls unchanged feeds with their validators; ``200`` fetches the body again and compares
its hash; ``tls`` is 304 over TLS on 20 hosts, a connection each (ours resumes sessions).
Transports take turns; the median is printed.
The rows above ``Fetcher`` are bare transports: the fetcher's own work comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path

import aiohttp
import httpx
import trustme
from httpx_aiohttp import AiohttpTransport

from benchmarks.polling import corpus
from benchmarks.polling.server import TLS_HOSTS, Nginx
from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.daemon.eventloop import run_long
from monitor.sources.fetch import Fetcher
from monitor.sources.guard import Guard
from monitor.sources.http1 import Http1Transport
from monitor.sources.outcome import FetchLimits
from monitor.sources.resolve import Resolver
from monitor.sources.tls import shared_ssl_context
from monitor.sources.transport import Dialler, stock_transport
from monitor.sources.wire import Connection, Origin, Wire
from monitor.store.port import Validators
from monitor.values import Feed

ALLOW = ["127.0.0.0/8"]
AT_ONCE = 50
OWN_CONTEXTS: list[ssl.SSLContext] = []  # whose handshakes are reported
TCP_INFO = 11  # linux/tcp.h
# Exchanges and bytes sent and received over http (False) and https (True).
SENT: dict[bool, list[int]] = {}
Make = Callable[[], httpx.AsyncBaseTransport]


def _dialler() -> Dialler:
    return Dialler(Guard(ALLOW), Resolver())


def _own() -> httpx.AsyncBaseTransport:
    return Http1Transport(_wire())


def _wire() -> Wire:
    context = shared_ssl_context()
    OWN_CONTEXTS.append(context)
    return _Counting(_dialler(), context, connect=5)


class _Counting(Wire):
    """The wire, with the bytes of its connections added up as the kernel counted them: headers,
    bodies and TLS (``tcpi_bytes_acked`` and ``tcpi_bytes_received``, linux/tcp.h)."""

    def give_back(self, connection: Connection, origin: Origin, keep: bool) -> None:
        transport = connection.transport
        assert transport is not None
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
        sent, received = struct.unpack_from("QQ", info, 120)
        kind = SENT.setdefault(origin.secure, [0, 0, 0])
        kind[0] += 1
        kind[1] += sent
        kind[2] += received
        super().give_back(connection, origin, keep)


def _stock() -> httpx.AsyncBaseTransport:
    return stock_transport(_dialler(), shared_ssl_context(), connections=600)


def _aiohttp() -> httpx.AsyncBaseTransport:
    connector = aiohttp.TCPConnector(force_close=True, limit=600, ssl=shared_ssl_context())
    transport: httpx.AsyncBaseTransport = AiohttpTransport(
        client=aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
    )
    return transport


async def _bare(make: Make, urls: Sequence[str], etags: Sequence[str]) -> float:
    transport = make()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            headers = {"User-Agent": "newswatch", "Accept-Encoding": "gzip", "Connection": "close"}
            if etags:
                headers["If-None-Match"] = etags[number]
            request = httpx.Request("GET", urls[number], headers=headers)
            response = await transport.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            size = 0
            async for part in response.stream:
                size += len(part)
            await response.aclose()
            assert response.status_code == (304 if etags else 200), response.status_code

    started = time.process_time()
    await asyncio.gather(*(one(n) for n in range(len(urls))))
    used = time.process_time() - started
    await transport.aclose()
    return used


async def _fetcher(kind: str, urls: Sequence[str], known: Sequence[Validators]) -> float:
    network = NetworkSettings.model_validate({"allow": ALLOW, "transport": kind})
    fetcher = Fetcher(network, SystemClock(), config_dir=Path.cwd(), limits=FetchLimits())
    feeds = [Feed(key=url, url=url, name=url) for url in urls]
    started = time.process_time()
    outcomes = await asyncio.gather(
        *(fetcher.fetch(feed, known[n]) for n, feed in enumerate(feeds))
    )
    used = time.process_time() - started
    await fetcher.aclose()
    assert {o.status for o in outcomes} <= {"not_modified", "same_body"}, outcomes[0]
    return used


async def _learn(urls: Sequence[str]) -> list[Validators]:
    network = NetworkSettings(allow=ALLOW)
    fetcher = Fetcher(network, SystemClock(), config_dir=Path.cwd())
    outcomes = await asyncio.gather(*(fetcher.fetch(Feed(u, u, u)) for u in urls))
    await fetcher.aclose()
    bad = [o for o in outcomes if o.status != "ok"]
    assert not bad, bad[0]
    return [o.validators for o in outcomes]


def measure(
    base: Path, tls: tuple[Path, Path], count: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Return µs of CPU per feed by transport and scenario (medians over ``rounds``)."""
    bare: dict[str, Make] = {
        "own (asyncio + httptools)": _own,
        "httpx-aiohttp": _aiohttp,
        "stock httpx": _stock,
    }
    found: dict[str, dict[str, list[float]]] = {}
    for scenario in ("304", "200", "tls"):
        urls = Nginx.addresses(count, secure=scenario == "tls")
        with Nginx(base / "feeds", base / "run", tls, deaf=scenario == "200"):
            _take_turns(scenario, urls, bare, rounds, found)
    return {
        name: {scenario: statistics.median(times) for scenario, times in row.items()}
        for name, row in found.items()
    }


def _take_turns(
    scenario: str,
    urls: Sequence[str],
    bare: dict[str, Make],
    rounds: int,
    found: dict[str, dict[str, list[float]]],
) -> None:
    known = run_long(partial(_learn, urls))
    etags = [] if scenario == "200" else [v.etag or "" for v in known]
    runs: dict[str, Callable[[], Coroutine[None, None, float]]] = {
        name: partial(_bare, make, urls, etags) for name, make in bare.items()
    }
    for transport in ("own", "stock"):
        runs[f"Fetcher over {transport}"] = partial(_fetcher, transport, urls, known)
    for _ in range(rounds):
        for name, run in runs.items():
            used = run_long(run)
            found.setdefault(name, {}).setdefault(scenario, []).append(used / len(urls) * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--feeds", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    why = Nginx.missing()
    if why:
        print(f"skipped: {why}")
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        corpus.build(base / "feeds", options.feeds, None)
        authority = trustme.CA()
        leaf = authority.issue_cert(*(f"127.77.0.{n + 1}" for n in range(TLS_HOSTS)))
        leaf.private_key_pem.write_to_path(base / "key.pem")
        for part in leaf.cert_chain_pems:
            part.write_to_path(base / "cert.pem", append=True)
        authority.cert_pem.write_to_path(base / "ca.pem")
        os.environ["SSL_CERT_FILE"] = str(base / "ca.pem")
        base.chmod(0o755)
        table = measure(base, (base / "cert.pem", base / "key.pem"), options.feeds, options.rounds)
    stats = [context.session_stats() for context in OWN_CONTEXTS]
    good = sum(stat["connect_good"] for stat in stats)
    resumed = sum(stat["hits"] for stat in stats)
    print(f"own transport: {good} TLS handshakes, {resumed} of them resumed")
    for secure, (exchanges, sent, received) in sorted(SENT.items()):
        print(
            f"own transport: {sent / exchanges:.0f} bytes sent and {received / exchanges:.0f} "
            f"received an exchange over {'https' if secure else 'http'} (200s and 304s)"
        )
    print(f"{'CPU, µs per feed':28} {'304':>8} {'200':>8} {'tls 304':>8}")
    for name, row in table.items():
        print(f"{name:28} " + " ".join(f"{row[s]:8.0f}" for s in ("304", "200", "tls")))


if __name__ == "__main__":
    main()

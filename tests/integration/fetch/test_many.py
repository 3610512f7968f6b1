"""Many feeds at once: what hangs or fails holds nothing but itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchLimits, FetchOutcome
from monitor.sources.slots import SlotLimits
from tests.feedserver import Answer, FeedServer, rss
from tests.integration.fetch.conftest import LOOPBACK, a_feed


async def poll(
    urls: list[str], network: NetworkSettings, limits: FetchLimits, root: Path
) -> tuple[list[FetchOutcome], list[int]]:
    """Fetch all at once; returns the outcomes and the order (by index) they came in."""
    fetcher = Fetcher(network, SystemClock(), config_dir=root, limits=limits)
    order: list[int] = []

    async def one(number: int, url: str) -> FetchOutcome:
        outcome = await fetcher.fetch(a_feed(url))
        order.append(number)
        return outcome

    try:
        return list(await asyncio.gather(*(one(n, url) for n, url in enumerate(urls)))), order
    finally:
        await fetcher.aclose()


@pytest.mark.parametrize("hosts", [1, 20], ids=["one host", "many hosts"])
def test_slow_07_hanging_feeds_hold_nobody_up(tmp_path: Path, hosts: int) -> None:
    """200 feeds, of which 20 hang, 20 answer 500 and 20 send garbage; the hanging ones first."""
    bad = [Answer(hang=True)] * 20 + [Answer("x", 500)] * 20 + [Answer(raw=b"\x00\xff\n\n")] * 20
    servers = [FeedServer(host=f"127.0.8.{n + 1}") for n in range(hosts)]
    for running in servers:
        running.__enter__()
    try:
        urls = [
            servers[n % hosts].script(f"/{n}", bad[n] if n < len(bad) else Answer(rss()))
            for n in range(200)
        ]
        slots = SlotLimits(total=10, hold=0.1, burst=200)
        limits = FetchLimits(deadline=3.0, slots=slots)
        outcomes, order = asyncio.run(
            poll(urls, NetworkSettings(allow=["127.0.8.0/24"]), limits, tmp_path)
        )
    finally:
        for running in servers:
            running.__exit__(None, None, None)
    assert Counter(outcome.reason for outcome in outcomes) == {
        "": 140,
        "timeout": 20,
        "http_500": 20,
        "bad_http": 20,
    }
    # every feed that answers was through before the first hanging one was given up
    assert set(order[:180]) == set(range(20, 200))


def test_a_host_where_everything_hangs_is_not_stormed(server: FeedServer, tmp_path: Path) -> None:
    urls = [server.script(f"/{n}", Answer(hang=True)) for n in range(40)]
    slots = SlotLimits(hold=0.02, stalled_per_host=5)
    limits = FetchLimits(deadline=0.5, slots=slots)
    outcomes, _ = asyncio.run(poll(urls[:14], LOOPBACK, limits, tmp_path))
    assert {outcome.reason for outcome in outcomes} == {"timeout"}
    assert server.peak <= 5 + 2


def test_a_cancelled_fetch_gives_its_slot_back(server: FeedServer, tmp_path: Path) -> None:
    hanging = server.script("/hang", Answer(hang=True))
    good = server.script("/good", Answer(rss()))

    async def main() -> str:
        slots = SlotLimits(total=1, per_host=1, hold=60.0)
        fetcher = Fetcher(
            LOOPBACK, SystemClock(), config_dir=tmp_path, limits=FetchLimits(slots=slots)
        )
        first = asyncio.ensure_future(fetcher.fetch(a_feed(hanging)))
        waiting = asyncio.ensure_future(fetcher.fetch(a_feed(good)))
        await asyncio.sleep(0.1)
        first.cancel()
        waiting.cancel()
        await asyncio.gather(first, waiting, return_exceptions=True)
        try:
            return (await fetcher.fetch(a_feed(good))).status
        finally:
            await fetcher.aclose()

    assert asyncio.run(main()) == "ok"


def test_a_file_is_read_hashed_and_bounded(tmp_path: Path) -> None:
    inside = tmp_path / "feeds" / "a feed.xml"
    inside.parent.mkdir()
    inside.write_text(rss())
    (tmp_path / "large.xml").write_bytes(bytes(1001))
    (tmp_path / "empty.xml").write_bytes(b"")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.xml"
    outside.write_text(rss())
    (tmp_path / "link.xml").symlink_to(outside)

    async def main() -> dict[str, str]:
        fetcher = Fetcher(
            NetworkSettings(), SystemClock(), config_dir=tmp_path, limits=FetchLimits(body=1000)
        )
        found: dict[str, str] = {}
        first = await fetcher.fetch(a_feed(inside.as_uri()))
        found["first"] = first.status
        again = await fetcher.fetch(a_feed(inside.as_uri()), first.validators)
        found["again"] = again.status
        for name in ("large.xml", "empty.xml", "link.xml", "none.xml", "feeds"):
            found[name] = (await fetcher.fetch(a_feed((tmp_path / name).as_uri()))).reason
        elsewhere = await fetcher.fetch(a_feed("http://127.0.0.1/"), url=inside.as_uri())
        found["elsewhere"] = elsewhere.reason
        await fetcher.aclose()
        return found

    assert asyncio.run(main()) == {
        "first": "ok",
        "again": "same_body",
        "large.xml": "too_large",
        "empty.xml": "empty",
        "link.xml": "refused_file",
        "none.xml": "no_file",
        "feeds": "refused_file",
        "elsewhere": "bad_scheme",
    }

"""How fast articles are read: one at a time of a host and apart, others meanwhile, and so many."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from monitor.sources.articles import ArticleReader, ReadingLimits
from monitor.sources.extract import Article
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchOutcome
from monitor.sources.parse import ParsePool
from monitor.values import ArticleText, Entry, Feed

TAKES = 0.5  # seconds of each fetch
FEED = Feed("https://feed.example/rss", "https://feed.example/rss", "Feed")


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a robots.txt in the loop: the clock below can't tell that a thread is at work."""

    async def at_once(work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


class Time:
    """A clock that moves on to the next sleeper when all sleep."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.seconds + max(seconds, 0), self._count, future))
        await future

    async def run(self, work: Sequence[asyncio.Task[tuple[ArticleText, ...]]]) -> None:
        """Let time pass until ``work`` is done."""
        while not all(task.done() for task in work):
            for _ in range(50):
                await asyncio.sleep(0)
            if self._sleepers and not all(task.done() for task in work):
                self.seconds, _, future = heapq.heappop(self._sleepers)
                future.set_result(None)


class Web:
    """Answers with pages and a robots.txt, and notes when each page was asked for."""

    def __init__(self, time: Time, robots: str = "") -> None:
        self.asked: list[tuple[float, str, str]] = []  # when, host, path
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._time = time
        self._robots = robots

    async def fetch(self, feed: Feed) -> FetchOutcome:
        host, path = urlsplit(feed.url).netloc, urlsplit(feed.url).path
        self.asked.append((self._time.seconds, host, path))
        self.at_once[host] += 1
        self.most[host] = max(self.most[host], self.at_once[host])
        await self._time.sleep(TAKES)
        self.at_once[host] -= 1
        if path != "/robots.txt":
            return FetchOutcome("ok", feed.url, body=b"page", http_status=200)
        if not self._robots:
            return FetchOutcome("failed", feed.url, http_status=404, reason="http_404")
        return FetchOutcome("ok", feed.url, body=self._robots.encode(), http_status=200)

    def pages(self, host: str) -> list[float]:
        """Return when the host's pages were asked for."""
        return [at for at, each, path in self.asked if each == host and path != "/robots.txt"]


class Parser:
    async def extract(self, body: bytes, **_: object) -> Article:
        return Article("", f"text of {body.decode()}")


def read(
    web: Web, time: Time, limits: ReadingLimits, *polls: Sequence[str]
) -> list[tuple[ArticleText, ...]]:
    """Read the pages of several polls at once; returns what became of each."""

    async def main() -> list[tuple[ArticleText, ...]]:
        reader = ArticleReader(
            cast(Fetcher, web), cast(ParsePool, Parser()), time, limits=limits, sleep=time.sleep
        )
        tasks = [
            asyncio.create_task(
                reader.read(FEED, [(n, Entry(url, url, "A title")) for n, url in enumerate(urls)])
            )
            for urls in polls
        ]
        await time.run(tasks)
        return [task.result() for task in tasks]

    return asyncio.run(main())


def urls(host: str, count: int, start: int = 0) -> list[str]:
    return [f"https://{host}/{number}" for number in range(start, start + count)]


def gaps(moments: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)]


def test_a_host_is_asked_for_one_page_at_a_time_and_so_far_apart() -> None:
    time = Time()
    web = Web(time)
    limits = ReadingLimits(pace=2.0, budget=1_000)
    # Two polls at the same time, of two feeds that lead to the same host.
    found = read(web, time, limits, urls("a.example", 4), urls("a.example", 4, start=4))
    assert [each.text for poll in found for each in poll] == ["text of page"] * 8
    assert web.most == {"a.example": 1}
    assert len(web.pages("a.example")) == 8
    assert all(gap >= limits.pace + TAKES for gap in gaps(web.pages("a.example")))
    assert sum(path == "/robots.txt" for _, _, path in web.asked) == 1


def test_hosts_do_not_wait_for_each_other() -> None:
    time = Time()
    web = Web(time)
    limits = ReadingLimits(pace=2.0, budget=1_000)
    hosts = [f"h{number}.example" for number in range(5)]
    read(web, time, limits, *(urls(host, 3) for host in hosts))
    alone = 3 * TAKES + 2 * limits.pace + TAKES  # three pages apart, and the robots.txt
    assert time.seconds <= alone + 0.01
    assert all(web.most[host] == 1 for host in hosts)


def test_a_site_may_ask_for_a_slower_pace_and_not_for_a_faster_one() -> None:
    for asked, least in ((7, 7.0), (1, 2.0)):
        time = Time()
        web = Web(time, f"User-agent: *\nCrawl-delay: {asked}\n")
        read(web, time, ReadingLimits(pace=2.0, budget=1_000), urls("a.example", 3))
        assert [round(gap - TAKES, 6) for gap in gaps(web.pages("a.example"))] == [least, least]


def test_one_poll_reads_so_many_pages() -> None:
    time = Time()
    web = Web(time)
    limits = ReadingLimits(pace=0.1, articles=3, budget=1_000)
    (found,) = read(web, time, limits, urls("a.example", 5))
    assert [bool(each.text) for each in found] == [True] * 3 + [False] * 2
    assert {each.note for each in found[3:]} == {"one poll reads at most 3 articles"}
    assert len(web.pages("a.example")) == 3


def test_one_poll_takes_so_much_time() -> None:
    time = Time()
    web = Web(time)
    limits = ReadingLimits(pace=2.0, budget=6.0)
    (found,) = read(web, time, limits, urls("a.example", 6))
    assert {each.note for each in found if not each.text} == {
        "no time was left for it in this poll"
    }
    assert max(web.pages("a.example")) < limits.budget
    assert sum(bool(each.text) for each in found) == len(web.pages("a.example")) == 3


def test_a_page_that_was_read_is_not_asked_for_again() -> None:
    time = Time()
    web = Web(time)
    first = urls("a.example", 2)
    found = read(web, time, ReadingLimits(budget=1_000), first, first)
    assert [each.text for poll in found for each in poll] == ["text of page"] * 4
    assert len(web.pages("a.example")) == 2

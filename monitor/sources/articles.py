"""Reads the article pages of entries that came as a teaser: rarely, slowly, and where allowed.

Through the one Fetcher, so that its guard and bounds apply, and without the feed's own headers or
login: those are for the feed's host. Which entries are worth a page is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from monitor.clock import Clock
from monitor.errors import ParseError
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchOutcome
from monitor.sources.parse import ParsePool
from monitor.values import ArticleText, Entry, Feed

log = logging.getLogger(__name__)

AGENT = "newswatch"  # the token by which a robots.txt names us
TEASER = 400  # characters; an entry whose text is shorter is a teaser
# RFC 9309, 2.5: a parser must take at least 500 KiB of a robots.txt.
_ROBOTS_BYTES = 500 * 1024
_CACHED_CHARS = 4_000_000  # of all articles kept in memory together
_HOSTS = 2_000  # remembered; the longest unused go first


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Bounds of reading articles.

    ``pace`` (seconds) is the least time between two articles of one host, ``articles`` how many
    one poll may read, ``budget`` (seconds) the time that one poll's articles may take together (a
    feed's claim in the store is 40 s), ``text`` the characters kept of one. A robots.txt holds
    for ``robots`` seconds (RFC 9309, 2.4: 24 hours), one out of reach keeps us away for
    ``unreachable`` seconds. A page is remembered for ``cached`` seconds, at most ``pages`` of them.
    """

    pace: float = 2.0
    articles: int = 20
    budget: float = 25.0
    text: int = 100_000
    robots: float = 24 * 3600.0
    unreachable: float = 3600.0
    cached: float = 3600.0
    pages: int = 256


@dataclass(frozen=True, slots=True)
class _Page:
    """What reading a page came to: its text, or a note why there is none."""

    text: str
    note: str
    until: float


@dataclass(slots=True)
class _Host:
    """What we owe one host (scheme, name and port). ``rules`` None: stay away, ``why`` says why."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0
    rules: RobotFileParser | None = None
    why: str = ""
    until: float = -1.0


_LIMITS = ReadingLimits()


class ArticleReader:
    """Reads articles; one per event loop.

    ``canonical`` gives one spelling for all addresses of an article, by which it is remembered;
    ``sleep`` waits so many seconds.

    ``fetcher`` may be replaced at any time. Each page is asked for once; a failure is remembered
    as a success is.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        parser: ParsePool,
        clock: Clock,
        *,
        canonical: Callable[[str], str | None] = str,
        limits: ReadingLimits = _LIMITS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.fetcher = fetcher
        self._parser = parser
        self._clock = clock
        self._canonical = canonical
        self._limits = limits
        self._sleep = sleep
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    async def read(
        self, feed: Feed, wanted: Sequence[tuple[int, Entry]]
    ) -> tuple[ArticleText, ...]:
        """Read the articles of ``wanted``: a feed's entries with their places in its document.

        Returns one result for each, in order; never raises for a publisher's fault. What the
        bounds leave no room for says so and is not asked for later.
        """
        end = self._clock.monotonic() + self._limits.budget
        found: list[ArticleText] = []
        for number, (at, entry) in enumerate(wanted):
            if number >= self._limits.articles:
                note = f"one poll reads at most {self._limits.articles} articles"
                found.append(ArticleText(at, note=note))
                continue
            page = await self._read(feed, entry, end)
            found.append(ArticleText(at, page.text, page.note))
            if page.note:
                log.info(
                    "article not read",
                    extra={"feed": feed.name, "url": entry.url or "", "reason": page.note},
                )
        return tuple(found)

    async def _read(self, feed: Feed, entry: Entry, end: float) -> _Page:
        url = _web_address(entry.url, feed.url)
        key = self._canonical(url) if url is not None else None
        if url is None or key is None:
            return _Page("", "the entry has no web address", 0)
        host = self._host(_origin(url))
        async with host.lock:
            known = self._pages.get(key)
            if known is not None and known.until > self._clock.monotonic():
                self._pages.move_to_end(key)
                return known
            text, note = await self._ask(feed, host, url, end)
            page = _Page(text, note, self._clock.monotonic() + self._limits.cached)
            self._remember(key, page)
            return page

    async def _ask(self, feed: Feed, host: _Host, url: str, end: float) -> tuple[str, str]:
        """Return the text of a page, or why there is none. The caller holds the host's lock."""
        if self._clock.monotonic() >= end:
            return "", "no time was left for it in this poll"
        if refusal := await self._forbidden(host, url):
            return "", refusal
        start = max(host.free_at, self._clock.monotonic())
        if start >= end:
            return "", "no time was left for it in this poll"
        await self._sleep(start - self._clock.monotonic())
        outcome = await self.fetcher.fetch(Feed(key=url, url=url, name=feed.name))
        host.free_at = self._clock.monotonic() + self._pace(host)
        if outcome.status != "ok":
            return "", outcome.message
        if _origin(outcome.url) != _origin(url) and (
            refusal := await self._forbidden(self._host(_origin(outcome.url)), outcome.url)
        ):
            return "", refusal
        try:
            article = await self._parser.extract(
                outcome.body, content_type=outcome.content_type, url=outcome.url
            )
        except ParseError as error:
            return "", str(error)
        return article.text[: self._limits.text], ""

    def _pace(self, host: _Host) -> float:
        asked = host.rules.crawl_delay(AGENT) if host.rules is not None else None
        return max(self._limits.pace, float(asked or 0))

    # robots.txt --------------------------------------------------------------------------------

    async def _forbidden(self, host: _Host, url: str) -> str:
        """Say why ``url`` is not to be read, or nothing."""
        if host.until <= self._clock.monotonic():
            await self._ask_robots(host, _origin(url))
        if host.rules is None:
            return host.why
        return "" if host.rules.can_fetch(AGENT, url) else "the site's robots.txt asks not to"

    async def _ask_robots(self, host: _Host, origin: str) -> None:
        address = f"{origin}/robots.txt"
        outcome = await self.fetcher.fetch(Feed(key=address, url=address, name=origin))
        lines = _robots_lines(outcome)
        now = self._clock.monotonic()
        if lines is None:
            host.rules = None
            host.why = f"the site's robots.txt can't be read: {outcome.message}"
            host.until = now + self._limits.unreachable
            return
        rules = RobotFileParser(address)
        await asyncio.to_thread(rules.parse, lines)
        host.rules, host.why, host.until = rules, "", now + self._limits.robots

    # Memory ------------------------------------------------------------------------------------

    def _host(self, origin: str) -> _Host:
        host = self._hosts.setdefault(origin, _Host())
        self._hosts.move_to_end(origin)
        while len(self._hosts) > _HOSTS:
            oldest = next(iter(self._hosts))
            if self._hosts[oldest].lock.locked():
                break
            del self._hosts[oldest]
        return host

    def _remember(self, key: str, page: _Page) -> None:
        self._pages[key] = page
        self._pages.move_to_end(key)
        size = sum(len(each.text) for each in self._pages.values())
        while len(self._pages) > self._limits.pages or size > _CACHED_CHARS:
            size -= len(self._pages.popitem(last=False)[1].text)


def is_teaser(entry: Entry) -> bool:
    """Tell whether an entry's text is so short that the article surely says more."""
    return max(len(entry.summary), len(entry.content)) < TEASER


def _robots_lines(outcome: FetchOutcome) -> list[str] | None:
    """Return the lines of a robots.txt, none of them where all is allowed, None to stay away.

    RFC 9309, 2.3.1: what is not there (4xx) forbids nothing, what is out of reach forbids all;
    429 is no absence but a site that has too much to do.
    """
    status = outcome.http_status
    if outcome.status == "ok":
        return outcome.body[:_ROBOTS_BYTES].decode("utf-8", "replace").splitlines()
    absent = status is not None and 400 <= status < 500 and status != 429
    return [] if absent or outcome.reason == "empty" else None


def _web_address(url: str | None, base: str) -> str | None:
    """Return an entry's link as a web address without its fragment, or None."""
    if not url:
        return None
    try:
        parts = urlsplit(urljoin(base, url.strip()))
    except ValueError:
        return None
    web = parts.scheme in ("http", "https") and parts.hostname
    return parts._replace(fragment="").geturl() if web else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"

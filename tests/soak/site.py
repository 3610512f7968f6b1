"""The feeds of a soak: what they publish and when, how they fail, and how they were asked.

What a feed publishes in a month is drawn beforehand from the seed and its texts are made when they
are asked for, so that memory doesn't grow with time. The server runs in the daemon's own event
loop, on a real socket. It scores manners as it goes (``tests.chaos.test_politeness`` says by which
rules) and keeps no requests.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from random import Random

from tests.chaos.world import KEYWORD, SYLLABLES
from tests.soak.virtual import VirtualClock

DAY = 86_400.0
WINDOW = 4 * DAY  # for so long a feed lists what it published: longer than any wait and outage
LEAST = 15  # entries that a feed lists at least
MIN_GAP = 300.0 * 0.99  # seconds between two polls of one feed (`polling.min`)
RETRY_AFTER = 1800  # seconds
MOST_NOTED = 20
WORDS = ["".join(Random(n).choices(SYLLABLES, k=3)) for n in range(50_000)]
# Shares of answers that go wrong (0-1), and how.
FAULTS = {
    "error": 0.01,
    "busy": 0.005,
    "page": 0.005,
    "hang": 0.005,
    "cut": 0.01,
    "cut_gzip": 0.01,
    "reset": 0.005,
    "slow": 0.01,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: its number in the whole soak, when it comes out (seconds from the start), and
    whether it must be told."""

    number: int
    at: float
    wanted: bool

    @property
    def word(self) -> str:
        return f"kqx{self.number:06d}"


@dataclass(slots=True)
class Feed:
    """One feed and what is known of the client that asks for it."""

    name: str
    items: list[Item]
    churn: bool = False  # gives its entries new GUIDs at each request
    answers: int = 0
    etags: tuple[str, ...] = ()  # the last that were sent with a whole body, newest first
    asked_at: float = float("-inf")
    not_before: float = float("-inf")
    down: tuple[float, float] = (0.0, 0.0)  # answers 404 from, until


@dataclass(slots=True)
class Manners:
    """What is to be held against the client."""

    requests: int = 0
    unchanged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def fault(self, kind: str, note: str) -> None:
        self.faults[kind] += 1
        if len(self.notes) < MOST_NOTED:
            self.notes.append(f"{kind}: {note}")


class Site:
    """All feeds behind one port. ``dark`` cuts every connection; ``excused_until`` (seconds of
    the loop) is when polls may come early, since somebody has set the clock."""

    def __init__(self, seed: int, feeds: int, days: float, clock: VirtualClock) -> None:
        self._random = Random(seed)
        self._seed = seed
        self._clock = clock
        self._began = clock.monotonic()
        self._start = clock.true()
        self.manners = Manners()
        self.answers: Counter[str] = Counter()
        self.dark = False
        self.calm = False
        self.excused_until = float("-inf")
        self.port = 0
        self._server: asyncio.Server
        numbers = iter(range(10**6))
        self.feeds = {f"/f{n}": self._feed(n, days, numbers) for n in range(feeds)}
        self.items = sorted(
            (item for feed in self.feeds.values() for item in feed.items), key=lambda i: i.number
        )

    def _feed(self, n: int, days: float, numbers: Iterator[int]) -> Feed:
        """Draw a feed: one in ten is busy, six in ten say something twice a week."""
        rate = 5.0 if n % 10 == 0 else 1.5 if n % 10 < 4 else 0.3
        random, at = self._random, -WINDOW
        times = []
        while (at := at + random.expovariate(rate / DAY)) < days * DAY:
            times.append(at)
        items = [Item(next(numbers), at, random.random() < 0.25) for at in times]
        begins = random.uniform(0, days) * DAY
        down = (begins, begins + 1.5 * DAY) if n % 25 == 7 else (0.0, 0.0)
        return Feed(f"f{n}", items, churn=n % 16 == 5, down=down)

    async def __aenter__(self) -> Site:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic() - self._began

    def due(self, before: float) -> list[Item]:
        """Return what must have been told of what came out from the start until ``before``."""
        return [item for item in self.items if item.wanted and 0 <= item.at < before]

    # Answers -----------------------------------------------------------------------------------

    def answer(self, path: str, headers: dict[str, str]) -> tuple[bytes, float, bool] | None:
        """Return what to send, after how many seconds, and whether to close; None: nothing."""
        feed = self.feeds.get(path)
        if feed is None:
            return head(404, 0), 0.0, False
        now = self.seconds
        self._score(feed, headers, now)
        fault = self._fault(feed, now)
        self.answers[fault or "ok"] += 1
        match fault:
            case "hang":
                return None
            case "gone":
                return head(404, 0), 0.0, False
            case "error":
                return head(500, 0), 0.0, False
            case "busy":
                feed.not_before = now + RETRY_AFTER
                return head(503, 0, f"Retry-After: {RETRY_AFTER}"), 0.0, False
            case "page":
                feed.etags = ()  # what has ceased to be a feed is asked for as a whole
                body = b"<html><body>Sign in</body></html>"
                return head(200, len(body), "Content-Type: text/html") + body, 0.0, False
        listed = self._listed(feed, now)
        etag = f'"{listed[-1].number if listed else 0}-{len(listed)}"'
        if headers.get("if-none-match") == etag and not fault:
            self.manners.unchanged += 1
            return head(304, None, f"ETag: {etag}"), 0.0, False
        body = self._document(feed, listed)
        more = [f"ETag: {etag}", "Content-Type: application/rss+xml"]
        if fault == "cut_gzip":
            body = gzip.compress(body, 1, mtime=0)
            return (
                head(200, len(body) * 2 // 3, *more, "Content-Encoding: gzip")
                + body[: len(body) * 2 // 3],
                0.0,
                True,
            )
        if fault in ("cut", "reset"):
            whole = head(200, len(body), *more) + body
            if fault == "reset":
                feed.asked_at = float("-inf")  # no answer at all: it may be asked again at once
            return whole[: len(whole) // 2] if fault == "cut" else b"", 0.0, True
        feed.etags = (etag, *feed.etags[:1])
        return head(200, len(body), *more) + body, 5.0 if fault == "slow" else 0.0, False

    def _score(self, feed: Feed, headers: dict[str, str], now: float) -> None:
        manners = self.manners
        manners.requests += 1
        excused = self._clock.monotonic() < self.excused_until
        gap = now - feed.asked_at
        if gap < MIN_GAP and not excused:
            manners.fault("early", f"{feed.name} after {gap:.0f} s, at {now / DAY:.3f} d")
        if now < feed.not_before and not excused:
            manners.fault("before Retry-After", f"{feed.name} at {now / DAY:.3f} d")
        asked = headers.get("if-none-match")
        # What a restart cut off before it was stored is asked for with the validator before.
        if feed.etags and asked not in feed.etags:
            manners.fault("validator", f"{feed.name} asked with {asked}, not {feed.etags}")
        for name in ("cookie", "referer"):
            if name in headers:
                manners.fault(name, feed.name)
        feed.asked_at = now

    def _fault(self, feed: Feed, now: float) -> str:
        if self.calm:
            return ""
        if feed.down[0] <= now < feed.down[1]:
            return "gone"
        chance = self._random.random()
        for kind, share in FAULTS.items():
            chance -= share
            if chance < 0:
                return kind
        return ""

    def _listed(self, feed: Feed, now: float) -> list[Item]:
        out = [item for item in feed.items if item.at <= now]
        recent = sum(item.at > now - WINDOW for item in out)
        return out[-max(recent, LEAST) :]

    def _document(self, feed: Feed, listed: list[Item]) -> bytes:
        feed.answers += 1
        parts = []
        for item in reversed(listed):
            random = Random(self._seed * 1_000_003 + item.number)
            subject = KEYWORD if item.wanted else "lungfish"
            guid = f"{item.word}-{feed.answers}" if feed.churn else item.word
            out = format_datetime(self._start + timedelta(seconds=item.at))
            parts.append(
                f"<item><title>{_words(random, 4).capitalize()} {subject} {item.word} "
                f"{_words(random, 3)}</title><link>http://n.example/{item.word}</link>"
                f"<guid isPermaLink='false'>{guid}</guid><pubDate>{out}</pubDate>"
                f"<description>{_words(random, 30)}</description></item>"
            )
        return (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>{feed.name}</title>'
            f"<language>en</language>{''.join(parts)}</channel></rss>"
        ).encode()


def _words(random: Random, count: int) -> str:
    """Return invented words, of which no two texts have many in common."""
    return " ".join(random.choices(WORDS, k=count))


def head(status: int, length: int | None, *lines: str) -> bytes:
    """Return an answer's head; ``length`` is that of the body, None where there is none."""
    out = [f"HTTP/1.1 {status} Scripted", *lines]
    if length is not None:
        out.append(f"Content-Length: {length}")
    return ("\r\n".join(out) + "\r\n\r\n").encode("latin-1")


class _Connection(asyncio.Protocol):
    """One client's connection; answers one GET after the other."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._buffer = b""
        self._transport: asyncio.Transport
        self._later: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._site.dark:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._take(head.decode("latin-1"))

    def _take(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if self._site.dark:
            self._transport.abort()
            return
        found = self._site.answer(first.split(" ")[1], headers)
        if found is None:
            return
        data, delay, close = found
        loop = asyncio.get_running_loop()
        if delay:
            self._later = loop.call_later(delay, self._send, data, close)
        else:
            self._send(data, close)

    def _send(self, data: bytes, close: bool) -> None:
        self._later = None
        self._transport.write(data)
        if close:
            self._transport.close()

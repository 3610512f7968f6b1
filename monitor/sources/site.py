"""Finds the feeds of a site: fetches its page, and tries what it names and the usual places."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.errors import FetchError, ParseError
from monitor.sources.discover import feed_links, usual_feeds
from monitor.sources.parse import ParsePool
from monitor.sources.reader import Body, Reader
from monitor.values import ParsedFeed

_TRIED = 12  # candidates of one site that are fetched
_LIMIT = timedelta(seconds=10)  # for one document: somebody is waiting


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address that turned out to be a feed."""

    url: str
    title: str
    entries: int
    newest: datetime | None

    def as_json(self) -> dict[str, Any]:
        newest = self.newest and f"{self.newest:%Y-%m-%dT%H:%M:%SZ}"
        return {"url": self.url, "title": self.title, "entries": self.entries, "newest": newest}


async def discover_feeds(site: str, allow: Iterable[str] = ()) -> list[Candidate]:
    """Return the feeds of a site: the address itself, what its page names, or usual places.

    ``allow`` are private networks that may be dialled. Raises ``FetchError`` for a site that can't
    be read: that is not the same as one without a feed.
    """
    url = site if "://" in site else f"https://{site}"
    async with AsyncExitStack() as stack:
        reader = Reader(allow)
        stack.push_async_callback(reader.aclose)
        pool = ParsePool(limit=_LIMIT, max_entries=None)
        stack.push_async_callback(pool.aclose)
        body = await reader.read(url)
        here = body.url or url
        itself = await _candidate(pool, body, here)
        if itself is not None:
            return [itself]
        named = feed_links(body.data, content_type=body.content_type, url=here)
        found = await _tried(reader, pool, [each.url for each in named][:_TRIED])
        if not found:
            found = (await _tried(reader, pool, usual_feeds(here)[:_TRIED]))[:1]
        return found


async def _tried(
    reader: Reader, pool: ParsePool, addresses: list[str] | tuple[str, ...]
) -> list[Candidate]:
    found: list[Candidate] = []
    for address in addresses:
        try:
            body = await reader.read(address)
        except FetchError:
            continue
        candidate = await _candidate(pool, body, body.url or address)
        if candidate is not None and candidate.url not in [each.url for each in found]:
            found.append(candidate)
    return found


async def _candidate(pool: ParsePool, body: Body, url: str) -> Candidate | None:
    try:
        feed = await pool.parse(body.data, content_type=body.content_type, url=url)
    except ParseError:
        return None
    return Candidate(url, feed.title, len(feed.entries), _newest(feed))


def _newest(feed: ParsedFeed) -> datetime | None:
    dates = [entry.published for entry in feed.entries if entry.published]
    return max(dates, default=None)

"""What rules look at, made of an entry and its feed's labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from monitor.rules import plain
from monitor.store.port import FoundEntry
from monitor.values import Document, Entry, Feed, Hit, Match, ParsedFeed

# A feed's date further ahead than this is no evidence of anything; one before 1995 is a default
# value of some system, not a publication date (measured over real feeds).
FUTURE = timedelta(hours=24)
EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)


def document_of(
    entry_id: str, feed: Feed, parsed: ParsedFeed, entry: Entry, now: datetime
) -> Document:
    """Return what rules look at for an entry of ``feed``."""
    return plain(
        Document(
            id=entry_id,
            title=entry.title,
            summary=entry.summary,
            content=entry.content,
            url=entry.url,
            source=entry.source or feed.name,
            feed=feed.name,
            authors=entry.authors,
            tags=feed.tags,
            categories=entry.categories,
            language=entry.language or feed.language or parsed.language,
            country=feed.country,
            published=clamped(entry.published or entry.updated, now),
        )
    )


def document_of_stored(found: FoundEntry, feeds: Mapping[str, Feed]) -> Document:
    """Return the document of a stored entry, with its feed's labels as they are configured now."""
    stored, entry = found.entry, found.entry.entry
    feed = feeds.get(found.feed_key)
    return plain(
        Document(
            id=stored.id,
            title=entry.title,
            summary=entry.summary,
            content=entry.content,
            url=entry.url,
            source=stored.source,
            feed=feed.name if feed else None,
            tags=feed.tags if feed else (),
            country=feed.country if feed else None,
            authors=entry.authors,
            categories=entry.categories,
            language=stored.language,
            published=stored.published,
        )
    )


def clamped(published: datetime | None, now: datetime) -> datetime | None:
    """Return a feed's date as evidence: not in the future, None where it can't be true."""
    if published is None or published < EARLIEST or published > now + FUTURE:
        return None
    return min(published, now)


def hits_of(matches: Sequence[Match]) -> tuple[Hit, ...]:
    """Return the hits of all matches, each once, in order of field and place."""
    return tuple(dict.fromkeys(hit for match in matches for hit in match.hits))

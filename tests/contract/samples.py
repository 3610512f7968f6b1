"""Values to store, with everything in them that is easily lost on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    SeenKey,
    Store,
    StoredEntry,
    StoryRow,
)
from monitor.values import AllOf, Entry, Feed, Hit, Match, Story, Word

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def tokenize(text: str) -> Sequence[str]:
    """Cut a text into lower-case words."""
    return re.findall(r"\w+", text.lower())


def feed(name: str = "a", host: str = "example.org") -> Feed:
    url = f"https://{host}/{name}.xml"
    return Feed(url, url, name)


def entry(number: int, feed_id: int, at: datetime = NOW, **more: Any) -> StoredEntry:
    base = StoredEntry(
        id=f"E{number:06}",
        feed_id=feed_id,
        entry=Entry(
            raw_id=f"tag:{number}",
            url=f"https://example.org/{number}",
            title=f"Number {number}",
            summary=f"Summary of {number}",
        ),
        first_seen=at,
        published=at - MINUTE,
        story_id=f"S{number:06}",
    )
    return replace(base, **more)


def full_entry(feed_id: int) -> StoredEntry:
    return StoredEntry(
        id="E-full",
        feed_id=feed_id,
        entry=Entry(
            raw_id=" tag:odd,ID?é ",
            url="https://example.org/full?x=1",
            title="Arms deals with Syria’s army",
            summary="First.\n\nSecond: Дамаск 大統領 \U0001f30d",
            content="Long " * 200,
            published=NOW - DAY,
            updated=NOW,
            authors=("A. Author", "Б. Автор"),
            categories=("world", "Middle East"),
            language="en-GB",
            source="Reuters",
            source_url="https://reuters.example/",
        ),
        first_seen=NOW,
        published=NOW - DAY,
        story_id="S-full",
        story_kind="duplicate",
        duplicate_of="E-other",
        baseline=True,
        outcome="duplicate of E-other",
        source="Reuters",
        language="en",
    )


def match(rule: str = "Arms") -> Match:
    hits = (
        Hit("arms deal", "title", 0, 10, "Arms deals"),
        Hit("Syria", "title", 16, 21, "Syria", entity="Syria"),
    )
    return Match(rule, 0.75, hits, key="CVE-2026-1234")


def story(number: int, at: datetime = NOW) -> StoryRow:
    return StoryRow(
        Story(f"S{number:06}", f"Story {number}", at - DAY, at, ("AFP", "Ünited"), 3), b"\0\xff"
    )


def outbox(number: int, at: datetime = NOW, **more: Any) -> OutboxRow:
    base = OutboxRow(
        id=f"O{number:06}",
        channel="news",
        kind="alert",
        story_id=f"S{number:06}",
        revision=0,
        severity=2,
        payload='{"title":"é"}',
        state="queued",
        created_at=at,
        not_before=at,
    )
    return replace(base, **more)


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def poll(state: FeedState, *numbers: int, at: datetime = NOW) -> PollCommit:
    """A good poll that brought the entries ``numbers``, each with a match and a message."""
    return PollCommit(
        replace(state, last_poll_at=at, last_ok_at=at, next_at=at + 10 * MINUTE),
        entries=tuple(entry(n, state.id, at) for n in numbers),
        seen=tuple(SeenKey("guid", key(n), f"E{n:06}") for n in numbers),
        touched=tuple(key(n) for n in numbers),
        matches=tuple(EntryMatch(f"E{n:06}", match()) for n in numbers),
        stories=tuple(story(n, at) for n in numbers),
        outbox=tuple(outbox(n, at) for n in numbers),
    )


async def with_words(store: Store, words: Sequence[str], since: datetime) -> list[str]:
    """Return the ids of the entries whose texts have all of ``words``, the newest first."""
    wording = AllOf(tuple(Word(word) for word in words))
    numbers = await store.numbers_since(since, wording)
    return [each.entry.id for each in await store.entries_numbered(numbers)]

"""A stream with restarts gives the same stories as one run, over a real SQLite store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from monitor.store import open_store
from monitor.store.port import PollCommit, Store, StoredEntry
from monitor.stories.index import StoryIndex
from monitor.stories.words import words
from monitor.values import Document, Entry, Feed, StoryDecision
from tests.unit.stories.newsroom import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
FEED = Feed("f", "https://example.com/feed", "f")
Stream = list[tuple[datetime, Document]]


def stream(days: int, per_day: int) -> Stream:
    """Events that are told by one to six outlets over up to two days, in the order of time."""
    random = Random(7)
    out: Stream = []
    for number in range(days * per_day // 3):
        event, begin = Event(number), START + timedelta(days=days * random.random())
        for telling in range(random.choice((1, 1, 2, 3, 6))):
            outlet = random.randrange(4)
            title = event.title(outlet) + (f", {random.randrange(20, 90)} dead" * (telling > 3))
            at = begin + timedelta(hours=48 * random.random() * telling)
            doc_id = f"{number:05}-{telling}"
            out.append((at, Document(doc_id, title, event.text(outlet), source=f"S{outlet}")))
    return sorted(out, key=lambda each: (each[0], each[1].id))


async def play(store: Store, given: Stream, restarts: set[int]) -> list[StoryDecision]:
    """Assign and commit in batches as the daemon does; load the index anew at ``restarts``."""
    state = (await store.sync_feeds([FEED], START))[FEED.key]
    index = await StoryIndex.load(store, START)
    decisions: list[StoryDecision] = []
    for at in range(0, len(given), 5):
        if at // 5 in restarts:
            index = await StoryIndex.load(store, given[at][0] + timedelta(minutes=5))
        entries = []
        for moment, doc in given[at : at + 5]:
            decision = index.assign(doc, moment)
            decisions.append(decision)
            entries.append(
                StoredEntry(
                    doc.id, state.id, Entry(doc.id, None, doc.title), moment, None,
                    decision.story.id, decision.kind, decision.duplicate_of,
                )
            )  # fmt: skip
        await store.commit_polls(
            [PollCommit(state, tuple(entries), stories=index.changed(), blobs=index.blobs())]
        )
    return decisions


async def run(folder: Path, given: Stream, restarts: set[int]) -> list[StoryDecision]:
    store = await open_store(folder, now=START, tokenize=words)
    try:
        return await play(store, given, restarts)
    finally:
        await store.close()


@pytest.mark.parametrize("every", [1, 37], ids=["after each commit", "now and then"])
def test_thirty_days_with_restarts(tmp_path: Path, every: int) -> None:
    given = stream(30, 20)
    batches = len(given) // 5 + 1
    plain = asyncio.run(run(tmp_path / "one", given, set()))
    restarted = asyncio.run(run(tmp_path / "many", given, set(range(1, batches, every))))
    assert restarted == plain
    kinds = {each.kind for each in plain}
    assert {"new", "duplicate", "update"} <= kinds


def test_an_uncommitted_batch_is_assigned_again_alike(tmp_path: Path) -> None:
    given = stream(3, 30)

    async def crash() -> tuple[list[StoryDecision], list[StoryDecision]]:
        store = await open_store(tmp_path, now=START, tokenize=words)
        try:
            await play(store, given[:60], set())
            lost = await StoryIndex.load(store, given[60][0])
            before = [lost.assign(doc, at) for at, doc in given[60:]]
            again = await StoryIndex.load(store, given[60][0])
            return before, [again.assign(doc, at) for at, doc in given[60:]]
        finally:
            await store.close()

    before, after = asyncio.run(crash())
    assert before == after


def test_what_is_stored_for_the_window_is_bounded(tmp_path: Path) -> None:
    given = stream(30, 20)

    async def slots() -> int:
        store = await open_store(tmp_path, now=START, tokenize=words)
        try:
            await play(store, given, set())
            found = [await store.blob(f"stories/log/{n}") for n in range(len(given) // 16 + 1)]
            return sum(1 for each in found if each)
        finally:
            await store.close()

    # 72 of 720 hours are in the window, and with them a tenth of the slots or a few more.
    assert asyncio.run(slots()) <= len(given) // 16 // 5

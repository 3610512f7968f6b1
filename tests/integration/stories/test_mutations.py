"""Feeds that change everything that can change: no story alerts twice, none is missed.

Entries go through identity and the story index over a real store, as the pipeline takes them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.ids import new_id
from monitor.store import open_store
from monitor.store.port import PollCommit, Store
from monitor.stories.identity import all_keys, identify, keys_of
from monitor.stories.index import StoryIndex
from monitor.stories.words import words
from monitor.values import Document, Entry, Feed
from tests.unit.stories.newsroom import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://example.com/feed.xml"
EVENTS = 40


def entry(number: int) -> Entry:
    event = Event(number)
    return Entry(
        f"guid-{number}", f"https://example.com/news/{number}", event.title(), event.text(),
        published=START + timedelta(minutes=number),
    )  # fmt: skip


def typo(text: str) -> str:
    """Swap two letters in the middle of the longest word."""
    long = max(text.split(), key=len)
    middle = len(long) // 2
    wrong = long[:middle] + long[middle + 1] + long[middle] + long[middle + 2 :]
    return text.replace(long, wrong, 1)


Change = Callable[[int, Entry], Entry]
CHANGES: dict[str, Change] = {
    "new GUID": lambda n, e: replace(e, raw_id=f"other-{n}"),
    "no GUID": lambda n, e: replace(e, raw_id=None),
    "http": lambda n, e: replace(e, url=(e.url or "").replace("https:", "http:")),
    "tracking": lambda n, e: replace(e, url=f"{e.url}?utm_source=rss&utm_campaign={n}#top"),
    "mobile": lambda n, e: replace(e, url=(e.url or "").replace("//", "//m.") + "/amp"),
    "GUID is the tracked address": lambda n, e: replace(
        e, raw_id=f"{e.url}?xtor={n}", url=f"{e.url}?xtor={n}"
    ),
    "other addresses": lambda n, e: replace(e, url=f"https://example.com/?p={n + 1}"),
    "typo in the title": lambda n, e: replace(e, title=typo(e.title)),
    "typo in the text": lambda n, e: replace(e, summary=typo(e.summary)),
    "typo and new GUID": lambda n, e: replace(e, title=typo(e.title), raw_id=f"other-{n}"),
    "headline rewritten": lambda n, e: replace(e, title=f"What we know of {n}"),
    "label": lambda n, e: replace(e, title=f"UPDATE 1-{e.title} - Example News"),
    "date bumped": lambda n, e: replace(e, published=START + timedelta(days=9)),
    "date in 1970": lambda n, e: replace(e, published=datetime(1970, 1, 1, tzinfo=UTC)),
    "date in 2090": lambda n, e: replace(e, published=datetime(2090, 1, 1, tzinfo=UTC)),
    "no date": lambda n, e: replace(e, published=None),
    "text gone": lambda n, e: replace(e, summary=""),
    "text longer": lambda n, e: replace(e, summary=f"{e.summary} {Event(n).text(1)}"),
    "all GUIDs and addresses": lambda n, e: replace(e, raw_id=f"x{n}", url=f"https://e.org/{n}"),
}  # fmt: skip


class Watch:
    """Polls one feed and counts which events alert."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = StoryIndex()
        self._now = START
        self.alerts: Counter[str] = Counter()

    async def poll(self, entries: Sequence[Entry]) -> None:
        self._now += timedelta(minutes=30)
        state = (await self._store.sync_feeds([Feed("f", URL, "Example")], START))["f"]
        entry_keys = [keys_of(each, URL) for each in entries]
        keys = {key for each in entry_keys for key in all_keys(each)}
        known = await self._store.seen(state.id, sorted(keys))
        found = identify(entries, entry_keys, known, lambda: new_id(self._now))
        for each in found:
            if each.status == "new":
                assert each.entry_id is not None
                e = each.entry
                doc = Document(each.entry_id, e.title, e.summary, url=e.url, source="Example")
                if self._index.assign(doc, self._now).kind == "new":
                    self.alerts[doc.title] += 1
        await self._store.commit_polls(
            [
                PollCommit(
                    state,
                    seen=tuple(key for each in found for key in each.seen),
                    touched=tuple(sorted(keys)),
                    stories=self._index.changed(),
                    blobs=self._index.blobs(),
                )
            ]
        )


def watching(folder: Path, rounds: Sequence[Sequence[Entry]]) -> Counter[str]:
    async def run() -> Counter[str]:
        store = await open_store(folder, now=START, tokenize=words)
        try:
            watch = Watch(store)
            for entries in rounds:
                await watch.poll(entries)
            return watch.alerts
        finally:
            await store.close()

    return asyncio.run(run())


BEFORE = [entry(number) for number in range(EVENTS)]
ONCE = Counter({each.title: 1 for each in BEFORE})


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_feed_repeats_nothing_and_misses_nothing(tmp_path: Path, name: str) -> None:
    change = CHANGES[name]
    after = [change(number, each) for number, each in enumerate(BEFORE)]
    fresh = [entry(EVENTS + number) for number in range(5)]
    alerts = watching(tmp_path, [BEFORE, after, [*fresh, *after], BEFORE])
    assert alerts == ONCE + Counter({each.title: 1 for each in fresh})


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param([BEFORE, [], BEFORE], id="DEDUP-07 emptied and refilled"),
        pytest.param([BEFORE, BEFORE[::-1], BEFORE[7:] + BEFORE[:7]], id="DEDUP-16 shuffled"),
        pytest.param([BEFORE, BEFORE[20:], BEFORE], id="dropped and returned"),
        pytest.param([BEFORE[n : n + 10] for n in range(31)], id="a sliding window"),
        pytest.param([BEFORE + BEFORE, BEFORE], id="each entry twice"),
        pytest.param([[each] for each in BEFORE] + [BEFORE], id="one at a time"),
    ],
)
def test_a_moving_window_repeats_nothing_and_misses_nothing(
    tmp_path: Path, rounds: Sequence[Sequence[Entry]]
) -> None:
    assert watching(tmp_path, rounds) == ONCE


def test_all_mutations_one_after_the_other(tmp_path: Path) -> None:
    rounds = [BEFORE]
    for change in CHANGES.values():
        rounds.append([change(number, each) for number, each in enumerate(BEFORE)])
        rounds.append(BEFORE)
    assert watching(tmp_path, rounds) == ONCE


def test_dedup_08_a_flood_of_real_news_is_kept_whole(tmp_path: Path) -> None:
    flood = [entry(number) for number in range(1_000)]
    alerts = watching(tmp_path, [flood])
    assert set(alerts) == {each.title for each in flood}

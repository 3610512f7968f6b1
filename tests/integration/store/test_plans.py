"""No statement of the daily work reads a growing table from end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from monitor.delivery.transitions import starting
from monitor.store.port import FeedState
from monitor.store.postgres import PgStore, open_postgres
from monitor.values import AllOf, Word
from tests.contract.databases import psycopg
from tests.contract.plans import cannot_explain, explained, scans
from tests.contract.samples import DAY, NOW, feed, key, outbox, poll, tokenize

pytestmark = pytest.mark.anyio
FEEDS = 20_000
ENTRIES = 6_000
KEYS = 200_000
LATER = NOW + timedelta(hours=1)


@pytest.fixture(scope="module")
def plans(schema: str) -> Iterator[tuple[str, list[str]]]:
    if why := cannot_explain(schema):
        pytest.skip(why)
    with explained(schema) as found:
        yield found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PgStore]:
    store = await open_postgres(url, tokenize=tokenize)
    try:
        yield store
    finally:
        await store.close()


async def fill(url: str, store: PgStore) -> list[FeedState]:
    """Make tables of a size at which the planner must take the indexes."""
    wanted = [feed(str(number), f"h{number % 400}.example") for number in range(FEEDS)]
    states = list((await store.sync_feeds(wanted, NOW)).values())
    for start in range(0, ENTRIES, 500):
        await store.commit_polls([poll(states[start], *range(start, start + 500))])
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("UPDATE outbox SET state = 'sent' WHERE id < 'O005900'")
        db.execute(
            "INSERT INTO seen SELECT n %% 20000 + 1, decode(md5(n::text), 'hex'), 0, 1, 'E0' "
            "FROM generate_series(1, %s) AS n",
            (KEYS,),
        )
        for table in ("feeds", "seen", "entries", "matches", "stories", "outbox"):
            db.execute(f"ANALYZE {table}")
    return states


async def poll_and_decide(store: PgStore, states: list[FeedState]) -> None:
    shard = (await store.due_shards(NOW))[0]
    claimed = await store.due(NOW, 40, LATER, shard)
    assert len(claimed) == 40
    await store.due(NOW, 40, LATER)
    await store.next_due()
    await store.make_due(states[-1].key, NOW)
    await store.inbox_put([b"x"] * 20, [state.id for state in claimed[:20]], LATER)
    await store.inbox_waiting(1_000)
    async with store.turn():
        waiting = await store.inbox_take(20)
        await store.feed_states_of([state.id for state in claimed])
        await store.seen(states[0].id, [key(number) for number in range(30)])
        number = ENTRIES + 1
        await store.commit_polls(
            [poll(state, number + place) for place, state in enumerate(claimed)]
        )
        # What came again: entries replaced, keys refreshed.
        await store.commit_polls([poll(states[0], *range(30), at=NOW + 2 * DAY)])
        await store.inbox_remove([number for number, _ in waiting])


async def deliver(store: PgStore) -> None:
    await store.enqueue([outbox(90_001), outbox(90_002)])
    await store.outbox_next()
    rows = list(await store.outbox_due(LATER, 5, ["news"]))
    assert len(rows) == 5
    taken = [starting(row, NOW) for row in rows]
    await store.outbox_put(taken)
    assert await store.outbox_holds(taken[0].id)
    await store.outbox_rows(["sending"])
    await store.outbox_stranded()
    await store.outbox_put([replace(row, state="sent") for row in taken])
    await store.outbox_rows(["unknown"], channel="news")
    await store.outbox_rows(["sent"], channel="news", limit=50, newest=True)
    await store.outbox_rows(channel="news", story_id="S000001")


async def look(store: PgStore) -> None:
    await store.entries_of_story("S000001")
    await store.matches_of("E000001")
    await store.find_entries("https://example.org/17")
    await store.entries_numbered([1, 2, 3])
    await store.texts_numbered([1, 2, 3])
    await store.stories_since(NOW + DAY)
    await store.entries_since(NOW + DAY, 50)


async def search(store: PgStore) -> None:
    await store.numbers_since(NOW - DAY, AllOf((Word("number"), Word("17"))))
    await store.matched_entries(NOW - DAY, newest=True, limit=50)
    await store.days(NOW - DAY)


async def test_nothing_scans_a_table_that_grows(plans: tuple[str, list[str]]) -> None:
    url, told = plans
    async with opened(url) as store:
        states = await fill(url, store)
        told.clear()
        await poll_and_decide(store, states)
        await deliver(store)
        await look(store)
        assert len(told) > 40
        assert not scans(told), "\n\n".join(scans(told))
        # Of so few entries it is cheaper to read all than those that are searched for.
        told.clear()
        cheap = url + quote(" -c enable_seqscan=off")
        async with opened(cheap) as other:
            await search(other)
        assert len(told) > 2
        assert not scans(told), "\n\n".join(scans(told))


async def test_a_scan_would_be_noticed(plans: tuple[str, list[str]]) -> None:
    url, told = plans
    async with opened(url) as store:
        told.clear()
        await store.pool.rows("SELECT count(*) FROM feeds WHERE title = 'x'")
        assert len(scans(told)) == 1

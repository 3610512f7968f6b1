"""What the ops channel is told, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.alerts.ops import OpsDesk
from monitor.codec import alert_from_json
from monitor.errors import Problem
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import FeedState, Store
from monitor.values import Alert, Feed, Receipt
from tests.unit.alerts.build import settings

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIVEN = settings(channels={"news": {}, "ops": {}}, rules={"A": {}})
FEED = Feed("k", "https://example.org/feed", "Example Wire")


@asynccontextmanager
async def stored(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(str(tmp_path), now=START, tokenize=search_tokens)
    try:
        yield store
    finally:
        await store.close()


async def posted(store: Store, at: datetime = START) -> list[tuple[str, Alert]]:
    rows = await store.outbox_rows(states=["queued"])
    sent = [replace(r, state="sent", last_try=at, receipt=Receipt("1", "C")) for r in rows]
    await store.outbox_put(sent)
    return [(row.kind, alert_from_json(row.payload)) for row in rows]


async def test_a_failing_feed_is_told_and_its_message_edited_over_a_restart(
    tmp_path: Path,
) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        extra = {"failing_since": START.isoformat()}
        bad = FeedState(1, "k", START, START, failures=5, extra=extra, last_status="HTTP 500")
        assert await desk.run(GIVEN, [(FEED, bad)], START + HOUR) == 1
        desk = await OpsDesk.load(store)
        assert await desk.run(GIVEN, [(FEED, bad)], START + 2 * HOUR) == 0
        good = replace(bad, failures=0, last_ok_at=START + 3 * HOUR)
        assert await desk.run(GIVEN, [(FEED, good)], START + 3 * HOUR) == 1
        (first, told), (second, edit) = await posted(store)
        assert (first, second) == ("ops", "update")
        assert told.story_id == edit.story_id
        assert (told.channel, told.kind, edit.kind) == ("ops", "ops", "ops")


async def test_dedup_14_a_feed_that_has_become_another_is_told_of_once(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        became = {"at": START.isoformat(), "words": "its entries lie on casino.example now"}
        state = FeedState(1, "k", START, START, extra={"became": became})
        assert await desk.run(GIVEN, [(FEED, state)], START) == 1
        ((_, told),) = await posted(store)
        assert told.title == "Feed Example Wire has changed"
        assert told.reason.startswith("its entries lie on casino.example now. ")
        desk = await OpsDesk.load(store)
        assert await desk.run(GIVEN, [(FEED, state)], START + HOUR) == 0
        again = replace(state, extra={"became": {**became, "at": (START + HOUR).isoformat()}})
        assert await desk.run(GIVEN, [(FEED, again)], START + HOUR) == 1


async def test_without_an_ops_channel_nothing_is_posted(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        assert await desk.config_refused([Problem("wrong")], settings(), START) == 0
        assert await posted(store) == []


async def test_configuration_changes_are_told(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        new = settings(channels={"news": {}, "ops": {}}, rules={"A": {"severity": "high"}, "B": {}})
        assert await desk.config_changed(GIVEN, GIVEN, START) == 0
        assert await desk.config_changed(GIVEN, new, START) == 1
        assert await desk.config_refused([Problem("unknown key")], GIVEN, START + HOUR) == 1
        (_, changed), (_, refused) = await posted(store)
        assert changed.reason == "rule added: B\nrule changed: A (severity normal → high)"
        assert "unknown key" in refused.reason
        assert "last good one" in refused.title


async def test_one_line_a_day(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        assert await desk.run(GIVEN, [], START) == 0
        desk.count(polls=40, failed=2, entries=30, matched=4, alerts=3)
        assert await desk.run(GIVEN, [], START + 10 * HOUR) == 0
        desk = await OpsDesk.load(store)
        assert await desk.run(GIVEN, [], START + 20 * HOUR) == 1
        assert await desk.run(GIVEN, [], START + 21 * HOUR) == 0
        ((_, line),) = await posted(store)
        assert line.totals == (
            ("Feeds", "0"),
            ("Polls", "40 (2 failed)"),
            ("New entries", "30"),
            ("Matched", "4"),
            ("Alerts", "3"),
        )
        assert await desk.run(GIVEN, [], START + 44 * HOUR) == 1
        ((_, line),) = await posted(store)
        assert ("Polls", "0") in line.totals


async def test_dead_messages_are_told_once(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        desk = await OpsDesk.load(store)
        await desk.config_changed(GIVEN, settings(channels={"news": {}, "ops": {}}), START)
        (row,) = await store.outbox_rows()
        await store.outbox_put([replace(row, state="dead", error="too long")])
        assert await desk.run(GIVEN, [], START) == 1
        assert await desk.run(GIVEN, [], START + HOUR) == 0
        ((_, told),) = await posted(store)
        assert told.title == "1 message was refused for good"

"""Held alerts, digests and questions over a real store, at times of the test's choosing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.desk import BLOB, Desk
from monitor.alerts.rounds import Rounds
from monitor.alerts.route import Router
from monitor.alerts.silence import add_silence, make_silence, parse_matchers
from monitor.alerts.unanswered import note_answer
from monitor.codec import alert_from_json
from monitor.config.models import Settings
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert, Receipt
from tests.unit.alerts.build import matched, settings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
QUIET = {"from": "22:00", "to": "06:30"}


class Watch:
    """A desk and its rounds over one store."""

    def __init__(self, store: Store, desk: Desk, given: Settings) -> None:
        self.store, self.desk, self.given = store, desk, given
        self.number = 0

    async def takes(self, rule: str, now: datetime, **about: Any) -> list[OutboxRow]:
        """Plan and store one entry, as the pipeline does."""
        self.number += 1
        await self.desk.refresh_silences(self.store)
        entry = matched(
            rule, **{"story": f"s{self.number}", "title": f"T{self.number}", "at": now, **about}
        )
        prior = await self.store.outbox_rows(story_id=entry.decision.story.id)
        made = self.desk.plan(entry, prior, Router(self.given), self.given, now)
        await self.store.outbox_forget(made.forget)
        await self.store.enqueue(made.rows)
        await self.store.put_blobs(dict(self.desk.blobs()))
        return list(made.rows)

    async def round(self, now: datetime) -> int:
        return await Rounds(self.store, self.desk).run(self.given, now)

    async def queued(self) -> list[Alert]:
        """Return the alerts to be delivered, and mark them as delivered."""
        rows = await self.store.outbox_rows(states=["queued"])
        await self.store.outbox_put(
            [replace(r, state="sent", receipt=Receipt(f"ts-{r.id}", "C1")) for r in rows]
        )
        return [alert_from_json(row.payload) for row in rows]

    async def restart(self) -> None:
        self.desk = await Desk.load(self.store)


@asynccontextmanager
async def watch(tmp_path: Path, **given: Any) -> AsyncIterator[Watch]:
    store = await open_store(str(tmp_path), now=NIGHT, tokenize=search_tokens)
    try:
        chosen = settings(**{"rules": {"A": {}, "High": {"severity": "high"}}, **given})
        yield Watch(store, await Desk.load(store), chosen)
    finally:
        await store.close()


async def test_quiet_hours_end_in_one_digest(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"quiet_hours": QUIET}}) as news:
        for minute in range(3):
            await news.takes("A", NIGHT + minute * MINUTE)
        await news.takes(
            "A", NIGHT + HOUR, story="s1", sources=("Example Wire", "Herald"), entries=2
        )
        assert await news.round(NIGHT + 2 * HOUR) == 0
        assert await news.queued() == []
        await news.restart()
        assert await news.round(MORNING) == 1
        (digest,) = await news.queued()
        assert (digest.kind, digest.channel) == ("digest", "news")
        assert [(item.title, item.sources) for item in digest.items] == [
            ("T1", 2),
            ("T2", 1),
            ("T3", 1),
        ]
        assert digest.reason == "Held: quiet hours"
        assert digest.totals == (("stories", "3"),)
        # All is settled: nothing is told twice, and the stories are known as told.
        assert await news.round(MORNING + MINUTE) == 0
        assert await news.store.outbox_rows(states=["held", "queued"]) == []
        again = await news.takes("A", MORNING + HOUR, story="s2", entries=2, kind="duplicate")
        assert again == []
        assert [r.kind for r in await news.takes("High", MORNING + HOUR, story="s3")] == [
            "escalation"
        ]


async def test_a_lone_story_comes_as_a_message_of_its_own(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"quiet_hours": QUIET}}) as news:
        await news.takes("A", NIGHT)
        assert await news.round(MORNING) == 1
        (alert,) = await news.queued()
        assert (alert.kind, alert.title) == ("alert", "T1")


async def test_release_each(tmp_path: Path) -> None:
    quiet = {**QUIET, "release": "each"}
    async with watch(tmp_path, channels={"news": {"quiet_hours": quiet}}) as news:
        await news.takes("A", NIGHT)
        await news.takes("A", NIGHT)
        assert await news.round(MORNING) == 2
        assert [alert.kind for alert in await news.queued()] == ["alert", "alert"]


async def test_a_note_on_a_posted_story_goes_to_its_message(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"quiet_hours": QUIET}}) as news:
        await news.takes("A", NIGHT - 5 * HOUR, story="posted")
        await news.queued()
        await news.takes("A", NIGHT, story="posted", kind="update", entries=2)
        await news.takes("A", NIGHT)
        await news.takes("A", NIGHT)
        assert await news.round(MORNING) == 2
        assert sorted(alert.kind for alert in await news.queued()) == ["digest", "update"]


async def test_a_throttle_overflows_into_a_digest(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"throttle": "2 per hour"}}) as news:
        for minute in range(6):
            await news.takes("A", NIGHT + minute * MINUTE)
        assert [alert.title for alert in await news.queued()] == ["T1", "T2"]
        await news.restart()
        assert await news.round(NIGHT + HOUR) == 1
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T3", "T4", "T5", "T6"]
        assert digest.reason == "Held: throttle 2 per hour"


async def test_groups_come_as_one_message_each(tmp_path: Path) -> None:
    grouped = {"group_by": ["rule"], "group_wait": "30s", "group_interval": "5m"}
    async with watch(tmp_path, channels={"news": grouped}) as news:
        for rule in ("A", "High", "A", "A"):
            await news.takes(rule, NIGHT)
        assert await news.round(NIGHT + timedelta(seconds=29)) == 0
        assert await news.round(NIGHT + timedelta(seconds=30)) == 2
        alerts = {alert.kind: alert for alert in await news.queued()}
        assert alerts["digest"].title == "3 stories: rule=A"
        assert alerts["alert"].rules == ("High",)


async def test_a_digest_channel(tmp_path: Path) -> None:
    channel = {"digest": "daily 08:00, 18:00", "live": False, "heartbeat": True}
    async with watch(tmp_path, channels={"news": channel}) as news:
        day = datetime(2026, 3, 2, tzinfo=UTC)
        assert await news.round(day + 9 * HOUR) == 0  # what was before us is not summed up
        await news.takes("A", day + 10 * HOUR)
        assert await news.round(day + 17 * HOUR) == 0
        assert await news.round(day + 18 * HOUR) == 1
        (digest,) = await news.queued()
        # One story is a digest too, where digests are what was asked for.
        assert (digest.kind, digest.title) == ("digest", "Digest, Mon 2 Mar 18:00")
        assert [item.title for item in digest.items] == ["T1"]
        assert await news.round(day + 18 * HOUR + MINUTE) == 0
        # An empty one is a line, because a heartbeat was asked for; missed ones are not made up.
        assert await news.round(day + 60 * HOUR) == 1
        (line,) = await news.queued()
        assert (line.kind, line.items) == ("digest", ())
        assert "Nothing matched since 2026-03-02 18:00 UTC" in line.reason
        assert await news.round(day + 61 * HOUR) == 0


async def test_an_empty_digest_is_not_sent(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"digest": "daily 08:00"}}) as news:
        await news.round(NIGHT)
        assert await news.round(NIGHT + 24 * HOUR) == 0


async def test_a_live_channel_gets_alerts_and_their_digest(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"digest": "daily 08:00"}}) as news:
        await news.round(NIGHT)
        await news.takes("A", NIGHT + HOUR)
        await news.takes("High", NIGHT + HOUR)
        assert len(await news.queued()) == 2
        assert await news.round(NIGHT + 9 * HOUR) == 1
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T1", "T2"]
        await news.takes("A", NIGHT + 10 * HOUR)
        await news.queued()
        await news.round(NIGHT + 33 * HOUR)
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T3"]


async def test_a_digest_that_comes_late_leaves_to_the_next_what_is_its(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"digest": "daily 08:00"}}) as news:
        await news.round(NIGHT)
        await news.takes("A", NIGHT + HOUR)
        # Down at eight; what comes before it is back in order is of the new day.
        await news.takes("A", NIGHT + 11 * HOUR)
        await news.queued()
        assert await news.round(NIGHT + 12 * HOUR) == 1
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T1"]
        await news.round(NIGHT + 33 * HOUR)
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T2"]


async def test_a_crash_between_the_steps_neither_loses_nor_doubles(tmp_path: Path) -> None:
    async with watch(tmp_path, channels={"news": {"quiet_hours": QUIET}}) as news:
        await news.takes("A", NIGHT)
        await news.takes("A", NIGHT + MINUTE)

        class Crash(Exception):
            pass

        class Failing:
            """The store, which stops at the digest's filling."""

            def __getattr__(self, name: str) -> Any:
                return getattr(news.store, name)

            async def outbox_put(self, rows: Any) -> None:
                raise Crash

        with pytest.raises(Crash):
            await Rounds(Failing(), news.desk).run(news.given, MORNING)
        await news.takes("A", NIGHT + 7 * HOUR)
        await news.restart()
        assert await news.round(MORNING + MINUTE) == 1
        (digest,) = await news.queued()
        assert [item.title for item in digest.items] == ["T1", "T2", "T3"]
        assert await news.store.outbox_rows(states=["held"]) == []


async def test_a_silence_set_elsewhere_is_seen(tmp_path: Path) -> None:
    async with watch(tmp_path) as news:
        silence = make_silence(parse_matchers(["rule=A"]), HOUR, NIGHT)
        await add_silence(news.store, silence)
        await news.round(NIGHT + MINUTE)
        assert await news.takes("A", NIGHT + MINUTE) == []
        await news.restart()
        assert await news.takes("A", NIGHT + MINUTE) == []
        assert len(await news.takes("A", NIGHT + HOUR)) == 1


ASKED = {
    "news": {"unanswered": {"after": "10m", "to": "pager"}},
    "pager": {},
}


async def test_an_alert_nobody_answered_goes_elsewhere(tmp_path: Path) -> None:
    async with watch(tmp_path, channels=ASKED) as news:
        await news.takes("High", NIGHT)
        await news.queued()
        await news.restart()
        assert await news.round(NIGHT + 9 * MINUTE) == 0
        assert await news.round(NIGHT + 10 * MINUTE) == 1
        (alert,) = await news.queued()
        assert (alert.channel, alert.kind) == ("pager", "escalation")
        assert alert.reason == "unanswered in news for 10 min"
        assert await news.round(NIGHT + HOUR) == 0


async def test_an_answered_alert_stays_where_it_is(tmp_path: Path) -> None:
    async with watch(tmp_path, channels=ASKED) as news:
        row, _ = await news.takes("High", NIGHT)
        await note_answer(news.store, row.id, "not_relevant", NIGHT + MINUTE)
        await note_answer(news.store, row.id, "read", NIGHT + MINUTE)
        assert await news.round(NIGHT + 10 * MINUTE) == 0
        assert await news.store.outbox_rows(states=["held"]) == []


async def test_a_reaction_that_is_no_answer_does_not_count(tmp_path: Path) -> None:
    async with watch(tmp_path, channels=ASKED) as news:
        row, _ = await news.takes("High", NIGHT)
        await note_answer(news.store, row.id, "not_relevant", NIGHT + MINUTE)
        assert await news.round(NIGHT + 10 * MINUTE) == 1


async def test_a_channel_that_heard_of_it_meanwhile_is_not_told_twice(tmp_path: Path) -> None:
    routes = [{"when": {"rule": "Critical"}, "to": ["pager"]}]
    rules: dict[str, Any] = {"High": {"severity": "high"}, "Critical": {"severity": "critical"}}
    async with watch(tmp_path, channels=ASKED, rules=rules, routes=routes) as news:
        await news.takes("High", NIGHT, story="one")
        (row,) = await news.takes("Critical", NIGHT + MINUTE, story="one", entries=2)
        # The question that waits is no message: the pager is told as of a new story.
        assert (row.channel, row.kind) == ("pager", "alert")
        await news.queued()
        assert await news.round(NIGHT + 10 * MINUTE) == 0


async def test_the_memory_is_stored_only_when_it_changed(tmp_path: Path) -> None:
    async with watch(tmp_path) as news:
        assert await news.store.blob(BLOB) is None
        await news.takes("A", NIGHT)
        assert await news.store.blob(BLOB) is not None
        assert news.desk.blobs() == ()

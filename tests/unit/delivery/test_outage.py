"""Channels that are down for hours: nothing lost, little said, urgent first."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from monitor.codec import alert_from_json, alert_to_json
from monitor.delivery import Deliverer, queued
from monitor.delivery.catchup import collapse
from monitor.delivery.sender import ChannelRefused, NotReached, Result, Unclear
from monitor.store.port import OutboxRow
from monitor.values import Severity
from tests.unit.delivery.parts import START, MemoryOutbox, ScriptedSender, SetClock, story_alert


def waiting(number: int, minutes: float, severity: Severity = Severity.NORMAL) -> OutboxRow:
    """A row that has waited for ``minutes`` at START."""
    alert = story_alert(
        story_id=f"story-{number}", title=f"Story number {number}", severity=severity
    )
    made = queued(alert, START - timedelta(minutes=minutes) + timedelta(milliseconds=number))
    return replace(made, id=f"row-{number:04}")


def run(courier: Deliverer, clock: SetClock, seconds: int, step: float = 1.0) -> None:
    async def rounds() -> None:
        await courier.recover()
        for _ in range(int(seconds / step)):
            await courier.deliver_due()
            clock.forward(step)

    asyncio.run(rounds())


@pytest.mark.parametrize(
    ("rows", "collapsed"),
    [
        ([waiting(n, 5) for n in range(300)], 0),  # a burst is no outage
        ([waiting(n, 180) for n in range(20)], 0),  # few: one by one
        ([waiting(n, 180) for n in range(21)], 21),
        ([waiting(n, 400) for n in range(3)] + [waiting(9, 1)], 3),  # stale ones alone
        ([waiting(1, 400)], 0),  # one stale alert is shorter than a digest of it
        ([waiting(n, 16) for n in range(5)] + [waiting(n, 1) for n in range(9, 30)], 26),
    ],
)
def test_what_is_collapsed(rows: list[OutboxRow], collapsed: int) -> None:
    made = collapse(rows, START)
    assert len(made.covered if made else ()) == collapsed


def test_three_hours_of_outage_end_in_three_messages_urgent_first() -> None:
    clock = SetClock()
    severities = {7: Severity.CRITICAL, 40: Severity.HIGH, 90: Severity.HIGH}
    rows = [waiting(n, 180 - n / 2, severities.get(n, Severity.NORMAL)) for n in range(300)]
    store = MemoryOutbox(sorted(rows, key=lambda row: row.created_at))
    sender = ScriptedSender(clock, interval=1.0)
    courier = Deliverer(store, {"news": sender}, clock, random=Random(1))  # type: ignore[arg-type]
    run(courier, clock, 120)
    top = [message for message in sender.posted if message.root is None]
    assert len(top) == 3
    assert [message.alert.kind for message in top] == ["alert", "alert", "catch_up"]
    assert top[0].alert.severity is Severity.CRITICAL
    catch_up = next(message for message in top if message.alert.kind == "catch_up")
    pages = [message for message in sender.posted if message.root is not None]
    assert pages
    told = {message.alert.title for message in top if message.alert.kind == "alert"}
    told |= {item.title for item in catch_up.alert.items}
    assert told == {f"Story number {n}" for n in range(300)}
    in_pages = [item.title for message in pages for item in message.alert.items]
    assert len(in_pages) == len(set(in_pages))
    assert {row.state for row in store.rows.values()} == {"sent"}


def test_a_crash_between_the_two_steps_of_a_catch_up_doubles_nothing() -> None:
    clock = SetClock()
    store = MemoryOutbox([waiting(n, 180) for n in range(30)])
    made = collapse(list(store.rows.values()), START)
    assert made is not None
    asyncio.run(store.enqueue([queued(made.alert, START)]))
    sender = ScriptedSender(clock)
    run(Deliverer(store, {"news": sender}, clock, random=Random(1)), clock, 10)  # type: ignore[arg-type]
    assert {message.alert.kind for message in sender.posted} == {"catch_up"}


def test_mentions_of_what_is_collapsed_are_kept() -> None:
    rows = [waiting(n, 180) for n in range(30)]
    told = replace(alert_from_json(rows[3].payload), mention=("S0DESK",))
    rows[3] = replace(rows[3], payload=alert_to_json(told))
    made = collapse(rows, START)
    assert made is not None
    assert made.alert.mention == ("S0DESK",)


@pytest.mark.parametrize("failure", [NotReached("no route"), Unclear("HTTP 503")])
def test_a_service_that_is_down_is_probed_not_hammered(failure: Result) -> None:
    clock = SetClock()
    rows = [replace(waiting(n, 1), channel=f"c{n % 8}") for n in range(80)]
    store = MemoryOutbox(rows)
    senders = {f"c{n}": ScriptedSender(clock, *[failure] * 500, lane=f"lane-{n}") for n in range(8)}
    for sender in senders.values():
        sender.probes = [NotReached("still down")] * 1000
    courier = Deliverer(store, senders, clock, random=Random(1))  # type: ignore[arg-type]
    run(courier, clock, 3600, step=5.0)
    calls = sum(len(sender.calls) for sender in senders.values())
    probes = sum(sender.asked for sender in senders.values())
    assert calls <= 16
    assert 12 <= probes <= 16  # 30 s, 60 s … 5 min
    assert {each.state for each in courier.health()} == {"unreachable"}
    for sender in senders.values():
        sender.script, sender.probes = [], []
    run(courier, clock, 900, step=1.0)
    assert {row.state for row in store.rows.values()} == {"sent"}


def test_a_revoked_token_keeps_everything_and_recovers() -> None:
    clock = SetClock()
    store = MemoryOutbox([waiting(n, 1) for n in range(5)])
    revoked = ChannelRefused("token_revoked", "reinstall the app")
    sender = ScriptedSender(clock, revoked, revoked, revoked)
    courier = Deliverer(store, {"news": sender}, clock, random=Random(1))  # type: ignore[arg-type]
    run(courier, clock, 1200)
    assert {row.state for row in store.rows.values()} == {"sent"}
    times = [at for at, _ in sender.calls[:4]]
    assert all(later - earlier >= 300 for earlier, later in itertools.pairwise(times))
    ids = [message.id for message in sender.posted[3:]]
    assert ids == sorted(ids)


def test_alerts_for_a_channel_that_is_gone_are_kept_and_told() -> None:
    clock = SetClock()
    store = MemoryOutbox([replace(waiting(1, 1), channel="removed")])
    ops = ScriptedSender(clock)
    courier = Deliverer(store, {"ops": ops}, clock, random=Random(1))  # type: ignore[arg-type]
    run(courier, clock, 5)
    assert store.rows["row-0001"].state == "queued"
    assert "removed" in ops.posted[0].alert.title


def test_new_channels_take_over_what_waits() -> None:
    clock = SetClock()
    store = MemoryOutbox([waiting(1, 1)])
    parked = ScriptedSender(clock, ChannelRefused("not_in_channel", "invite it"))
    courier = Deliverer(store, {"news": parked}, clock, random=Random(1))  # type: ignore[arg-type]
    fresh = ScriptedSender(clock)

    async def play() -> None:
        await courier.deliver_due()
        await courier.replace_senders({"news": fresh})
        await courier.deliver_due()

    asyncio.run(play())
    assert len(fresh.calls) == 1

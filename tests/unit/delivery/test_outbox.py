"""What one round of the deliverer does with each outcome of a call."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from monitor.delivery import Deliverer, queued
from monitor.delivery.sender import (
    ChannelRefused,
    MessageRefused,
    NotReached,
    RateLimited,
    Result,
    TryLater,
    Unclear,
)
from monitor.store.port import OutboxRow
from tests.unit.delivery.parts import START, MemoryOutbox, ScriptedSender, SetClock, story_alert


def row(number: int = 1, **changes: object) -> OutboxRow:
    alert = story_alert(story_id=f"story-{number}")
    made = queued(alert, START - timedelta(seconds=10) + timedelta(milliseconds=number))
    return replace(made, id=f"row-{number}", **changes)  # type: ignore[arg-type]


def deliverer(store: MemoryOutbox, clock: SetClock, **senders: ScriptedSender) -> Deliverer:
    return Deliverer(store, senders, clock, random=Random(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "state", "attempts", "not_before"),
    [
        (RateLimited(30), "queued", 0, START - timedelta(seconds=9, milliseconds=999)),
        (NotReached("refused"), "queued", 0, START - timedelta(seconds=9, milliseconds=999)),
        (ChannelRefused("is_archived"), "queued", 0, None),
        (Unclear("HTTP 500"), "unknown", 1, START + timedelta(seconds=15)),
        (TryLater("mystery"), "queued", 1, START + timedelta(seconds=30)),
    ],
)
def test_what_an_outcome_makes_of_a_row(
    result: Result, state: str, attempts: int, not_before: object
) -> None:
    clock, store = SetClock(), MemoryOutbox([row()])
    sender = ScriptedSender(clock, result)
    assert asyncio.run(deliverer(store, clock, news=sender).deliver_due()) == 1
    after = store.rows["row-1"]
    assert (after.state, after.attempts) == (state, attempts)
    if not_before is not None:
        assert after.not_before == not_before


def test_sending_is_stored_before_the_call() -> None:
    clock, store = SetClock(), MemoryOutbox([row()])
    sender = ScriptedSender(clock)
    states: list[str] = []
    sender.before = lambda _: states.append(store.rows["row-1"].state)
    asyncio.run(deliverer(store, clock, news=sender).deliver_due())
    assert states == ["sending"]
    assert [version.state for version in store.log] == ["sending", "sent"]
    assert store.rows["row-1"].receipt is not None


def test_a_left_over_sending_row_is_held_not_sent_again() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(state="sending", attempts=1, first_try=START, last_try=START)])
    sender = ScriptedSender(clock)
    courier = deliverer(store, clock, news=sender)

    async def start() -> int:
        recovered = await courier.recover()
        await courier.deliver_due()
        return recovered

    assert asyncio.run(start()) == 1
    assert store.rows["row-1"].state == "unknown"
    assert sender.calls == []


def test_rows_that_another_may_have_taken_meanwhile_are_not_sent() -> None:
    """A machine that stood still in the middle of a batch must not go on as if nothing had been."""
    clock, store = SetClock(), MemoryOutbox([row(1), row(2), row(3)])
    sender = ScriptedSender(clock)
    sender.before = lambda _: store.lost.update(("row-2", "row-3"))
    courier = deliverer(store, clock, news=sender)

    async def play() -> list[str]:
        await courier.deliver_due()
        after: list[str] = [each.state for each in store.rows.values()]
        clock.forward(2)
        await courier.deliver_due()
        return after

    assert asyncio.run(play()) == ["sent", "sending", "sending"]
    assert [each.id for each in sender.posted] == ["row-1"]
    assert [each.state for each in store.rows.values()] == ["sent", "unknown", "unknown"]


def test_a_429_stops_its_channel_only_and_costs_no_attempt() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(1), row(2), row(3, channel="other")])
    limited = ScriptedSender(clock, RateLimited(30), lane="a")
    free = ScriptedSender(clock, lane="b")
    courier = deliverer(store, clock, news=limited, other=free)

    async def play() -> None:
        await courier.deliver_due()
        assert len(free.calls) == 1
        clock.forward(29.9)
        await courier.deliver_due()
        assert len(limited.calls) == 1
        wake = courier.wake_at()
        assert wake is not None
        assert wake <= clock.now() + timedelta(seconds=0.11)
        clock.forward(0.2)
        await courier.deliver_due()

    asyncio.run(play())
    assert {each.state for each in store.rows.values()} == {"sent"}
    assert store.rows["row-1"].attempts == 1


def test_a_pause_survives_a_restart() -> None:
    clock, store = SetClock(), MemoryOutbox([row(1), row(2)])
    sender = ScriptedSender(clock, RateLimited(120))
    asyncio.run(deliverer(store, clock, news=sender).deliver_due())
    clock.forward(20)
    again = deliverer(store, clock, news=sender)

    async def play() -> None:
        await again.recover()
        await again.deliver_due()
        assert len(sender.calls) == 1
        clock.step(-86_400)  # the wall clock may go back meanwhile
        clock.forward(100)
        await again.deliver_due()

    asyncio.run(play())
    assert len(sender.calls) == 3
    assert sender.calls[1][0] - sender.calls[0][0] >= 120


def test_order_is_kept_within_a_channel() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(number) for number in range(1, 8)])
    sender = ScriptedSender(clock, NotReached("down"))
    courier = deliverer(store, clock, news=sender)

    async def play() -> None:
        for _ in range(5):
            await courier.deliver_due()
            clock.forward(5)

    asyncio.run(play())
    ids = [message.id for message in sender.posted]
    assert ids == ["row-1", *(f"row-{number}" for number in range(1, 8))]


def test_a_refused_message_is_tried_smaller_then_dead() -> None:
    clock, store = SetClock(), MemoryOutbox([row(1), row(2)])
    refusal = MessageRefused("invalid_blocks")
    sender = ScriptedSender(clock, refusal, refusal, refusal)
    courier = deliverer(store, clock, news=sender)
    asyncio.run(courier.deliver_due())
    assert [message.form for message in sender.posted] == ["full", "short", "plain", "full"]
    assert store.rows["row-1"].state == "dead"
    assert store.rows["row-1"].error == "invalid_blocks"
    assert store.rows["row-2"].state == "sent"


def test_a_message_taken_in_a_smaller_form_says_so() -> None:
    clock, store = SetClock(), MemoryOutbox([row(1)])
    sender = ScriptedSender(clock, MessageRefused("msg_blocks_too_long"))
    asyncio.run(deliverer(store, clock, news=sender).deliver_due())
    assert store.rows["row-1"].state == "sent"
    assert store.rows["row-1"].error == "sent as short: msg_blocks_too_long"


def test_an_unknown_refusal_is_tried_five_times() -> None:
    clock, store = SetClock(), MemoryOutbox([row(1)])
    sender = ScriptedSender(clock, *[TryLater("mystery")] * 9)
    courier = deliverer(store, clock, news=sender)

    async def play() -> None:
        for _ in range(12):
            await courier.deliver_due()
            clock.forward(600)

    asyncio.run(play())
    assert len(sender.calls) == 5
    assert store.rows["row-1"].state == "dead"


def test_an_unreadable_alert_is_dead_and_stops_nothing() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(1, payload="{"), row(2)])
    sender = ScriptedSender(clock)
    asyncio.run(deliverer(store, clock, news=sender).deliver_due())
    assert store.rows["row-1"].state == "dead"
    assert store.rows["row-2"].state == "sent"


def test_one_message_a_second_in_a_channel_and_none_waits_for_another() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(n) for n in range(1, 6)] + [row(9, channel="other")])
    flooded = ScriptedSender(clock, lane="a", interval=1.0)
    quiet = ScriptedSender(clock, lane="b", interval=1.0)
    courier = deliverer(store, clock, news=flooded, other=quiet)

    async def play() -> None:
        for _ in range(45):
            await courier.deliver_due()
            clock.forward(0.1)

    asyncio.run(play())
    times = [at for at, _ in flooded.calls]
    assert len(times) == 5
    assert all(later - earlier >= 0.999 for earlier, later in itertools.pairwise(times))
    assert quiet.calls[0][0] == 1000.0


def test_two_channels_of_one_slack_channel_share_its_rate() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(1), row(2, channel="ops")])
    one = ScriptedSender(clock, lane="slack:x", interval=1.0)
    two = ScriptedSender(clock, lane="slack:x", interval=1.0)
    asyncio.run(deliverer(store, clock, news=one, ops=two).deliver_due())
    assert len(one.calls) + len(two.calls) == 1


def test_a_refusing_channel_is_parked_and_ops_told_once() -> None:
    clock = SetClock()
    store = MemoryOutbox([row(1), row(2)])
    refused = ChannelRefused("not_in_channel", "invite the app")
    news = ScriptedSender(clock, refused, refused, lane="a")
    ops = ScriptedSender(clock, lane="b")
    courier = deliverer(store, clock, news=news, ops=ops)

    async def play() -> None:
        for _ in range(4):
            await courier.deliver_due()
            clock.forward(150)

    asyncio.run(play())
    assert len(ops.calls) == 1
    assert "not_in_channel" in ops.posted[0].alert.title
    times = [at for at, _ in news.calls]
    assert times[1] - times[0] >= 300
    assert store.rows["row-1"].state == "queued"
    assert {each.state for each in courier.health()} == {"parked", "ok"}


def test_drain_starts_nothing_new() -> None:
    clock, store = SetClock(), MemoryOutbox([row(1)])
    sender = ScriptedSender(clock)
    courier = deliverer(store, clock, news=sender)

    async def play() -> int:
        await courier.drain(clock.monotonic() + 1)
        return await courier.deliver_due()

    assert asyncio.run(play()) == 0
    assert sender.calls == []

"""Unclear outcomes: looked for three times, found or sent again, doubles deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest

from monitor.delivery import Deliverer
from monitor.delivery.sender import CantLook, RateLimited, Seen, Sent, Unclear
from monitor.store.port import OutboxRow
from monitor.values import Receipt
from tests.unit.delivery.parts import MemoryOutbox, ScriptedSender, SetClock
from tests.unit.delivery.test_outbox import row

HERE, TWIN = Receipt("5.0", "C1"), Receipt("6.0", "C1")


def played(
    sender: ScriptedSender,
    clock: SetClock,
    *rows: OutboxRow,
    seconds: int,
    ops: ScriptedSender | None = None,
) -> MemoryOutbox:
    """Run a deliverer for ``seconds``, a round each second."""
    store = MemoryOutbox(rows)
    senders = {"news": sender} | ({"ops": ops} if ops else {})
    courier = Deliverer(store, senders, clock, random=Random(1))  # type: ignore[arg-type]

    async def run() -> None:
        await courier.recover()
        for _ in range(seconds):
            await courier.deliver_due()
            clock.forward(1)

    asyncio.run(run())
    return store


def looks_at(sender: ScriptedSender, clock: SetClock) -> list[float]:
    """Record the times of a sender's looks."""
    times: list[float] = []
    look = sender.look

    async def recorded(question: object) -> object:
        times.append(clock.monotonic() - 1000.0)
        return await look(question)  # type: ignore[arg-type]

    sender.look = recorded  # type: ignore[method-assign, assignment]
    return times


def test_a_message_that_is_there_is_sent() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("HTTP 500"))
    sender.pages = [Seen({"row-1": (HERE,)})]
    store = played(sender, clock, row(1), seconds=40)
    assert (store.rows["row-1"].state, store.rows["row-1"].receipt) == ("sent", HERE)
    assert len(sender.calls) == 1


def test_three_looks_then_sent_again_under_the_same_id() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("reset"))
    times = looks_at(sender, clock)
    store = played(sender, clock, row(1), seconds=80)
    assert [round(at) for at in times] == [15, 30, 60]
    assert [message.id for message in sender.posted] == ["row-1", "row-1"]
    assert store.rows["row-1"].state == "sent"


def test_a_late_double_is_deleted_by_the_janitor() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("reset"))
    sender.pages = [Seen({}), Seen({}), Seen({}), Seen({"row-1": (HERE, TWIN)})]
    store = played(sender, clock, row(1), seconds=500)
    assert sender.removed == [TWIN]
    assert len(sender.questions) == 4
    assert store.rows["row-1"].state == "sent"


def test_the_janitor_survives_a_restart() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("reset"))
    store = played(sender, clock, row(1), seconds=80)
    again = ScriptedSender(clock)
    again.pages = [Seen({"row-1": (HERE, TWIN)})]
    courier = Deliverer(store, {"news": again}, clock, random=Random(1))  # type: ignore[arg-type]

    async def run() -> None:
        await courier.recover()
        for _ in range(400):
            await courier.deliver_due()
            clock.forward(1)

    asyncio.run(run())
    assert again.removed == [TWIN]
    assert again.calls == []


def test_one_read_settles_all_of_a_channel() -> None:
    clock = SetClock()
    rows = [
        row(n, state="sending", attempts=1, first_try=clock.now(), last_try=clock.now())
        for n in range(1, 6)
    ]
    sender = ScriptedSender(clock)
    sender.pages = [Seen({f"row-{n}": (HERE,) for n in range(1, 6)})]
    store = played(sender, clock, *rows, seconds=20)
    assert {each.state for each in store.rows.values()} == {"sent"}
    assert len(sender.questions) == 1
    assert sender.calls == []


def test_pages_and_retry_after_are_obeyed() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("late"))
    sender.pages = [
        Seen({}, "page-2"),
        RateLimited(60),
        Seen({"row-1": (HERE,)}, None),
    ]
    times = looks_at(sender, clock)
    store = played(sender, clock, row(1), seconds=100)
    assert store.rows["row-1"].state == "sent"
    assert [round(at) for at in times] == [15, 15, 75]
    assert [question.cursor for question in sender.questions] == [None, "page-2", "page-2"]


def test_a_clock_that_is_set_back_holds_up_no_look() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("late"))
    sender.pages = [Seen({"row-1": (HERE,)})]
    store = MemoryOutbox([row(1)])
    courier = Deliverer(store, {"news": sender}, clock, random=Random(1))  # type: ignore[arg-type]
    began = clock.now()

    async def run() -> None:
        await courier.deliver_due()
        clock.step(-6 * 3600)
        for _ in range(20):
            await courier.deliver_due()
            clock.forward(1)

    asyncio.run(run())
    assert store.rows["row-1"].state == "sent"
    # How far back is enough isn't known any more: a day is.
    assert began - sender.questions[0].since > timedelta(hours=24)


def test_a_failed_look_is_no_look() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("late"))
    sender.pages = [*[CantLook("HTTP 500")] * 4, Seen({"row-1": (HERE,)})]
    store = played(sender, clock, row(1), seconds=120)
    assert store.rows["row-1"].state == "sent"
    assert len(sender.calls) == 1


def test_without_the_scope_it_is_sent_again_and_ops_are_told() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("late"), lane="a")
    sender.pages = [CantLook("missing_scope: add the scope channels:history", lasting=True)] * 9
    ops = ScriptedSender(clock, lane="b")
    store = played(sender, clock, row(1), seconds=60, ops=ops)
    assert [message.id for message in sender.posted] == ["row-1", "row-1"]
    assert store.rows["row-1"].state == "sent"
    assert "channels:history" in ops.posted[0].alert.reason


def test_a_channel_without_history_sends_again_after_a_minute() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("reset"), looks=False)
    store = played(sender, clock, row(1), seconds=90)
    times = [at - 1000 for at, _ in sender.calls]
    assert len(times) == 2
    assert times[1] >= 60
    assert store.rows["row-1"].state == "sent"


def test_an_unclear_message_holds_up_no_other() -> None:
    clock = SetClock()
    sender = ScriptedSender(clock, Unclear("late"))
    store = played(sender, clock, row(1), row(2), seconds=5)
    assert store.rows["row-1"].state == "unknown"
    assert store.rows["row-2"].state == "sent"


@pytest.mark.parametrize("seed", range(20))
def test_no_double_and_no_loss_whatever_the_channel_does(seed: int) -> None:
    """A channel that keeps, loses and delays at random, its history lagging 40 s: after all looks
    every message is there exactly once."""
    clock, random = SetClock(), Random(seed)
    kept: list[tuple[str, float, Receipt]] = []
    sender = ScriptedSender(clock)
    sender.script = []

    async def send(message: object) -> object:
        draw = random.random()
        if draw < 0.2:
            return Unclear("lost")
        receipt = Receipt(f"{clock.monotonic()}", "C1")
        kept.append((message.id, clock.monotonic(), receipt))  # type: ignore[attr-defined]
        return Unclear("answer lost") if draw < 0.5 else Sent(receipt)

    async def look(question: object) -> object:
        seen: dict[str, tuple[Receipt, ...]] = {}
        for name, at, receipt in kept:
            if name in question.ids and at + 40 < clock.monotonic():  # type: ignore[attr-defined]
                seen[name] = (*seen.get(name, ()), receipt)
        return Seen(seen)

    sender.send = send  # type: ignore[method-assign, assignment]
    sender.look = look  # type: ignore[method-assign, assignment]
    store = played(sender, clock, *[row(n) for n in range(1, 9)], seconds=900)
    assert {each.state for each in store.rows.values()} == {"sent"}
    assert sorted(name for name, _, _ in kept) == sorted(store.rows)

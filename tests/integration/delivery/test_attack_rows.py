"""The rows of the attack list about Slack's API and outages, through the real deliverer, the real
slack-sdk and the fake Slack.

Rows that are held elsewhere: SLACK-API-12's six hours in tests/unit/delivery/test_outage.py (a set
clock); the outages 01, 03, 04, 05, 06 and 07 are about polling feeds, not about delivery.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.delivery import Deliverer, Pace, Sender, queued
from monitor.delivery.slack.send import SlackApi, SlackSender
from monitor.delivery.slack.webhook import SlackWebhookSender
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxRow, Store
from tests.fakeslack import FakeSlack, Fault
from tests.unit.delivery.parts import story_alert

LOOKS = tuple(timedelta(seconds=each) for each in (0.2, 0.4, 0.6))


@dataclass(slots=True)
class Scene:
    """A Slack, a store and a deliverer for #news-watch ("news") and #news-watch-ops ("ops")."""

    slack: FakeSlack
    store: Store
    courier: Deliverer

    async def queue(self, count: int = 1, channel: str = "news", **changes: Any) -> list[OutboxRow]:
        now = datetime.now(UTC)
        rows = [
            queued(
                story_alert(
                    story_id=f"{channel}-{n}", channel=channel, **{"title": f"Story {n}", **changes}
                ),
                now + timedelta(microseconds=n),
            )
            for n in range(count)
        ]
        await self.store.enqueue([replace(row, not_before=now) for row in rows])
        return rows

    async def run(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Deliver for ``seconds``, or until something holds."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self.courier.deliver_due()
            if until is not None and until():
                return
            await asyncio.sleep(0.02)

    async def states(self) -> dict[str, int]:
        return {str(name): count for name, count in (await self.store.outbox_counts()).items()}

    def posted(self, channel: str = "news-watch") -> int:
        return len(self.slack.workspace.messages(channel))


Row = Callable[[Scene], Awaitable[None]]


async def rate_limited(scene: Scene) -> None:
    """429: that channel waits, others go on, nothing is lost, nothing comes too early."""
    scene.slack.faults.script = [Fault.RATE_LIMITED]
    await scene.queue(2)
    await scene.run(0.5, lambda: not scene.slack.faults.script)  # the one channel is refused
    await scene.queue(1, "ops")
    await scene.run(0.5, lambda: scene.posted("news-watch-ops") == 1)
    assert (scene.posted(), scene.posted("news-watch-ops")) == (0, 1)
    await scene.run(3, lambda: scene.posted() == 2)
    assert await scene.states() == {"sent": 3}
    assert scene.slack.workspace.early == []


def unclear(*faults: Fault) -> Row:
    async def row(scene: Scene) -> None:
        scene.slack.faults.script = list(faults)
        await scene.queue(len(faults) + 2)
        await scene.run(8, lambda: scene.posted() >= len(faults) + 2)
        await scene.run(0.8)
        assert await scene.states() == {"sent": len(faults) + 2}
        assert scene.slack.workspace.duplicates() == {}
        assert scene.posted() == len(faults) + 2

    return row


def refusing_token(error: str) -> Row:
    async def row(scene: Scene) -> None:
        scene.slack.workspace.token_error = error
        await scene.queue(3)
        await scene.run(0.5)
        # One try a channel, though three alerts wait: news, and ops that was to be told.
        assert scene.slack.workspace.count("chat.postMessage") == 2
        assert (await scene.states())["queued"] == 4
        assert {each.state for each in scene.courier.health()} == {"parked"}
        scene.slack.workspace.token_error = ""
        await scene.courier.replace_senders(dict(scene.courier._senders))
        await scene.run(5, lambda: scene.posted() == 3)
        assert scene.posted() == 3

    return row


def refusing_channel(error: str) -> Row:
    async def row(scene: Scene) -> None:
        scene.slack.workspace.errors["news-watch"] = error
        await scene.queue(3)
        await scene.run(1)
        assert scene.slack.workspace.count("chat.postMessage") == 2
        (notice,) = scene.slack.workspace.messages("news-watch-ops")
        assert error in notice.text
        assert (await scene.states()) == {"queued": 3, "sent": 1}

    return row


async def refused_message(scene: Scene) -> None:
    """Shrink, then plain text, then dead: the queue goes on."""
    scene.slack.workspace.errors["news-watch"] = "invalid_blocks"
    await scene.queue(1)
    await scene.run(2, lambda: scene.slack.workspace.count("chat.postMessage") == 3)
    await scene.run(0.3)
    scene.slack.workspace.errors.clear()
    (dead,) = await scene.store.outbox_rows(states=["dead"])
    assert dead.error == "invalid_blocks"
    now = datetime.now(UTC)
    await scene.store.enqueue([queued(story_alert(story_id="later"), now)])
    await scene.run(2, lambda: scene.posted() == 1)
    assert scene.posted() == 1


async def unknown_error(scene: Scene) -> None:
    """An error without a meaning to us: tried again, bounded, and nothing else waits for it."""
    scene.slack.workspace.errors["news-watch"] = "never_heard_of_it"
    (first,) = await scene.queue(1)
    await scene.run(0.3)
    scene.slack.workspace.errors.clear()
    (row,) = await scene.store.outbox_rows(story_id=first.story_id)
    assert (row.state, row.attempts, row.error) == ("queued", 1, "never_heard_of_it")
    assert row.not_before > datetime.now(UTC) + timedelta(seconds=20)
    await scene.store.enqueue([queued(story_alert(story_id="later"), datetime.now(UTC))])
    await scene.run(2, lambda: scene.posted() == 1)
    assert scene.posted() == 1


async def burst(scene: Scene) -> None:
    """A burst goes out one a second, in order."""
    rows = await scene.queue(4)
    await scene.run(6, lambda: scene.posted() == 4)
    messages = scene.slack.workspace.messages("news-watch")
    assert [message.delivery_id for message in messages] == [row.id for row in rows]
    times = [message.stored_at for message in messages]
    assert times[-1] - times[0] >= 2.9
    assert all(call.status == 200 for call in scene.slack.workspace.calls)


async def webhook(scene: Scene) -> None:
    """At least once: a lost answer may mean one double, never a loss."""
    scene.slack.faults.script = [Fault.RESET_AFTER, Fault.RESET_BEFORE]
    hook = SlackWebhookSender(scene.slack.webhook, interval=0.05, timeout=1)
    scene.slack.workspace.message_rate = 0
    await scene.courier.replace_senders({"news": hook})
    await scene.queue(4)
    await scene.run(6, lambda: scene.posted() >= 5)
    titles = {message.text.split(": ")[1] for message in scene.slack.workspace.messages()}
    assert len(titles) == 4
    assert scene.posted() == 5


async def partition(scene: Scene) -> None:
    """Slack can't be reached: what waits is kept, and delivered in order."""
    scene.slack.workspace.down = "reset"
    scene.slack.workspace.message_rate = 0
    rows = await scene.queue(4)
    await scene.run(0.5)
    assert scene.posted() == 0
    scene.slack.workspace.down = ""
    await scene.run(12, lambda: scene.posted() == 4)
    messages = scene.slack.workspace.messages("news-watch")
    assert {message.delivery_id for message in messages} == {row.id for row in rows}
    assert scene.slack.workspace.duplicates() == {}


async def quiet_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """An outage doesn't fill the log: the breaker stops the tries."""
    scene.slack.workspace.down = "refuse"
    with caplog.at_level(logging.INFO, "monitor.delivery"):
        await scene.queue(50)
        await scene.run(4)
    assert len(caplog.records) < 40


ROWS: list[tuple[str, Row]] = [
    ("SLACK-API-01", rate_limited),
    ("SLACK-API-02", unclear(Fault.ERROR_BEFORE, Fault.ERROR_AFTER)),
    ("SLACK-API-03", unclear(Fault.RESET_AFTER, Fault.RESET_BEFORE)),
    ("SLACK-API-04", unclear(Fault.LATE)),
    ("SLACK-API-05", refusing_token("invalid_auth")),
    ("SLACK-API-05", refusing_token("token_revoked")),
    ("SLACK-API-05", refusing_token("account_inactive")),
    ("SLACK-API-06", refusing_channel("channel_not_found")),
    ("SLACK-API-06", refusing_channel("not_in_channel")),
    ("SLACK-API-06", refusing_channel("is_archived")),
    ("SLACK-API-07", refused_message),
    ("SLACK-API-08", unknown_error),
    ("SLACK-API-09", unclear(Fault.PORTAL, Fault.GARBAGE)),
    ("SLACK-API-10", burst),
    ("SLACK-API-11", webhook),
    ("OUTAGE-02", partition),
]


PACED = (rate_limited, burst)  # at Slack's one message a second; the others as fast as it goes


def play(row: Row, folder: Path) -> None:
    async def run() -> None:
        clock = SystemClock()
        store = await open_store(str(folder), now=clock.now(), tokenize=search_tokens)
        rate = 1.0 if row in PACED else 0.0
        async with FakeSlack(message_rate=rate) as slack:
            slack.faults.late = 0.8
            api = SlackApi(slack.token, slack.url, timeout=0.5)
            senders: dict[str, Sender] = {
                "news": SlackSender(api, "#news-watch", interval=rate),
                "ops": SlackSender(api, "#news-watch-ops", interval=rate),
            }
            courier = Deliverer(
                store,
                senders,
                clock,
                random=Random(1),
                pace=Pace(service_rate=0),
                looks_after=LOOKS,
                resend_after=timedelta(seconds=0.3),
            )
            try:
                await row(Scene(slack, store, courier))
            finally:
                await courier.aclose()
                await api.aclose()
                await store.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("case", "row"), ROWS, ids=[f"{case}-{n}" for n, (case, _) in enumerate(ROWS)]
)
def test_attack_row(case: str, row: Row, tmp_path: Path) -> None:
    play(row, tmp_path)


def test_OUTAGE_08_an_outage_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def row(scene: Scene) -> None:
        await quiet_log(scene, caplog)

    play(row, tmp_path)

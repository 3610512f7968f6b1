"""A story as a Slack channel sees it grow: decided, stored, delivered, all real but Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from monitor.alerts.ops import OpsDesk, ops_row
from monitor.delivery.outbox import Deliverer
from monitor.delivery.slack.send import SlackApi, SlackSender
from monitor.values import Alert
from tests.fakeslack import FakeSlack
from tests.integration.alerts.test_rounds import Watch, watch
from tests.unit.delivery.parts import SetClock

HOUR = 3600.0
RULES: dict[str, dict[str, Any]] = {
    "Low": {"severity": "low"},
    "High": {"severity": "high", "mention": ["U0DESK1"]},
    "Other": {"severity": "low"},
}


class Scene:
    """A watch whose channels are Slack's."""

    def __init__(self, news: Watch, clock: SetClock, fake: FakeSlack, deliverer: Deliverer) -> None:
        self.news, self.clock, self.fake, self.deliverer = news, clock, fake, deliverer

    async def takes(self, rule: str, **about: Any) -> None:
        await self.news.takes(rule, self.clock.now(), **about)
        await self.deliver()

    async def later(self, seconds: float) -> None:
        self.clock.forward(seconds)
        await self.news.round(self.clock.now())
        await self.deliver()

    async def deliver(self) -> None:
        for _ in range(4):
            await self.deliverer.deliver_due()
            self.clock.forward(2.0)

    def shown(self, channel: str = "news-watch") -> list[tuple[str, bool, int]]:
        """Return (text, is in a thread, edits) of what the channel shows."""
        return [
            (message.text, message.thread_ts is not None, message.edits)
            for message in self.fake.workspace.messages(channel)
        ]


@asynccontextmanager
async def scene(tmp_path: Path, **given: Any) -> AsyncIterator[Scene]:
    clock = SetClock()
    async with FakeSlack(message_rate=0) as fake, watch(tmp_path, rules=RULES, **given) as news:
        fake.workspace.add_channel("ops")
        api = SlackApi(fake.token, fake.url, timeout=2)
        senders = {
            "news": SlackSender(api, "#news-watch"),
            "ops": SlackSender(api, "#ops"),
        }
        deliverer = Deliverer(news.store, senders, clock, random=Random(1))
        try:
            yield Scene(news, clock, fake, deliverer)
        finally:
            await deliverer.aclose()
            await api.aclose()


async def test_a_story_grows_in_place_and_escalates_anew(tmp_path: Path) -> None:
    async with scene(tmp_path) as now:
        one = {"story": "one", "title": "Arms deal"}
        await now.takes("Low", **one, sources=("Wire",))
        assert [thread for _, thread, _ in now.shown()] == [False]
        # Another source: the message is edited, nobody is disturbed.
        await now.later(400)
        await now.takes("Low", **one, sources=("Wire", "Herald"), entries=2)
        (root,) = now.shown()
        assert root[2] == 1
        assert "2 sources" in root[0]
        # A development, and another rule: in the thread.
        await now.takes("Low", **one, sources=("Wire",), kind="update", reason="new: 12 dead")
        await now.takes("Other", **one, sources=("Wire",))
        assert [thread for _, thread, _ in now.shown()] == [False, True, True]
        # A higher severity: a new message that says why.
        await now.takes("High", **one, sources=("Wire", "Herald", "Reuters"))
        text, thread, _ = now.shown()[-1]
        assert not thread
        assert "escalated low → high: Reuters" in text
        assert "U0DESK1" in str(now.fake.workspace.messages("news-watch")[-1].body["blocks"])


async def test_a_quiet_night_is_one_message_in_the_morning(tmp_path: Path) -> None:
    quiet = {"from": "00:00", "to": "23:00"}
    async with scene(tmp_path, channels={"news": {"quiet_hours": quiet}}) as now:
        for number in range(3):
            await now.takes("Low", title=f"Story {number}")
        assert now.shown() == []
        await now.later(24 * HOUR)
        ((text, _, _),) = now.shown()
        assert "3 stories" in text
        blocks = str(now.fake.workspace.messages("news-watch")[0].body["blocks"])
        assert all(f"Story {number}" in blocks for number in range(3))


async def test_an_ops_message_is_edited_in_place(tmp_path: Path) -> None:
    async with scene(tmp_path, channels={"news": {}, "ops": {}}) as now:
        for revision, title in enumerate(("Feed A fails", "Feed A works again")):
            alert = Alert(
                kind="ops", channel="ops", story_id="feeds/1", title=title, revision=revision
            )
            await now.news.store.enqueue([ops_row(alert, now.clock.now())])
            await now.later(60)
        assert now.shown("ops") == [("Feed A works again", False, 1)]


async def test_ops_is_told_of_a_refused_configuration(tmp_path: Path) -> None:
    async with scene(tmp_path, channels={"news": {}, "ops": {}}) as now:
        desk = await OpsDesk.load(now.news.store)
        await desk.config_refused((), now.news.given, now.clock.now())
        await now.later(1)
        ((text, _, _),) = now.shown("ops")
        assert text.startswith("Configuration refused")

"""Buttons and `/watch` over the real Socket Mode client, the real store, a real configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.silence import load_silences
from monitor.alerts.unanswered import BLOB, read_answers
from monitor.clock import SystemClock
from monitor.config.load import load
from monitor.daemon.reactions import FEEDBACK_BLOB, InForce, Reactions
from monitor.delivery import queued
from monitor.delivery.slack.actions import OLD_BUTTON
from monitor.delivery.slack.render import actions
from monitor.delivery.slack.socket import SocketMode
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import Store
from tests.fakeslack import FakeSlack
from tests.unit.delivery.parts import story_alert

CONFIG = """\
slack: {token: "${TOKEN}", admins: [U0ADMIN]}
channels:
  news: {slack: "#news-watch"}
  syria: {slack: "#syria-desk"}
defaults: {channel: news}
rules:
  - {name: Arms deals with Syria, any: [arms deal]}
  - {name: Mine, any: [coup], added_by: U0READER}
include: rules.d/*.yaml
"""


class Stage:
    """What a scene plays on."""

    def __init__(self, slack: FakeSlack, store: Store, folder: Path) -> None:
        self.slack, self.store, self.folder = slack, store, folder
        self.row = queued(story_alert(), datetime.now(UTC))

    def element(self, action: str) -> dict[str, Any]:
        """Return a button of the alert's, or an option of its menu."""
        for each in actions(story_alert(), self.row.id)["elements"]:
            if each["action_id"] == action:
                return dict(each)
            for option in each.get("options", ()):
                if option["value"].startswith(action):
                    return {"action_id": "more", "selected_option": option}
        raise AssertionError(action)

    async def answer(self) -> str:
        """Wait for the next answer."""
        for _ in range(200):
            if self.slack.workspace.responses:
                return str(self.slack.workspace.responses.pop(0)["text"])
            await asyncio.sleep(0.01)
        raise AssertionError("no answer")


Scene = Callable[[Stage], Awaitable[None]]


def play(folder: Path, scene: Scene) -> None:
    """Run ``scene`` with a Slack, a store with one alert, and a listening Socket Mode."""
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    (folder / "rules.d").mkdir()
    env = {"TOKEN": "xoxb-fake-token"}

    async def run() -> None:
        settings = load(config, env).settings
        store = await open_store(
            str(folder / "state"), now=datetime.now(UTC), tokenize=search_tokens
        )
        async with FakeSlack() as slack:
            stage = Stage(slack, store, folder)
            await store.enqueue([stage.row])
            in_force = InForce(settings, {})
            reactions = Reactions(store, SystemClock(), lambda: in_force, config, env)
            mode = SocketMode(slack.app_token, slack.token, reactions, slack.url)
            await mode.start()
            try:
                await asyncio.wait_for(slack.connected.wait(), 5)
                await scene(stage)
            finally:
                await mode.aclose()
                await store.close()

    asyncio.run(run())


def test_a_reaction_is_stored_with_its_alert(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.press(stage.element("not_relevant"))
        assert "not relevant" in await stage.answer()
        await stage.slack.press(stage.element("follow"))
        assert "follow" in await stage.answer()
        answers = read_answers(await stage.store.blob(BLOB))
        assert list(answers[stage.row.id]) == ["not_relevant", "follow"]
        feedback = await stage.store.blob(FEEDBACK_BLOB)
        assert feedback is not None
        assert b"Arms deals with Syria" in feedback

    play(tmp_path, scene)


def test_why_opens_a_modal_with_the_marked_text(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.press(stage.element("why"))
        for _ in range(200):
            if stage.slack.workspace.views:
                break
            await asyncio.sleep(0.01)
        (view,) = stage.slack.workspace.views
        assert "weapons sales" in str(view)
        assert stage.slack.workspace.refused == []

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("action", "user", "said", "silences"),
    [
        ("mute", "U0ADMIN", "Muted for 24 h: Example Wire", 1),
        ("mute", "U0READER", "Only admins", 0),
        ("snooze", "U0ADMIN", "Muted for 4 h: Arms deals with Syria", 1),
        ("snooze", "U0READER", "Only admins", 0),
    ],
)
def test_who_may_mute(action: str, user: str, said: str, silences: int, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.press(stage.element(action), user)
        assert said in await stage.answer()
        assert len(await load_silences(stage.store)) == silences

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("text", "user", "said"),
    [
        ("", "U0READER", "Usage"),
        ("list", "U0READER", "Arms deals with Syria"),
        ("status", "U0READER", "1 queued"),
        ("mute Mine 2h", "U0READER", "Muted for 2 h: Mine"),
        ("mute Arms deals with Syria 2h", "U0READER", "Only admins"),
        ("mute Nothing", "U0ADMIN", "no rule 'Nothing'"),
        ('test "coup"', "U0READER", "0 of 0 entries"),
        ('test "a AND b OR c"', "U0READER", "AND"),
        ('add "coup"', "U0READER", "Only admins"),
        ('add "coup" #nowhere', "U0ADMIN", "No configured channel"),
        ('add "a AND b OR c"', "U0ADMIN", "AND"),
    ],
)
def test_what_watch_answers(text: str, user: str, said: str, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.command(text, user)
        assert said in await stage.answer()

    play(tmp_path, scene)


def test_an_added_rule_is_in_the_configuration(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.command('add "sanction* AND Russia" <#C1|x>', "U0ADMIN")
        assert "No configured channel" in await stage.answer()
        await stage.slack.command('add "sanction* AND Russia" #syria-desk', "U0ADMIN")
        assert "Added" in await stage.answer()
        settings = load(stage.folder / "config.yaml", {"TOKEN": "xoxb-fake-token"}).settings
        rule = settings.rules[-1]
        assert rule.match == "sanction* AND Russia"
        assert (list(rule.to), rule.added_by) == (["syria"], "U0ADMIN")
        await stage.slack.command('add "sanction* AND Russia" #syria-desk', "U0ADMIN")
        assert "Added" not in await stage.answer()

    play(tmp_path, scene)


def test_a_button_that_is_not_understood_is_answered(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.slack.press({"action_id": "read", "value": "old"})
        assert await stage.answer() == OLD_BUTTON
        await stage.slack.press({"action_id": "read", "value": "1|gone|gone"})
        assert "no longer" in await stage.answer()

    play(tmp_path, scene)

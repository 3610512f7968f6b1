"""The assembled watch: an app token in the configuration makes buttons work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.daemon.assembly import assembled
from monitor.delivery import queued
from tests.fakeslack import FakeSlack, Message
from tests.unit.delivery.parts import story_alert

CONFIG = """\
slack: {{token: "${{TOKEN}}", app_token: "${{APP}}", api_url: "{url}"}}
channels:
  news: {{slack: "#news-watch"}}
defaults: {{channel: news}}
feeds: []
"""


async def until(holds: Callable[[], bool]) -> None:
    """Wait up to ten seconds for something to hold."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to hold")


def test_a_posted_alert_has_buttons_that_work(tmp_path: Path) -> None:
    async def run() -> tuple[Message, Mapping[str, Any]]:
        async with FakeSlack() as slack:
            config = tmp_path / "config.yaml"
            config.write_text(CONFIG.format(url=slack.url))
            env = {"TOKEN": slack.token, "APP": slack.app_token}
            async with assembled(config, env) as daemon:
                running = asyncio.create_task(daemon.run())
                await asyncio.wait_for(slack.connected.wait(), 10)
                store = daemon._store
                await store.enqueue([queued(story_alert(), datetime.now(UTC))])
                await until(lambda: bool(slack.workspace.messages("news-watch")))
                (message,) = slack.workspace.messages("news-watch")
                buttons = message.body["blocks"][-1]["elements"]
                await slack.press(buttons[1])
                await until(lambda: bool(slack.workspace.responses))
                daemon.stop()
                await asyncio.wait_for(running, 15)
            return message, slack.workspace.responses[0]

    message, answer = asyncio.run(run())
    assert message.body["blocks"][-1]["type"] == "actions"
    assert "not relevant" in answer["text"]
    assert answer["replace_original"] is False

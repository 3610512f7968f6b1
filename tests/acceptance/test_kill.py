"""kill -9 between fetch and receipt, at every named point: nothing lost, nothing posted twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.process import Process, rss
from tests.fakeslack import FakeSlackThread
from tests.feedserver import Answer, FeedServer

POINTS = [
    "after_fetch",
    "after_parse",
    "before_commit",
    "in_txn",
    "after_commit",
    "before_sending",
    "after_sending_committed",
    "after_post",
    "before_receipt_committed",
]
STORIES = [
    {"title": "Arms deals with Syria: what is known", "guid": "1", "link": "http://n.example/1"},
    {
        "title": "Parliament questions minister over secret arms deals in Syria's north",
        "guid": "2",
        "link": "http://n.example/2",
    },
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_nothing_and_repeats_nothing(
    point: str,
    server: FeedServer,
    watch: Callable[..., Path],
    start: Callable[..., Process],
) -> None:
    url = server.script("/feed", Answer(rss("Wire", STORIES), etag='"v1"'))
    with FakeSlackThread() as slack:
        slack.workspace.add_channel("news-watch")
        path = watch(
            f"  - {{url: '{url}', name: Wire, first_run: alert, every: 1s}}\n",
            more=f"slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{slack.url}'}}",
        )
        path.write_text(path.read_text().replace("console: true", 'slack: "#news-watch"'))
        environment = {"SLACK_BOT_TOKEN": slack.token}
        killed = start("run", env={**environment, "NEWSWATCH_FAILPOINTS": f"{point}=kill"})
        assert killed.wait() == -9, killed.log

        again = start("run", env=environment)
        titles = [story["title"] for story in STORIES]

        def posted() -> list[str]:
            texts = [message.text for message in slack.workspace.messages("news-watch")]
            return [title for text in texts for title in titles if title in text]

        # A message whose sending was cut off is settled from the channel's history, after looks
        # at 15, 30 and 60 s; until then it is held, not sent again.
        again.wait_for("both stories", lambda: len(posted()) >= 2, timeout=90)
        assert again.stop() == 0
        assert sorted(posted()) == sorted(titles), again.log
        assert slack.workspace.duplicates() == {}

"""kill -9 between fetch and receipt, at every named point: nothing lost, nothing posted twice."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    {
        "title": "Russia will honour existing arms deals with Syria, deputy minister says",
        "guid": "1",
        "link": "http://n.example/1",
        "description": "Training jets named in last year's contract leave the factory in summer.",
    },
    {
        "title": "Auditors in Oslo find pension fund linked to arms deals with Syria",
        "guid": "2",
        "link": "http://n.example/2",
        "description": "The fund sold its shares in the shipping company, a report shows.",
    },
]
TITLES = sorted(story["title"] for story in STORIES)
CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{slack: "#news-watch"}}}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
feeds: [{{url: "{feed}", name: Wire, first_run: alert, every: 1s}}]
rules: [{{name: Arms deals with Syria, any: [arms deals], entities: [Syria]}}]
"""


@dataclass(frozen=True)
class Ending:
    """How a killed watch ended, and what stood in the channel after the restart."""

    code: int
    posted: list[str]
    doubles: dict[str, int]
    log: str


def killed_at(point: str, place: Path) -> Ending:
    place.mkdir()
    with FeedServer() as server, FakeSlackThread() as slack:
        url = server.script("/feed", Answer(rss("Wire", STORIES), etag='"v1"'))
        (place / "config.yaml").write_text(CONFIG.format(slack=slack.url, feed=url))
        environment = {"SLACK_BOT_TOKEN": slack.token}
        first = Process(
            "run", cwd=place, env={**environment, "NEWSWATCH_FAILPOINTS": f"{point}=kill"}
        )
        code = first.wait(60)

        def posted() -> list[str]:
            texts = [message.text for message in slack.workspace.messages("news-watch")]
            return sorted(title for text in texts for title in TITLES if title in text)

        # A poll that was cut off is repeated when its claim ends (40 s). A message whose sending
        # was cut off is settled from the channel's history, after looks at 15, 30 and 60 s; until
        # then it is held, not sent again.
        second = Process("run", cwd=place, env=environment)
        try:
            second.wait_for("both stories", lambda: len(posted()) >= 2, timeout=150)
        finally:
            second.stop()
        log = f"{first.log}\n{second.log}"
        return Ending(code, posted(), slack.workspace.duplicates(), log)


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ending]:
    """Kill one watch at each point, all at the same time: they mostly wait."""
    places = {point: tmp_path_factory.mktemp("kill") / point for point in POINTS}
    with ThreadPoolExecutor(len(POINTS)) as pool:
        running = {point: pool.submit(killed_at, point, places[point]) for point in POINTS}
        return {point: future.result() for point, future in running.items()}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_nothing_and_repeats_nothing(
    point: str, endings: Mapping[str, Ending]
) -> None:
    ending = endings[point]
    assert ending.code == -9, ending.log
    assert ending.posted == TITLES, ending.log
    assert ending.doubles == {}

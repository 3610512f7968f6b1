"""kill -9 between fetch and receipt, at every named point: nothing lost, nothing posted twice."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.conftest import state_of
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
# PostgreSQL's own: the transactions of the poll and of the message, before and after.
SHARED_POINTS = ["in_txn", "after_commit", "after_sending_committed", "after_post"]
KILLS = [("sqlite", point) for point in POINTS] + [("postgres", point) for point in SHARED_POINTS]
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
state: {state}
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


def killed_at(point: str, place: Path, state: str) -> Ending:
    place.mkdir()
    with FeedServer() as server, FakeSlackThread() as slack:
        url = server.script("/feed", Answer(rss("Wire", STORIES), etag='"v1"'))
        (place / "config.yaml").write_text(CONFIG.format(state=state, slack=slack.url, feed=url))
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
def endings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], Future[Ending]]:
    """Kill one watch at each point, all at the same time: they mostly wait."""

    places = {kill: tmp_path_factory.mktemp("kill") / kill[1] for kill in KILLS}

    def end(store: str, point: str) -> Ending:
        with state_of(store) as state:
            return killed_at(point, places[store, point], state)

    with ThreadPoolExecutor(len(KILLS)) as pool:
        return {kill: pool.submit(end, *kill) for kill in KILLS}


@pytest.mark.parametrize(("store", "point"), KILLS)
def test_a_kill_loses_nothing_and_repeats_nothing(
    store: str, point: str, endings: Mapping[tuple[str, str], Future[Ending]]
) -> None:
    ending = endings[store, point].result()  # raises what went wrong, or the reason to skip
    assert ending.code == -9, ending.log
    assert ending.posted == TITLES, ending.log
    assert ending.doubles == {}

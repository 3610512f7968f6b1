"""How long the work of a killed worker rests: polls, the lead, and what was to be told.

    python -m benchmarks.recovery --kills 5      # some four minutes

Three workers as ``newswatch worker`` runs them, with their usual times, poll feeds that are due
each second. One is killed (``kill -9``) in the middle of its work, the leader every other time; a
story is published at that moment. Printed is how long it took until another led, until each feed
had been polled again, and until the story was told. Works in a schema of its own on the PostgreSQL
of ``NEWSWATCH_TEST_DATABASE_URL`` (else 127.0.0.1:5432, database ``test``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from tests.acceptance.process import ROOT, rss
from tests.contract.databases import fresh_schema, psycopg
from tests.fakeslack import FakeSlackThread
from tests.feedserver import Answer, FeedServer, Request

WORKERS = 3
FEEDS = 60
WAIT = 75.0  # seconds after which a kill counts as never recovered from
console = Console(width=100)
CONFIG = """\
state: {state}
defaults: {{channel: news}}
channels: {{news: {{slack: "#news-watch", per_feed: 999 per hour}}}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
web: {{enabled: false}}
feeds: [{feeds}]
rules: [{{name: Kills, any: [killing]}}]
"""


def title_of(number: int) -> str:
    """Return a headline that has nothing in common with the others but the rule's word."""
    dice = Random(number)
    words = ("".join(dice.choices("bcdfghklmnprstvz", k=7)) for _ in range(5))
    return f"Killing {' '.join(words)}"


class Cluster:
    """Workers, their feeds and their channel."""

    def __init__(self, folder: Path, database: str, stack: ExitStack) -> None:
        self._database, self._folder = database, folder
        self.server = stack.enter_context(FeedServer("0.0.0.0"))
        self._slack = stack.enter_context(FakeSlackThread(message_rate=0, history_rate=6000))
        self._slack.workspace.add_channel("news-watch")
        self.kills = 0
        feeds = []
        for number in range(FEEDS):
            self.server.script(f"/{number}", partial(self._answer, number))
            url = f"http://127.0.{number % 30}.1:{self.server.port}/{number}"
            feeds.append(f"{{url: '{url}', name: Wire {number}, first_run: alert, every: 1s}}")
        text = CONFIG.format(state=database, slack=self._slack.url, feeds=", ".join(feeds))
        (folder / "config.yaml").write_text(text)
        self.workers: list[subprocess.Popen[bytes]] = []
        stack.callback(self._end)

    def _answer(self, number: int, _: Request) -> Answer:
        told = range(number, self.kills, FEEDS)
        items = [{"title": title_of(n), "guid": str(n)} for n in told]
        return Answer(rss(f"Wire {number}", items), etag=f'"{len(items)}"')

    def start(self) -> None:
        """Start workers until there are as many as there should be."""
        while len(self.workers) < WORKERS:
            command = [sys.executable, str(ROOT / "bot.py"), "worker"]
            environment = {**os.environ, "SLACK_BOT_TOKEN": self._slack.token}
            self.workers.append(
                subprocess.Popen(
                    command, cwd=self._folder, env=environment, stderr=subprocess.DEVNULL
                )
            )

    def _end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def leader(self) -> int | None:
        """Return the pid of the living worker that leads."""
        with psycopg.connect(self._database) as db:
            rows = db.execute(
                "SELECT pid FROM workers WHERE metrics::json->>'leads' = 'true' "
                "AND beat_at > clock_timestamp() - interval '6 seconds'"
            ).fetchall()
        living = {worker.pid for worker in self.workers}
        return next((row[0] for row in rows if row[0] in living), None)

    def told(self, number: int) -> bool:
        """Tell whether the channel has the story published at a kill."""
        messages = self._slack.workspace.messages("news-watch")
        return any(title_of(number) in message.text for message in messages)

    def polled_since(self, at: float) -> set[str]:
        """Return the feeds asked for since ``at`` (monotonic seconds)."""
        return {each.path for each in self.server.requests if each.at > at}

    def kill(self, victim: int) -> tuple[float, float, float]:
        """Kill the worker with that pid; returns the seconds until another leads, until all feeds
        were polled again, and until the story published meanwhile was told."""
        (worker,) = (each for each in self.workers if each.pid == victim)
        self.workers.remove(worker)
        number = self.kills
        began = time.monotonic()
        worker.kill()
        self.kills += 1
        worker.wait()
        spent = [0.0, 0.0, 0.0]
        while not all(spent) and time.monotonic() - began < WAIT:
            holds = (
                self.leader() is not None,
                len(self.polled_since(began)) == FEEDS,
                self.told(number),
            )
            for place, done in enumerate(holds):
                if done and not spent[place]:
                    spent[place] = time.monotonic() - began
            time.sleep(0.05)
        return (spent[0] or WAIT, spent[1] or WAIT, spent[2] or WAIT)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    dice = Random(given.seed)
    table = Table("killed", "another led, s", "all feeds polled again, s", "story told, s")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="newswatch-")))
        url = stack.enter_context(fresh_schema(durable=True))
        cluster = Cluster(folder, url, stack)
        for number in range(given.kills):
            cluster.start()
            began = time.monotonic()
            while len(cluster.polled_since(began)) < FEEDS or cluster.leader() is None:
                time.sleep(0.1)
            time.sleep(dice.uniform(4, 6))
            leads = number % 2 == 0
            others = [each.pid for each in cluster.workers if each.pid != cluster.leader()]
            victim = cluster.leader() if leads else dice.choice(others)
            spent = cluster.kill(victim or others[0])
            table.add_row("leader" if leads else "another", *(f"{each:.1f}" for each in spent))
    console.print(table)


if __name__ == "__main__":
    main()

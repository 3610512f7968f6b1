"""Kill the daemon again and again while feeds and Slack fail, and keep the books."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import IO

from monitor.store import open_store
from tests.chaos.ledger import Ledger
from tests.chaos.world import KEYWORD, WORD, Odds, World
from tests.fakeslack import FakeSlack, FakeSlackThread, Faults
from tests.feedserver import FeedServer

POINTS = (
    "after_fetch",
    "after_parse",
    "before_commit",
    "in_txn",
    "after_commit",
    "before_sending",
    "after_sending_committed",
    "after_post",
    "before_receipt_committed",
)
# How often a point may pass before the kill: those of a poll come by once a feed, the others once
# a batch or once a message.
OFTEN = {"after_fetch": 24, "after_parse": 8, "in_txn": 20}
WINDOW = 1.6  # seconds after which a daemon that didn't reach its point is killed anyway
SETTLE = 40.0  # seconds without a new story in Slack after which the last, calm run is over
CHANNELS = ("news-watch", "syria-desk")


@contextmanager
def zygote(*args: str, fds: Sequence[int] = ()) -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks daemons; ``fds`` are handed on to it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.zygote", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        pass_fds=fds,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(120)
        process.stdout.close()


@contextmanager
def zygotes(count: int, task: str) -> Iterator[list[Forked]]:
    """Start so many, which share what they have imported, and compiled for ``task``."""
    theirs: list[int] = []
    ours: list[Forked] = []
    with ExitStack() as stack:
        for _ in range(count):
            reads, writes = os.pipe(), os.pipe()
            theirs += [reads[0], writes[1]]
            ends = (os.fdopen(reads[1], "w", 1), os.fdopen(writes[0], "r", 1))
            ours.append(stack.enter_context(Forked(ends)))
        with zygote(task, *map(str, theirs), fds=theirs):
            for fd in theirs:
                os.close(fd)
            try:
                yield ours
            finally:
                stack.close()


class Scene:
    """What the daemons of a run live in: the feeds, Slack, the configuration file, and the books.

    Usable as a context manager. ``state`` is what the configuration says under ``state:``, a
    folder beside it or a database's URL; ``place`` holds the configuration and the daemons' log.
    The feeds are spread over so many ``hosts``.
    """

    def __init__(
        self,
        place: Path,
        seed: int,
        odds: Odds | None = None,
        slack_faults: bool = True,
        state: str = "./state",
        hosts: int = 1,
    ) -> None:
        self.place = place
        self.state = state
        self._hosts = hosts
        self.ledger = Ledger(seed)
        self._world = World(seed, odds=odds)
        self._trouble = Faults(
            seed,
            unclear=0.10 if slack_faults else 0,
            limited=0.03 if slack_faults else 0,
            late=0.5,
        )
        self._open = ExitStack()
        self._slack: FakeSlack

    def __enter__(self) -> Scene:
        self.place.mkdir(parents=True, exist_ok=True)
        server = self._open.enter_context(FeedServer("0.0.0.0" if self._hosts > 1 else "127.0.0.1"))
        # 0.2 s of history lag: a message is stored and can't be read back at once.
        slack_thread = FakeSlackThread(
            self._trouble, message_rate=0, history_rate=6000, history_lag=0.2, latency=0.005
        )
        self._slack = self._open.enter_context(slack_thread)
        for feed in self._world.feeds:
            server.script(f"/{feed.name}", partial(self._world.answer, feed))
        self._configure(server)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def publish(self, rounds: int) -> None:
        """Let the feeds publish some stories."""
        for _ in range(rounds):
            self._world.publish()

    def calm(self) -> None:
        """Let nothing fail any more."""
        self._world.odds = Odds(0, 0, 0, 0, 0, 0)
        self._trouble.unclear = self._trouble.limited = 0

    @contextmanager
    def latency(self, seconds: float) -> Iterator[None]:
        """Let Slack answer so much later for a while."""
        space = self._slack.workspace
        before, space.latency = space.latency, seconds
        try:
            yield
        finally:
            space.latency = before

    def missing(self) -> set[str]:
        """Return the stories that must be told and haven't been."""
        wanted = {word for word, story in self._world.stories.items() if story.wanted}
        return wanted - self._told().keys()

    def task(self, failpoints: str, seed: float, mutant: str = "") -> str:
        """Return the line that makes a zygote fork a daemon for this scene."""
        return json.dumps(
            {
                "config": str(self.place / "config.yaml"),
                "compiled": str(self.place / "config.yaml"),
                "token": self._slack.token,
                "log": str(self.place / "log"),
                "points": str(self.place / "points"),
                "failpoints": failpoints,
                "mutant": mutant,
                "seed": seed,
            }
        )

    def log(self) -> str:
        """Return the end of what the daemons logged."""
        path = self.place / "log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""

    def audit(self) -> None:
        """Fill in the ledger; once the daemons have ended."""
        ledger, stories, space = self.ledger, self._world.stories, self._slack.workspace
        told = self._told()
        wanted = {word for word, story in stories.items() if story.wanted}
        ledger.planted = len(wanted)
        ledger.lost = sorted(wanted - told.keys())
        ledger.false = sorted(told.keys() - wanted)
        ledger.copies = {word: count for word, count in told.items() if count > 1}
        ledger.early = len(space.early)
        ledger.refused = len(space.refused)
        ledger.lost_answers = self._trouble.lost_answers
        for message in space.messages():
            for word in set(WORD.findall(message.text)) & wanted:
                ledger.late.append(message.stored_at - stories[word].at)
        ledger.feed_faults = self._world.faults
        ledger.log = self.log()
        ledger.evidence = [line for word in ledger.copies for line in self._evidence(word)]
        ledger.check = asyncio.run(self._check())

    def note(self, **facts: object) -> None:
        """Write what the harness does among what the daemons log."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds")} | facts)
        with (self.place / "log").open("a") as log:
            log.write(line + "\n")

    def _evidence(self, word: str) -> list[str]:
        """Return what is known of the messages that tell of ``word``, and of their time."""
        ours = [m for m in self._slack.workspace.messages() if word in json.dumps(m.body)]
        ids = {json.dumps(message.body.get("metadata")) for message in ours}
        log = (self.place / "log").read_text(errors="replace").splitlines()
        deliveries = set(re.findall(r"[0-9A-Z]{26}", " ".join(ids)))
        times = [float(message.ts) for message in ours]
        around = [
            datetime.fromtimestamp(at, UTC).isoformat() for at in (min(times) - 6, max(times) + 2)
        ]
        return [
            *(f"{word}: {m.ts} in {m.channel}: {json.dumps(m.body)[:600]}" for m in ours),
            *(line for line in log if any(each in line for each in deliveries)),
            f"{word}: what happened around that:",
            *(line[:400] for line in log if around[0] < line[10:34] < around[1]),
        ]

    async def _check(self) -> str:
        """Look for damage in the database, as ``db check`` does; "ok" when there is none."""
        target = self.state if "://" in self.state else str(self.place / self.state)
        store = await open_store(target, now=datetime.now(UTC), tokenize=str.split, check=False)
        try:
            return "; ".join(await store.check()) or "ok"
        finally:
            await store.close()

    def _told(self) -> Counter[str]:
        return Counter(
            word
            for message in self._slack.workspace.messages()
            for word in set(WORD.findall(json.dumps(message.body)))
        )

    def _configure(self, server: FeedServer) -> None:
        feeds = "\n".join(
            f"  - {{url: 'http://127.0.0.{1 + number % self._hosts}:{server.port}/{feed.name}', "
            f"name: {feed.name}, every: 1s, first_run: alert, "
            f"tags: [{'busy' if feed in self._world.busy else 'quiet'}]}}"
            for number, feed in enumerate(self._world.feeds)
        )
        (self.place / "config.yaml").write_text(
            f"state: '{self.state}'\n"
            "defaults: {channel: news}\n"
            "channels:\n"
            f"  news: {{slack: '#{CHANNELS[0]}', per_feed: '999999 per hour'}}\n"
            f"  desk: {{slack: '#{CHANNELS[1]}', per_feed: '999999 per hour'}}\n"
            f"slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{self._slack.url}'}}\n"
            "network: {allow: [127.0.0.0/8]}\n"
            "polling: {min: 1s}\n"
            f"feeds:\n{feeds}\n"
            f"rules: [{{name: Fish, any: [{KEYWORD}]}}]\n"
            "routes: [{when: {tag: [quiet]}, to: desk}]\n"
        )


class Forked:
    """A zygote, and the daemon that it forked last.

    ``ends`` are where it is written to and read from; a zygote of its own is started without.
    """

    def __init__(self, ends: tuple[IO[str], IO[str]] | None = None) -> None:
        self.pid = 0
        self._open = ExitStack()
        self._ends = ends
        self._running = False

    def __enter__(self) -> Forked:
        if self._ends is None:
            process = self._open.enter_context(zygote())
            assert process.stdin is not None
            assert process.stdout is not None
            self._ends = (process.stdin, process.stdout)
        else:
            for end in self._ends:
                self._open.enter_context(end)
        self._to, self._from = self._ends
        return self

    def __exit__(self, *exc: object) -> None:
        if self._running and not self.ended(0):
            self.signal(signal.SIGKILL)  # something went wrong: say that, don't wait for its end
        self._open.close()

    def start(self, task: str) -> None:
        """Fork a daemon for ``task``; the one before must have ended and been waited for."""
        self._to.write(task + "\n")
        self.pid = int(self._from.readline())
        self._running = True

    def ended(self, patience: float) -> bool:
        """Wait up to ``patience`` seconds for the daemon's end; tell whether it came."""
        ready, _, _ = select.select([self._from], [], [], patience)
        return bool(ready)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has just died by itself
            os.kill(self.pid, number)

    def status(self) -> int:
        """Wait for the daemon's end; return its exit status, -9 for one that was killed."""
        status = int(self._from.readline())
        self._running = False
        return status


class Lane:
    """One daemon after the other over one state."""

    def __init__(
        self,
        place: Path,
        seed: int,
        mutant: str = "",
        points: Sequence[str] = POINTS,
        odds: Odds | None = None,
        slack_faults: bool = True,
        settle: float = SETTLE,
        state: str = "./state",
    ) -> None:
        self._scene = Scene(place, seed, odds, slack_faults, state)
        self._random = Random(seed)
        self._mutant = mutant
        self._points = points
        self._settle = settle
        self.ledger = self._scene.ledger
        self.ledger.points = dict.fromkeys(points, 0)

    def run(self, seconds: float = 0.0, cycles: int = 0) -> Ledger:
        """Kill for ``seconds`` or for so many ``cycles``, then let one daemon finish in peace."""
        started = time.monotonic()
        with self._scene, Forked() as daemon:
            while (cycles and self.ledger.kills < cycles) or (
                seconds and time.monotonic() - started < seconds
            ):
                self._cycle(daemon)
            self._scene.calm()
            self._finish(daemon)
            self._scene.audit()
        self.ledger.seconds = time.monotonic() - started
        return self.ledger

    def _cycle(self, daemon: Forked) -> None:
        self._scene.publish(self._random.randint(1, 3))
        # Four in five at a point, the one that had the fewest kills first; the rest anywhere.
        point = ""
        if self._random.random() < 0.8:
            fewest = min(self.ledger.points.values())
            few = [name for name in self._points if self.ledger.points[name] <= fewest + 1]
            point = self._random.choice(few)
        count = self._random.randint(1, OFTEN.get(point, 2))
        daemon.start(self._task(f"{point}=kill:{count}" if point else ""))
        patience = WINDOW if point else self._random.uniform(0.1, WINDOW)
        at_point = daemon.ended(patience)
        if not at_point:
            daemon.signal(signal.SIGKILL)
        status = daemon.status()
        assert status == -signal.SIGKILL, f"ended with {status}\n{self._scene.log()}"
        self.ledger.kills += 1
        if at_point:
            self.ledger.points[point] += 1

    def _finish(self, daemon: Forked) -> None:
        daemon.start(self._task(""))
        missing, end = self._scene.missing(), time.monotonic() + self._settle
        while missing and time.monotonic() < end:
            assert not daemon.ended(0.1), self._scene.log()
            left = self._scene.missing()
            if len(left) < len(missing):  # a starved machine is slow, and no loss
                missing, end = left, time.monotonic() + self._settle
        # What is unclear is looked for three times; a double would come after the last look.
        daemon.ended(2.5)
        daemon.signal(signal.SIGTERM)
        status = daemon.status()
        assert status == 0, f"ended with {status}\n{self._scene.log()}"

    def _task(self, failpoints: str) -> str:
        return self._scene.task(failpoints, self._random.random(), self._mutant)

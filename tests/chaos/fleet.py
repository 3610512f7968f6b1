"""Three workers on one PostgreSQL while workers, the network, the server and Slack fail.

``python -m tests.chaos.fleet --seconds 600`` does it for ten minutes and prints what came of it.
Everything is the product's own, as in ``harness``: workers are killed at points inside their work
and anywhere, told to stop one after the other, stopped like a paused machine, cut off from the
database while they post, gone without a word; the database ends all sessions, restarts, crashes,
and loses its postmaster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from monitor.errors import EXIT_TEMPFAIL
from tests.chaos.harness import OFTEN, POINTS, Forked, Scene, zygotes
from tests.chaos.ledger import Ledger, table
from tests.databaseserver import DatabaseServer, database_server
from tests.integration.store.proxy import Proxy

WORKERS = 3
HOSTS = 8  # so that shards are many, and workers poll at the same time
WINDOW = 2.0  # seconds after which a worker that didn't reach its point is killed anyway
# Longer than all waiting times of a hurried worker (tests.chaos.zygote), as 60 s are of a real one.
AWAY = 5.0
SETTLE = 60.0
# How often each happens, roughly in a hundred.
EVENTS = {
    "kill": 58,
    "kill two": 5,
    "kill all": 3,
    "rolling restart": 5,
    "sessions ended": 5,
    "cut off": 6,
    "paused": 5,
    "vanished": 4,
    "server restart": 3,
    "server crash": 3,
    "server killed": 3,
}


class ProxyThread:
    """A ``Proxy`` for each worker, in a thread of their own."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.proxies = [Proxy(host, port) for _ in range(count)]
        self._open = ExitStack()

    def __enter__(self) -> ProxyThread:
        self._thread.start()
        for proxy in self.proxies:
            running = proxy.running()
            self._run(running.__aenter__())
            self._open.callback(self._close, running)
        return self

    def _close(self, running: AbstractAsyncContextManager[object]) -> None:
        self._run(running.__aexit__(None, None, None))

    def __exit__(self, *exc: object) -> None:
        self._open.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self, number: int) -> None:
        self._loop.call_soon_threadsafe(self.proxies[number].cut)

    def abandon(self, number: int) -> None:
        self._run(self._abandoned(number))

    async def _abandoned(self, number: int) -> None:
        self.proxies[number].abandon()

    def heal(self, number: int) -> None:
        self._run(self.proxies[number].heal())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Fleet:
    """Workers over one database; ``server`` is restarted and killed too.

    ``events`` names what happens and how often, as weights.
    """

    def __init__(
        self,
        place: Path,
        seed: int,
        server: DatabaseServer,
        *,
        events: dict[str, int] | None = None,
        mutant: str = "",
    ) -> None:
        self._scene = Scene(place, seed, state=server.url, hosts=HOSTS)
        self._server = server
        self._random = Random(seed)
        self._events = events or EVENTS
        self._mutant = mutant
        self._workers: list[Forked] = []
        self._proxies = ProxyThread("127.0.0.1", server.port, WORKERS)
        self.ledger = self._scene.ledger
        self.ledger.points = dict.fromkeys(POINTS, 0)
        self.happened: Counter[str] = Counter()

    def run(self, seconds: float = 0.0, script: Sequence[str] = ()) -> Ledger:
        """Let things happen for ``seconds``, or those of ``script``; then calm down and count."""
        began = time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(self._scene)
            stack.enter_context(self._proxies)
            self._workers = stack.enter_context(zygotes(WORKERS, self._scene.task("", 0)))
            for number in range(WORKERS):
                self._configure(number)
                self._start(number)
            todo = list(script)
            while todo or time.monotonic() - began < seconds:
                self._let_happen(todo.pop(0) if todo else self._drawn())
            self._scene.calm()
            self._finish()
            self._scene.audit()
        self.ledger.seconds = time.monotonic() - began
        self.ledger.events = dict(self.happened)
        return self.ledger

    # Workers ------------------------------------------------------------------------------------

    def _configure(self, number: int) -> None:
        """Give a worker its configuration: the same but for the way to the database."""
        place = self._scene.place
        there = urlsplit(self._server.url)
        port = self._proxies.proxies[number].port
        netloc = f"{there.username}@127.0.0.1:{port}"
        text = (place / "config.yaml").read_text()
        text = text.replace(self._server.url, urlunsplit(there._replace(netloc=netloc)))
        (place / f"worker{number}.yaml").write_text(text)

    def _start(self, number: int) -> None:
        place = self._scene.place
        task = json.loads(self._scene.task("", self._random.random(), self._mutant))
        task |= {"config": str(place / f"worker{number}.yaml"), "arm": str(place / f"arm{number}")}
        self._workers[number].start(json.dumps(task))

    def _leader(self) -> int:
        """Return the worker that leads, any one where that is not known."""
        try:
            with psycopg.connect(self._server.url, connect_timeout=2) as db:
                rows = db.execute(
                    "SELECT pid FROM workers WHERE metrics::json->>'leads' = 'true' "
                    "ORDER BY beat_at DESC LIMIT 1"
                ).fetchall()
        except psycopg.Error:
            rows = []
        pids = [worker.pid for worker in self._workers]
        return pids.index(rows[0][0]) if rows and rows[0][0] in pids else self._any()

    def _any(self) -> int:
        return self._random.randrange(WORKERS)

    def _victim(self) -> int:
        return self._leader() if self._random.random() < 0.75 else self._any()

    def _alive(self) -> None:
        """Start again who found no database at its start, as a supervisor would; nobody else may
        have ended."""
        for number, worker in enumerate(self._workers):
            if worker.ended(0):
                status = worker.status()
                fine = (EXIT_TEMPFAIL, -signal.SIGKILL)
                assert status in fine, f"worker {number}: {status}\n{self._scene.log()}"
                if status == EXIT_TEMPFAIL:
                    self.happened["worker started without a database"] += 1
                else:  # at the point of its last arming, which it learned late
                    self.ledger.kills += 1
                self._start(number)

    # Events -------------------------------------------------------------------------------------

    def _drawn(self) -> str:
        (name,) = self._random.choices(list(self._events), list(self._events.values()))
        return name

    def _let_happen(self, name: str) -> None:
        does: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "kill two": lambda: self._kill_some(2),
            "kill all": lambda: self._kill_some(WORKERS),
            "rolling restart": self._roll,
            "sessions ended": self._end_sessions,
            "cut off": self._cut_off,
            "paused": self._pause,
            "vanished": self._vanish,
            "server restart": lambda: self._server.restart("fast"),
            "server crash": lambda: self._server.restart("immediate"),
            "server killed": self._kill_server,
        }
        self._scene.publish(self._random.randint(1, 3))
        self.happened[name] += 1
        self._scene.note(event=name, workers=[worker.pid for worker in self._workers])
        if name.startswith("server"):
            time.sleep(self._random.uniform(0.1, 0.6))  # in the middle of the work
        does[name]()
        self._alive()

    def _kill(self) -> None:
        """Kill whoever reaches a point inside the work, or anybody anywhere."""
        if self._random.random() < 0.85:
            fewest = min(self.ledger.points.values())
            few = [each for each in POINTS if self.ledger.points[each] <= fewest + 1]
            point = self._random.choice(few)
            self._arm(f"{point}=kill:{self._random.randint(1, min(8, OFTEN.get(point, 2)))}")
            dead = self._first_dead(WINDOW)
            self._arm("")
            time.sleep(0.05)  # a second one may have got there meanwhile
            dead += [n for n in range(WORKERS) if n not in dead and self._workers[n].ended(0)]
            self.ledger.points[point] += len(dead)
        else:
            time.sleep(self._random.uniform(0.1, WINDOW))
            dead = []
        for number in dead or [self._victim()]:
            self._end(number, signal.SIGKILL)
            self._start(number)

    def _arm(self, points: str) -> None:
        for number, worker in enumerate(self._workers):
            (self._scene.place / f"arm{number}").write_text(points)
            if not worker.ended(0):
                worker.signal(signal.SIGUSR1)

    def _first_dead(self, patience: float) -> list[int]:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if dead := [n for n, worker in enumerate(self._workers) if worker.ended(0.02)]:
                return dead
        return []

    def _kill_some(self, count: int) -> None:
        time.sleep(self._random.uniform(0.1, 1.0))
        victims = self._random.sample(range(WORKERS), count)
        for number in victims:
            self._workers[number].signal(signal.SIGKILL)
        for number in victims:
            self._end(number, signal.SIGKILL)
            self._start(number)

    def _end(self, number: int, how: signal.Signals) -> None:
        worker = self._workers[number]
        if not worker.ended(0):
            worker.signal(how)
        status = worker.status()
        if how is signal.SIGKILL:
            self.ledger.kills += 1
        # One that is told to stop before it listens just ends.
        fine = (-how, EXIT_TEMPFAIL, *((0,) if how is signal.SIGTERM else ()))
        assert status in fine, f"worker {number} ended with {status}\n{self._scene.log()}"

    def _roll(self) -> None:
        """Restart one worker after the other, as for a new version."""
        for number in range(WORKERS):
            self._end(number, signal.SIGTERM)
            self._start(number)
            self._scene.publish(1)

    def _end_sessions(self) -> None:
        time.sleep(self._random.uniform(0.1, 0.6))
        with psycopg.connect(self._server.url, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'newswatch-%'"
            )

    def _cut_off(self) -> None:
        """Cut a worker off from the database, mostly the one that posts, while it does."""
        number = self._victim()
        self._scene.note(victim=self._workers[number].pid)
        with self._slow_slack():
            time.sleep(self._random.uniform(0.2, 0.8))
            self._proxies.cut(number)
            self._away()
            self._proxies.heal(number)

    def _pause(self) -> None:
        """Stop a worker like a paused machine, which knows nothing of the time between."""
        number = self._victim()
        self._scene.note(victim=self._workers[number].pid)
        with self._slow_slack():
            time.sleep(self._random.uniform(0.1, 0.5))
            self._workers[number].signal(signal.SIGSTOP)
            self._scene.note(stopped=number)
            self._away(self._random.uniform(1.0, 2.5))
            self._workers[number].signal(signal.SIGCONT)
            self._scene.note(goes_on=number)

    def _vanish(self) -> None:
        """Kill a worker so that the server isn't told: its sessions stand, and their locks."""
        number = self._victim()
        time.sleep(self._random.uniform(0.1, 0.6))
        self._proxies.abandon(number)
        self._end(number, signal.SIGKILL)
        self._start(number)
        self._away()

    def _away(self, times: float = 1.0) -> None:
        end = time.monotonic() + AWAY * times
        while time.monotonic() < end:
            self._scene.publish(1)
            time.sleep(1.0)

    @contextmanager
    def _slow_slack(self) -> Iterator[None]:
        with self._scene.latency(0.15):
            yield

    def _kill_server(self) -> None:
        self._server.kill()
        time.sleep(self._random.uniform(0.1, 1.5))
        self._server.start()

    # The end ------------------------------------------------------------------------------------

    def _finish(self) -> None:
        end = time.monotonic() + SETTLE
        while time.monotonic() < end and self._scene.missing():
            self._alive()
            time.sleep(0.1)
        # What is unclear is looked for three times; a double would come after the last look.
        time.sleep(3.0)
        self._alive()
        for number in range(WORKERS):
            self._end(number, signal.SIGTERM)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fleet", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    parser.add_argument("--event", default="", choices=["", *EVENTS], help="only this one")
    given = parser.parse_args()
    only = {given.event: 1} if given.event else None
    with database_server() as server, tempfile.TemporaryDirectory(prefix="chaos-") as place:
        ledger = Fleet(Path(place), given.seed, server, events=only).run(given.seconds)
        print(table(ledger.rows()))
        if ledger.sound:
            print(Path(place, "log").read_text()[-8000:])
            return 0
        print(f"lost: {ledger.lost}\ncopies: {ledger.copies}\nfalse: {ledger.false}\n{ledger.log}")
        print(*ledger.evidence, sep="\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""A process that forks real daemons, each of which is killed while at it.

Started once, it imports everything and then forks a daemon for each line of JSON on its stdin, so
that a cycle costs the work, not the start of Python. Prints the child's pid, then its exit status.
Called with a line and pairs of file descriptors it compiles for that line and forks a zygote for
each pair, which reads its lines from the one and prints to the other.

The daemon is the product's own, put together by ``assembled``. What differs is said here, and lives
in this process alone: waiting times are shortened, documents are parsed in the process itself
(starting a parse worker costs half a second, most of a cycle), and, where a task asks for it, a
planted fault from ``mutants`` is switched on.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import IO, Any

from monitor import failpoints, logs
from monitor.cluster import worker
from monitor.cluster.worker import Times
from monitor.config.load import load
from monitor.daemon import assembly, daemon
from monitor.daemon.eventloop import run_long
from monitor.delivery import Pace
from monitor.delivery.build import build_senders
from monitor.delivery.outbox import Deliverer
from monitor.errors import EXIT_TEMPFAIL, ParseError, StateError
from monitor.jobs import procrastinate
from monitor.loading import compiled_watch
from monitor.pipeline import pipeline
from monitor.sources import schedule
from monitor.sources.parse import ParsePool
from monitor.sources.parse.worker import _answer
from monitor.store.port import Store
from monitor.store.postgres import Patience, pool
from monitor.store.sqlite import SqliteStore
from monitor.values import Document
from tests.chaos.mutants import KILL_MUTANTS
from tests.chaos.world import KEYWORD

# The looks' total must exceed the fake's history lag (0.3 s), as 15/30/60 s exceed Slack's.
LOOKS = tuple(timedelta(seconds=each) for each in (0.4, 0.7, 1.1))
CLAIM = timedelta(seconds=0.6)
LONGEST_WAIT = timedelta(seconds=1.5)  # of a feed that failed
SEAT = timedelta(seconds=3)  # longer than an answer may take
SHARED = Times(
    claim=CLAIM,
    stranded=timedelta(seconds=0.8),
    heartbeat=timedelta(seconds=0.2),
    silent=timedelta(seconds=0.8),
)


class InlineParser(ParsePool):
    """Reads documents in this process, by the worker's own function."""

    async def _call(self, job: str, body: bytes, options: dict[str, Any], wall: float) -> Any:
        kind, value = _answer(job, body, options, 0)
        if kind == "error":
            raise ParseError(*value)
        return value


def hurry() -> None:
    """Shorten what a daemon waits for, in this process."""
    daemon.CLAIM = CLAIM
    daemon.STORE_PAUSE = worker.__dict__["STORE_PAUSE"] = 0.1
    assembly.__dict__["ParsePool"] = InlineParser
    assembly.__dict__["build_senders"] = partial(build_senders, interval=0.0)
    assembly.__dict__["Deliverer"] = partial(
        Deliverer,
        looks_after=LOOKS,
        resend_after=timedelta(seconds=0.3),
        pace=Pace(service_rate=0, batch=4),
    )
    daemon_kind = assembly.daemon_kind

    def hurried(store: Store, *how: Any) -> Callable[..., daemon.Daemon]:
        made = daemon_kind(store, *how)
        return made if isinstance(store, SqliteStore) else partial(made, times=SHARED)

    assembly.__dict__["daemon_kind"] = hurried
    pool.__dict__["Patience"] = partial(Patience, connect=2, answer=2.0, seat=SEAT)
    worker.BEAT_SECONDS = 0.3
    procrastinate.LEAD_SECONDS = 0.2
    procrastinate.RESTART_SECONDS = (0.2, 0.5)
    after_poll = schedule.after_poll

    def sooner(*args: Any, **kwargs: Any) -> Any:
        state = after_poll(*args, **kwargs)
        now = args[5]
        return replace(state, next_at=min(state.next_at, now + LONGEST_WAIT))

    pipeline.__dict__["after_poll"] = sooner


async def live(task: dict[str, Any]) -> int:
    """Run one daemon until it is told to stop, or killed.

    Returns its exit status: 75 where its database was out of reach at the start.
    """
    environment = {"SLACK_BOT_TOKEN": task["token"]}
    started = False
    try:
        async with assembly.assembled(
            Path(task["config"]), environment, random=Random(task["seed"])
        ) as running:
            started = True
            running.handle_signals()
            await running.run()
    except StateError as error:
        if started:
            raise
        logging.getLogger(__name__).error("not started", extra={"reason": str(error)})
        return EXIT_TEMPFAIL
    return 0


@lru_cache(maxsize=1)
def compiled(config: str, token: str) -> Any:
    """Compile the rules once, and look once for entities: that alone takes half a second."""
    loaded = load(Path(config), {"SLACK_BOT_TOKEN": token})
    result = compiled_watch(loaded)
    document = Document("", KEYWORD)
    result[0].ruleset.entities(document)
    return result


def child(task: dict[str, Any]) -> int:
    log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    os.dup2(log, 1)
    logs.setup("warning", as_json=True)
    logging.getLogger("monitor.delivery").setLevel("DEBUG")
    pid = os.getpid()
    logging.getLogger().handlers[0].addFilter(
        lambda record: record.__dict__.update(pid=pid) is None
    )
    logging.captureWarnings(True)
    hurry()
    known = compiled(task["compiled"], task["token"])
    assembly.__dict__["compiled_watch"] = lambda *_, **__: known
    if task["mutant"]:
        KILL_MUTANTS[task["mutant"]]()
    arm(task, task["failpoints"])
    if "arm" in task:
        signal.signal(signal.SIGUSR1, lambda *_: arm(task, Path(task["arm"]).read_text()))
    return run_long(lambda: live(task))


def arm(task: dict[str, Any], points: str) -> None:
    """Switch failpoints on."""
    failpoints.configure(",".join(filter(None, [f"log={task['points']}", points])))


def serve(lines: IO[str], out: IO[str]) -> None:
    """Fork a daemon for each of ``lines``, one after the other."""
    for line in lines:
        task = json.loads(line)
        compiled(task["compiled"], task["token"])
        if (pid := os.fork()) == 0:
            status = 1
            try:
                status = child(task)
            except BaseException:
                logging.getLogger(__name__).exception("the daemon ended")
                raise
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(pid, file=out, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=out, flush=True)


def main() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until a child listens
    if len(sys.argv) == 1:
        serve(sys.stdin, sys.stdout)
        os._exit(0)  # taking the interpreter down takes seconds on a busy machine
    task = json.loads(sys.argv[1])
    compiled(task["compiled"], task["token"])
    fds = [int(each) for each in sys.argv[2:]]
    for lines, out in zip(fds[::2], fds[1::2], strict=True):
        if os.fork() == 0:
            for other in {*fds} - {lines, out}:
                os.close(other)  # else the others' ends never come to an end
            serve(os.fdopen(lines), os.fdopen(out, "w"))
            os._exit(0)
    for fd in fds:
        os.close(fd)
    for _ in fds[::2]:
        os.wait()


if __name__ == "__main__":
    main()

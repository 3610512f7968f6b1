"""The processes of ``benchmarks.scale``: a feed server on loopback, and a worker that polls it.

The worker is the product's own, as ``newswatch worker`` runs it. The server answers as the web does
(design notes): of twenty answers twelve are 304, five a body that is known, three have a new entry.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

from benchmarks.polling.corpus import NEW, Item, items, rss
from monitor.cluster.worker import Worker
from monitor.daemon.assembly import assembled
from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    SeenKey,
    StoredEntry,
    StoryRow,
)
from monitor.store.postgres import PgStore
from monitor.store.rows import KINDS
from monitor.values import Entry, Hit, Match, Story

FEEDS = 1_200
PER_HOST = 40  # as many as a job takes: what a shard of a million feeds has due at each look
ENTRIES = 25  # in a document, some 13 kB: near the median of those seen
SENTENCE = "talks continue over the border as ministers meet and officials warn of new measures"
WORDS = SENTENCE.split()
TICK = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.002  # of CPU between looks at what the worker is doing
# The store's and the queue's: our adapters, and the libraries below them.
STORING = re.compile(r"/monitor/(store|jobs)/|/psycopg|/procrastinate/")
# Others that know what they do; a function of the standard library works for who called it.
KNOWN = re.compile(r"/monitor/|/site-packages/|/benchmarks/")


def feed_url(number: int, of: int) -> str:
    """Return the URL of feed ``number`` of ``of``: 40 feeds a host on average."""
    return f"https://h{number % max(of // 40, 1)}.example/{number}.xml"


def commit_of(state: FeedState, number: int) -> PollCommit:
    """Return a poll with one new entry of a usual size, its story, match and message."""
    at = state.last_poll_at or state.next_at
    id_, story = f"E{number:025}", f"S{number:025}"
    words = [*WORDS[number % 13 :], *WORDS[: number % 13], str(number)]
    title = " ".join(words[:9])
    entry = Entry(f"tag:{number}", f"https://example.org/{number}", title, " ".join(words * 4))
    return PollCommit(
        state,
        (StoredEntry(id_, state.id, entry, at, at, story, source="Example"),),
        tuple(
            SeenKey(kind, (number * 4 + place).to_bytes(16, "big"), id_)
            for place, kind in enumerate(KINDS)
        ),
        (),
        (EntryMatch(id_, Match("Rule", 1.0, (Hit("talks", "title", 0, 5, "talks"),))),),
        (StoryRow(Story(story, title, at, at, ("Example",)), b"x" * 200),),
        (OutboxRow(id_, "news", "alert", story, 0, 2, "{}" * 200, "queued", at, at),),
    )


def configuration(database: str, port: int) -> str:
    """Return a configuration of ``FEEDS`` feeds that are due each second: there is always work."""
    feeds = [
        {
            "url": f"http://127.1.{n // PER_HOST}.1:{port}/{n}",
            "name": f"Feed {n}",
            "every": "1s",
        }
        for n in range(FEEDS)
    ]
    rules = [{"name": f"Rule {n}", "all": [word, "ceasefire"]} for n, word in enumerate(WORDS[:10])]
    return json.dumps(
        {
            "state": database,
            "defaults": {"channel": "news"},
            "channels": {"news": {"console": True}},
            "network": {"allow": ["127.0.0.0/8"]},
            "polling": {"min": "1s"},
            "web": {"enabled": False},
            "feeds": feeds,
            "rules": rules,
        }
    )


class Site:
    """All feeds' answers."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._news: Counter[int] = Counter()
        self._bodies = [rss(n, items(n, ENTRIES, Random(n))) for n in range(FEEDS)]

    def answer(self, number: int, known: bool) -> bytes:
        """Return the whole answer for feed ``number``."""
        turn = (self._asked[number] + number) % 20
        self._asked[number] += 1
        if known and turn < 12:
            return b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'
        if known and turn in (13, 16, 19):
            self._news[number] += 1
            self._publish(number, self._news[number])
        body = self._bodies[number].encode()
        head = (
            'HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: "x"\r\n'
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _publish(self, number: int, news: int) -> None:
        """Put a new entry before the others, and let the oldest go."""
        dice = Random(number * 1_000 + news)
        title = " ".join(dice.choices(WORDS, k=9)).capitalize()
        entry = Item(
            10_000 + news, f"{title} {number} {news}", " ".join(dice.choices(WORDS, k=60)), NEW
        )
        fresh = rss(number, [entry])
        fresh = fresh[fresh.index("<item>") : fresh.index("</channel>")]
        body = self._bodies[number]
        start, end = body.index("<item>"), body.rindex("<item>")
        self._bodies[number] = f"{body[:start]}{fresh}{body[start:end]}</channel></rss>\n"


async def serve() -> None:
    """Print the port, then answer for ever."""
    site = Site()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                number = int(head.split(b" ", 2)[1].strip(b"/"))
                writer.write(site.answer(number, b"f-none-match" in head.lower()))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(answering, "0.0.0.0", 0, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3_600)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process of this machine, 0 where it is gone or unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_of(pid: int) -> float:
    """Return a process's largest size in MB; getrusage would count its parent's before exec."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def children() -> list[int]:
    """Return the processes that this one has started: those that parse."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(path.parent.name))
    return found


@contextmanager
def sampled() -> Iterator[Counter[bool]]:
    """Count, at even distances of this process's CPU time, whether it works for the store or the
    queue (True) or for something else (False)."""
    counts: Counter[bool] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None and not KNOWN.search(frame.f_code.co_filename):
            frame = frame.f_back
        counts[frame is not None and bool(STORING.search(frame.f_code.co_filename))] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    try:
        yield counts
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


async def sessions(store: PgStore) -> list[int]:
    """Return the server's processes that work for this one."""
    rows = await store.pool.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
        (store.pool.options["application_name"],),
    )
    return [row[0] for row in rows]


async def beginning(store: PgStore) -> int:
    """Return how many feeds have yet to show what was there before: that isn't measured."""
    query = "SELECT count(*) FROM feeds WHERE baselined_at IS NULL"
    return int((await store.pool.rows(query))[0][0])


async def work(config: Path, warm: float, seconds: float) -> None:
    """Poll for ``seconds`` after ``warm`` ones; prints what that took, as JSON."""
    async with assembled(config, {}) as worker:
        assert isinstance(worker, Worker)
        running = asyncio.create_task(worker.run())
        store, shards = worker._pg, worker._shards
        while await beginning(store):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        await asyncio.sleep(warm)
        parsers, backends = children(), await sessions(store)
        theirs = {pid: cpu_of(pid) for pid in [*parsers, *backends]}
        polls, jobs, cpu = shards.polls, sum(worker._jobs.runs.values()), time.process_time()
        with sampled() as counts:
            await asyncio.sleep(seconds)
        polls, cpu = shards.polls - polls, time.process_time() - cpu
        jobs = sum(worker._jobs.runs.values()) - jobs
        spent = {pid: cpu_of(pid) - before for pid, before in theirs.items()}
        result = {
            "polls": polls,
            "jobs": jobs,
            "cpu": cpu,
            "parsers": sum(max(0.0, spent[pid]) for pid in parsers),
            "server": sum(max(0.0, spent[pid]) for pid in backends),
            "share": counts[True] / max(1, counts.total()),
            "memory": peak_of(os.getpid()),
            "parser_memory": sum(peak_of(pid) for pid in parsers),
            "undecided": await store.inbox_waiting(1_000),
        }
        worker.stop()
        await running
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(work(Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))

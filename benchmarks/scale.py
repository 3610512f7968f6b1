"""How far the stores and the job queue carry: claims, commits, workers, copies, memory.

    python -m benchmarks.scale                       # about three minutes
    python -m benchmarks.scale --rows 1000,1000000 --workers 1,2,4 --copy 1000000

Works in a schema of its own on the PostgreSQL of ``NEWSWATCH_TEST_DATABASE_URL`` (else
127.0.0.1:5432, database ``test``) and in a temporary directory; both are removed at the end. CPU of
PostgreSQL is read from /proc, so it is known only when the server runs on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.scale_worker import FEEDS, commit_of, configuration, cpu_of, feed_url
from monitor.delivery.transitions import starting
from monitor.rules.text import search_tokens
from monitor.store.copying import copy_store
from monitor.store.port import FeedState, Store
from monitor.store.postgres import PgStore, open_postgres
from monitor.store.sqlite import SqliteStore, open_sqlite
from monitor.values import Feed
from tests.contract.databases import fresh_schema, missing
from tests.contract.plans import cannot_explain, explained, scans

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
console = Console(width=120)
SECOND = timedelta(seconds=1)
INTERVAL = timedelta(minutes=15)
STORIES_A_DAY = 5
KEPT_DAYS = 30
BYTES_A_STORY = 1_080  # with the text index (design notes: 1.08 GB a million)
SECONDS = 3.0
WARM_SECONDS = 8.0


async def scanned(url: str) -> str:
    """Say which statements of polling read a whole table."""
    if why := cannot_explain(url):
        return f"unknown ({why})"
    with explained(url) as (told, plans):
        store = await open_postgres(told, tokenize=search_tokens, size=1)
        for shard in await store.due_shards(LATER):
            states = await store.due(LATER, 40, LATER + SECOND, shard)
            await store.feed_states_of([state.id for state in states])
            await store.commit_polls(
                [commit_of(replace(state, last_poll_at=NOW), 10**8 + state.id) for state in states]
            )
            await store.seen(states[0].id, [shard.to_bytes(16, "big")])
        waiting = await store.outbox_due(LATER, 5, ["news"])
        await store.outbox_put([starting(row, NOW) for row in waiting])
        await store.outbox_next()
        await store.close()
    found = {plan.partition("Query Text: ")[2].partition("\n")[0][:80] for plan in scans(plans)}
    return "; ".join(sorted(found)) or f"none of {len(plans):,}"


async def backend_cpu(store: Store) -> float:
    """Return the CPU seconds of the store's PostgreSQL session (0 for SQLite, or far away)."""
    if not isinstance(store, PgStore):
        return 0.0
    pid = (await store.pool.rows("SELECT pg_backend_pid()"))[0][0]
    return cpu_of(pid)


async def measured(
    store: Store, work: Callable[[int], Awaitable[int]]
) -> tuple[float, float, float, int]:
    """Repeat ``work`` for some seconds; returns (units/s, our CPU µs, server's CPU µs, units)."""
    wall, ours, theirs = time.perf_counter(), time.process_time(), await backend_cpu(store)
    done = rounds = 0
    while time.perf_counter() - wall < SECONDS:
        units = await work(rounds)
        if units == 0:
            break
        done, rounds = done + units, rounds + 1
    spent = time.perf_counter() - wall
    ours, theirs = time.process_time() - ours, await backend_cpu(store) - theirs
    return done / spent, ours / max(done, 1) * 1e6, theirs / max(done, 1) * 1e6, done


async def claims(store: Store, rows: int, table: Table, name: str) -> None:
    """Claims of 40 due feeds from one shard after another, as the workers make them."""
    began = time.perf_counter()
    feeds = [Feed(feed_url(n, rows), feed_url(n, rows), "f") for n in range(rows)]
    await store.sync_feeds(feeds, NOW)
    loaded = time.perf_counter() - began
    if isinstance(store, PgStore):
        await store.pool.rows("ANALYZE feeds")
    shards: Sequence[int] = await store.due_shards(NOW)
    looks = []
    for _ in range(7):
        began = time.perf_counter()
        await store.due_shards(NOW)
        looks.append((time.perf_counter() - began) * 1e3)
    retry = [0]

    async def claim(turn: int) -> int:
        for _ in range(len(shards)):
            shard = shards[(turn + retry[0]) % len(shards)]
            if found := await store.due(NOW, 40, LATER, shard):
                return len(found)
            retry[0] += 1
        return 0

    rate, ours, theirs, done = await measured(store, claim)
    table.add_row(
        name,
        f"{rows:,}",
        f"{loaded:.1f}",
        f"{statistics.median(looks):.1f}",
        f"{done:,}",
        f"{rate:,.0f}",
        f"{ours:.0f}",
        f"{theirs:.0f}" if theirs else "",
    )


async def commits(store: Store, table: Table, name: str) -> None:
    """Commits of 1 and 20 polls with one new entry, its story, match and message each."""
    states = list((await store.feed_states()).values())[:5_000]
    for together in (1, 20):
        count = [0]

        async def commit(turn: int, together: int = together, count: list[int] = count) -> int:
            batch: list[FeedState] = [
                states[(turn * together + n) % len(states)] for n in range(together)
            ]
            base = turn * together + together * 10_000_000
            await store.commit_polls(
                [
                    commit_of(replace(state, last_poll_at=NOW), base + n)
                    for n, state in enumerate(batch)
                ]
            )
            return together

        rate, ours, theirs, _ = await measured(store, commit)
        table.add_row(
            name, str(together), f"{rate:,.0f}", f"{ours:.0f}", f"{theirs:.0f}" if theirs else ""
        )


@dataclass(frozen=True, slots=True)
class Polling:
    """What several workers did together: polls a second, and CPU a poll in milliseconds."""

    rate: float
    worker_ms: float
    parser_ms: float
    server_ms: float
    share: float  # of the workers' own CPU that store and queue took
    feeds_a_job: float
    memory: float
    parser_memory: float
    undecided: int

    @property
    def storing(self) -> float:
        """The share of a poll's CPU that store and queue take, the database server's included."""
        whole = self.worker_ms + self.parser_ms + self.server_ms
        return (self.worker_ms * self.share + self.server_ms) / whole


def run_workers(config: Path, count: int, warm: float, seconds: float) -> Polling:
    """Poll with ``count`` worker processes."""
    command = [sys.executable, "-m", "benchmarks.scale_worker", "work"]
    workers = [
        subprocess.Popen(
            [*command, str(config), str(warm), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(count)
    ]
    results = []
    for worker in workers:
        lines = worker.communicate()[0].splitlines()
        results.append(next(json.loads(line[7:]) for line in lines if line.startswith("RESULT")))
    total = {name: sum(result[name] for result in results) for name in results[0]}
    polls = max(1, total["polls"])
    return Polling(
        total["polls"] / seconds,
        total["cpu"] / polls * 1e3,
        total["parsers"] / polls * 1e3,
        total["server"] / polls * 1e3,
        sum(result["share"] * result["cpu"] for result in results) / total["cpu"],
        polls / max(1, total["jobs"]),
        max(result["memory"] for result in results),
        max(result["parser_memory"] for result in results),
        max(result["undecided"] for result in results),
    )


async def copying(stories: int, folder: Path, url: str) -> tuple[float, float]:
    """Fill an SQLite store and copy it to PostgreSQL and back; returns both seconds."""
    source = await open_sqlite(folder / "source", now=NOW, tokenize=search_tokens)
    feeds = [Feed(feed_url(n, 1_000), feed_url(n, 1_000), "f") for n in range(1_000)]
    states = list((await source.sync_feeds(feeds, NOW)).values())
    for start in range(0, stories, 2_000):
        await source.commit_polls(
            [
                commit_of(replace(states[n % 1_000], last_poll_at=NOW), n)
                for n in range(start, min(stories, start + 2_000))
            ]
        )
    await source.close()
    spent = []
    for one, other in ((str(folder / "source"), url), (url, str(folder / "back"))):
        began = time.perf_counter()
        await copy_store(one, other, tokenize=search_tokens, now=NOW, replace=True)
        spent.append(time.perf_counter() - began)
    return spent[0], spent[1]


async def stores_table(rows: Sequence[int], folder: Path, database: bool) -> None:
    claimed = Table(
        "store", "feed rows", "sync s", "due shards ms", "claimed", "feeds/s", "our µs", "server µs"
    )
    stored = Table("store", "polls a commit", "polls/s", "our µs", "server µs")
    scanning = ""
    for count in rows:
        sqlite: SqliteStore = await open_sqlite(
            folder / str(count), now=NOW, tokenize=search_tokens
        )
        await claims(sqlite, count, claimed, "SQLite")
        if count == rows[-1]:
            await commits(sqlite, stored, "SQLite")
        await sqlite.close()
        if database:
            with fresh_schema(durable=True) as url:
                # One connection, so that its CPU can be read.
                pg = await open_postgres(url, tokenize=search_tokens, size=1)
                await claims(pg, count, claimed, "PostgreSQL")
                if count == rows[-1]:
                    await commits(pg, stored, "PostgreSQL")
                await pg.close()
                if count == rows[-1]:
                    scanning = await scanned(url)
    console.print("Claiming due feeds, 40 of one shard at a time", claimed)
    console.print("Storing polls with one new entry, story, match and message each", stored)
    if database:
        console.print(f"statements that read a whole table: {scanning}")


def capacity(made: Polling) -> Table:
    """Return what so many feeds take, by what a poll was measured to cost."""
    table = Table(
        "feeds", "polls/s", "cores", "of it PostgreSQL", "workers at 60 %", "GB of stories"
    )
    poll_ms = made.worker_ms + made.parser_ms
    for feeds in (1_000, 10_000, 100_000, 1_000_000):
        polls = feeds / INTERVAL.total_seconds()
        database = polls * made.server_ms / 1e3
        stories = feeds * STORIES_A_DAY * KEPT_DAYS * BYTES_A_STORY / 1e9
        table.add_row(
            f"{feeds:,}",
            f"{polls:,.1f}",
            f"{polls * poll_ms / 1e3 + database:.2f}",
            f"{database:.2f}",
            str(math.ceil(polls * poll_ms / 1e3 / 0.6)),
            f"{stories:,.2g}",
        )
    return table


def workers_table(counts: Sequence[int], seconds: float, folder: Path) -> None:
    table = Table(
        "workers", "polls/s", "× one", "ms worker", "ms parsing", "ms PostgreSQL", "store + queue",
        "polls a job", "MB worker", "MB parsing", "undecided",
    )  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.scale_worker", "serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        first = 0.0
        whole: Polling | None = None
        with fresh_schema(durable=True) as url:
            config = folder / "config.yaml"
            config.write_text(configuration(url, port))
            for count in counts:
                made = run_workers(config, count, WARM_SECONDS, seconds)
                first = first or made.rate
                whole = made if count == counts[0] else whole
                table.add_row(
                    str(count), f"{made.rate:,.0f}", f"{made.rate / first:.2f}",
                    f"{made.worker_ms:.2f}", f"{made.parser_ms:.2f}", f"{made.server_ms:.2f}",
                    f"{made.storing:.1%}", f"{made.feeds_a_job:.0f}", f"{made.memory:.0f}",
                    f"{made.parser_memory:.0f}", str(made.undecided),
                )  # fmt: skip
    finally:
        server.kill()
        server.communicate()
    console.print(
        f"Polling {FEEDS:,} feeds on loopback: 60 % of the answers 304, 25 % a known body, 15 % "
        f"with a new entry; {os.cpu_count()} cores for workers, feeds and PostgreSQL",
        table,
    )
    if whole is not None:
        console.print(
            f"Each feed every {INTERVAL.total_seconds() / 60:.0f} minutes, answers as above, "
            f"{STORIES_A_DAY} new stories a feed and day kept {KEPT_DAYS} days, bodies of 13 kB, "
            "no TLS and no distance",
            capacity(whole),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", default="1000,10000,100000")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--copy", type=int, default=20_000)
    given = parser.parse_args()
    why = missing()
    if why:
        console.print(f"PostgreSQL is left out: {why}")
    rows = [int(each) for each in given.rows.split(",") if each]
    counts = [int(each) for each in given.workers.split(",") if each]
    with tempfile.TemporaryDirectory(prefix="newswatch-scale-") as name:
        folder = Path(name)
        if rows:
            asyncio.run(stores_table(rows, folder, not why))
        if counts and not why:
            workers_table(counts, given.seconds, folder)
        if given.copy and not why:
            with fresh_schema(durable=True) as url:
                there, back = asyncio.run(copying(given.copy, folder, url))
            console.print(
                f"copy-to with {given.copy:,} stories, compared: {there:.1f} s to PostgreSQL, "
                f"{back:.1f} s back"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"peak memory of this process: {peak:.0f} MB")


if __name__ == "__main__":
    main()

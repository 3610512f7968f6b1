"""Faults while the store is open: disk full, a foreign lock, kill -9, and what is bounded."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.errors import StateError
from monitor.store.port import PollCommit, Retention
from monitor.store.sqlite import SqliteStore, connection, open_sqlite
from monitor.values import Entry
from tests.contract.samples import DAY, NOW, entry, feed, outbox, poll, tokenize, with_words

FILE = "newswatch.db"

FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from monitor.errors import StateError
from monitor.store.sqlite import open_sqlite
from tests.contract.samples import DAY, NOW, feed, poll, tokenize

async def main():
    store = await open_sqlite(Path(sys.argv[1]), now=NOW, tokenize=tokenize)
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1)])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (Path(sys.argv[1]) / "newswatch.db-wal").stat().st_size + 40_000
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    number, failed = 2, 0
    while not failed:
        batch = range(number, number + 50)
        results = await asyncio.gather(
            *(store.commit_polls([poll(state, each)]) for each in batch), return_exceptions=True
        )
        failed = sum(isinstance(each, StateError) for each in results)
        assert all(each is None or isinstance(each, StateError) for each in results), results
        number += 50
    message = next(str(each) for each in results if each is not None)
    ok = {f"E{n:06}" for n, each in zip(batch, results) if each is None}
    ok |= {f"E{n:06}" for n in range(1, number - 50)}
    found = {each.entry.id for each in await store.entries_since(NOW - DAY)}
    assert found == ok, found ^ ok
    assert len(await store.outbox_rows()) == len(ok)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.commit_polls([poll(state, *batch)])
    assert await store.check() == []
    await store.close()
    print(message)

asyncio.run(main())
"""

WRITE_ALWAYS = """
import asyncio, sys
from pathlib import Path
from monitor.store.sqlite import open_sqlite
from tests.contract.samples import NOW, feed, poll, tokenize

async def main():
    store = await open_sqlite(Path(sys.argv[1]), now=NOW, tokenize=tokenize)
    states = await store.sync_feeds([feed(str(n)) for n in range(8)], NOW)
    first = len(await store.entries_since(NOW))

    async def write(lane, state):
        number = first + lane
        while True:
            await store.commit_polls([poll(state, number)])
            sys.stdout.write(f"E{number:06}\\n")
            sys.stdout.flush()
            number += 1000

    await asyncio.gather(*(write(lane, state) for lane, state in enumerate(states.values())))

asyncio.run(main())
"""


async def opened(folder: Path) -> SqliteStore:
    return await open_sqlite(folder, now=NOW, tokenize=tokenize)


def test_a_full_disk_stores_nothing_half_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"newswatch\.db: .*(disk|full).*goes on by itself", done.stdout)


def test_sqlite_full_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connection.connect

    def small(path: Path, *, writer: bool) -> sqlite3.Connection:
        db = connect(path, writer=writer)
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 20}")
        return db

    async def run() -> None:
        await (await opened(tmp_path)).close()
        monkeypatch.setattr("monitor.store.sqlite.store.connect", small)
        store = await opened(tmp_path)
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        with pytest.raises(StateError, match="the disk is full"):
            await store.commit_polls([poll(state, *range(2_000))])
        assert await store.entries_since(NOW - DAY) == []
        await store.commit_polls([poll(state, 1)])
        assert len(await store.entries_since(NOW - DAY)) == 1
        await store.close()

    asyncio.run(run())


def test_a_foreign_lock_is_waited_for_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_MS", 50)

    async def run() -> None:
        store = await opened(tmp_path)
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked by another program"):
            await store.enqueue([outbox(1)])
        other.execute("ROLLBACK")
        other.close()
        assert await store.enqueue([outbox(1)]) == 1
        await store.close()

    asyncio.run(run())


def test_nothing_that_was_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    chance = random.Random(7)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_ALWAYS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line for line in process.communicate()[0].split("\n") if len(line) == 7}

    async def look() -> tuple[set[str], int]:
        store = await opened(tmp_path)
        assert await store.check() == []
        found = {each.entry.id for each in await store.entries_since(NOW - DAY)}
        rows = len(await store.outbox_rows())
        await store.close()
        return found, rows

    found, rows = asyncio.run(look())
    assert len(acknowledged) >= 6
    assert acknowledged <= found
    assert rows == len(found), "an entry and its message are stored together"


def test_the_file_shrinks_when_entries_go(tmp_path: Path) -> None:
    async def run() -> tuple[int, int]:
        store = await opened(tmp_path)
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        for start in range(0, 3_000, 500):
            entries = tuple(
                replace(
                    entry(number, state.id),
                    entry=Entry(None, None, f"t{number}", f"word{number} filler " * 100),
                )
                for number in range(start, start + 500)
            )
            await store.commit_polls([PollCommit(state, entries)])
        keep = Retention(DAY, DAY, DAY, 10**9)
        before = (await store.prune(NOW, keep)).bytes_after
        after = (await store.prune(NOW + 2 * DAY, keep)).bytes_after
        await store.close()
        return before, after

    before, after = asyncio.run(run())
    size = (tmp_path / FILE).stat().st_size
    assert before > 5_000_000
    assert after < before / 20
    assert size < before / 20


def test_a_copy_made_while_writing_is_whole(tmp_path: Path) -> None:
    async def run() -> int:
        store = await opened(tmp_path / "state")
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        await store.commit_polls([poll(state, *range(500))])

        async def write() -> None:
            for start in range(500, 1_500, 50):
                await store.commit_polls([poll(state, *range(start, start + 50))])

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.02)
        (tmp_path / "copy").mkdir()
        await store.backup(str(tmp_path / "copy" / FILE))
        await writing
        await store.close()
        copy = await opened(tmp_path / "copy")
        assert await copy.check() == []
        entries = len(await copy.entries_since(NOW - DAY))
        assert len(await copy.outbox_rows()) == entries
        assert len(await with_words(copy, ["summary"], NOW - DAY)) == entries
        await copy.close()
        return entries

    assert 500 <= asyncio.run(run()) <= 1_500


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        store = await opened(tmp_path)
        await store.close()
        await store.close()
        with pytest.raises(StateError, match="closed"):
            await store.enqueue([])
        with pytest.raises(StateError, match="closed"):
            await store.outbox_rows()

    asyncio.run(run())

"""Copies between SQLite and PostgreSQL: everything, the same, and nothing half."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.errors import AlreadyRunning, StateError
from monitor.store import open_store
from monitor.store.copying import copy_store
from monitor.store.lock import StateLock
from monitor.store.port import EntryMatch, PollCommit, SeenKey, Store
from monitor.store.postgres import PgStore
from monitor.store.postgres.cluster import beat, farewell
from monitor.store.transfer import Copied
from monitor.values import Receipt
from tests.contract.databases import psycopg
from tests.contract.samples import (
    DAY,
    NOW,
    feed,
    full_entry,
    key,
    match,
    outbox,
    poll,
    tokenize,
    with_words,
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.sqlite.transfer.CHUNK", 100)
    monkeypatch.setattr("monitor.store.postgres.transfer.CHUNK", 70)


async def touch(state: str) -> None:
    await (await open_store(state, now=NOW, tokenize=tokenize)).close()


async def fill(state: str) -> None:
    store = await open_store(state, now=NOW, tokenize=tokenize)
    feeds = await store.sync_feeds([feed("a"), feed("b"), feed("é")], NOW)
    first = feeds[feed("a").key]
    changed = replace(first, baselined_at=NOW, extra={"x": [1, "é"]}, title="T", last_poll_at=NOW)
    stored = full_entry(first.id)
    await store.commit_polls([poll(changed, *range(300))])
    await store.commit_polls(
        [
            PollCommit(
                changed,
                (stored,),
                seen=(SeenKey("text", b"\0\xff" * 8, stored.id),),
                matches=(EntryMatch(stored.id, match("Zwölf")), EntryMatch(stored.id, match("a"))),
                blobs=(("stories/df", b"\0\x80"), ("silences", b"[]")),
            )
        ]
    )
    await store.outbox_put(
        [outbox(7, state="unknown", receipt=Receipt("1.2", "C"), first_try=NOW, looks=2)]
    )
    await store.sync_feeds([feed("a"), feed("b")], NOW + DAY)
    await store.close()


async def live(state: str) -> None:
    store = await open_store(state, now=NOW, tokenize=tokenize)
    await store.enqueue([outbox(99_999)])
    await store.close()


async def facts(state: str) -> list[object]:
    store: Store = await open_store(state, now=NOW, tokenize=tokenize)
    found: list[object] = [
        await store.feed_states(),
        await store.entries_since(NOW - DAY),
        await store.stories_since(NOW - DAY),
        await store.outbox_rows(),
        await store.matches_of("E-full"),
        [await store.blob(name) for name in ("stories/df", "silences")],
        await store.seen(1, [key(number) for number in range(300)]),
        await with_words(store, ["arms", "deals"], NOW - DAY),
        await with_words(store, ["number", "123"], NOW - DAY),
        await store.check(),
    ]
    await store.close()
    return found


def move(source: str, target: str, *, replace: bool = False) -> Copied:
    return asyncio.run(copy_store(source, target, tokenize=tokenize, now=NOW, replace=replace))


def test_there_and_back_again(tmp_path: Path, database: str) -> None:
    home, back = str(tmp_path / "home"), str(tmp_path / "back")
    asyncio.run(fill(home))
    wanted = asyncio.run(facts(home))
    there = move(home, database)
    assert not there.unchanged
    assert {name: each.rows for name, each in there.sums.items()} == {
        "feeds": 3,
        "seen": 301,
        "entries": 301,
        "matches": 302,
        "stories": 300,
        "outbox": 300,
        "blobs": 2,
    }
    assert asyncio.run(facts(database)) == wanted
    assert move(database, back).sums == there.sums
    assert asyncio.run(facts(back)) == wanted


def test_what_is_stored_after_a_copy_meets_no_old_number(tmp_path: Path, database: str) -> None:
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    move(home, database)

    async def go_on() -> None:
        store = await open_store(database, now=NOW, tokenize=tokenize)
        states = await store.sync_feeds([feed("a"), feed("new")], NOW + DAY)
        assert states[feed("new").key].id == 4
        await store.commit_polls([poll(states[feed("new").key], 9_000, at=NOW + DAY)])
        assert len(await store.entries_since(NOW)) == 302
        await store.close()

    asyncio.run(go_on())


def indexes(database: str) -> list[str]:
    with psycopg.connect(database) as db:
        found = db.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1"
        ).fetchall()
    return [row[0] for row in found]


def test_a_copy_leaves_the_indexes_as_they_were(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    before = indexes(database)
    assert any("gin (tokens)" in each for each in before)
    move(home, database)
    assert indexes(database) == before
    # Also one that is cut in the middle of it.
    monkeypatch.setattr("monitor.store.postgres.transfer.mark_all", None)
    asyncio.run(live(home))
    with pytest.raises(TypeError):
        move(home, database, replace=True)
    assert indexes(database) == before


def vacuumed(database: str) -> int:
    with psycopg.connect(database) as db:
        found = db.execute(
            "SELECT vacuum_count FROM pg_stat_user_tables WHERE relid = 'entries'::regclass"
        ).fetchone()
    return int(found[0]) if found else 0


def test_a_copy_can_be_counted_by_indexes_alone(tmp_path: Path, database: str) -> None:
    """They tell only where VACUUM has noted which pages all may see."""
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    before, end = vacuumed(database), time.monotonic() + 10
    move(home, database)
    while vacuumed(database) == before:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_copy_may_be_repeated(tmp_path: Path, database: str) -> None:
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    first = move(home, database)
    again = move(home, database)
    assert again.unchanged
    assert again.sums == first.sums


def test_a_target_with_a_life_of_its_own_is_kept_unless_told(tmp_path: Path, database: str) -> None:
    home, other = str(tmp_path / "home"), str(tmp_path / "other")
    asyncio.run(fill(home))
    asyncio.run(touch(other))
    for target in (database, other):
        move(home, target)

        asyncio.run(live(target))
        with pytest.raises(StateError, match="--replace"):
            move(home, target)
        assert len(asyncio.run(facts(target))[3]) == 301  # type: ignore[arg-type]
        assert not move(home, target, replace=True).unchanged
        assert asyncio.run(facts(target)) == asyncio.run(facts(home))


def test_an_empty_store_is_copied_too(tmp_path: Path, database: str) -> None:
    home = str(tmp_path / "home")
    asyncio.run(touch(home))
    assert all(each.rows == 0 for each in move(home, database).sums.values())
    assert all(each.rows == 0 for each in move(database, str(tmp_path / "b")).sums.values())


def test_a_copy_that_is_broken_off_leaves_nothing(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = str(tmp_path / "home"), tmp_path / "other"
    asyncio.run(fill(home))

    def fail(*_: object) -> None:
        raise StateError("cut")

    monkeypatch.setattr("monitor.store.postgres.transfer.PgSide.settle", fail)
    monkeypatch.setattr("monitor.store.sqlite.transfer.SqliteSide.settle", fail)
    for target in (database, str(other)):
        with pytest.raises(StateError, match="cut"):
            move(home, target)
        assert asyncio.run(facts(target))[1] == []
    assert not list(other.glob("*.part*"))


HALF = """
import asyncio, sys
from tests.contract.samples import NOW, tokenize
from monitor.store import transfer
from monitor.store.copying import copy_store
from monitor.store.postgres.transfer import PgSide
from monitor.store.sqlite.transfer import SqliteSide

for side in (PgSide, SqliteSide):
    async def write(self, table, rows, whole=side.write):
        await whole(self, table, rows)
        if table.name == "stories":
            print("half", flush=True)
            await asyncio.sleep(600)
    side.write = write
asyncio.run(copy_store(sys.argv[1], sys.argv[2], tokenize=tokenize, now=NOW))
"""


def test_a_copy_killed_in_the_middle_is_made_again(tmp_path: Path, database: str) -> None:
    home, other = str(tmp_path / "home"), str(tmp_path / "other")
    asyncio.run(fill(home))
    for target in (database, other):
        process = subprocess.Popen(
            [sys.executable, "-c", HALF, home, target], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.kill()
        process.communicate()
        assert asyncio.run(facts(target))[1] == []
        before = indexes(database)
        assert not move(home, target).unchanged
        assert indexes(database) == before
        assert asyncio.run(facts(target)) == asyncio.run(facts(home))
        assert move(home, target).unchanged
    assert not list((tmp_path / "other").glob("*.part*"))


def test_a_copy_that_differs_is_not_kept(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    monkeypatch.setattr(
        "monitor.store.postgres.transfer.PgSide._completed",
        lambda self, table, row, title: (
            (*row[:-1], b"other")
            if table.name == "blobs"
            else (*row, *([""] if table.name == "entries" else []))
        ),
    )
    with pytest.raises(StateError, match="the copy of blobs differs"):
        move(home, database)
    assert asyncio.run(facts(database))[1] == []


def test_stores_in_use_are_left_alone(tmp_path: Path, database: str) -> None:
    home = str(tmp_path / "home")
    asyncio.run(fill(home))
    with StateLock(tmp_path / "home"), pytest.raises(AlreadyRunning):
        move(home, database)

    async def worker(alive: bool) -> None:
        store = await open_store(database, now=NOW, tokenize=tokenize)
        assert isinstance(store, PgStore)
        if alive:
            await beat(store.pool, "w1", "host", 42, "hash", NOW, {})
        else:
            await farewell(store.pool, "w1")
        await store.close()

    asyncio.run(worker(True))
    with pytest.raises(AlreadyRunning, match="process 42"):
        move(home, database)
    asyncio.run(worker(False))
    move(home, database)


def test_no_store_there(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no store here"):
        move(str(tmp_path / "none"), str(tmp_path / "other"))
    with pytest.raises(StateError, match="the store itself"):
        move("x", "x")


def test_a_backup_of_a_database_is_an_sqlite_file(tmp_path: Path, database: str) -> None:
    home, copy = str(tmp_path / "home"), tmp_path / "copy" / "newswatch.db"
    asyncio.run(fill(home))
    move(home, database)

    async def backup() -> None:
        store = await open_store(database, now=NOW, tokenize=tokenize)
        await store.backup(str(copy))
        await store.close()

    asyncio.run(backup())
    assert asyncio.run(facts(str(copy.parent))) == asyncio.run(facts(home))

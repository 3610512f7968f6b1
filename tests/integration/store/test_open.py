"""What stands in the way of opening the state: each its own error, one line, nothing lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.errors import CorruptState, NewerSchema, StateError
from monitor.store import open_store
from monitor.store.migrations import Migration, bundled
from monitor.store.sqlite import open_sqlite
from tests.contract.samples import DAY, NOW, feed, poll, tokenize, with_words

FILE = "newswatch.db"


async def fill(folder: Path) -> None:
    store = await open_store(folder, now=NOW, tokenize=tokenize)
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    for start in range(0, 600, 100):
        await store.commit_polls([poll(state, *range(start, start + 100))])
    await store.close()


async def stored(folder: Path) -> int:
    store = await open_store(folder, now=NOW, tokenize=tokenize)
    try:
        return len(await store.entries_since(NOW - DAY))
    finally:
        await store.close()


def edit(sql: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        db = sqlite3.connect(folder / FILE)
        db.execute(sql)
        db.commit()
        db.close()

    return spoil


def garbage(folder: Path) -> None:
    (folder / FILE).write_bytes(b"this is no database " * 500)


def header(folder: Path) -> None:
    with (folder / FILE).open("r+b") as file:
        file.write(b"\0" * 16)


def page(folder: Path) -> None:
    with (folder / FILE).open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xa5" * 4096)


def cut(folder: Path) -> None:
    path = folder / FILE
    os.truncate(path, path.stat().st_size // 2)


def link(folder: Path) -> None:
    (folder / FILE).rename(folder / "elsewhere.db")
    (folder / FILE).symlink_to(folder / "elsewhere.db")


def directory(folder: Path) -> None:
    (folder / FILE).unlink()
    (folder / FILE).mkdir()


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (garbage, CorruptState, "damaged"),
        (header, CorruptState, "damaged"),
        (page, CorruptState, "damaged"),
        (cut, CorruptState, "damaged"),
        (edit("PRAGMA user_version = 99"), NewerSchema, "newer version.*99"),
        (edit("PRAGMA application_id = 7"), StateError, "another program"),
        (link, StateError, "symbolic link"),
        (directory, StateError, "not a plain file"),
    ],
)
def test_state_that_cannot_be_used(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[StateError], says: str
) -> None:
    asyncio.run(fill(tmp_path))
    spoil(tmp_path)
    before = {path.name: path.lstat().st_size for path in tmp_path.iterdir()}
    with pytest.raises(error, match=says) as caught:
        asyncio.run(stored(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    after = {path.name: path.lstat().st_size for path in tmp_path.iterdir()}
    assert {name: after.get(name) for name in before} == before, "nothing is changed or recreated"


@pytest.mark.parametrize("where", ["file/state", "/proc/nowhere/state"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="can't use the state directory"):
        asyncio.run(stored(tmp_path / where))


def test_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    asyncio.run(fill(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    (folder / FILE).chmod(0o644)
    assert asyncio.run(stored(folder)) == 600
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_the_journal_lost_while_down_costs_its_tail_only(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path))
    for suffix in ("-wal", "-shm"):
        (tmp_path / (FILE + suffix)).unlink(missing_ok=True)
    assert asyncio.run(stored(tmp_path)) <= 600


def test_an_unknown_kind_of_store(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="mysql"):
        asyncio.run(open_store("mysql://x/y", now=NOW, tokenize=tokenize))


NEXT = Migration(
    bundled("sqlite")[-1].version + 1,
    "9999_next.sql",
    "ALTER TABLE blobs ADD COLUMN note TEXT; -- a comment;\nUPDATE blobs SET note = 'a;b';\n",
)


def test_a_migration_is_preceded_by_a_copy_and_the_last_three_are_kept(tmp_path: Path) -> None:
    async def upgrade() -> int:
        steps = bundled("sqlite")
        for extra in range(5):
            step = Migration(NEXT.version + extra, f"{extra}.sql", f"CREATE TABLE t{extra} (x);")
            steps = (*steps, step)
            now = NOW + extra * DAY
            store = await open_sqlite(tmp_path, now=now, tokenize=tokenize, steps=steps)
            await store.close()
        return len(steps)

    asyncio.run(fill(tmp_path))
    version = asyncio.run(upgrade())
    copies = sorted((tmp_path / "backups").iterdir())
    assert [copy.name for copy in copies] == [
        f"newswatch-upgrade-{NOW + day * DAY:%Y%m%dT%H%M%SZ}.db" for day in (2, 3, 4)
    ]
    assert all(stat.S_IMODE(copy.stat().st_mode) == 0o600 for copy in copies)
    db = sqlite3.connect(copies[-1])
    assert db.execute("PRAGMA user_version").fetchone()[0] == version - 1
    assert db.execute("SELECT count(*) FROM entries").fetchone()[0] == 600
    db.close()


def test_a_migration_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    bad = Migration(NEXT.version, "bad.sql", "CREATE TABLE t (x);\nUPDATE nothing SET x = 1;\n")
    asyncio.run(fill(tmp_path))
    with pytest.raises(StateError, match="nothing"):
        asyncio.run(
            open_sqlite(tmp_path, now=NOW, tokenize=tokenize, steps=(*bundled("sqlite"), bad))
        )
    assert asyncio.run(stored(tmp_path)) == 600
    db = sqlite3.connect(tmp_path / FILE)
    assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 't'").fetchone()[0] == 0
    db.close()


def test_an_upgraded_file_is_refused_by_the_older_version(tmp_path: Path) -> None:
    async def upgrade() -> None:
        steps = (*bundled("sqlite"), NEXT)
        await (await open_sqlite(tmp_path, now=NOW, tokenize=tokenize, steps=steps)).close()

    asyncio.run(fill(tmp_path))
    asyncio.run(upgrade())
    with pytest.raises(NewerSchema):
        asyncio.run(stored(tmp_path))


def test_another_tokeniser_builds_the_text_index_anew(tmp_path: Path) -> None:
    async def search(cut: Callable[[str], list[str]], phrase: list[str]) -> int:
        store = await open_sqlite(tmp_path, now=NOW, tokenize=cut)
        try:
            return len(await with_words(store, phrase, NOW - DAY))
        finally:
            await store.close()

    asyncio.run(fill(tmp_path))
    by_letter = list
    assert asyncio.run(search(by_letter, ["N", "u", "m"])) == 600
    assert asyncio.run(search(by_letter, ["number"])) == 0
    assert asyncio.run(search(lambda text: list(tokenize(text)), ["number"])) == 600

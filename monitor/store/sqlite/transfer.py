"""SQLite as one end of a copy. What is written goes to a file beside the target first."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitor.errors import StateError
from monitor.store.lock import StateLock
from monitor.store.migrations import bundled
from monitor.store.sqlite.connection import FILE_NAME, connect, prepare_directory, refuse_symlink
from monitor.store.sqlite.errors import state_error
from monitor.store.sqlite.migrate import migrate, sound
from monitor.store.sqlite.search import TextIndex
from monitor.store.tokens import MADE_BY, Tokenize
from monitor.store.transfer import CHUNK, Rows, Table

T = TypeVar("T")


class SqliteSide:
    """An SQLite file. Reads from ``reading``; writes to a new file that replaces ``path``."""

    def __init__(
        self,
        path: Path,
        tokenize: Tokenize,
        lock: StateLock | None = None,
        folder: Path | None = None,
    ) -> None:
        """``lock`` is released and the temporary ``folder`` removed at the end."""
        self.where = str(path)
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._index = TextIndex(tokenize)
        self._lock = lock
        self._folder = folder
        self._db: sqlite3.Connection | None = None
        self._fresh = False

    async def open(self) -> None:
        """Read the file as it is."""
        await self._run(self._open)

    async def chunks(self, table: Table) -> AsyncIterator[Rows]:
        if self._db is None:
            return
        cursor = await self._run(
            lambda: self._require().execute(
                f"SELECT {table.columns} FROM {table.name} WHERE {table.where} ORDER BY {table.key}"
            )
        )
        while rows := await self._run(partial(cursor.fetchmany, CHUNK)):
            yield rows

    async def clear(self) -> None:
        await self._run(self._begin)

    async def write(self, table: Table, rows: Rows) -> None:
        if not self._fresh:
            await self._run(self._begin)
        await self._run(partial(self._write, table, rows))

    async def settle(self) -> None:
        if not self._fresh:
            await self._run(self._begin)
        await self._run(self._settle)

    async def keep(self) -> None:
        await self._run(self._keep)

    async def close(self) -> None:
        await self._run(self._close)
        if self._lock is not None:
            self._lock.release()

    # In a thread --------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise state_error(error, self._path) from error
        except OSError as error:
            raise StateError(f"{error.filename or self._path}: {error.strerror}") from error

    def _require(self) -> sqlite3.Connection:
        assert self._db is not None, "open() or write() comes first"
        return self._db

    def _open(self) -> None:
        self._db = connect(self._path, writer=False)
        self._db.execute("BEGIN")  # one snapshot for all tables

    def _begin(self) -> None:
        """Start the new file."""
        if self._db is not None:
            self._db.close()
        self._remove_part()
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        self._db = connect(self._part, writer=True)
        migrate(self._db, self._part, bundled("sqlite"), datetime.now(UTC))
        # Nobody reads it before it is whole; it reaches the disk at the end.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")
        self._fresh = True

    def _write(self, table: Table, rows: Rows) -> None:
        db = self._require()
        marks = ", ".join("?" * len(table.columns.split(", ")))
        db.executemany(f"INSERT INTO {table.name} ({table.columns}) VALUES ({marks})", rows)
        if table.name == "entries":
            title = table.columns.split(", ").index("title")
            for row in rows:
                self._index.add(db, (row[0], *row[title : title + 3]))

    def _settle(self) -> None:
        self._require().execute(
            "INSERT OR REPLACE INTO blobs VALUES (?, ?)",
            (MADE_BY, self._index.fingerprint().encode()),
        )

    def _keep(self) -> None:
        db = self._require()
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        self._db = None
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        # A journal of the file that is replaced must never be applied to the new one.
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        os.replace(self._part, self._path)

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._remove_part()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_part(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._part.with_name(self._part.name + suffix).unlink(missing_ok=True)


async def folder_side(
    state_dir: Path, tokenize: Tokenize, now: datetime, *, writing: bool
) -> SqliteSide:
    """Return the store in ``state_dir``, locked; a source must exist.

    Raises:
        AlreadyRunning: a running watch holds it.
        StateError: it can't be used.
    """
    path = state_dir / FILE_NAME
    if not writing and not path.exists():
        raise StateError(f"{path}: there is no store here; nothing to copy")
    lock = StateLock(state_dir).acquire()
    side = SqliteSide(path, tokenize, lock)
    try:

        def migrated() -> None:
            prepare_directory(state_dir)
            with closing(connect(path, writer=True)) as db:
                sound(db, path)
                migrate(db, path, bundled("sqlite"), now)

        await side._run(migrated)
        await side.open()
    except BaseException:
        await side.close()
        raise
    return side


async def file_side(path: Path, tokenize: Tokenize) -> SqliteSide:
    """Return a new file at ``path``; one that is there is replaced when the copy is whole."""
    side = SqliteSide(path, tokenize)

    def prepared() -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_symlink(path)

    await side._run(prepared)
    return side


async def backup_side(file: Path, tokenize: Tokenize) -> SqliteSide:
    """Return a copy of the backup ``file`` to read from, brought to the current schema.

    The backup itself is left as it is.
    """
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="newswatch-"))
    side = SqliteSide(folder / FILE_NAME, tokenize, folder=folder)

    def migrated() -> None:
        shutil.copyfile(file, folder / FILE_NAME)
        with closing(connect(folder / FILE_NAME, writer=True)) as db:
            migrate(db, folder / FILE_NAME, bundled("sqlite"), datetime.now(UTC))

    try:
        await side._run(migrated)
        await side.open()
    except BaseException:
        await side.close()
        raise
    return side

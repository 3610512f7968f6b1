"""Opening the database file: never through a symlink, mode 0600, WAL, synchronous=FULL."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from monitor.errors import StateError
from monitor.store.sqlite.errors import state_error

FILE_NAME = "newswatch.db"
APPLICATION_ID = 0x4E575743  # "NWWC", so that another program's database is never taken for ours
BUSY_MS = 5_000
WAL_KEPT_BYTES = 64 * 1024 * 1024


def prepare_directory(state_dir: Path) -> Path:
    """Make the state directory and an empty database file where absent; returns the file's path.

    Raises:
        StateError: it can't be made or written, or the file is a symlink or no plain file.
    """
    path = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (path, _beside(path, "-wal"), _beside(path, "-shm")):
            refuse_symlink(name)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_uid == os.geteuid():
                os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
        if not os.access(state_dir, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as error:
        raise StateError(
            f"{state_dir}: can't use the state directory ({error.strerror}); make it writable for "
            "this user, or set `state:` to another folder"
        ) from error
    return path


def refuse_symlink(path: Path) -> None:
    """Raise ``StateError`` where ``path`` is anything but a plain file or absent."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
        raise StateError(f"{path}: is {kind}; the database must be a plain file in `state:`")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """Return a connection in autocommit mode; transactions are begun by hand."""
    try:
        # Each connection is used by one thread at a time, though not always by the one that opens.
        db = sqlite3.connect(
            path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("PRAGMA trusted_schema = OFF")
        if writer:
            if db.execute("PRAGMA page_count").fetchone()[0] == 0:
                # It counts only before the first table is made, and would write at every start.
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            db.execute("PRAGMA cell_size_check = ON")
        else:
            db.execute("PRAGMA query_only = ON")
        return db
    except sqlite3.Error as error:
        raise state_error(error, path) from error

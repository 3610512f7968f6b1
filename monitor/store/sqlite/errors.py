"""SQLite's errors in our words: what is wrong, where, what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from monitor.errors import CorruptState, StateError

_FULL = {sqlite3.SQLITE_FULL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code (sqlite.org/rescode.html), 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def state_error(error: sqlite3.Error, path: Path) -> StateError:
    """Return the error to raise for ``error`` on the database at ``path``."""
    code = primary_code(error)
    if code in _DAMAGED or "malformed" in str(error) or "not a database" in str(error):
        return damaged(path, str(error))
    if code in _FULL:
        return StateError(
            f"{path}: the disk is full; nothing was stored. Free some space: it goes on by itself"
        )
    if code in _BUSY:
        return StateError(
            f"{path}: the database is locked by another program; close it (it is tried again)"
        )
    if code in _UNWRITABLE:
        return StateError(f"{path}: can't write the database ({error}); check owner and mode")
    if code == sqlite3.SQLITE_IOERR:
        return StateError(
            f"{path}: can't read or write the database ({error}; {error.sqlite_errorname}); check "
            "the disk and its limits: it goes on by itself"
        )
    return StateError(f"{path}: the database refused ({error})")


def damaged(path: Path, why: str) -> CorruptState:
    """Return the error for a database that SQLite can't read."""
    return CorruptState(
        f"{path}: the database is damaged ({' '.join(why.split())}); nothing was changed. Restore "
        "a backup with `db restore`, or move the file away to begin anew (which baselines every "
        "feed)"
    )

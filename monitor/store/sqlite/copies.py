"""Consistent copies of a database in use, their names and their rotation."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

from monitor.errors import StateError
from monitor.store.sqlite.connection import refuse_symlink


def backup_name(label: str, now: datetime) -> str:
    """Return ``newswatch-LABEL-20260131T235959Z.db``; names of one label sort by time."""
    return f"newswatch-{label}-{now:%Y%m%dT%H%M%SZ}.db"


def write_copy(db: sqlite3.Connection, target: Path) -> None:
    """Write what ``db`` holds at this moment to ``target``, whole or not at all, mode 0600.

    ``VACUUM INTO`` reads one snapshot and leaves out free pages, while others go on writing.

    Raises:
        StateError: the target can't be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_symlink(target)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        try:
            db.execute("VACUUM INTO ?", (str(part),))
            handle = os.open(part, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateError(f"{target}: can't write the backup ({error.strerror})") from error


def rotate(folder: Path, label: str, keep: int) -> list[Path]:
    """Remove all but the newest ``keep`` backups of ``label``; returns those removed."""
    copies = sorted(folder.glob(f"newswatch-{label}-*Z.db"))
    old = copies[: max(0, len(copies) - keep)]
    for path in old:
        path.unlink(missing_ok=True)
    return old

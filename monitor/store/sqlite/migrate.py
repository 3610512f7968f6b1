"""Bringing a database file to our schema: checked first, copied first, never recreated."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from monitor.errors import NewerSchema, StateError
from monitor.store.migrations import Migration, bundled
from monitor.store.sqlite.connection import APPLICATION_ID
from monitor.store.sqlite.copies import backup_name, rotate, write_copy
from monitor.store.sqlite.errors import damaged

log = logging.getLogger(__name__)
MIGRATION_COPIES = 3
COPY_LABEL = "upgrade"


def version_of(db: sqlite3.Connection) -> int:
    """Return the schema version a database file says it has."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def is_current(path: Path) -> bool:
    """Whether there is a database at ``path`` that opening would leave as it is."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return version_of(db) == bundled("sqlite")[-1].version
    except sqlite3.Error:
        return False


def sound(db: sqlite3.Connection, path: Path) -> None:
    """Raise ``CorruptState`` where SQLite's quick check finds damage."""
    found = [row[0] for row in db.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise damaged(path, found[0])


def migrate(
    db: sqlite3.Connection, path: Path, steps: Sequence[Migration], now: datetime
) -> tuple[int, int]:
    """Bring the schema up to the last of ``steps``; returns the versions before and after.

    A database that holds anything is copied to ``backups/`` first; the last three such copies are
    kept. All steps are one transaction.

    Raises:
        NewerSchema: a newer version of this program has written it.
        StateError: it is another program's database.
    """
    before, newest = version_of(db), steps[-1].version
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    owner = int(db.execute("PRAGMA application_id").fetchone()[0])
    if tables and owner != APPLICATION_ID:
        raise StateError(f"{path}: is a database of another program; set `state:` elsewhere")
    if before > newest:
        raise NewerSchema(
            f"{path}: was written by a newer version (schema {before}, this one knows {newest}); "
            "install that version, or restore a backup from before with `db restore`"
        )
    if before == newest:
        return before, newest
    if tables:
        folder = path.parent / "backups"
        target = folder / backup_name(COPY_LABEL, now)
        write_copy(db, target)
        rotate(folder, COPY_LABEL, MIGRATION_COPIES)
        log.info("backed up before migration", extra={"target": str(target)})
    db.execute("BEGIN EXCLUSIVE")
    try:
        for step in steps:
            if step.version > version_of(db):
                for statement in statements(step.sql):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {step.version}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    log.info("schema migrated", extra={"from": before, "to": newest})
    return before, newest


def statements(sql: str) -> list[str]:
    """Split a script at the semicolons that end statements (``executescript`` would commit)."""
    out, pending = [], ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            out.append(pending)
            pending = ""
    if pending.strip():
        out.append(pending)
    return out

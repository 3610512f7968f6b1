"""Putting a backup in the place of the database; what was there is kept beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from monitor.errors import NewerSchema, StateError
from monitor.store.lock import StateLock
from monitor.store.migrations import bundled
from monitor.store.sqlite.connection import (
    APPLICATION_ID,
    FILE_NAME,
    connect,
    prepare_directory,
    refuse_symlink,
)
from monitor.store.sqlite.copies import backup_name, rotate, write_copy
from monitor.store.sqlite.errors import state_error
from monitor.store.sqlite.migrate import sound, version_of

BACKUPS = "backups"
KEPT_BEFORE_RESTORE = 3
JOURNALS = ("-wal", "-shm")


def usable_backup(file: Path) -> None:
    """Check that ``file`` is a sound database of ours, of this version or an older one.

    Raises:
        StateError: it isn't; the kind says why.
    """
    if not file.is_file():
        raise StateError(f"{file}: there is no such file")
    try:
        # immutable: a backup on read-only media has no room for a journal.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as db:
            sound(db, file)
            if int(db.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
                raise StateError(f"{file}: is not a backup of this program")
            version, known = version_of(db), bundled("sqlite")[-1].version
            if version > known:
                raise NewerSchema(
                    f"{file}: was written by a newer version (schema {version}, this one knows "
                    f"{known}); install that version"
                )
    except sqlite3.Error as error:
        raise state_error(error, file) from error


def restore(file: Path, state_dir: Path, now: datetime) -> Path | None:
    """Replace the database in ``state_dir`` by ``file``; returns where the old one is kept.

    Raises:
        AlreadyRunning: a running watch holds the directory.
        StateError: the file is no sound backup, or the directory can't be written; nothing is
            changed then.
    """
    usable_backup(file)
    with StateLock(state_dir):
        existed = (state_dir / FILE_NAME).exists()
        path = prepare_directory(state_dir)
        if file.resolve() == path.resolve():
            raise StateError(f"{file}: is the database itself; name a backup")
        part = path.with_name(FILE_NAME + ".part")
        try:
            refuse_symlink(part)
            part.unlink(missing_ok=True)
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(handle, "wb") as out, file.open("rb") as given:
                shutil.copyfileobj(given, out, 1024 * 1024)
                out.flush()
                os.fsync(out.fileno())
            kept = _keep(path, now) if existed else None
            # A journal of the old database must never be applied to the new one.
            for suffix in JOURNALS:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            os.replace(part, path)
        except OSError as error:
            raise StateError(f"{state_dir}: can't restore ({error.strerror})") from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return kept


def _keep(path: Path, now: datetime) -> Path:
    """Keep what is at ``path``: as a copy where it can be read, else byte for byte."""
    folder = path.parent / BACKUPS
    target = folder / backup_name("before-restore", now)
    try:
        with closing(connect(path, writer=True)) as db:
            sound(db, path)
            write_copy(db, target)
    except (StateError, sqlite3.Error):
        folder.mkdir(mode=0o700, exist_ok=True)
        target = target.with_suffix(".damaged")
        for suffix in ("", *JOURNALS):
            old = path.with_name(path.name + suffix)
            if old.exists():
                shutil.copy2(old, target.with_name(target.name + suffix))
    rotate(folder, "before-restore", KEPT_BEFORE_RESTORE)
    return target

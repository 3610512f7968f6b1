"""The outbox in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.errors import StateError
from monitor.store.port import OutboxRow, OutboxState
from monitor.store.rows import (
    OUTBOX_COLUMNS,
    maybe_moment,
    micros,
    outbox_columns,
    outbox_row,
)

_NAMES = OUTBOX_COLUMNS.split(", ")
_SET = ", ".join(f"{name} = ?" for name in _NAMES[1:])
_VALUES = ", ".join("?" * len(_NAMES))


def add(db: sqlite3.Connection, rows: Sequence[OutboxRow]) -> int:
    """Add rows that don't exist yet; returns how many were new."""
    before = db.total_changes
    db.executemany(
        f"INSERT INTO outbox ({OUTBOX_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING",
        (outbox_columns(row) for row in rows),
    )
    return db.total_changes - before


def withdraw(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remove rows that no channel has been given yet."""
    db.executemany(
        "DELETE FROM outbox WHERE id = ? AND state IN ('queued', 'held')", ((id_,) for id_ in ids)
    )


def forget(db: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Remove rows, but none that is being sent or was; returns how many."""
    before = db.total_changes
    db.executemany(
        "DELETE FROM outbox WHERE id = ? AND state NOT IN ('sending', 'sent')",
        ((id_,) for id_ in ids),
    )
    return db.total_changes - before


def put(db: sqlite3.Connection, rows: Sequence[OutboxRow]) -> None:
    """Store new versions of existing rows."""
    for row in rows:
        columns = outbox_columns(row)
        done = db.execute(f"UPDATE outbox SET {_SET} WHERE id = ?", (*columns[1:], row.id))
        if done.rowcount != 1:
            raise StateError(f"outbox row {row.id} no longer exists; it was dropped meanwhile")


def due(
    db: sqlite3.Connection, now: datetime, limit: int, channels: Sequence[str] | None
) -> Sequence[OutboxRow]:
    """Return queued rows whose time has come, most severe first, then oldest."""
    where = "" if channels is None else f"AND channel IN ({', '.join('?' * len(channels))})"
    rows = db.execute(
        f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE state = 'queued' AND not_before <= ? {where} "
        "ORDER BY severity DESC, created_at, id LIMIT ?",
        (micros(now), *(channels or ()), limit),
    )
    return [outbox_row(row) for row in rows]


def rows(
    db: sqlite3.Connection,
    states: Sequence[OutboxState] | None,
    channel: str | None,
    story_id: str | None,
    limit: int | None,
    newest: bool = False,
    since: datetime | None = None,
) -> Sequence[OutboxRow]:
    """Return rows, oldest first; with ``newest`` by id (they sort by time), the newest first."""
    order = "id DESC" if newest else "created_at, id"
    where, args = ["true"], list[object]()
    if states is not None:
        where.append(f"state IN ({', '.join('?' * len(states))})")
        args += states
    if channel is not None:
        where.append("channel = ?")
        args.append(channel)
    if story_id is not None:
        where.append("story_id = ?")
        args.append(story_id)
    if since is not None:
        where.append("created_at >= ?")
        args.append(micros(since))
    found = db.execute(
        f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?",
        (*args, -1 if limit is None else limit),
    )
    return [outbox_row(row) for row in found]


def next_at(db: sqlite3.Connection) -> datetime | None:
    """Return the earliest ``not_before`` of the queued rows."""
    row = db.execute("SELECT min(not_before) FROM outbox WHERE state = 'queued'").fetchone()
    return maybe_moment(row[0])


def counts(db: sqlite3.Connection) -> Mapping[OutboxState, int]:
    """Return how many rows are in each state that has any."""
    return dict(db.execute("SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state"))

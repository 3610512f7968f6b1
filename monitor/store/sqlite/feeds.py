"""Feeds in SQLite: which are active, which are due, what is known of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from monitor.store.port import FeedState
from monitor.store.rows import (
    FEED_COLUMNS,
    feed_change,
    feed_state,
    maybe_moment,
    micros,
    shard_of,
    text,
)
from monitor.values import Feed

_CHANGE = FEED_COLUMNS.partition("next_at")[1] + FEED_COLUMNS.partition("next_at")[2]
_SET = ", ".join(
    f"{name} = coalesce({name}, ?)" if name == "baselined_at" else f"{name} = ?"
    for name in _CHANGE.split(", ")
)


def sync(db: sqlite3.Connection, feeds: Sequence[Feed], now: datetime) -> Mapping[str, FeedState]:
    """Make exactly ``feeds`` active."""
    at = micros(now)
    db.execute("CREATE TEMP TABLE wanted (key TEXT PRIMARY KEY, shard INTEGER) WITHOUT ROWID")
    try:
        db.executemany(
            "INSERT OR REPLACE INTO wanted VALUES (?, ?)",
            ((text(feed.key), shard_of(feed)) for feed in feeds),
        )
        db.execute(
            "UPDATE feeds SET active = 0, removed_at = ? "
            "WHERE active = 1 AND key NOT IN (SELECT key FROM wanted)",
            (at,),
        )
        db.execute(
            "INSERT INTO feeds (key, shard, active, added_at, next_at, last_status, failures, "
            "entries_seen, extra) SELECT key, shard, 1, ?, ?, 'not polled yet', 0, 0, '{}' "
            "FROM wanted WHERE true ON CONFLICT (key) DO UPDATE "
            "SET active = 1, removed_at = NULL, shard = excluded.shard "
            "WHERE active = 0 OR shard <> excluded.shard",
            (at, at),
        )
    finally:
        db.execute("DROP TABLE IF EXISTS wanted")
    return states(db)


def states(db: sqlite3.Connection, polled_since: datetime | None = None) -> Mapping[str, FeedState]:
    """Return the states of all active feeds by key, or of those polled since then."""
    where = "" if polled_since is None else f"AND last_poll_at >= {micros(polled_since)}"
    rows = db.execute(f"SELECT {FEED_COLUMNS} FROM feeds WHERE active = 1 {where} ORDER BY id")
    return {row[1]: feed_state(row) for row in rows}


def claim(
    db: sqlite3.Connection, now: datetime, limit: int, retry_at: datetime, shard: int | None
) -> Sequence[FeedState]:
    """Claim due feeds; their states carry the time they were due at."""
    where, args = "", [micros(now)]
    if shard is not None:
        where, args = "AND shard = ?", [*args, shard]
    rows = db.execute(
        f"SELECT {FEED_COLUMNS} FROM feeds WHERE active = 1 AND next_at <= ? {where} "
        "ORDER BY next_at LIMIT ?",
        (*args, limit),
    ).fetchall()
    later = micros(retry_at)
    db.executemany("UPDATE feeds SET next_at = ? WHERE id = ?", ((later, row[0]) for row in rows))
    return [feed_state(row) for row in rows]


def due_shards(db: sqlite3.Connection, now: datetime) -> Sequence[int]:
    """Return the shards with a feed due, the longest overdue first: two looks into the index for
    each shard that exists."""
    rows = db.execute(
        "WITH RECURSIVE shards (shard) AS ("
        "  SELECT min(shard) FROM feeds WHERE active = 1 UNION ALL "
        "  SELECT (SELECT min(f.shard) FROM feeds f WHERE f.active = 1 AND f.shard > s.shard) "
        "  FROM shards s WHERE s.shard IS NOT NULL) "
        "SELECT shard FROM (SELECT shard, (SELECT min(f.next_at) FROM feeds f "
        "WHERE f.active = 1 AND f.shard = shards.shard) AS first FROM shards "
        "WHERE shard IS NOT NULL) AS found WHERE first <= ? ORDER BY first, shard",
        (micros(now),),
    )
    return [row[0] for row in rows]


def next_due(db: sqlite3.Connection) -> datetime | None:
    """Return the earliest ``next_at`` of the active feeds."""
    row = db.execute("SELECT min(next_at) FROM feeds WHERE active = 1").fetchone()
    return maybe_moment(row[0])


def update(db: sqlite3.Connection, states: Iterable[FeedState]) -> None:
    """Store feeds' states."""
    db.executemany(
        f"UPDATE feeds SET {_SET} WHERE id = ?", ((*feed_change(each), each.id) for each in states)
    )


def make_due(db: sqlite3.Connection, key: str, at: datetime) -> bool:
    """Make a feed due at ``at`` where it was due later; tells whether it is there."""
    done = db.execute(
        "UPDATE feeds SET next_at = min(next_at, ?) WHERE key = ? AND active = 1", (micros(at), key)
    )
    return done.rowcount == 1

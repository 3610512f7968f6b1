"""Pruning and checking. Each function is one small transaction, so that polls go on in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.store.port import Retention
from monitor.store.rows import DAY_MICROS, micros
from monitor.store.sqlite.search import NAME, TextIndex

STEP = 500
VACUUM_PAGES = 2_000


def size(db: sqlite3.Connection) -> int:
    """Return the bytes in use in the database file; free pages don't count."""
    pages, free, page = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page


def entries_before(db: sqlite3.Connection, index: TextIndex, before: datetime | None) -> int:
    """Remove up to ``STEP`` of the oldest entries (first seen before ``before``, if given)."""
    rows = db.execute(
        "SELECT seq, title, summary, content, id FROM entries WHERE first_seen < ? "
        "ORDER BY first_seen, seq LIMIT ?",
        (2**62 if before is None else micros(before), STEP),
    ).fetchall()
    last = index.reaches(db)
    index.remove(db, [row for row in rows if row[0] <= last])
    db.executemany("DELETE FROM matches WHERE entry_id = ?", ((row[4],) for row in rows))
    db.executemany("DELETE FROM entries WHERE seq = ?", ((row[0],) for row in rows))
    return len(rows)


def stories_before(db: sqlite3.Connection, before: datetime) -> int:
    """Remove stories last seen before ``before`` that have no entry and owe nobody a message."""
    return db.execute(
        "DELETE FROM stories WHERE id IN (SELECT s.id FROM stories s WHERE s.last_seen < ? "
        "AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.story_id = s.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.story_id = s.id "
        "AND o.state NOT IN ('sent', 'dead')) LIMIT ?)",
        (micros(before), STEP),
    ).rowcount


def outbox_before(db: sqlite3.Connection, before: datetime) -> int:
    """Remove settled outbox rows last touched before ``before``."""
    return db.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state IN ('sent', 'dead') "
        "AND created_at < ?1 AND coalesce(last_try, created_at) < ?1 LIMIT ?2)",
        (micros(before), STEP),
    ).rowcount


def seen_before(
    db: sqlite3.Connection, feed_id: int, before: datetime, refreshed: timedelta
) -> int:
    """Remove a feed's keys refreshed last before ``before``, but none that is in it still: one
    refreshed within ``refreshed`` of the feed's last reading."""
    return db.execute(
        "DELETE FROM seen WHERE feed_id = ?1 AND day < ?2 AND (day < "
        "(SELECT parsed_day FROM feeds WHERE id = ?1) - ?3 OR "
        "(SELECT active FROM feeds WHERE id = ?1) = 0)",
        (feed_id, micros(before) // DAY_MICROS, refreshed.days),
    ).rowcount


def feed_ids(db: sqlite3.Connection) -> Sequence[int]:
    """Return the ids of all feeds, active or not."""
    return [row[0] for row in db.execute("SELECT id FROM feeds ORDER BY id")]


def feeds_before(db: sqlite3.Connection, before: datetime) -> int:
    """Remove feeds that left the configuration before ``before`` and of which nothing is left."""
    return db.execute(
        "DELETE FROM feeds WHERE active = 0 AND removed_at < ? "
        "AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.feed_id = feeds.id) "
        "AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.feed_id = feeds.id)",
        (micros(before),),
    ).rowcount


def merge_text(db: sqlite3.Connection) -> bool:
    """Merge a little of the text index, which frees what was removed; tells if there was work.

    A negative count merges segments of any level (sqlite.org/fts5.html §6.8).
    """
    before = db.total_changes
    db.execute(f"INSERT INTO {NAME} ({NAME}, rank) VALUES ('merge', -{STEP})")
    return db.total_changes - before >= 2


def count(db: sqlite3.Connection) -> int:
    """Return how many entries there are."""
    return int(db.execute("SELECT count(*) FROM entries").fetchone()[0])


def shrink(db: sqlite3.Connection) -> int:
    """Give some free pages back to the file system; returns how many are left."""
    db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])


def limits(retention: Retention, now: datetime) -> tuple[datetime, datetime, datetime]:
    """Return the moments before which stories, alerts and seen keys go."""
    return now - retention.stories, now - retention.alerts, now - retention.seen


def findings(db: sqlite3.Connection) -> Sequence[str]:
    """Return what is wrong, in plain words."""
    out = [row[0] for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    lost = (
        ("entries of no feed", "entries WHERE feed_id NOT IN (SELECT id FROM feeds)"),
        ("matches of no entry", "matches WHERE entry_id NOT IN (SELECT id FROM entries)"),
        ("seen keys of no feed", "seen WHERE feed_id NOT IN (SELECT id FROM feeds)"),
    )
    for what, source in lost:
        count = db.execute(f"SELECT count(*) FROM {source}").fetchone()[0]
        if count:
            out.append(f"{count} {what}")
    return out

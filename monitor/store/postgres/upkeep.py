"""Pruning and checking in PostgreSQL, in small transactions. Autovacuum gives the space back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.store.port import Retention
from monitor.store.postgres.pool import SCAN_SECONDS, Pool, run
from monitor.store.rows import DAY_MICROS, micros

STEP = 2_000
# Measured bytes of a row of `seen` with its index (storage notes): counted, not scanned.
SEEN_BYTES = 138
# Indexes and page overhead of the other tables, as a share of their rows' own bytes (measured:
# 1.08 GB for 0.72 GB of rows with all indexes).
OVERHEAD = 1.5


async def removed(pool: Pool, statement: str, args: Sequence[object]) -> int:
    """Run a DELETE again and again until it finds nothing; returns how many rows went."""
    total = 0
    while gone := await pool.write(lambda db: run(db, statement, args)):
        total += gone
    return total


async def entries(pool: Pool, before: datetime | None, most: int | None = None) -> int:
    """Remove the oldest entries with their matches (``most`` of them at most)."""
    total = 0
    limit = 2**62 if before is None else micros(before)
    while most is None or total < most:
        step = STEP if most is None else min(STEP, most - total)
        gone = await pool.write(
            lambda db, step=step: run(  # type: ignore[misc]
                db,
                "WITH old AS (SELECT seq, id FROM entries WHERE first_seen < %s "
                "ORDER BY first_seen, seq LIMIT %s), "
                "hits AS (DELETE FROM matches USING old WHERE matches.entry_id = old.id) "
                "DELETE FROM entries USING old WHERE entries.seq = old.seq",
                (limit, step),
            )
        )
        total += gone
        if gone < step:
            break
    return total


async def stories(pool: Pool, before: datetime) -> int:
    """Remove stories last seen before ``before`` that have no entry and owe nobody a message."""
    return await removed(
        pool,
        "DELETE FROM stories WHERE id IN (SELECT s.id FROM stories s WHERE s.last_seen < %s "
        "AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.story_id = s.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.story_id = s.id "
        "AND o.state NOT IN ('sent', 'dead')) LIMIT %s)",
        (micros(before), STEP),
    )


async def outbox(pool: Pool, before: datetime) -> int:
    """Remove settled outbox rows last touched before ``before``."""
    at = micros(before)
    return await removed(
        pool,
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state IN ('sent', 'dead') "
        "AND created_at < %s AND coalesce(last_try, created_at) < %s LIMIT %s)",
        (at, at, STEP),
    )


async def seen(pool: Pool, before: datetime, refreshed: timedelta) -> int:
    """Remove keys refreshed last before ``before``, but none that is in its feed still: one
    refreshed within ``refreshed`` of the feed's last reading."""
    day = micros(before) // DAY_MICROS
    gone, last = 0, 0
    while True:
        rows = await pool.rows(
            "SELECT id FROM feeds WHERE id > %s ORDER BY id LIMIT %s", (last, STEP)
        )
        if not rows:
            return gone
        first, last = rows[0][0], rows[-1][0]
        gone += await pool.write(
            lambda db, first=first, last=last: run(  # type: ignore[misc]
                db,
                "DELETE FROM seen AS s USING feeds AS f WHERE f.id = s.feed_id "
                "AND s.feed_id BETWEEN %s AND %s AND s.day < %s "
                "AND (s.day < f.parsed_day - %s OR f.active = 0)",
                (first, last, day, refreshed.days),
            )
        )


async def feeds(pool: Pool, before: datetime) -> int:
    """Remove feeds that left the configuration before ``before`` and of which nothing is left."""
    return await pool.write(
        lambda db: run(
            db,
            "DELETE FROM feeds AS f WHERE active = 0 AND removed_at < %s "
            "AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.feed_id = f.id) "
            "AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.feed_id = f.id)",
            (micros(before),),
        )
    )


async def size(pool: Pool) -> tuple[int, int]:
    """Return (bytes in use, entries). Bytes are those of the live rows and their share of
    indexes: files keep their size until they are vacuumed, and would bound nothing."""
    rows = await pool.rows(
        "SELECT (SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM entries AS t) + "
        "(SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM matches AS t) + "
        "(SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM stories AS t) + "
        "(SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM outbox AS t) + "
        "(SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM blobs AS t), "
        "(SELECT count(*) FROM seen), (SELECT count(*) FROM entries)",
        limit=SCAN_SECONDS,
    )
    in_rows, keys, entries_ = rows[0]
    return int(int(in_rows) * OVERHEAD) + keys * SEEN_BYTES, entries_


def limits(retention: Retention, now: datetime) -> tuple[datetime, datetime, datetime]:
    """Return the moments before which stories, alerts and seen keys go."""
    return now - retention.stories, now - retention.alerts, now - retention.seen


async def findings(pool: Pool) -> Sequence[str]:
    """Return what is wrong, in plain words."""
    out = []
    invalid = await pool.rows(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace"
    )
    out += [f"index {row[0]} is invalid; REINDEX it" for row in invalid]
    failures = await pool.rows(
        "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    if failures and failures[0][0]:
        out.append(f"{failures[0][0]} pages failed their checksum; restore a backup")
    lost = (
        ("entries of no feed", "entries t WHERE NOT EXISTS (SELECT FROM feeds WHERE id = feed_id)"),
        ("seen keys of no feed", "seen t WHERE NOT EXISTS (SELECT FROM feeds WHERE id = feed_id)"),
        (
            "matches of no entry",
            "matches t WHERE NOT EXISTS (SELECT FROM entries WHERE id = entry_id)",
        ),
    )
    for what, source in lost:
        rows = await pool.rows(f"SELECT count(*) FROM {source}", limit=SCAN_SECONDS)
        if rows[0][0]:
            out.append(f"{rows[0][0]} {what}")
    return out

"""Feeds in PostgreSQL. A claim locks the rows it takes and skips those that others are taking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.store.port import FeedState
from monitor.store.postgres.bulk import FEED_CHANGE, arrays, unnest
from monitor.store.postgres.pool import SCAN_SECONDS, Connection, Pool, fetch, run
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

_WANTED = "unnest(%s::text[], %s::bigint[]) AS v (key, shard)"
_CLAIMED = ", ".join(
    "p.next_at" if name == "next_at" else f"f.{name}" for name in FEED_COLUMNS.split(", ")
)
_KEPT = "baselined_at = coalesce(f.baselined_at, v.baselined_at)"
_UPDATE = (
    "UPDATE feeds AS f SET "
    + ", ".join(
        _KEPT if name == "baselined_at" else f"{name} = v.{name}"
        for name in FEED_CHANGE
        if name != "id"
    )
    + f" FROM {unnest(FEED_CHANGE)} WHERE f.id = v.id"
)


async def sync(pool: Pool, feeds: Sequence[Feed], now: datetime) -> Mapping[str, FeedState]:
    """Make exactly ``feeds`` active; touches only what is to change."""
    wanted = {text(feed.key): shard_of(feed) for feed in feeds}
    lists: list[Any] = [list(wanted), list(wanted.values())]
    at = micros(now)

    async def work(db: Connection) -> None:
        await run(
            db,
            "UPDATE feeds AS f SET active = 0, removed_at = %s WHERE active = 1 "
            f"AND NOT EXISTS (SELECT 1 FROM {_WANTED} WHERE v.key = f.key)",
            (at, *lists),
        )
        await run(
            db,
            "UPDATE feeds AS f SET active = 1, removed_at = NULL, shard = v.shard "
            f"FROM {_WANTED} WHERE v.key = f.key AND (f.active = 0 OR f.shard <> v.shard)",
            lists,
        )
        await run(
            db,
            "INSERT INTO feeds (key, shard, active, added_at, next_at, last_status, failures, "
            "entries_seen, extra) SELECT v.key, v.shard, 1, %s, %s, 'not polled yet', 0, 0, '{}' "
            f"FROM {_WANTED} WHERE NOT EXISTS (SELECT 1 FROM feeds AS f WHERE f.key = v.key) "
            "ON CONFLICT DO NOTHING",
            (at, at, *lists),
        )

    await pool.write(work, SCAN_SECONDS)
    return await states(pool)


async def states(pool: Pool, polled_since: datetime | None = None) -> Mapping[str, FeedState]:
    """Return the states of all active feeds by key, or of those polled since then."""
    where = "" if polled_since is None else f"AND last_poll_at >= {micros(polled_since)}"
    rows = await pool.rows(
        f"SELECT {FEED_COLUMNS} FROM feeds WHERE active = 1 {where} ORDER BY id",
        limit=SCAN_SECONDS,
    )
    return {row[1]: feed_state(row) for row in rows}


async def states_of(pool: Pool, ids: Sequence[int]) -> Mapping[int, FeedState]:
    """Return the states of some feeds by id."""
    rows = await pool.rows(
        f"SELECT {FEED_COLUMNS} FROM feeds WHERE id = ANY(%s::bigint[])", (list(ids),)
    )
    return {row[0]: feed_state(row) for row in rows}


async def claim(
    pool: Pool, now: datetime, limit: int, retry_at: datetime, shard: int | None
) -> Sequence[FeedState]:
    """Claim due feeds; their states carry the time they were due at."""
    where = "" if shard is None else "AND shard = %s"
    args = () if shard is None else (shard,)

    async def work(db: Connection) -> list[tuple[Any, ...]]:
        # A claim lost in a crash of the server is a poll made twice, no more: it needn't wait for
        # the disk.
        await run(db, "SET LOCAL synchronous_commit = off")
        return await fetch(
            db,
            "WITH p AS (SELECT id, next_at FROM feeds "
            f"WHERE active = 1 AND next_at <= %s {where} ORDER BY next_at LIMIT %s "
            "FOR UPDATE SKIP LOCKED) "
            f"UPDATE feeds AS f SET next_at = %s FROM p WHERE f.id = p.id RETURNING {_CLAIMED}",
            (micros(now), *args, limit, micros(retry_at)),
        )

    rows = await pool.write(work)
    return sorted((feed_state(row) for row in rows), key=lambda state: (state.next_at, state.id))


async def due_shards(pool: Pool, now: datetime) -> Sequence[int]:
    """Return the shards with a feed due, the longest overdue first: two looks into the index for
    each shard that exists."""
    rows = await pool.rows(
        "WITH RECURSIVE shards (shard) AS ("
        "  SELECT min(shard) FROM feeds WHERE active = 1 UNION ALL "
        "  SELECT (SELECT min(f.shard) FROM feeds f WHERE f.active = 1 AND f.shard > s.shard) "
        "  FROM shards s WHERE s.shard IS NOT NULL) "
        "SELECT shard FROM (SELECT shard, (SELECT min(f.next_at) FROM feeds f "
        "WHERE f.active = 1 AND f.shard = shards.shard) AS first FROM shards "
        "WHERE shard IS NOT NULL) AS found WHERE first <= %s ORDER BY first, shard",
        (micros(now),),
    )
    return [row[0] for row in rows]


async def next_due(pool: Pool) -> datetime | None:
    """Return the earliest ``next_at`` of the active feeds."""
    rows = await pool.rows("SELECT min(next_at) FROM feeds WHERE active = 1")
    return maybe_moment(rows[0][0])


async def update(db: Connection, states: Sequence[FeedState]) -> None:
    """Store feeds' states."""
    last = {state.id: (state.id, *feed_change(state)) for state in states}
    await run(db, _UPDATE, arrays(FEED_CHANGE, [last[id_] for id_ in sorted(last)]))


async def make_due(pool: Pool, key: str, at: datetime) -> bool:
    """Make a feed due at ``at`` where it was due later; tells whether it is there."""
    rows = await pool.rows(
        "UPDATE feeds SET next_at = least(next_at, %s) WHERE key = %s AND active = 1 RETURNING id",
        (micros(at), key),
    )
    return len(rows) == 1

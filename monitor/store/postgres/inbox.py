"""Feed documents that a worker has read and nobody has decided about yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.rows import micros


async def put(pool: Pool, payloads: Sequence[bytes], feeds: Sequence[int], until: datetime) -> None:
    """Keep what polls of ``feeds`` have brought; these aren't due before ``until`` unless it is
    decided before."""

    async def work(db: Connection) -> None:
        await run(
            db,
            "INSERT INTO inbox (payload) SELECT v.payload FROM unnest(%s::bytea[]) AS v (payload)",
            (list(payloads),),
        )
        await run(
            db,
            "UPDATE feeds SET next_at = %s WHERE id = ANY(%s::bigint[])",
            (micros(until), sorted(feeds)),
        )

    await pool.write(work)


async def take(db: Connection, limit: int) -> list[tuple[int, bytes]]:
    """Return the oldest payloads with their numbers; they stay until they are removed."""
    rows = await fetch(db, "SELECT id, payload FROM inbox ORDER BY id LIMIT %s", (limit,))
    return [(row[0], bytes(row[1])) for row in rows]


async def remove(db: Connection, ids: Sequence[int]) -> None:
    """Remove what was decided."""
    await run(db, "DELETE FROM inbox WHERE id = ANY(%s::bigint[])", (list(ids),))


async def waiting(pool: Pool, most: int) -> int:
    """Return how many payloads wait, counting no further than ``most``."""
    rows = await pool.rows("SELECT count(*) FROM (SELECT 1 FROM inbox LIMIT %s) AS found", (most,))
    return int(rows[0][0])

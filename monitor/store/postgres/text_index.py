"""Which tokeniser made the entries' tokens, and making them anew after it has changed.

They are made anew beside the work, from the newest entry to the oldest. A mark says how far that
has come: entries numbered below it still have tokens of another tokeniser. A search gives all of
those: who asks looks at the texts themselves, so that it costs time and never an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from monitor.store.postgres import bulk
from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.postgres.search import vector
from monitor.store.tokens import MADE_BY, Tokenize

log = logging.getLogger(__name__)
STEP = 200  # entries in one transaction: about 0.1 s of tokenising
_COLUMNS = {"seq": "bigint", "tokens": "text"}
_ALL = 2**62


async def mark(db: Connection, made_by: str) -> None:
    """Say with the first entries that their tokens are of the tokeniser ``made_by``."""
    await run(
        db,
        "INSERT INTO blobs VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (MADE_BY, f"{made_by} 0".encode()),
    )


async def mark_all(db: Connection, made_by: str) -> None:
    """Say that all entries' tokens are of the tokeniser ``made_by``."""
    await run(
        db,
        "INSERT INTO blobs VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (MADE_BY, f"{made_by} 0".encode()),
    )


async def unknown_below(pool: Pool, made_by: str) -> int:
    """Return the number below which entries have tokens of another tokeniser than ``made_by``."""
    rows = await pool.rows("SELECT value FROM blobs WHERE name = %s", (MADE_BY,))
    return _below(rows, made_by)


def _below(rows: Sequence[Sequence[Any]], made_by: str) -> int:
    if not rows:
        return 0  # there is no entry yet
    by, _, below = bytes(rows[0][0]).decode().partition(" ")
    return int(below) if by == made_by else _ALL


async def renew(pool: Pool, tokenize: Tokenize, made_by: str) -> bool:
    """Make the tokens of some entries anew; return whether there may be more to do."""

    async def work(db: Connection) -> bool:
        rows = await fetch(db, "SELECT value FROM blobs WHERE name = %s FOR UPDATE", (MADE_BY,))
        below = _below(rows, made_by)
        if below == 0:
            return False
        if below == _ALL:
            log.info("texts are indexed anew for another tokeniser; searches take longer meanwhile")
        stale = await fetch(
            db,
            "SELECT seq, title, summary, content FROM entries WHERE seq < %s "
            "ORDER BY seq DESC LIMIT %s FOR UPDATE",
            (below, STEP),
        )
        made = await asyncio.to_thread(
            lambda: [(seq, vector(tokenize, *texts)) for seq, *texts in stale]
        )
        if made:
            # Most texts have no token that changed: their rows are left as they are.
            await run(
                db,
                f"UPDATE entries AS e SET tokens = v.tokens::tsvector FROM {bulk.unnest(_COLUMNS)} "
                "WHERE e.seq = v.seq AND e.tokens <> v.tokens::tsvector",
                bulk.arrays(_COLUMNS, made),
            )
        reached = made[-1][0] if made else 0
        await run(
            db,
            "UPDATE blobs SET value = %s WHERE name = %s",
            (f"{made_by} {reached}".encode(), MADE_BY),
        )
        if not made:
            log.info("texts are indexed")
        return bool(made)

    return await pool.write(work)

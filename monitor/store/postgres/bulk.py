"""Many rows in one statement: columns as arrays, taken apart by ``unnest``.

Measured (one statement against one for each row, 20 rows and more): 2.4 to 4.8 times the rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.store.postgres.pool import Connection, run
from monitor.store.rows import (
    ENTRY_COLUMNS,
    FEED_COLUMNS,
    OUTBOX_COLUMNS,
    STORY_COLUMNS,
)

INT, TEXT, BYTES = "bigint", "text", "bytea"
# The columns that hold numbers; all others hold text unless they are said to hold something else.
_NUMBERS = {
    *("id", "feed_id", "baseline", "first_seen", "published", "last_seen", "entries", "revision"),
    *("severity", "created_at", "not_before", "attempts", "first_try", "last_try", "looks"),
    *("next_at", "baselined_at", "last_poll_at", "last_ok_at", "last_new_at", "failures"),
    *("entries_seen", "added_at"),
}


def typed(columns: str, **others: str) -> Mapping[str, str]:
    """Return the columns' PostgreSQL types; ``others`` are those that names don't tell."""
    names = columns.split(", ")
    return {name: others.get(name) or (INT if name in _NUMBERS else TEXT) for name in names}


CHANGE = FEED_COLUMNS[FEED_COLUMNS.index("next_at") :]
FEED_CHANGE = {"id": INT, **typed(CHANGE, body_hash=BYTES)}
ENTRIES = {**typed(ENTRY_COLUMNS, id=TEXT), "tokens": TEXT}
STORIES = typed(STORY_COLUMNS, id=TEXT, blob=BYTES)
OUTBOX = typed(OUTBOX_COLUMNS, id=TEXT)
SEEN = {"feed_id": INT, "key": BYTES, "kind": INT, "day": INT, "entry_id": TEXT}
MATCHES = {"entry_id": TEXT, "rule": TEXT, "score": "double precision", "key": TEXT, "hits": TEXT}
BLOBS = {"name": TEXT, "value": BYTES}


def unnest(columns: Mapping[str, str]) -> str:
    """Return ``unnest(%s::t[], …) AS v (names)``."""
    arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
    return f"unnest({arrays}) AS v ({', '.join(columns)})"


def arrays(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return ``rows`` turned into one list for each column."""
    return [[row[place] for row in rows] for place in range(len(columns))]


def unique(rows: Iterable[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """Return the last row for each key (the first ``width`` columns), sorted by it.

    One statement can't touch a row twice; and all transactions lock rows in the same order.
    """
    last = {tuple(row[:width]): row for row in rows}
    return [last[key] for key in sorted(last)]


async def insert(
    db: Connection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
) -> int:
    """Insert ``rows``; returns how many were inserted or changed."""
    if not rows:
        return 0
    names = ", ".join(columns)
    values = ", ".join(
        f"v.{name}::tsvector" if name == "tokens" else f"v.{name}" for name in columns
    )
    return await run(
        db,
        f"INSERT INTO {table} ({names}) SELECT {values} FROM {unnest(columns)} {conflict}",
        arrays(columns, rows),
    )


def replacing(columns: Mapping[str, str], *key: str) -> str:
    """Return an ON CONFLICT clause under which the new row replaces the old one."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"

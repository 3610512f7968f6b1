"""Copying a whole store from one side to the other, compared row by row at the end.

Ids, seen keys, stories, waiting messages and named values keep their very values: both schemas have
the same columns, so a copy is equal when a digest over all rows in the order of their keys is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.errors import StateError
from monitor.store.rows import ENTRY_COLUMNS, FEED_COLUMNS, OUTBOX_COLUMNS, STORY_COLUMNS

log = logging.getLogger(__name__)
Rows = list[tuple[Any, ...]]
Progress = Callable[[str, int], None]
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is copied: its columns, the key it is ordered by, and what is left out."""

    name: str
    columns: str
    key: str
    where: str = "true"


TABLES = (
    Table("feeds", f"{FEED_COLUMNS}, shard, active, removed_at, parsed_day", "id"),
    Table("seen", "feed_id, key, kind, day, entry_id", "feed_id, key"),
    Table("entries", f"seq, {ENTRY_COLUMNS}", "seq"),
    Table("matches", "entry_id, rule, score, key, hits", "entry_id, rule"),
    Table("stories", STORY_COLUMNS, "id"),
    Table("outbox", OUTBOX_COLUMNS, "id"),
    # "store/…" is an adapter's own.
    Table("blobs", "name, value", "name", "substr(name, 1, 6) <> 'store/'"),
)


@dataclass(frozen=True, slots=True)
class TableSum:
    """How many rows a table has, and the digest of them all."""

    rows: int
    digest: str


Sums = Mapping[str, TableSum]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy came to. ``unchanged``: the target held the very same already."""

    sums: Sums
    unchanged: bool = False


@dataclass(slots=True)
class Sum:
    """A digest in the making."""

    rows: int = 0
    hash: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, rows: Rows) -> None:
        for row in rows:
            self.hash.update(repr(row).encode())
        self.rows += len(rows)

    def done(self) -> TableSum:
        return TableSum(self.rows, self.hash.hexdigest())


class Side(Protocol):
    """One end of a copy, at the current schema; all of it is one snapshot or transaction."""

    where: str

    def chunks(self, table: Table) -> AsyncIterator[Rows]:
        """Yield the rows of a table by its key."""
        ...

    async def clear(self) -> None:
        """Remove all rows."""
        ...

    async def write(self, table: Table, rows: Rows) -> None: ...

    async def settle(self) -> None:
        """Make counters and indexes fit what was written."""
        ...

    async def keep(self) -> None:
        """Make what was written last; without this call it is as if nothing had been."""
        ...

    async def close(self) -> None: ...


async def sums(side: Side, progress: Progress | None = None) -> Sums:
    """Return the digests of all tables of a side."""
    out = {}
    for table in TABLES:
        made = Sum()
        async for rows in side.chunks(table):
            made.add(rows)
            if progress:
                progress(f"comparing {table.name}", made.rows)
        out[table.name] = made.done()
    return out


async def copy(
    source: Side, target: Side, *, replace: bool = False, progress: Progress | None = None
) -> Copied:
    """Copy ``source`` to ``target`` and compare both; nothing is kept unless they are equal.

    A target that holds something else is left as it is unless ``replace``.

    Raises:
        StateError: the target is in use for something else, or the copy is not equal.
    """
    holds = await sums(target)
    if any(each.rows for each in holds.values()):
        wants = await sums(source, progress)
        if holds == wants:
            return Copied(wants, unchanged=True)
        if not replace:
            raise StateError(
                f"{target.where}: holds {holds['entries'].rows} entries of its own, or an older "
                "copy; nothing was changed. To replace them, say --replace"
            )
        await target.clear()
    wrote = {}
    for table in TABLES:
        made = Sum()
        async for rows in source.chunks(table):
            made.add(rows)
            await target.write(table, rows)
            if progress:
                progress(f"copying {table.name}", made.rows)
        wrote[table.name] = made.done()
    await target.settle()
    found = await sums(target, progress)
    for name, wanted in wrote.items():
        if found[name] != wanted:
            raise StateError(
                f"{target.where}: the copy of {name} differs ({found[name].rows} rows for "
                f"{wanted.rows}); nothing was kept"
            )
    await target.keep()
    log.info("store copied", extra={name: each.rows for name, each in found.items()})
    return Copied(found)

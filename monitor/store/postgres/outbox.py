"""The outbox in PostgreSQL; who sends a row holds it until the outcome is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import psycopg

from monitor.errors import StateError
from monitor.store.port import OutboxRow, OutboxState
from monitor.store.postgres import bulk
from monitor.store.postgres.errors import state_error
from monitor.store.postgres.migrate import LOCK_KEY
from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.rows import (
    OUTBOX_COLUMNS,
    maybe_moment,
    micros,
    outbox_columns,
    outbox_row,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
_UPDATE = (
    "UPDATE outbox AS o SET "
    + ", ".join(f"{name} = v.{name}" for name in bulk.OUTBOX if name != "id")
    + f" FROM {bulk.unnest(bulk.OUTBOX)} WHERE o.id = v.id"
)
_KEY = LOCK_KEY.replace("%s", "'outbox:' || id")


async def add(db: Connection, rows: Sequence[OutboxRow]) -> int:
    """Add rows that don't exist yet; returns how many were new."""
    columns = sorted((outbox_columns(row) for row in rows), key=lambda row: row[0])
    return await bulk.insert(db, "outbox", bulk.OUTBOX, columns, "ON CONFLICT DO NOTHING")


async def withdraw(db: Connection, ids: Sequence[str]) -> None:
    """Remove rows that no channel has been given yet."""
    if ids:
        await run(
            db,
            "DELETE FROM outbox WHERE id = ANY(%s::text[]) AND state IN ('queued', 'held')",
            (list(ids),),
        )


async def forget(db: Connection, ids: Sequence[str]) -> int:
    """Remove rows, but none that is being sent or was; returns how many."""
    return await run(
        db,
        "DELETE FROM outbox WHERE id = ANY(%s::text[]) AND state NOT IN ('sending', 'sent')",
        (list(ids),),
    )


async def due(
    pool: Pool, now: datetime, limit: int, channels: Sequence[str] | None
) -> Sequence[OutboxRow]:
    """Return queued rows whose time has come, most severe first, then oldest."""
    where = "" if channels is None else "AND channel = ANY(%s::text[])"
    args = () if channels is None else (list(channels),)
    rows = await pool.rows(
        f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE state = 'queued' AND not_before <= %s {where} "
        "ORDER BY severity DESC, created_at, id LIMIT %s",
        (micros(now), *args, limit),
    )
    return [outbox_row(row) for row in rows]


async def rows(
    pool: Pool,
    states: Sequence[OutboxState] | None,
    channel: str | None,
    story_id: str | None,
    limit: int | None,
    newest: bool = False,
    since: datetime | None = None,
) -> Sequence[OutboxRow]:
    """Return rows, oldest first; with ``newest`` by id (they sort by time), the newest first."""
    order = "id DESC" if newest else "created_at, id"
    where, args = ["true"], list[Any]()
    if states is not None:
        where.append("state = ANY(%s::text[])")
        args.append(list(states))
    if channel is not None:
        where.append("channel = %s")
        args.append(channel)
    if story_id is not None:
        where.append("story_id = %s")
        args.append(story_id)
    if since is not None:
        where.append("created_at >= %s")
        args.append(micros(since))
    found = await pool.rows(
        f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE {' AND '.join(where)} "
        f"ORDER BY {order} LIMIT %s",
        (*args, limit),
    )
    return [outbox_row(row) for row in found]


async def next_at(pool: Pool) -> datetime | None:
    """Return the earliest ``not_before`` of the queued rows."""
    found = await pool.rows("SELECT min(not_before) FROM outbox WHERE state = 'queued'")
    return maybe_moment(found[0][0])


async def counts(pool: Pool) -> Mapping[OutboxState, int]:
    """Return how many rows are in each state that has any."""
    found = await pool.rows("SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state")
    return dict(found)


class Holder:
    """Stores new versions of rows, and holds those being sent on a connection of its own.

    ``sending`` must be durable before the call to the channel, so the row's own lock can't span
    the post: rows are taken with FOR UPDATE SKIP LOCKED, and from then on an advisory lock of the
    session stands for the row. It goes when this process dies or loses the server; the row is
    then *stranded*, and whoever finds it makes it ``unknown`` (never sends it blindly).

    Who stood still between reading a row and writing it knows it as it was. So a row is taken for
    sending only as it was read, what was sent stays so, and whoever lost a row may still say that
    it was sent, but nothing else of it: another has tried it since, perhaps with success.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._db: Connection | None = None
        self._turn = asyncio.Lock()
        self._held: set[str] = set()
        self._lost: set[str] = set()

    async def put(self, rows: Sequence[OutboxRow]) -> None:
        """Store new versions of existing rows; durable when this returns.

        Raises:
            StateError: a row no longer exists, or another worker has it; nothing is stored.
        """
        if rows:
            await self._with_connection(lambda db: self._put(db, rows))

    async def holds(self, row_id: str) -> bool:
        """Tell whether the row is held still: the server answers on the session that holds it."""
        try:
            return await self._with_connection(lambda db: self._holds(db, row_id))
        except StateError:
            return False

    async def stranded(self, channels: Sequence[str] | None = None) -> Sequence[OutboxRow]:
        """Return the rows that are ``sending`` though nobody sends them; we hold them now. With
        ``channels`` those there, also what we hold there already."""
        return await self._with_connection(lambda db: self._stranded(db, channels))

    async def close(self) -> None:
        async with self._turn:
            await self._drop()

    async def _with_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._turn:
            try:
                async with asyncio.timeout(self._pool.patience.answer):
                    return await work(await self._connection())
            except (psycopg.Error, TimeoutError) as error:
                await self._drop()
                raise state_error(error, self._pool.where) from error
            except asyncio.CancelledError:
                await self._drop()  # what the server still does is unknown
                raise

    async def _connection(self) -> Connection:
        if self._db is None or self._db.closed:
            await self._drop()
            self._db = await self._pool.connect(autocommit=True)
        return self._db

    async def _drop(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            if self._held:
                log.warning("rows being sent are no longer held", extra={"rows": len(self._held)})
            self._lost |= self._held
            self._held.clear()
            await db.close()

    async def _put(self, db: Connection, rows: Sequence[OutboxRow]) -> None:
        wanted = {row.id: row for row in rows}
        ours = {id_: row for id_, row in wanted.items() if not self._is_anothers(row)}
        taken: list[str] = []
        try:
            async with db.transaction():
                found = await fetch(
                    db,
                    "SELECT id, state, attempts FROM outbox WHERE id = ANY(%s::text[]) "
                    "ORDER BY id FOR UPDATE SKIP LOCKED",
                    (sorted(wanted),),
                )
                now = {id_: (state, attempts) for id_, state, attempts in found}
                for id_ in wanted:
                    if id_ not in now:
                        raise StateError(
                            f"outbox row {id_} no longer exists, or another worker has it"
                        )
                taken = await self._take(db, ours, now)
                kept = [row for row in ours.values() if self._is_news(row, *now[row.id])]
                columns = [outbox_columns(row) for row in kept]
                await run(db, _UPDATE, bulk.arrays(bulk.OUTBOX, columns))
        except BaseException:
            # Locks of the session outlive a rollback.
            if not db.closed and not db.broken:
                await self._unlock(db, taken)
            raise
        self._held.update(taken)
        done = [row.id for row in wanted.values() if row.state != "sending"]
        self._lost.difference_update(done)
        await self._unlock(db, [id_ for id_ in done if id_ in self._held])

    async def _holds(self, db: Connection, row_id: str) -> bool:
        if row_id not in self._held:
            return False
        await fetch(db, "SELECT 1")
        return True

    async def _take(
        self,
        db: Connection,
        wanted: Mapping[str, OutboxRow],
        now: Mapping[str, tuple[str, int]],
    ) -> list[str]:
        """Lock the rows that are to be sent, or that were being sent by somebody else."""
        need = [
            id_
            for id_, row in wanted.items()
            if id_ not in self._held and "sending" in (row.state, now[id_][0])
        ]
        if not need:
            return []
        locked = await fetch(
            db,
            f"SELECT id, pg_try_advisory_lock({_KEY}) FROM unnest(%s::text[]) AS v (id)",
            (sorted(need),),
        )
        mine = [id_ for id_, got in locked if got]
        fresh = [id_ for id_ in mine if wanted[id_].state == "sending"]
        clash = [id_ for id_, got in locked if not got]
        clash += [id_ for id_ in fresh if now[id_] != ("queued", wanted[id_].attempts - 1)]
        if clash:
            await self._unlock(db, mine)
            raise StateError(f"outbox row {clash[0]} is, or was, sent by another worker")
        return mine

    def _is_anothers(self, row: OutboxRow) -> bool:
        """Tell whether what we know of ``row`` may have been overtaken: we lost it."""
        return row.id in self._lost and row.state not in ("sending", "sent")

    def _is_news(self, row: OutboxRow, state: str, attempts: int) -> bool:
        """Tell whether ``row`` follows from what is stored, by its ``state`` and ``attempts``."""
        if row.state in ("sending", "sent") or row.id in self._held:
            return True
        return state == "dead" or (state != "sent" and attempts == row.attempts)

    async def _unlock(self, db: Connection, ids: Sequence[str]) -> None:
        if ids:
            await run(
                db,
                f"SELECT pg_advisory_unlock({_KEY}) FROM unnest(%s::text[]) AS v (id)",
                (list(ids),),
            )
            self._held.difference_update(ids)

    async def _stranded(
        self, db: Connection, channels: Sequence[str] | None
    ) -> Sequence[OutboxRow]:
        where = "" if channels is None else "AND channel = ANY(%s::text[])"
        found = await fetch(
            db,
            f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE state = 'sending' {where} ORDER BY id",
            () if channels is None else (list(channels),),
        )
        ids = [row[0] for row in found if row[0] not in self._held]
        locked = await fetch(
            db,
            f"SELECT id, pg_try_advisory_lock({_KEY}) FROM unnest(%s::text[]) AS v (id)",
            (ids,),
        )
        mine = [id_ for id_, got in locked if got]
        # In channels that the caller names it sends nothing now: what we hold there was left.
        left = [] if channels is None else [row[0] for row in found if row[0] in self._held]
        # Its holder may have stored the outcome between our look and our lock.
        still = await fetch(
            db,
            f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE id = ANY(%s::text[]) "
            "AND state = 'sending' ORDER BY id",
            ([*mine, *left],),
        )
        rows = [outbox_row(row) for row in still]
        self._held.update(row.id for row in rows)
        self._lost.difference_update(self._held)
        await self._unlock(db, [id_ for id_ in mine if id_ not in self._held])
        return rows

"""Whose turn it is to decide about stories and alerts: one worker's at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import token_hex

import psycopg

from monitor.store.postgres.errors import state_error
from monitor.store.postgres.migrate import LOCK_KEY
from monitor.store.postgres.pool import Connection, Pool, fetch, run


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to decide. ``stale``: another worker has decided since this one's last turn, so
    that what this one holds in memory must be loaded anew."""

    stale: bool


turn_connection: ContextVar[Connection | None] = ContextVar("turn_connection", default=None)


class Turns:
    """One worker at a time decides about stories and alerts, knowing all decisions before.

    What is committed within a turn goes over the turn's own connection: if the lock is lost, so is
    the commit. Whoever has the turn says so to the server every few seconds; a turn whose holder
    is stopped, or cut off, ends after ``Patience.answer``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._me = token_hex(8).encode()
        self._turn = asyncio.Lock()
        self._db: Connection | None = None

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Turn]:
        """Wait for the turn; other workers wait until the block ends."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._pool.patience.answer):
                    db = await self._connection()
                    await self._lock(db)
                    turn = Turn(await self._was_anothers(db))
                token = turn_connection.set(db)
                over = asyncio.Event()
                alive = asyncio.create_task(self._say_alive(db, over), name="turn")
                try:
                    yield turn
                finally:
                    turn_connection.reset(token)
                    over.set()
                async with asyncio.timeout(self._pool.patience.answer):
                    await alive
                    await self._unlock(db)
            except (psycopg.Error, TimeoutError) as error:
                await self.close()
                raise state_error(error, self._pool.where) from error
            except BaseException:
                await self.close()  # ends the session, and with it the lock
                raise

    async def close(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            await db.close()

    async def _lock(self, db: Connection) -> None:
        await run(
            db,
            f"SELECT pg_advisory_lock({LOCK_KEY}), set_config('idle_session_timeout', %s, false)",
            ("decide", f"{self._pool.patience.answer * 1000:.0f}"),
        )

    async def _unlock(self, db: Connection) -> None:
        await run(
            db,
            f"SELECT pg_advisory_unlock({LOCK_KEY}), set_config('idle_session_timeout', %s, false)",
            ("decide", "0"),
        )

    async def _say_alive(self, db: Connection, over: asyncio.Event) -> None:
        """Keep the server from taking us for stopped while we decide."""
        with suppress(psycopg.Error):  # the next statement of the turn fails with it
            while not over.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pool.patience.answer / 3):
                        await over.wait()
                    return
                await run(db, "SELECT 1")

    async def _connection(self) -> Connection:
        if self._db is None or self._db.closed:
            self._db = await self._pool.connect(autocommit=True)
        return self._db

    async def _was_anothers(self, db: Connection) -> bool:
        """Tell whether the turn before was another's, and note that this one is ours."""
        rows = await fetch(db, "SELECT value FROM blobs WHERE name = 'store/turn'")
        if rows and bytes(rows[0][0]) == self._me:
            return False
        await run(
            db,
            "INSERT INTO blobs VALUES ('store/turn', %s) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (self._me,),
        )
        return True

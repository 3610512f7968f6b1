"""The seat of which the cluster has one: who sits on it dispatches, decides and delivers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

import psycopg

from monitor.store.postgres.errors import state_error
from monitor.store.postgres.migrate import LOCK_KEY
from monitor.store.postgres.pool import Connection, Pool, fetch, run

log = logging.getLogger(__name__)


class Leadership:
    """One holder at a time in the whole cluster, by a session's advisory lock.

    The lock goes when its session does; ``hold`` must be asked before each round of work. A server
    that hasn't noticed that the holder is gone (a proxy or a firewall between them swallows what
    would tell it) is told: the sessions of a holder silent for ``Patience.seat`` are ended, and so
    are those that are left of a holder whose seat is free. They may hold other locks.
    """

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = name
        self._db: Connection | None = None
        self._held = False

    async def hold(self) -> bool:
        """Return whether this process leads; takes the lead where nobody has it.

        Raises:
            StateError: the database can't be reached; the lead is lost.
        """
        try:
            async with asyncio.timeout(self._pool.patience.answer):
                if self._db is None or self._db.closed:
                    self._held = False
                    self._db = await self._pool.connect(autocommit=True)
                if not self._held:
                    rows = await fetch(
                        self._db, f"SELECT pg_try_advisory_lock({LOCK_KEY})", (self._name,)
                    )
                    self._held = bool(rows[0][0])
                    free = timedelta() if self._held else self._pool.patience.seat
                    await self._end_sessions(self._db, free)
                if self._held:
                    await self._sit(self._db)
                return self._held
        except (psycopg.Error, TimeoutError) as error:
            self._held = False
            await self._drop()
            raise state_error(error, self._pool.where) from error

    async def _sit(self, db: Connection) -> None:
        await run(
            db,
            "INSERT INTO seats VALUES (%s, current_setting('application_name'), clock_timestamp()) "
            "ON CONFLICT (name) DO UPDATE SET held_by = excluded.held_by, "
            "beat_at = excluded.beat_at",
            (self._name,),
        )

    async def _end_sessions(self, db: Connection, silent: timedelta) -> None:
        """End the sessions of another holder that has been silent for so long."""
        gone = await fetch(
            db,
            "SELECT pg_terminate_backend(a.pid) FROM seats AS s JOIN pg_stat_activity AS a "
            "ON a.application_name = s.held_by AND a.datname = current_database() "
            "WHERE s.name = %s AND s.beat_at < clock_timestamp() - %s "
            "AND s.held_by <> current_setting('application_name')",
            (self._name, silent),
        )
        if gone:
            log.warning("ended the sessions of a silent leader", extra={"sessions": len(gone)})

    async def release(self) -> None:
        """Let another one lead, who need not suspect that something is left of us."""
        held, self._held = self._held, False
        if held and self._db is not None and not self._db.closed:
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(self._pool.patience.connect):
                    await run(self._db, "DELETE FROM seats WHERE name = %s", (self._name,))
                    await run(self._db, f"SELECT pg_advisory_unlock({LOCK_KEY})", (self._name,))
        await self._drop()

    async def _drop(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            await db.close()

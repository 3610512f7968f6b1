"""What workers must agree on: who dispatches, whose turn it is to decide, which configuration."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

import psycopg

from monitor.errors import StateError
from monitor.store.postgres.errors import state_error
from monitor.store.postgres.migrate import LOCK_KEY
from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.rows import micros, moment, text

log = logging.getLogger(__name__)
# A worker that has not been heard of for so long is taken for dead.
SILENT = timedelta(seconds=60)
FORGOTTEN = timedelta(days=1)


class StaleConfiguration(StateError):
    """Another configuration is in force by now; what was decided under the old one isn't stored."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as the cluster knows it; ``alive`` is by the server's clock."""

    id: str
    host: str
    pid: int
    config_hash: str
    started_at: datetime
    beat_at: datetime
    alive: bool
    metrics: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to decide. ``stale``: another worker has decided since this one's last turn, so
    that what this one holds in memory must be loaded anew."""

    stale: bool


turn_connection: ContextVar[Connection | None] = ContextVar("turn_connection", default=None)


class Leadership:
    """One holder at a time in the whole cluster, by a session's advisory lock.

    The lock goes when its session does; ``hold`` must be asked before each round of work. A server
    that hasn't noticed that the holder is gone (a proxy or a firewall between them swallows what
    would tell it) is told: the sessions of a holder silent for ``Patience.seat`` are ended.
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
                await (self._sit if self._held else self._unseat)(self._db)
                return self._held
        except (psycopg.Error, TimeoutError) as error:
            await self.release()
            raise state_error(error, self._pool.where) from error

    async def _sit(self, db: Connection) -> None:
        await run(
            db,
            "INSERT INTO seats VALUES (%s, current_setting('application_name'), clock_timestamp()) "
            "ON CONFLICT (name) DO UPDATE SET held_by = excluded.held_by, "
            "beat_at = excluded.beat_at",
            (self._name,),
        )

    async def _unseat(self, db: Connection) -> None:
        """End the sessions of a holder that has been silent for too long."""
        gone = await fetch(
            db,
            "SELECT pg_terminate_backend(a.pid) FROM seats AS s JOIN pg_stat_activity AS a "
            "ON a.application_name = s.held_by AND a.datname = current_database() "
            "WHERE s.name = %s AND s.beat_at < clock_timestamp() - %s "
            "AND s.held_by <> current_setting('application_name')",
            (self._name, self._pool.patience.seat),
        )
        if gone:
            log.warning("ended the sessions of a silent leader", extra={"sessions": len(gone)})

    async def release(self) -> None:
        """Let another one lead."""
        self._held = False
        if self._db is not None:
            db, self._db = self._db, None
            await db.close()


class Turns:
    """One worker at a time decides about stories and alerts, knowing all decisions before.

    What is committed within a turn goes over the turn's own connection: if the lock is lost, so is
    the commit.
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
                    await run(db, f"SELECT pg_advisory_lock({LOCK_KEY})", ("decide",))
                    turn = Turn(await self._was_anothers(db))
                token = turn_connection.set(db)
                try:
                    yield turn
                finally:
                    turn_connection.reset(token)
                async with asyncio.timeout(self._pool.patience.answer):
                    await run(db, f"SELECT pg_advisory_unlock({LOCK_KEY})", ("decide",))
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


# Configuration -----------------------------------------------------------------------------------


async def announce(pool: Pool, config_hash: str, by: str) -> None:
    """Put a configuration in force: workers with another one wait from now on.

    Commits under the old one that are under way end first.
    """
    await pool.write(
        lambda db: run(
            db,
            "INSERT INTO configuration VALUES (1, %s, clock_timestamp(), %s) "
            "ON CONFLICT (one) DO UPDATE SET hash = excluded.hash, "
            "announced_at = excluded.announced_at, announced_by = excluded.announced_by "
            "WHERE configuration.hash <> excluded.hash",
            (config_hash, text(by)),
        )
    )


async def in_force(pool: Pool) -> str | None:
    """Return the hash of the configuration in force, None where none was announced."""
    rows = await pool.rows("SELECT hash FROM configuration")
    return str(rows[0][0]) if rows else None


async def require(db: Connection, config_hash: str | None) -> None:
    """Raise ``StaleConfiguration`` unless ``config_hash`` is in force, and keep it so until the
    transaction ends. None requires nothing."""
    if config_hash is None:
        return
    rows = await fetch(db, "SELECT hash FROM configuration FOR SHARE")
    if rows and rows[0][0] != config_hash:
        raise StaleConfiguration(
            f"configuration {config_hash[:12]} is no longer in force ({rows[0][0][:12]} is); this "
            "worker waits until it has loaded that one"
        )


# Workers -----------------------------------------------------------------------------------------


async def beat(
    pool: Pool,
    id_: str,
    host: str,
    pid: int,
    config_hash: str,
    started_at: datetime,
    metrics: Mapping[str, object],
) -> None:
    """Say that a worker lives, and how it fares."""

    async def work(db: Connection) -> None:
        await run(
            db,
            "INSERT INTO workers VALUES (%s, %s, %s, %s, %s, clock_timestamp(), %s) "
            "ON CONFLICT (id) DO UPDATE SET config_hash = excluded.config_hash, "
            "beat_at = excluded.beat_at, metrics = excluded.metrics",
            (id_, text(host), pid, config_hash, micros(started_at), json.dumps(dict(metrics))),
        )
        await run(db, "DELETE FROM workers WHERE beat_at < clock_timestamp() - %s", (FORGOTTEN,))

    await pool.write(work)


async def farewell(pool: Pool, id_: str) -> None:
    """Say that a worker has ended."""
    await pool.write(lambda db: run(db, "DELETE FROM workers WHERE id = %s", (id_,)))


async def workers(pool: Pool) -> Sequence[WorkerRow]:
    """Return all workers heard of in the last day, the longest running first."""
    rows = await pool.rows(
        "SELECT id, host, pid, config_hash, started_at, beat_at, "
        "beat_at > clock_timestamp() - %s, metrics FROM workers ORDER BY started_at, id",
        (SILENT,),
    )
    return [
        WorkerRow(
            id=row[0],
            host=row[1],
            pid=row[2],
            config_hash=row[3],
            started_at=moment(row[4]),
            beat_at=row[5],
            alive=row[6],
            metrics=json.loads(row[7]),
        )
        for row in rows
    ]


async def server_now(pool: Pool) -> datetime:
    """Return the server's clock, the one that workers share."""
    now: datetime = (await pool.rows("SELECT clock_timestamp()"))[0][0]
    return now


# Inbox -------------------------------------------------------------------------------------------


async def inbox_put(pool: Pool, payloads: Sequence[bytes]) -> None:
    """Keep what polls have brought until somebody decides about it."""
    await pool.write(
        lambda db: run(
            db,
            "INSERT INTO inbox (payload) SELECT v.payload FROM unnest(%s::bytea[]) AS v (payload)",
            (list(payloads),),
        )
    )


async def inbox_take(db: Connection, limit: int) -> list[tuple[int, bytes]]:
    """Return the oldest payloads with their numbers; they stay until they are removed."""
    rows = await fetch(db, "SELECT id, payload FROM inbox ORDER BY id LIMIT %s", (limit,))
    return [(row[0], bytes(row[1])) for row in rows]


async def inbox_remove(db: Connection, ids: Sequence[int]) -> None:
    """Remove what was decided."""
    await run(db, "DELETE FROM inbox WHERE id = ANY(%s::bigint[])", (list(ids),))

"""Connections to PostgreSQL: a small pool, a time limit on everything, broken ones replaced."""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool

from monitor.errors import StateError
from monitor.store.postgres.errors import place, state_error

log = logging.getLogger(__name__)
T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]
# PostgreSQL 14: the first with `idle_session_timeout`, and the oldest that is still maintained.
OLDEST = 140_000
# For the few that read or write a whole table of up to a million feeds.
SCAN_SECONDS = 600.0
TRIES = 4
OPTIONS: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
KEEPALIVE = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_TRANSIENT = (pg.DeadlockDetected, pg.SerializationFailure)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is borne. A cut network answers nothing at all, so everything has an end.

    Args:
        connect: whole seconds for a new connection, at least 2 (libpq's own minimum).
        answer: seconds that a statement may wait for its answer, and that the server waits for a
            client in the middle of a transaction or a turn before it ends the session.
        seat: after this time of silence a leader's sessions are ended. Longer than ``answer``,
            shorter than the 60 s in which a dead worker's work must go on.
    """

    connect: int = 10
    answer: float = 30.0
    seat: timedelta = timedelta(seconds=40)


class Pool:
    """A pool of connections to one database; errors come out as ``StateError``."""

    def __init__(self, url: str, *, size: int = 8, patience: Patience | None = None) -> None:
        self.url = url
        self.patience = patience or Patience()
        self.where = place(url)
        # Tells the sessions of this process from those of others (see Leadership).
        self.options = {
            **OPTIONS,
            "connect_timeout": self.patience.connect,
            "application_name": f"newswatch-{token_hex(6)}",
        }
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            timeout=self.patience.connect,
            # One statement is a transaction by itself: without BEGIN and COMMIT it is one round
            # trip, not three.
            kwargs={**self.options, "autocommit": True},
            configure=self.configure,
            check=_alive,
            reconnect_timeout=self.patience.connect,
        )

    async def open(self) -> None:
        """Reach the server once, for a clear error; then fill the pool.

        Raises:
            StateError: it can't be reached, refuses the login, or is too old.
        """
        db = await self.connect()
        version = db.info.server_version
        await db.close()
        if version < OLDEST:
            raise StateError(
                f"{self.where}: PostgreSQL {version // 10_000} is too old; {OLDEST // 10_000} or "
                "newer is needed"
            )
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def configure(self, db: psycopg.AsyncConnection[Any]) -> None:
        """Prepare a new connection: the server ends it when its client falls silent in the middle
        of a transaction. Whatever that had locked would stay so for hours."""
        before = db.autocommit
        await db.set_autocommit(True)
        # Our queries are short: to compile one takes longer than it does.
        limit = self.patience.answer * 1000
        settings = f"SET idle_in_transaction_session_timeout = {limit:.0f}; SET jit = off"
        await db.execute(settings.encode())
        await db.set_autocommit(before)

    async def connect(self, *, autocommit: bool = False) -> Connection:
        """Return a connection of its own, outside the pool."""
        try:
            db = await psycopg.AsyncConnection.connect(
                self.url, autocommit=autocommit, **self.options
            )
        except (psycopg.Error, OSError) as error:
            raise state_error(error, self.where) from error
        if not autocommit:
            return db
        # It will hold locks. The server must notice a client that has fallen silent, or they would
        # stay held for hours.
        try:
            await self.configure(db)
            for setting, value in KEEPALIVE.items():
                await db.execute(f"SET {setting} = {value}".encode())
        except BaseException as error:
            await db.close()
            if isinstance(error, psycopg.Error):
                raise state_error(error, self.where) from error
            raise
        return db

    @asynccontextmanager
    async def transaction(self, limit: float | None = None) -> AsyncIterator[Connection]:
        """Give a connection in a transaction, committed at the end; ``limit`` in seconds."""
        try:
            async with (
                asyncio.timeout(limit or self.patience.answer),
                self._pool.connection() as db,
                db.transaction(),
            ):
                yield db
        except (psycopg.Error, TimeoutError) as error:
            raise state_error(error, self.where) from error

    async def write(
        self, work: Callable[[Connection], Awaitable[T]], limit: float | None = None
    ) -> T:
        """Run ``work`` in a transaction; again where it collided with another one."""
        for tried in range(1, TRIES + 1):
            try:
                async with self.transaction(limit) as db:
                    return await work(db)
            except StateError as error:
                if tried == TRIES or not isinstance(error.__cause__, _TRANSIENT):
                    raise
                log.debug("transaction tried again", extra={"reason": str(error.__cause__)})
                await asyncio.sleep(0.02 * tried)
        raise AssertionError("unreachable")

    async def rows(
        self, query: str, args: Any = (), limit: float | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query, which may take ``limit`` seconds."""
        try:
            async with (
                asyncio.timeout(limit or self.patience.answer),
                self._pool.connection() as db,
            ):
                return await fetch(db, query, args)
        except (psycopg.Error, TimeoutError) as error:
            raise state_error(error, self.where) from error


async def _alive(db: Connection) -> None:
    """Raise where a connection that has rested can't be used. Its server is silent unless it has
    ended the session: only where there is something to read it is asked, which takes as long as a
    small query."""
    silence = select.poll()
    silence.register(db.fileno(), select.POLLIN)
    if silence.poll(0):
        await AsyncConnectionPool.check_connection(db)


async def fetch(db: Connection, query: str, args: Any = ()) -> list[tuple[Any, ...]]:
    """Run one statement on ``db`` and return its rows."""
    cursor = await db.execute(query.encode(), args)
    return await cursor.fetchall() if cursor.description else []


async def run(db: Connection, statement: str, args: Any = ()) -> int:
    """Run one statement on ``db`` and return how many rows it changed."""
    return (await db.execute(statement.encode(), args)).rowcount

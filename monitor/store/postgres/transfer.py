"""PostgreSQL as one end of a copy: one transaction on a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import psycopg

from monitor.store.postgres.errors import state_error
from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.postgres.search import vector
from monitor.store.postgres.text_index import mark_all
from monitor.store.tokens import Tokenize, fingerprint
from monitor.store.transfer import CHUNK, TABLES, Rows, Table

T = TypeVar("T")
INDEX_MEMORY = "256MB"  # that the server may use to build one index


class PgSide:
    """A database, at the snapshot of its first query."""

    def __init__(self, pool: Pool, db: Connection, tokenize: Tokenize, *, owns: bool) -> None:
        self.where = pool.where
        self._pool = pool
        self._db = db
        self._tokenize = tokenize
        self._owns = owns
        self._indexes: list[tuple[str, str]] | None = None  # taken off while rows are written

    async def chunks(self, table: Table) -> AsyncIterator[Rows]:
        query = f"SELECT {table.columns} FROM {table.name} WHERE {table.where} ORDER BY {table.key}"
        cursor = self._db.cursor(name=f"copy_{table.name}", scrollable=False)
        try:
            await self._ours(cursor.execute(query.encode()))
            while rows := await self._ours(cursor.fetchmany(CHUNK)):
                yield rows
        finally:
            await cursor.close()

    async def clear(self) -> None:
        for table in TABLES:
            await self._ours(run(self._db, f"TRUNCATE {table.name}"))

    async def write(self, table: Table, rows: Rows) -> None:
        if self._indexes is None:
            self._indexes = await self._ours(self._without_indexes())
        columns = f"{table.columns}, tokens" if table.name == "entries" else table.columns
        await self._ours(self._copy(f"COPY {table.name} ({columns}) FROM STDIN", table, rows))

    async def _without_indexes(self) -> list[tuple[str, str]]:
        """Take the indexes off that hold nothing unique; return their names and definitions.

        Built at the end, each is written once and in order. Kept up row by row, that of the texts
        has pages read and written all over it once it is larger than the server's buffers.
        """
        found = await fetch(
            self._db,
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i "
            "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid "
            "WHERE NOT i.indisunique AND t.relname = ANY(%s::text[]) "
            "AND t.relnamespace = current_schema()::regnamespace ORDER BY c.relname",
            ([table.name for table in TABLES],),
        )
        for name, _ in found:
            await run(self._db, f"DROP INDEX {name}")
        return [(name, definition) for name, definition in found]

    async def _with_indexes(self) -> None:
        await run(self._db, f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
        for _, definition in self._indexes or ():
            await run(self._db, definition)
        self._indexes = None

    async def _copy(self, statement: str, table: Table, rows: Rows) -> None:
        title = table.columns.split(", ").index("title") if table.name == "entries" else 0
        async with self._db.cursor() as cursor, cursor.copy(statement.encode()) as out:
            for row in rows:
                await out.write_row(self._completed(table, row, title))

    def _completed(self, table: Table, row: tuple[Any, ...], title: int) -> tuple[Any, ...]:
        if table.name == "entries":
            return (*row, vector(self._tokenize, *row[title : title + 3]))
        return row

    async def settle(self) -> None:
        await self._ours(self._with_indexes())
        await self._ours(mark_all(self._db, fingerprint(self._tokenize)))
        for sequence, query in (
            ("pg_get_serial_sequence('feeds', 'id')", "SELECT max(id) FROM feeds"),
            ("pg_get_serial_sequence('entries', 'seq')", "SELECT max(seq) FROM entries"),
        ):
            await self._ours(
                run(self._db, f"SELECT setval({sequence}, coalesce(({query}), 0) + 1, false)")
            )

    async def keep(self) -> None:
        await self._ours(self._db.commit())
        # Fresh statistics, or the first claims scan the tables; and without VACUUM's map of pages
        # that all may see, an index alone can't answer.
        await self._ours(self._db.set_autocommit(True))
        for table in TABLES:
            await self._ours(run(self._db, f"VACUUM (ANALYZE) {table.name}"))

    async def close(self) -> None:
        await self._db.close()
        if self._owns:
            await self._pool.close()

    async def _ours(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except psycopg.Error as error:
            raise state_error(error, self.where) from error


async def snapshot_side(pool: Pool, tokenize: Tokenize, *, owns: bool = False) -> PgSide:
    """Return the database behind ``pool`` as it is at this moment."""
    db = await pool.connect()
    await db.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    return PgSide(pool, db, tokenize, owns=owns)

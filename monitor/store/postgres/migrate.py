"""Bringing a database to our schema; one worker does it, the others wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.errors import NewerSchema
from monitor.store.migrations import Migration
from monitor.store.postgres.pool import Connection, Pool, fetch, run

log = logging.getLogger(__name__)
# Advisory locks are the whole database's; the schema's name keeps two installations apart.
LOCK_KEY = "hashtextextended('newswatch:' || current_schema() || ':' || %s, 0)"


async def migrate(pool: Pool, steps: Sequence[Migration]) -> tuple[int, int]:
    """Bring the schema up to the last of ``steps``; returns the versions before and after.

    All steps are one transaction.

    Raises:
        NewerSchema: a newer version of this program has written it.
        StateError: the user may not make tables.
    """

    async def work(db: Connection) -> tuple[int, int]:
        await run(db, f"SELECT pg_advisory_xact_lock({LOCK_KEY})", ("migrate",))
        before, newest = await version(db), steps[-1].version
        if before > newest:
            raise NewerSchema(
                f"{pool.where}: was written by a newer version (schema {before}, this one knows "
                f"{newest}); install that version on every machine"
            )
        for step in steps:
            if step.version > before:
                await db.execute(step.sql.encode())
        if before == 0:
            await run(db, "CREATE TABLE newswatch_schema (version bigint NOT NULL)")
            await run(db, "INSERT INTO newswatch_schema VALUES (%s)", (newest,))
        elif before < newest:
            await run(db, "UPDATE newswatch_schema SET version = %s", (newest,))
        return before, newest

    before, after = await pool.write(work)
    if before != after:
        log.info("schema migrated", extra={"from": before, "to": after})
    return before, after


async def version(db: Connection) -> int:
    """Return the schema's version, 0 where there is none."""
    if (await fetch(db, "SELECT to_regclass('newswatch_schema')"))[0][0] is None:
        return 0
    return int((await fetch(db, "SELECT max(version) FROM newswatch_schema"))[0][0])

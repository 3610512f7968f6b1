"""What workers must agree on: which configuration is in force, and which workers there are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.errors import StateError
from monitor.store.postgres.pool import Connection, Pool, fetch, run
from monitor.store.rows import micros, moment, text

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

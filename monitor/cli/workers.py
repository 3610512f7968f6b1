"""A cluster's workers, as `feeds health` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from monitor.cli.common import glance
from monitor.delivery.text import clean
from monitor.store.port import Store

if TYPE_CHECKING:  # psycopg is an extra: without it there is no cluster to show
    from monitor.store.postgres.cluster import WorkerRow

_OWN = ("worker", "host", "pid", "alive", "started", "last_heard", "configuration")


async def workers_of(store: Store, target: str) -> Sequence[WorkerRow]:
    """Return the workers of the last day; none where ``target`` (the state) is a folder."""
    if "://" not in target:
        return ()
    from monitor.store.postgres.cluster import workers
    from monitor.store.postgres.store import PgStore

    return await workers(store.pool) if isinstance(store, PgStore) else ()


def worker_json(each: WorkerRow) -> dict[str, object]:
    """Return what is known of a worker, as JSON values; times are RFC 3339."""
    return {
        "worker": each.id,
        "host": each.host,
        "pid": each.pid,
        "alive": each.alive,
        "started": f"{each.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "last_heard": f"{each.beat_at:%Y-%m-%dT%H:%M:%SZ}",
        "configuration": each.config_hash,
        **{key: value for key, value in each.metrics.items() if key not in _OWN},
    }


def workers_table(found: Sequence[WorkerRow], now: datetime) -> Table:
    """Return the table for people."""
    table = Table("worker", "process", "state", "polls", "fetching", "started", "last heard")
    for each in found:
        state = _state(each)
        table.add_row(
            Text(clean(each.host)),
            str(each.pid),
            Text(state, style="" if each.alive else "red"),
            str(each.metrics.get("polls", "—")),
            str(each.metrics.get("fetching", "—")),
            glance(each.started_at, now),
            glance(each.beat_at, now),
        )
    return table


def _state(each: WorkerRow) -> str:
    if not each.alive:
        return "silent"
    if each.metrics.get("waits"):
        return "waits: another configuration is in force"
    return "leads" if each.metrics.get("leads") else "works"

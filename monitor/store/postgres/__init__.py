"""PostgreSQL behind the Store port, and what several workers need to agree."""

from monitor.store.postgres.cluster import StaleConfiguration, WorkerRow
from monitor.store.postgres.errors import Refused
from monitor.store.postgres.leadership import Leadership
from monitor.store.postgres.pool import Patience
from monitor.store.postgres.store import PgStore, open_postgres
from monitor.store.postgres.turns import Turn

__all__ = [
    "Leadership",
    "Patience",
    "PgStore",
    "Refused",
    "StaleConfiguration",
    "Turn",
    "WorkerRow",
    "open_postgres",
]

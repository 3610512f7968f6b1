"""PostgreSQL behind the Store port, and what several workers need to agree."""

from monitor.store.postgres.cluster import StaleConfiguration, Turn, WorkerRow
from monitor.store.postgres.pool import Patience
from monitor.store.postgres.store import PgStore, open_postgres

__all__ = ["Patience", "PgStore", "StaleConfiguration", "Turn", "WorkerRow", "open_postgres"]

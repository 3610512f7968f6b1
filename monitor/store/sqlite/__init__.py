"""SQLite behind the Store port. The folder reads as: open, migrate, write, read, keep up."""

from monitor.store.sqlite.store import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite"]

"""Durable facts behind one port; `open_store` picks the adapter by the `state:` setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from monitor.errors import StateError
from monitor.store.port import Store


async def open_store(
    state: str | Path,
    *,
    now: datetime,
    tokenize: Callable[[str], Sequence[str]],
    check: bool = True,
) -> Store:
    """Open the store that ``state`` names: a folder, or ``postgresql://…``.

    Args:
        state: a path (relative ones are taken from the working directory) or a database URL.
        now: names the copy that is made before a schema migration.
        tokenize: cuts text into the tokens that are searched for.
        check: look for damage first (SQLite; reads the whole file).

    Raises:
        StateError: it can't be opened; see ``monitor.errors`` for the kinds.
    """
    if "://" not in str(state):
        from monitor.store.sqlite import open_sqlite

        return await open_sqlite(Path(state), now=now, tokenize=tokenize, check=check)
    scheme = str(state).partition("://")[0]
    if scheme not in ("postgresql", "postgres"):
        raise StateError(f"state: {scheme}:// is no kind of store; use a folder or postgresql://…")
    try:
        from monitor.store.postgres import open_postgres
    except ModuleNotFoundError as error:
        raise StateError(
            f"state: postgresql:// needs the package {error.name}; install newswatch[postgres]"
        ) from error
    return await open_postgres(str(state), tokenize=tokenize)

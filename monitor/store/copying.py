"""Copies that a person asks for: a store to another place, a backup back into a database."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from monitor.errors import AlreadyRunning, StateError
from monitor.store.sqlite.transfer import backup_side, folder_side
from monitor.store.tokens import Tokenize
from monitor.store.transfer import Copied, Progress, Side, copy


async def copy_store(
    source: str,
    target: str,
    *,
    tokenize: Tokenize,
    now: datetime,
    replace: bool = False,
    progress: Progress | None = None,
) -> Copied:
    """Copy the store that the setting ``source`` names to the one that ``target`` names.

    Neither may be in use by a running watch.

    Raises:
        AlreadyRunning: one of them is in use.
        StateError: see ``copy``.
    """
    if source == target:
        raise StateError(f"{source}: is the store itself; name another one")
    async with AsyncExitStack() as stack:
        sides = []
        for writing, state in ((False, source), (True, target)):
            if "://" in state:
                side: Side = await _database(state, tokenize)
            else:
                side = await folder_side(Path(state), tokenize, now, writing=writing)
            stack.push_async_callback(side.close)
            sides.append(side)
        return await copy(sides[0], sides[1], replace=replace, progress=progress)


async def restore_database(
    file: Path, target: str, *, tokenize: Tokenize, progress: Progress | None = None
) -> Copied:
    """Replace what the database at the URL ``target`` holds by the SQLite backup ``file``.

    Raises:
        AlreadyRunning: a worker is alive there.
        StateError: see ``copy``.
    """
    side = await _database(target, tokenize)
    try:
        source = await backup_side(file, tokenize)
        try:
            return await copy(source, side, replace=True, progress=progress)
        finally:
            await source.close()
    finally:
        await side.close()


async def _database(url: str, tokenize: Tokenize) -> Side:
    """Return the database at ``url``, its schema brought up to date.

    Raises:
        AlreadyRunning: a worker is alive there.
        StateError: it can't be used.
    """
    from monitor.store.postgres import cluster, open_postgres
    from monitor.store.postgres.transfer import snapshot_side

    store = await open_postgres(url, tokenize=tokenize, size=2)
    try:
        alive = [each for each in await cluster.workers(store.pool) if each.alive]
        if alive:
            raise AlreadyRunning(
                f"{store.pool.where}: {len(alive)} workers are running on it ({alive[0].host}, "
                f"process {alive[0].pid}); stop them first"
            )
        return await snapshot_side(store.pool, tokenize, owns=True)
    except BaseException:
        await store.close()
        raise

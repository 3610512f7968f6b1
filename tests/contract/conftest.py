"""Every adapter of a port, opened for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.jobs.local import LocalQueue
from monitor.jobs.port import JobQueue
from monitor.store import open_store
from monitor.store.port import Store
from tests.contract.databases import empty, fresh_schema
from tests.contract.samples import NOW, tokenize


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def schema() -> Iterator[str]:
    """The URL of a PostgreSQL schema that all contract tests share."""
    with fresh_schema() as url:
        yield url


@pytest.fixture
def database(schema: str) -> str:
    """The URL of a PostgreSQL schema without a row."""
    empty(schema)
    return schema


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    state: str | Path = tmp_path
    if request.param == "postgres":
        state = request.getfixturevalue("database")
    opened = await open_store(state, now=NOW, tokenize=tokenize)
    yield opened
    await opened.close()


@pytest.fixture(params=["local", "procrastinate"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[JobQueue]:
    if request.param == "local":
        opened: JobQueue = LocalQueue()
        yield opened
        await opened.stop(timedelta())
        return
    url = request.getfixturevalue("database")
    from monitor.jobs.procrastinate import ProcrastinateQueue
    from monitor.store.postgres import open_postgres

    store = await open_postgres(url, tokenize=tokenize)
    opened = ProcrastinateQueue(store)
    yield opened
    await opened.stop(timedelta())
    await store.close()

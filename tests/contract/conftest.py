"""Every adapter of a port, opened for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.jobs.local import LocalQueue
from monitor.jobs.port import JobQueue
from monitor.store import open_store
from monitor.store.port import Store
from tests.contract.samples import NOW, tokenize


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path, now=NOW, tokenize=tokenize)
    yield opened
    await opened.close()


@pytest.fixture(params=["local"])
async def queue() -> AsyncIterator[JobQueue]:
    opened = LocalQueue()
    yield opened
    await opened.stop(timedelta())

"""One PostgreSQL schema for each module, emptied for each test."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from monitor.store.postgres import open_postgres
from tests.contract.databases import empty, fresh_schema
from tests.contract.samples import tokenize


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def schema() -> Iterator[str]:
    with fresh_schema() as url:
        asyncio.run(touch(url))
        yield url


@pytest.fixture
def database(schema: str) -> str:
    """The URL of a schema with our tables and no row."""
    empty(schema)
    return schema


async def touch(url: str) -> None:
    await (await open_postgres(url, tokenize=tokenize)).close()


@pytest.fixture(autouse=True)
def no_connection_left_open() -> Iterator[None]:
    """Collect garbage after each test, so that a connection it forgot fails it and no other."""
    yield
    gc.collect()

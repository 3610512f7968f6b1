"""Whole workers whose database goes silent or throws them out: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from monitor.store.port import OutboxState
from monitor.store.postgres import PgStore
from tests.contract.databases import psycopg
from tests.integration.store.members import IMPATIENT, WATCHFUL, member, wires
from tests.integration.store.proxy import Proxy

pytestmark = pytest.mark.anyio


async def until(what: str, holds: Callable[[], object], seconds: float = 15.0) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"no {what} in {seconds} s"
        await asyncio.sleep(0.02)


async def settled(store: PgStore, count: int, seconds: float) -> Mapping[OutboxState, int]:
    """Return the states of the messages when all are sent, or when the time is over."""
    end = asyncio.get_running_loop().time() + seconds
    while (found := await store.outbox_counts()) != {"sent": count}:
        if asyncio.get_running_loop().time() > end:
            break
        await asyncio.sleep(0.1)
    return found


async def test_a_leader_cut_off_while_it_posts_is_replaced(tmp_path: Path, database: str) -> None:
    """Until another has replaced it; then it comes back, and is one of the others."""
    parts = urlsplit(database)
    port = parts.port or 5432
    async with (
        Proxy(parts.hostname or "127.0.0.1", port).running() as proxy,
        wires(tmp_path, database) as here,
    ):
        user = f"{parts.username}@" if parts.username else ""
        there = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        async with member(here, there, IMPATIENT) as cut_off:
            await until("leader", lambda: cut_off._jobs.leads)
            async with member(here, database, WATCHFUL) as other:
                here.slack.workspace.latency = 0.5
                here.released = 4
                posts = here.slack.workspace
                await until("post", lambda: posts.count("chat.postMessage") >= 2)
                proxy.cut()
                here.released = 8
                await until("other leader", lambda: other._jobs.leads)
                here.slack.workspace.latency = 0.0
                await here.all_told(12)
                assert here.told() == here.wanted()
                await proxy.heal()
                here.released = 10
                await here.all_told(8)
                assert await settled(here.stores[1], 10, 8) == {"sent": 10}
                assert not (cut_off._jobs.leads and other._jobs.leads)
        assert here.told() == here.wanted()
        assert here.slack.workspace.duplicates() == {}


async def test_sessions_ended_under_load_lose_nothing(tmp_path: Path, database: str) -> None:
    """As when the server restarts: every session of every worker ends, again and again."""
    async with wires(tmp_path, database) as here, AsyncExitStack() as stack:
        here.slack.workspace.latency = 0.02
        for _ in range(3):
            await stack.enter_async_context(member(here, database))
        names = [store.pool.options["application_name"] for store in here.stores]
        ended = 0
        for _ in range(5):
            here.released += 3
            more = len(here.told()) + 1
            await until("post", lambda more=more: len(here.told()) >= more)  # type: ignore[misc]
            with psycopg.connect(database, autocommit=True) as db:
                ended += db.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE application_name = ANY(%s)",
                    (names,),
                ).fetchone()[0]
        assert ended >= 5 * len(names)
        await here.all_told(15)
        assert await settled(here.stores[0], here.released, 12) == {"sent": here.released}
        assert here.told() == here.wanted()
        assert here.slack.workspace.duplicates() == {}

"""Workers whose machines' clocks differ go by the server's: nothing late, nothing twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.clock import SharedClock
from monitor.store.postgres import cluster, open_postgres
from tests.contract.databases import psycopg
from tests.contract.samples import tokenize
from tests.integration.store.members import Wrong, member, wires

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(hours=-2)])
async def test_a_clock_is_put_right_by_the_servers(database: str, ahead: timedelta) -> None:
    store = await open_postgres(database, tokenize=tokenize)
    clock = SharedClock(Wrong(ahead))
    try:
        await clock.follow(lambda: cluster.server_now(store.pool))
        assert abs(clock.now() - await cluster.server_now(store.pool)) < timedelta(seconds=2)
        assert abs(clock.skew + ahead) < timedelta(seconds=2)
    finally:
        await store.close()


async def test_workers_hours_apart(tmp_path: Path, database: str) -> None:
    async with wires(tmp_path, database) as here:
        ahead = timedelta(hours=2)
        async with (
            member(here, database, ahead=ahead) as fast,
            member(here, database, ahead=-ahead) as slow,
        ):
            for released in (4, 8, 12):
                here.released = released
                await here.all_told(20)
                assert here.told() == here.wanted()
            # Whoever leads now goes, and the other one, hours apart, takes over.
            leader = fast if fast._jobs.leads else slow
            leader._jobs.may_lead = False
            here.released = 16
            await here.all_told(20)
            assert here.told() == here.wanted()
        with psycopg.connect(database) as db:
            wrong = db.execute(
                "SELECT count(*) FROM outbox WHERE abs(created_at / 1e6 - "
                "extract(epoch FROM clock_timestamp())) > 300"
            ).fetchone()
            due = db.execute(
                "SELECT max(abs(next_at / 1e6 - extract(epoch FROM clock_timestamp()))) FROM feeds"
            ).fetchone()
        assert wrong == (0,)
        assert due is not None
        assert due[0] < 900
        await asyncio.sleep(1.0)
        assert here.slack.workspace.duplicates() == {}

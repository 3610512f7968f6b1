"""A worker killed in the middle of a job, with and without a successor waiting behind it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from monitor.jobs.procrastinate import ProcrastinateQueue, delivers_on
from monitor.store.postgres import open_postgres
from tests.contract.databases import psycopg
from tests.contract.samples import NOW, feed, outbox, poll, tokenize
from tests.contract.test_jobs import recorder, until

procrastinate = pytest.importorskip("procrastinate")
pytestmark = pytest.mark.anyio

HANGER = """
import asyncio, sys
from datetime import timedelta
from monitor.jobs.procrastinate import ProcrastinateQueue
from monitor.store.postgres import open_postgres

async def hang(key):
    print("hangs", flush=True)
    await asyncio.sleep(600)

async def main():
    store = await open_postgres(sys.argv[1], tokenize=str.split)
    queue = ProcrastinateQueue(store, heartbeat=timedelta(seconds=0.3))
    queue.register("work", hang)
    await queue.start()
    await queue.defer("work", "k")
    await asyncio.sleep(600)

asyncio.run(main())
"""


def kill_in_the_middle(database: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGER, database], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.communicate()


@asynccontextmanager
async def watchful(database: str) -> AsyncIterator[tuple[ProcrastinateQueue, list[str]]]:
    """Give a queue that soon takes a silent worker for dead, and the keys of what it ran."""
    store = await open_postgres(database, tokenize=tokenize)
    queue = ProcrastinateQueue(
        store, heartbeat=timedelta(seconds=0.3), silent=timedelta(seconds=1.5)
    )
    ran: list[str] = []
    queue.register("work", recorder(ran))
    try:
        yield queue, ran
    finally:
        await queue.stop(timedelta(seconds=1))
        await store.close()


def statuses(database: str) -> list[str]:
    with psycopg.connect(database) as db:
        rows = db.execute("SELECT status::text FROM procrastinate_jobs ORDER BY id").fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("successor", [False, True])
async def test_the_work_of_a_killed_worker_goes_on(database: str, successor: bool) -> None:
    await asyncio.to_thread(kill_in_the_middle, database)
    async with watchful(database) as (queue, ran):
        await queue.open()
        assert statuses(database) == ["doing"]
        if successor:
            assert await queue.defer("work", "k")
        # What the library's documentation recommends, once the worker counts as dead:
        manager = queue._app.job_manager
        if successor:
            await asyncio.sleep(1.6)
            (stalled,) = await manager.get_stalled_jobs(seconds_since_heartbeat=1.5)
            with pytest.raises(procrastinate.exceptions.UniqueViolation):
                await manager.retry_job(stalled, retry_at=datetime.now(UTC))
            assert statuses(database) == ["doing", "todo"], "and so it stays for ever"
        await queue.start()
        await until(lambda: ran == ["k"])
        await until(lambda: statuses(database) == [])
        assert queue.recovered == 1


async def test_a_job_whose_end_could_not_be_stored_holds_no_lock_for_ever(database: str) -> None:
    """Its process lives, so that nobody takes the job for stalled."""
    async with watchful(database) as (queue, ran):
        await queue.start()
        await until(lambda: queue._worker is not None and queue._worker.worker_id is not None)
        assert queue._worker is not None
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, "
                "status, worker_id) VALUES ('newswatch', 'work', 'work:k', 'work:k', "
                "'{\"key\": \"k\"}', 'doing', %s)",
                (queue._worker.worker_id,),
            )
        assert await queue.defer("work", "k")
        await until(lambda: ran == ["k"])
        await until(lambda: statuses(database) == [])
        assert queue.recovered == 1


async def test_jobs_and_facts_are_stored_together_or_not_at_all(database: str) -> None:
    store = await open_postgres(database, tokenize=tokenize)
    queue = ProcrastinateQueue(store)
    delivered: list[str] = []
    queue.register("deliver", recorder(delivered))
    try:
        await queue.open()
        store.on_outbox = delivers_on(queue, "deliver")
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        broken = (outbox(8, channel="b"), outbox(9, payload=None))
        with pytest.raises(AttributeError):
            await store.enqueue(broken)
        assert statuses(database) == []
        await store.commit_polls([poll(state, 1, 2)])
        await store.enqueue([outbox(5, channel="ops"), outbox(6, channel="ops", state="held")])
        assert statuses(database) == ["todo", "todo"]
        await store.commit_polls([poll(state, 3)])
        assert statuses(database) == ["todo", "todo"]
        await queue.start()
        await until(lambda: sorted(delivered) == ["news", "ops"])
    finally:
        await queue.stop(timedelta(seconds=1))
        await store.close()


async def test_dispatchers_at_the_same_time_fail_no_batch(database: str) -> None:
    stores = [await open_postgres(database, tokenize=tokenize) for _ in range(3)]
    queues = [ProcrastinateQueue(store) for store in stores]
    keys = [str(number) for number in range(256)]
    try:
        for queue in queues:
            queue.register("poll", recorder([]))
            await queue.open()
        got = await asyncio.gather(*(queue.defer_many("poll", keys) for queue in queues))
        assert sorted(key for part in got for key in part) == sorted(keys)
        assert await queues[0].defer_many("poll", [*keys, "256", "256"]) == ["256"]
        assert len(statuses(database)) == 257
    finally:
        for queue, store in zip(queues, stores, strict=True):
            await queue.stop(timedelta())
            await store.close()


async def test_the_queue_outlives_its_sessions_and_leadership_moves_on(database: str) -> None:
    stores = [await open_postgres(database, tokenize=tokenize) for _ in range(2)]
    queues = [ProcrastinateQueue(store) for store in stores]
    ran: list[str] = []
    try:
        for queue in queues:
            queue.register("tick", recorder(ran))
            queue.every(timedelta(seconds=0.2), "tick", "t")
            await queue.start()
        await until(lambda: len(ran) >= 2)
        assert sum(queue.leads for queue in queues) == 1
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = ANY(%s) "
                "AND (query LIKE '%%procrastinate%%' OR query LIKE '%%advisory%%')",
                ([store.pool.options["application_name"] for store in stores],),
            )
        before = len(ran)
        await until(lambda: len(ran) >= before + 3)
        leader = next(queue for queue in queues if queue.leads)
        await leader.stop(timedelta(seconds=1))
        before = len(ran)
        await until(lambda: len(ran) >= before + 2)
    finally:
        for queue, store in zip(queues, stores, strict=True):
            await queue.stop(timedelta(seconds=1))
            await store.close()

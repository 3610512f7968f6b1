"""JobQueue contract: each key of a task runs at most once at a time, with one more waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from monitor.jobs.port import JobQueue

pytestmark = pytest.mark.anyio
GRACE = timedelta(seconds=5)
PATIENCE = 60.0  # generous, since machines are noisy: a wait ends as soon as it holds


async def until(holds: Callable[[], bool]) -> None:
    """Wait until ``holds``; fails after ``PATIENCE`` seconds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for may be another process's doing
            await asyncio.sleep(0.01)


class Gate:
    """A task that records its runs and waits to be let through."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.together: dict[str, int] = {}
        self.most = 0
        self.open = asyncio.Event()

    async def __call__(self, key: str) -> None:
        self.begun.append(key)
        self.together[key] = self.together.get(key, 0) + 1
        self.most = max(self.most, self.together[key])
        await self.open.wait()
        self.together[key] -= 1
        self.ended.append(key)


def recorder(into: list[str]) -> Callable[[str], Awaitable[None]]:
    async def task(key: str) -> None:
        into.append(key)

    return task


async def test_a_deferred_job_runs_with_its_key(queue: JobQueue) -> None:
    ran: list[str] = []
    queue.register("note", recorder(ran))
    await queue.start()
    assert await queue.defer("note", "a")
    assert await queue.defer("note", "b")
    await until(lambda: sorted(ran) == ["a", "b"])


async def test_a_job_deferred_before_the_start_runs_after_it(queue: JobQueue) -> None:
    ran: list[str] = []
    queue.register("note", recorder(ran))
    assert await queue.defer("note")
    assert not await queue.defer("note")
    assert ran == []
    await queue.start()
    await until(lambda: ran == [""])


async def test_one_runs_one_waits_and_no_more(queue: JobQueue) -> None:
    gate = Gate()
    queue.register("gate", gate)
    await queue.start()
    assert await queue.defer("gate", "k")
    await until(lambda: gate.begun == ["k"])
    assert await queue.defer("gate", "k")
    assert not await queue.defer("gate", "k")
    gate.open.set()
    await until(lambda: gate.ended == ["k", "k"])
    assert await queue.defer("gate", "k")
    await until(lambda: len(gate.ended) == 3)
    assert gate.most == 1


async def test_keys_run_side_by_side(queue: JobQueue) -> None:
    gate = Gate()
    queue.register("gate", gate)
    await queue.start()
    for key in "abc":
        assert await queue.defer("gate", key)
    await until(lambda: sorted(gate.begun) == ["a", "b", "c"])
    gate.open.set()
    await until(lambda: len(gate.ended) == 3)


async def test_the_same_key_of_two_tasks_is_two_jobs(queue: JobQueue) -> None:
    gate, ran = Gate(), list[str]()
    queue.register("gate", gate)
    queue.register("note", recorder(ran))
    await queue.start()
    await queue.defer("gate", "k")
    await until(lambda: gate.begun == ["k"])
    assert await queue.defer("note", "k")
    await until(lambda: ran == ["k"])
    gate.open.set()


async def test_a_job_may_defer_itself(queue: JobQueue) -> None:
    ran: list[str] = []

    async def again(key: str) -> None:
        ran.append(key)
        if len(ran) < 3:
            assert await queue.defer("again", key)

    queue.register("again", again)
    await queue.start()
    await queue.defer("again", "k")
    await until(lambda: len(ran) == 3)


async def test_a_failing_job_takes_nothing_down_and_may_run_again(
    queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    async def fail(key: str) -> None:
        ran.append(key)
        raise ValueError("out of luck")

    queue.register("fail", fail)
    await queue.start()
    await queue.defer("fail", "k")
    await until(lambda: ran == ["k"])
    await until(lambda: queue.failures["fail"] == 1)
    assert "out of luck" in caplog.text
    assert await queue.defer("fail", "k")
    await until(lambda: queue.failures["fail"] == 2)


async def test_an_interval_defers_again_and_again(queue: JobQueue) -> None:
    ran: list[str] = []
    queue.register("tick", recorder(ran))
    queue.every(timedelta(seconds=0.2), "tick", "t")
    await queue.start()
    await until(lambda: len(ran) >= 3)
    assert set(ran) == {"t"}


async def test_an_unknown_task_is_an_error_at_once(queue: JobQueue) -> None:
    with pytest.raises(KeyError, match="nothing"):
        await queue.defer("nothing")


async def test_stopping_lets_running_jobs_finish(queue: JobQueue) -> None:
    gate = Gate()
    queue.register("gate", gate)
    await queue.start()
    await queue.defer("gate", "k")
    await until(lambda: gate.begun == ["k"])
    asyncio.get_running_loop().call_later(0.1, gate.open.set)
    await queue.stop(GRACE)
    assert gate.ended == ["k"]


async def test_stopping_cancels_what_outlasts_the_grace(queue: JobQueue) -> None:
    gate = Gate()
    cancelled: list[str] = []

    async def stubborn(key: str) -> None:
        try:
            await gate(key)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    queue.register("stubborn", stubborn)
    await queue.start()
    await queue.defer("stubborn", "k")
    await until(lambda: gate.begun == ["k"])
    await queue.stop(timedelta(seconds=0.1))
    assert (cancelled, gate.ended) == (["k"], [])


async def test_stopping_a_queue_that_never_started(queue: JobQueue) -> None:
    await queue.stop(GRACE)
    await queue.stop(GRACE)

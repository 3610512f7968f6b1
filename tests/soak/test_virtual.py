"""Virtual time: a day of waiting takes no time, and overtakes nothing that works outside."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta

import pytest

from monitor.jobs.local import LocalQueue
from tests.soak.virtual import VirtualClock, VirtualLoop, run

START = datetime(2026, 3, 10, tzinfo=UTC)


def test_a_month_passes_in_no_time() -> None:
    async def main(clock: VirtualClock) -> datetime:
        for _ in range(30):
            await asyncio.sleep(86_400)
        return clock.now()

    started = time.monotonic()
    assert run(main, START) == START + timedelta(days=30)
    assert time.monotonic() - started < 5


def test_timers_keep_their_order_and_timeouts_fire() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        told: list[str] = []

        async def after(seconds: float, word: str) -> None:
            await asyncio.sleep(seconds)
            told.append(word)

        async with asyncio.TaskGroup() as group:
            for seconds, word in ((50, "third"), (10, "first"), (40, "second")):
                group.create_task(after(seconds, word))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await asyncio.sleep(3600)
            assert clock.monotonic() == pytest.approx(1_000_020.0)
        return told

    assert run(main, START) == ["first", "second", "third"]


def test_a_conversation_over_a_socket_takes_no_time() -> None:
    async def main(clock: VirtualClock) -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line * 1000)
                await writer.drain()
            writer.close()
            ended.set()

        ended = asyncio.Event()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = clock.monotonic()
        alarm = asyncio.get_running_loop().call_later(30, server.close)  # what time could jump to
        for n in range(200):
            writer.write(b"%03d\n" % n)
            for _ in range(1000):
                assert await reader.readline() == b"%03d\n" % n
        took = clock.monotonic() - began
        alarm.cancel()
        writer.close()
        await ended.wait()
        server.close()
        await asyncio.sleep(1)
        return took

    assert run(main, START) == 0


def test_time_stands_still_while_a_process_works() -> None:
    async def main(clock: VirtualClock) -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        sleeping = asyncio.create_task(asyncio.sleep(3600))
        program = "import time; time.sleep(0.3); print('done')"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
        said, _ = await loop.outside(process.communicate())
        assert said == b"done\n"
        sleeping.cancel()
        return clock.monotonic()

    assert run(main, START) == 1_000_000.0


def test_a_clock_is_set_without_time_passing() -> None:
    async def main(clock: VirtualClock) -> tuple[datetime, datetime, float]:
        clock.set_by(timedelta(hours=-6))
        return clock.now(), clock.true(), clock.monotonic()

    assert run(main, START) == (START - timedelta(hours=6), START, 1_000_000.0)


def test_rounds_come_by_the_loop_s_time_whatever_the_wall_clock_says() -> None:
    """The wall clock stands still here, as after it was set back: rounds come all the same."""

    async def main(clock: VirtualClock) -> list[float]:
        times: list[float] = []

        async def note(_key: str) -> None:
            times.append(clock.monotonic() - 1_000_000.0)

        queue = LocalQueue()
        queue.register("note", note)
        queue.every(timedelta(seconds=10), "note")
        await queue.start()
        await asyncio.sleep(45)
        await queue.stop(timedelta())
        return times

    assert run(main, START) == pytest.approx([10, 20, 30, 40], abs=0.1)

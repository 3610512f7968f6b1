"""Parsing in processes: killed when stuck, replaced when dead, harmless to others (PARSE-29)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.errors import ParseError
from monitor.sources.parse import ParsePool, parse

GOOD = (
    b"<rss version='2.0'><channel><title>t</title><item><title>Fine</title></item></channel></rss>"
)
# unclosed tags keep feedparser's loose parser busy for minutes
STUCK = b"<rss><" + b"a <" * 600_000


@asynccontextmanager
async def pool(**options: object) -> AsyncIterator[ParsePool]:
    made = ParsePool(**options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.aclose()


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 60))


def pids(made: ParsePool) -> list[int]:
    return [worker.pid for worker in made._all if worker.pid is not None]


def test_the_same_as_in_process() -> None:
    async def main() -> None:
        async with pool() as made:
            assert await made.parse(GOOD, url="https://a.example/") == parse(
                GOOD, url="https://a.example/"
            )
            known = frozenset(parse(GOOD).digests)
            assert (await made.parse(GOOD, known=known)).known == len(known)

    run(main)


def test_errors_keep_their_reason_and_the_worker() -> None:
    async def main() -> None:
        async with pool() as made:
            await made.parse(GOOD)
            before = pids(made)
            with pytest.raises(ParseError) as error:
                await made.parse(b"<!doctype html><p>no")
            assert error.value.reason == "html_page"
            assert pids(made) == before

    run(main)


def test_a_stuck_document_is_given_up_and_others_go_on() -> None:
    async def main() -> None:
        async with pool(workers=2, limit=timedelta(seconds=1.5)) as made:
            await asyncio.gather(made.parse(GOOD), made.parse(GOOD))
            stuck = asyncio.create_task(made.parse(STUCK))
            for _ in range(20):
                assert (await made.parse(GOOD)).entries[0].title == "Fine"
            with pytest.raises(ParseError) as error:
                await stuck
            assert error.value.reason == "parser_timeout"
            assert (await made.parse(GOOD)).entries[0].title == "Fine"

    run(main)


def test_a_worker_that_dies_is_replaced() -> None:
    async def main() -> None:
        async with pool() as made:
            await made.parse(GOOD)
            (first,) = pids(made)
            os.kill(first, signal.SIGKILL)
            results = [await _outcome(made) for _ in range(2)]
            assert results[-1] == "Fine"
            assert pids(made) != [first]

    run(main)


async def _outcome(made: ParsePool) -> str:
    try:
        return (await made.parse(GOOD)).entries[0].title
    except ParseError as error:
        return error.reason


def test_memory_is_limited() -> None:
    async def main() -> None:
        async with pool(memory_bytes=256 << 20, limit=timedelta(seconds=20)) as made:
            item = (
                b"<item><title>x</title><description>" + b"w " * 20_000 + b"</description></item>"
            )
            huge = GOOD.replace(b"<item>", item * 3_000 + b"<item>", 1)
            with pytest.raises(ParseError) as error:
                await made.parse(huge)
            assert error.value.reason in ("parser_died", "parser_failed")
            assert await _outcome(made) == "Fine"

    run(main)


def test_a_cancelled_job_leaves_no_half_answer() -> None:
    async def main() -> None:
        async with pool(limit=timedelta(seconds=20)) as made:
            await made.parse(GOOD)
            task = asyncio.create_task(made.parse(STUCK))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await _outcome(made) == "Fine"

    run(main)


def test_more_jobs_than_workers_all_end() -> None:
    async def main() -> None:
        async with pool(workers=2) as made:
            feeds = await asyncio.gather(*(made.parse(GOOD) for _ in range(50)))
            assert {feed.entries[0].title for feed in feeds} == {"Fine"}
            assert len(pids(made)) == 2

    run(main)


def test_articles_are_extracted_there_too() -> None:
    sentence = (
        "The minister said on Tuesday that the law would be voted next week by the assembly. "
    )
    page = f"<html><body><article>{'<p>' + sentence * 3 + '</p>' * 1}</article></body></html>"

    async def main() -> None:
        async with pool() as made:
            article = await made.extract(page.encode())
            assert article.text.count("minister") == 3

    run(main)


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, signal\n"
        "from monitor.sources.parse import ParsePool\n"
        "async def main():\n"
        "    pool = ParsePool()\n"
        f"    await pool.parse({GOOD!r})\n"
        "    print(pool._all[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60
    )
    pid = int(done.stdout)

    deadline = time.monotonic() + 30
    while _state(pid) != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _state(pid) == "Z"


def _state(pid: int) -> str:
    """Return a process's state, "Z" also when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_an_answer_that_came_while_we_stood_still_counts() -> None:
    async def main() -> None:
        async with pool(limit=timedelta(seconds=0.2)) as made:
            await made.parse(GOOD)
            task = asyncio.create_task(made.parse(GOOD))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            time.sleep(1.0)  # noqa: ASYNC251 - longer than is waited for the answer
            assert (await task).entries[0].title == "Fine"

    run(main)


def test_what_sleeps_is_given_up_too() -> None:
    async def main() -> None:
        async with pool(limit=timedelta(seconds=0.2)) as made:
            await made.parse(GOOD)
            (pid,) = pids(made)
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(ParseError) as error:
                await made.parse(GOOD)
            assert error.value.reason == "parser_timeout"
            assert await _outcome(made) == "Fine"

    run(main)

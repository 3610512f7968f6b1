"""The processes of ``benchmarks.scale``: a feed server on loopback, and a worker that polls it.

The worker does what a worker does for a feed that has not changed: a job wakes it for a shard, it
claims the shard's due feeds, asks for each with its validators, and commits the answers.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from monitor.jobs.procrastinate import ProcrastinateQueue
from monitor.rules.text import search_tokens
from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    SeenKey,
    StoredEntry,
    StoryRow,
)
from monitor.store.postgres import open_postgres
from monitor.store.rows import KINDS
from monitor.values import Entry, Feed, Hit, Match, Story

HOSTS = 400
FEEDS = 4_000
SHARD_LIMIT = 64
SENTENCE = "talks continue over the border as ministers meet and officials warn of new measures"
WORDS = SENTENCE.split()


def feed_url(number: int, of: int) -> str:
    """Return the URL of feed ``number`` of ``of``: 40 feeds a host on average."""
    return f"https://h{number % max(of // 40, 1)}.example/{number}.xml"


def commit_of(state: FeedState, number: int) -> PollCommit:
    """Return a poll with one new entry of a usual size, its story, match and message."""
    at = state.last_poll_at or state.next_at
    id_, story = f"E{number:025}", f"S{number:025}"
    words = [*WORDS[number % 13 :], *WORDS[: number % 13], str(number)]
    title = " ".join(words[:9])
    entry = Entry(f"tag:{number}", f"https://example.org/{number}", title, " ".join(words * 4))
    return PollCommit(
        state,
        (StoredEntry(id_, state.id, entry, at, at, story, source="Example"),),
        tuple(
            SeenKey(kind, (number * 4 + place).to_bytes(16, "big"), id_)
            for place, kind in enumerate(KINDS)
        ),
        (),
        (EntryMatch(id_, Match("Rule", 1.0, (Hit("talks", "title", 0, 5, "talks"),))),),
        (StoryRow(Story(story, title, at, at, ("Example",)), b"x" * 200),),
        (OutboxRow(id_, "news", "alert", story, 0, 2, "{}" * 200, "queued", at, at),),
    )


async def serve() -> None:
    """Answer 304 to everything."""
    answer = b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)


async def work(url: str, port: str, seconds: float) -> None:
    """Poll for ``seconds``; prints polls, CPU seconds and MB."""
    store = await open_postgres(url, tokenize=search_tokens)
    feeds = [Feed(feed_url(n, FEEDS), feed_url(n, FEEDS), "f") for n in range(FEEDS)]
    await store.sync_feeds(feeds, datetime.now(UTC))
    queue = ProcrastinateQueue(store, concurrency=4)
    limits = httpx.Limits(max_connections=64)
    polls = 0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits) as client:

        async def poll_shard(key: str) -> None:
            nonlocal polls
            now = datetime.now(UTC)
            retry = now + timedelta(minutes=5)
            while claimed := await store.due(now, SHARD_LIMIT, retry, int(key)):
                await asyncio.gather(*(ask(client, state) for state in claimed))
                # Due again at once, so that there is always work.
                await store.commit_polls(
                    [
                        PollCommit(replace(state, next_at=now, last_poll_at=now, last_ok_at=now))
                        for state in claimed
                    ]
                )
                polls += len(claimed)
                if len(claimed) < SHARD_LIMIT or polls % 7 == 0:
                    break

        async def dispatch(_: str) -> None:
            shards = await store.due_shards(datetime.now(UTC))
            await queue.defer_many("poll_shard", [str(shard) for shard in shards])

        queue.register("poll_shard", poll_shard)
        queue.register("dispatch", dispatch)
        queue.every(timedelta(seconds=0.2), "dispatch")
        await queue.start()
        await asyncio.sleep(2.0)
        polls, cpu = 0, time.process_time()
        await asyncio.sleep(seconds)
        done, cpu = polls, time.process_time() - cpu
        await queue.stop(timedelta(seconds=2))
    await store.close()
    memory = peak_memory()
    print(done, cpu, memory, flush=True)


def peak_memory() -> float:
    """Return this process's largest size in MB; getrusage would count its parent's before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def ask(client: httpx.AsyncClient, state: FeedState) -> None:
    """Ask for a feed with its validators."""
    await client.get(f"/{state.id}.xml", headers={"If-None-Match": '"x"'})


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(work(sys.argv[2], sys.argv[3], float(sys.argv[4])))

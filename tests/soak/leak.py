"""``python -m tests.soak.leak``: what a poll leaves behind in memory, over many of them.

In virtual time, with feeds that bring nothing new in every way there is: what grows then is a leak.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import tempfile
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from monitor import logs
from monitor.daemon.assembly import assembled
from tests.chaos.ledger import table
from tests.soak.harness import START, prepare, resident
from tests.soak.site import head
from tests.soak.virtual import VirtualClock, run

FEEDS = 40
MOST_BLOCKS = 0.2  # that a poll may leave: a list that grows with each leaves one or more
WARM = 40  # rounds of all feeds until memory is looked at
ITEMS = "".join(
    f"<item><title>Story {n} of the wire</title><guid>g{n}</guid></item>" for n in range(20)
)
BODY = f'<rss version="2.0"><channel><title>W</title>{ITEMS}</channel></rss>'.encode()
KINDS = ("not modified", "same body", "changed body", "error", "cut", "page", "gone")


@dataclass(frozen=True, slots=True)
class Left:
    """What ``polls`` polls left behind: blocks of Python's allocator, and resident bytes."""

    polls: int
    blocks: int
    resident: int
    places: tuple[str, ...] = ()

    @property
    def per_poll(self) -> float:
        return self.blocks / self.polls


class Answers(asyncio.Protocol):
    """Answers each path in its own way, and never with a new entry."""

    asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        Answers.asked += 1
        kind = KINDS[int(data.split(b" ")[1][1:]) % len(KINDS)]
        tag = 'ETag: "v"'
        match kind:
            case "not modified" if b"If-None-Match" in data:
                answer = head(304, None, tag)
            case "changed body":
                body = BODY.replace(b"<title>W", b"<title>W%d" % Answers.asked)
                answer = head(200, len(body)) + body
            case "error" if Answers.asked > FEEDS:
                answer = head(503, 0)
            case "gone" if Answers.asked > FEEDS:
                answer = head(404, 0)
            case "cut" if Answers.asked > FEEDS:
                answer = head(200, len(BODY)) + BODY[:300]
                self._transport.write(answer)
                self._transport.close()
                return
            case "page" if Answers.asked > FEEDS:
                answer = head(200, 15) + b"<html>Hi</html>"
            case _:
                answer = head(200, len(BODY), tag) + BODY
        self._transport.write(answer)


async def _left(clock: VirtualClock, place: Path, polls: int, trace: bool) -> Left:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    feeds = "".join(
        f"  - {{url: 'http://127.0.0.1:{port}/{n}', every: 5m}}\n" for n in range(FEEDS)
    )
    (place / "config.yaml").write_text(
        "channels: {out: {console: true}}\ndefaults: {channel: out}\n"
        f"network: {{allow: [127.0.0.0/8]}}\nfeeds:\n{feeds}"
        "rules: [{name: Fish, any: [zebrafish]}]\n"
    )

    async def until(count: int) -> None:
        while Answers.asked < count:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(60)

    async with assembled(place / "config.yaml", {}, clock=clock) as daemon:
        running = asyncio.create_task(daemon.run())
        await until(WARM * FEEDS)
        if trace:
            tracemalloc.start(8)
        gc.collect()
        first, before, size = Answers.asked, sys.getallocatedblocks(), resident()
        snapshot = tracemalloc.take_snapshot() if trace else None
        await until(first + polls)
        gc.collect()
        blocks, asked, size = (
            sys.getallocatedblocks() - before,
            Answers.asked - first,
            resident() - size,
        )
        places: tuple[str, ...] = ()
        if snapshot is not None:
            grown = tracemalloc.take_snapshot().compare_to(snapshot, "lineno")[:12]
            places = tuple(str(each) for each in grown)
        daemon.stop()
        await running
    server.close()
    return Left(asked, blocks, size, places)


def left_by(polls: int, place: Path, *, trace: bool = False) -> Left:
    """Return what so many polls leave behind, after a warm-up; in this process."""
    prepare()
    return run(lambda clock: _left(clock, place, polls, trace), START)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.leak", description=__doc__)
    parser.add_argument("--polls", type=int, default=100_000)
    parser.add_argument("--most", type=float, default=1e6, help="bytes that it may leave")
    parser.add_argument("--trace", action="store_true", help="say where, five times slower")
    given = parser.parse_args()
    logs.setup("critical")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as place:
        left = left_by(given.polls, Path(place), trace=given.trace)
    print(
        table(
            [
                ("polls", f"{left.polls:,}"),
                ("blocks left", f"{left.blocks:,}"),
                ("blocks left by a poll", f"{left.per_poll:.3f}"),
                ("resident memory grown, MB", f"{left.resident / 1e6:.2f}"),
            ]
        )
    )
    print("\n".join(left.places))
    return 0 if left.resident < given.most and left.per_poll < MOST_BLOCKS else 1


if __name__ == "__main__":
    sys.exit(main())

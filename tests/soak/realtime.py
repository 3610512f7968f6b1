"""``python -m tests.soak.realtime``: half an hour of the real program, and what grows in it.

The program runs as a process of its own, by the real clock, on feeds that bring nothing new in
every way there is (those of ``tests.soak.leak``) but one, which brings a story a minute that must
be told. Each feed is asked every ten seconds, some hundred times as often as in use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.ledger import table
from tests.soak.harness import slope
from tests.soak.leak import FEEDS, Answers
from tests.soak.site import head

ROOT = Path(__file__).resolve().parents[2]
EVERY = 10  # seconds between polls of a feed
STORY = 60.0  # seconds between stories
SAMPLE = 10.0  # seconds between looks at memory
WARM = (
    0.25  # share of the run after which memory is judged: the parser's and the pages' caches fill
)
DAILY = 14_400  # polls a day of a watch in use: 100 feeds every ten minutes
MOST = 1.0  # MB a day
CONFIG = """\
channels: {{out: {{console: true}}}}
defaults: {{channel: out}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
feeds:
{feeds}
rules: [{{name: Fish, any: [zebrafish]}}]
"""


@dataclass(slots=True)
class Run:
    """What was seen: (polls, resident bytes, descriptors) at each look."""

    seen: list[tuple[int, int, int]] = field(default_factory=list)
    published: int = 0
    told: set[str] = field(default_factory=set)
    doubles: int = 0
    status: int | None = None

    @property
    def judged(self) -> list[tuple[int, int, int]]:
        return self.seen[int(len(self.seen) * WARM) :]

    @property
    def per_day(self) -> float:
        """MB that resident memory grows in a day of a watch in use, by a line through the looks."""
        return slope([(polls / DAILY, size / 1e6) for polls, size, _ in self.judged])

    def rows(self) -> list[tuple[str, str]]:
        """Return the table's lines."""
        first, last = self.judged[0], self.judged[-1]
        return [
            ("polls", f"{last[0]:,}"),
            ("resident memory, MB, once warm and at the end", _pair(first[1], last[1])),
            ("MB a day, at 14,400 polls a day", f"{self.per_day:+.2f}"),
            ("open descriptors, once warm and at the end", f"{first[2]}, {last[2]}"),
            ("stories published", str(self.published)),
            ("lost", str(self.published - len(self.told))),
            ("doubles", str(self.doubles)),
            ("exit status", str(self.status)),
        ]

    @property
    def sound(self) -> bool:
        lost = self.published - len(self.told)
        return not lost and not self.doubles and self.status == 0 and self.per_day < MOST


def _pair(first: int, last: int) -> str:
    return f"{first / 1e6:.1f}, {last / 1e6:.1f}"


class _Server(Answers):
    """The leak's answers, and a feed of stories under /stories."""

    run: Run

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"GET /stories"):
            super().data_received(data)
            return
        items = "".join(
            f"<item><title>Zebrafish of lake {n * 7919} and of river {n * 104729}</title>"
            f"<guid>s{n}</guid></item>"
            for n in range(max(0, self.run.published - 30), self.run.published)
        )
        body = f'<rss version="2.0"><channel><title>S</title>{items}</channel></rss>'.encode()
        self._transport.write(head(200, len(body)) + body)


def look(pid: int) -> tuple[int, int]:
    """Return the resident bytes and the open descriptors of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize(), len(os.listdir(f"/proc/{pid}/fd"))


async def _read(process: Process, run: Run) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        told = line.decode().strip()
        run.doubles += told in run.told
        run.told.add(told)


async def lived(place: Path, seconds: float) -> Run:
    """Run the program for so long and return what was seen."""
    run = Run()
    _Server.run = run
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
    home = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    feeds = [f"  - {{url: '{home}/{n}', every: {EVERY}s}}" for n in range(FEEDS)]
    feeds.append(f"  - {{url: '{home}/stories', every: {EVERY}s, first_run: alert}}")
    (place / "config.yaml").write_text(CONFIG.format(feeds="\n".join(feeds)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "bot.py"), "run", cwd=place, stdout=PIPE, stderr=DEVNULL
    )
    reading = asyncio.create_task(_read(process, run))
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        if elapsed < seconds - STORY:  # the last ones must have the time to be told
            run.published = 1 + int(elapsed / STORY)
        await asyncio.sleep(min(SAMPLE, seconds / 20))
        run.seen.append((Answers.asked, *look(process.pid)))
    process.send_signal(signal.SIGTERM)
    run.status = await process.wait()
    await reading
    server.close()
    return run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.realtime", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="realtime-") as place:
        run = asyncio.run(lived(Path(place), given.minutes * 60))
    print(table(run.rows()))
    return 0 if run.sound else 1


if __name__ == "__main__":
    sys.exit(main())

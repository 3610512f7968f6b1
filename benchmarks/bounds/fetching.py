"""What one hostile answer takes: memory, and time past the deadline; and what is dialled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.errors import ParseError
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchLimits
from monitor.sources.parse import ParsePool
from monitor.values import Feed
from tests.chaos.test_generated_hosts import INSIDE, SPELLINGS

HERE = Path("/nonexistent")
LOOPBACK = NetworkSettings(allow=["127.0.0.1/32"])


def _resident(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(key))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    """Let the peak of resident memory start anew from here (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def _taken(url: str, limits: FetchLimits) -> tuple[int, float, str]:
    fetcher = Fetcher(LOOPBACK, SystemClock(), config_dir=HERE, limits=limits)
    pool = ParsePool()
    try:
        _forget_peak()
        before, began = _resident("VmRSS"), time.monotonic()
        outcome = await fetcher.fetch(Feed(key=url, url=url, name="F"))
        took, said = time.monotonic() - began, outcome.reason
        if outcome.status == "ok":
            try:
                parsed = await pool.parse(outcome.body, url=url)
                said = f"{len(parsed.entries)} entries"
            except ParseError as error:
                said = error.reason
        return _resident("VmHWM") - before, took, said
    finally:
        await pool.aclose()
        await fetcher.aclose()


def taken(url: str, limits: FetchLimits) -> tuple[int, float, str]:
    """Fetch and parse one answer in a process of its own; returns by how many bytes its resident
    memory rose at most, the seconds the fetch took, and what came of it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bounds.fetching", url, str(limits.deadline)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).resolve().parents[2],
    )
    rise, took, said = done.stdout.strip().split(" ", 2)
    return int(rise), float(took), said


def dials(count: int) -> tuple[int, int]:
    """Fetch from so many generated addresses inside, and names that lead to one, with the guard
    that allows nothing; returns how many were refused, and how many connections were tried.

    Python's own audit event counts the connections, whoever makes them.
    """
    tried = 0

    def audit(event: str, _args: tuple[Any, ...]) -> None:
        nonlocal tried
        tried += event == "socket.connect"

    sys.addaudithook(audit)
    return asyncio.run(_dialled(count)), tried


async def _dialled(count: int) -> int:
    random, refused = Random(8), 0
    spell: Callable[[int], str]
    fetcher = Fetcher(NetworkSettings(allow=[]), SystemClock(), config_dir=HERE)
    try:
        for _ in range(count):
            network, spell = random.choice(INSIDE), random.choice(SPELLINGS)
            number = int(network.network_address) + random.randrange(network.num_addresses)
            port = random.choice(("", ":80", ":6379", ":8443"))
            url = f"{random.choice(('http', 'https'))}://{spell(number)}{port}/feed"
            outcome = await fetcher.fetch(Feed(key=url, url=url, name="F"))
            refused += outcome.status == "failed" and outcome.reason in (
                "refused_address",
                "bad_url",
                "bad_host",
                "no_address",
            )
    finally:
        await fetcher.aclose()
    return refused


if __name__ == "__main__":
    limits = FetchLimits(deadline=float(sys.argv[2]), connect=0.5)
    print(*asyncio.run(_taken(sys.argv[1], limits)))

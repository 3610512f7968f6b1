"""How fast the outbox is, through the real slack-sdk and a real store, to a server on loopback.

    python -m benchmarks.delivery [--messages 3000] [--repeats 3]

Prints messages per second with the rate limits off (deliverer and server share one core, pinned),
and the time from a row to its request when idle. The server here only answers; the strict fake of
the tests costs more than the deliverer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

from aiohttp import web

from monitor.clock import SystemClock
from monitor.delivery import Deliverer, Pace, Sender, queued
from monitor.delivery.slack.send import SlackApi, SlackSender
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.values import Alert, Mark, MarkedText, Severity, Summary

CHANNELS = tuple(f"desk-{n}" for n in range(4))


class Server:
    """Answers chat.postMessage as Slack does; remembers when requests came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()

    async def _post(self, request: web.Request) -> web.Response:
        self.times.append(time.perf_counter())
        await request.read()
        ts = f"{len(self.times)}.000001"
        return web.json_response({"ok": True, "channel": "C1", "ts": ts})

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/{method}", self._post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}/api/"

    @contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        yield self
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(5)


def alert(number: int) -> Alert:
    text = "Russia has no intention of rethinking its weapons sales to Syria, an official said."
    return Alert(
        kind="alert",
        channel=CHANNELS[number % len(CHANNELS)],
        story_id=f"story-{number}",
        title=f"Story {number}: no reason to halt weapon support, officials say",
        url=f"https://news.example/{number}",
        source="Example Wire",
        published=datetime.now(UTC),
        severity=Severity.HIGH,
        rules=("Arms deals with Syria",),
        terms=("weapons sale", "Syria"),
        summary=Summary("", MarkedText(text, (Mark(42, 55), Mark(59, 64)))),
        sources=("Example Wire", "Second Paper"),
        reason="first report",
    )


async def throughput(url: str, messages: int) -> tuple[float, float]:
    """Return messages per second for ``messages`` that wait in the outbox: by the clock, and by
    the processor time used (which other programs on the machine don't change)."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as state:
        store = await open_store(state, now=clock.now(), tokenize=search_tokens)
        await store.enqueue([queued(alert(n), clock.now()) for n in range(messages)])
        api = SlackApi("xoxb-bench", url)
        senders: dict[str, Sender] = {
            name: SlackSender(api, f"#{name}", interval=0) for name in CHANNELS
        }
        pace = Pace(service_rate=0, batch=50)
        courier = Deliverer(store, senders, clock, random=Random(1), pace=pace)
        start, used = time.perf_counter(), time.process_time()
        sent = 0
        while sent < messages:
            sent += await courier.deliver_due()
        elapsed, used = time.perf_counter() - start, time.process_time() - used
        await courier.aclose()
        await store.close()
    return messages / elapsed, messages / used


async def latency(server: Server, count: int) -> list[float]:
    """Return milliseconds from queuing a row (not yet durable) to its request, one at a time."""
    clock = SystemClock()
    waits = []
    with tempfile.TemporaryDirectory() as state:
        store = await open_store(state, now=clock.now(), tokenize=search_tokens)
        api = SlackApi("xoxb-bench", server.url)
        sender = SlackSender(api, "#desk-0", interval=0)
        senders: dict[str, Sender] = dict.fromkeys(CHANNELS, sender)
        courier = Deliverer(store, senders, clock, random=Random(1), pace=Pace(service_rate=0))
        for number in range(count):
            start = time.perf_counter()
            await store.enqueue([queued(alert(number), clock.now() - timedelta(milliseconds=1))])
            await courier.deliver_due()
            waits.append((server.times[-1] - start) * 1000)
            await asyncio.sleep(0.02)
        await courier.aclose()
        await store.close()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with Server().running() as server:
        rates = [
            asyncio.run(throughput(server.url, options.messages)) for _ in range(options.repeats)
        ]
        waits = asyncio.run(latency(server, 100))
    quantiles = statistics.quantiles(waits, n=100)
    print(f"{'figure':<44} {'value':>10}")
    wall, busy = max(rate[0] for rate in rates), max(rate[1] for rate in rates)
    print(f"{'outbox → Slack, messages/s (best)':<44} {wall:>10.0f}")
    print(f"{'outbox → Slack, messages/s of processor time':<44} {busy:>10.0f}")
    print(f"{'row → request when idle, ms (median)':<44} {quantiles[49]:>10.1f}")
    print(f"{'row → request when idle, ms (p99)':<44} {quantiles[98]:>10.1f}")


if __name__ == "__main__":
    main()

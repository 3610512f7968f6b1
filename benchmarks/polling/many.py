"""100,000 feeds in one daemon: how much memory they take, and a round over some of them.

    python -m benchmarks.polling.many [--feeds 100000] [--polled 20000]

The feeds lie on a server of the benchmark's own on loopback, each on an address of its own with a
few entries of its own. The daemon is started with all of them and watched until so many were polled
for the first time and once more; memory is that of the daemon and its parser (PSS: pages that they
share count once), as it was at its highest after loading, and while loading.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.polling.corpus import items, rss
from benchmarks.polling.entrants import ROOT, cpu_seconds, family, memory
from benchmarks.polling.server import free_port

HOST = "127.{}.{}.{}"
ENTRIES = 5
LONG = 3_600.0  # seconds after which it is given up


def address(number: int, port: int) -> str:
    """Return the address of a feed, on a host of its own."""
    host = HOST.format(64 + number // 62_500, number // 250 % 250, number % 250 + 1)
    return f"http://{host}:{port}/{number}.xml"


class _Answers(asyncio.Protocol):
    """Answers each request with its feed, or that it is as it was."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        number = int(data.split(b"/", 2)[1].partition(b".")[0])
        etag = b'"%d"' % number
        if b"If-None-Match: " + etag in data:
            self._transport.write(b"HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n" % etag)
        else:
            body = rss(number, items(number, ENTRIES, Random(number))).encode()
            head = b"HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\n\r\n" % (etag, len(body))
            self._transport.write(head + body)
        self._transport.close()


async def serve(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answers, "0.0.0.0", port, backlog=4096)
    await server.serve_forever()


def configure(folder: Path, feeds: int, port: int) -> None:
    """Write a configuration with ``feeds`` feeds."""
    lines = "\n".join(f"  - {{url: '{address(n, port)}', every: 24h}}" for n in range(feeds))
    (folder / "config.yaml").write_text(
        "state: ./state\ndefaults: {channel: out}\nnetwork: {allow: [127.0.0.0/8]}\n"
        "channels:\n  out: {console: true}\nrules:\n  - {name: Any, any: [ruritania]}\n"
        f"feeds:\n{lines}\n"
    )


class Watched:
    """The daemon under watch: what it uses, and how far it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peak = 0.0  # MiB
        out = (folder / "out.txt").open("wb")
        command = [sys.executable, str(ROOT / "bot.py"), "run", "--log-level", "warning"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)

    def look(self) -> float:
        """Return the memory in use, in MiB; raises ``RuntimeError`` when the daemon ended."""
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "out.txt").read_text()[-2000:])
        now = memory(family(self.process.pid))
        self.peak = max(self.peak, now)
        return now

    def count(self, where: str) -> int:
        """Return how many feeds there are ``where``."""
        try:
            with sqlite3.connect(self.folder / "state" / "newswatch.db", timeout=30) as db:
                return int(db.execute(f"SELECT count(*) FROM feeds WHERE {where}").fetchone()[0])
        except sqlite3.Error:
            return 0

    def until(self, where: str, wanted: int) -> float:
        """Watch until so many feeds are ``where``; returns the seconds it took."""
        began = time.monotonic()
        while self.count(where) < wanted:
            self.look()
            if time.monotonic() - began > LONG:
                raise RuntimeError(f"not {wanted} feeds with {where} in time")
            time.sleep(0.5)
        return time.monotonic() - began

    def due(self, wanted: int) -> None:
        """Make only the first ``wanted`` feeds due, now."""
        with sqlite3.connect(self.folder / "state" / "newswatch.db", timeout=30) as db:
            db.execute("UPDATE feeds SET next_at = 1e16 WHERE id > ?", (wanted,))
            db.execute("UPDATE feeds SET next_at = 0 WHERE id <= ?", (wanted,))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--feeds", type=int, default=100_000)
    parser.add_argument("--polled", type=int, default=20_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.polling.many", "--serve", str(port)]
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        configure(folder, options.feeds, port)
        daemon = Watched(folder)
        try:
            _report(daemon, options.feeds, options.polled)
        finally:
            daemon.process.terminate()
            daemon.process.wait(60)
            server.kill()
            server.wait()


def _report(daemon: Watched, feeds: int, polled: int) -> None:
    took = daemon.until("true", feeds)
    print(f"{feeds:,} feeds loaded and in the store after {took:.0f} s; {daemon.peak:.0f} MiB at "
          "most meanwhile", flush=True)  # fmt: skip
    daemon.due(polled)
    time.sleep(5)
    daemon.peak = 0.0
    for name in ("first", "unchanged"):
        began, used = time.time(), cpu_seconds(family(daemon.process.pid))
        if name == "unchanged":
            daemon.due(polled)
        since = 0 if name == "first" else began * 1e6
        took = daemon.until(f"last_poll_at > {since:.0f}", polled)
        used = cpu_seconds(family(daemon.process.pid)) - used
        print(f"{polled:,} {name} polls in {took:.0f} s, {used / polled * 1e3:.2f} ms of CPU each; "
              f"{daemon.look():.0f} MiB, {daemon.peak:.0f} at most", flush=True)  # fmt: skip
    failed = daemon.count("failures > 0")
    print(f"{failed} feeds failed; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

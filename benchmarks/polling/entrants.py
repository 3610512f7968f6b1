"""The programs compared: each knows how to be set up, polled once, and asked what it has seen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.rules.text import search_tokens
from monitor.store.sqlite import open_sqlite
from monitor.values import Word

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What one poll of all feeds took: CPU seconds (user and system, all processes), peak memory in
    MiB of all processes together (PSS, looked at every 50 ms: ``ru_maxrss`` would count what this
    process had before the program took its place), and what came out on stdout."""

    cpu: float
    rss: float
    output: str


def run(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Cost:
    """Run a command to its end and return its cost, children included; raises if it fails."""
    out = cwd / "stdout.txt"
    with out.open("wb") as sink, (cwd / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=sink, stderr=errors, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(env or {})},
        )  # fmt: skip
        peak = 0.0
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            peak = max(peak, memory(family(process.pid)))
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        tail = (cwd / "stderr.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {tail}")
    text = out.read_text(errors="replace")
    return Cost(usage.ru_utime + usage.ru_stime, peak, text)


class Entrant(ABC):
    """One program in a folder of its own."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def missing(self) -> str | None:
        """Say why it can't run here, or None."""

    @abstractmethod
    def set_up(self, urls: Sequence[str]) -> None: ...

    @abstractmethod
    def poll(self) -> Cost: ...

    def close(self) -> None:
        """End what still runs."""
        return

    @abstractmethod
    def entries(self) -> int:
        """Return how many entries it knows."""

    def trouble(self) -> list[str]:
        """Return which feeds failed and why, where the program can tell."""
        return []

    def late(self) -> float:
        """Do what the program puts off, and return the CPU seconds that takes."""
        return 0.0

    def posts(self, cost: Cost) -> int | None:
        """Return how many alerts a poll brought; None where the program has none."""
        return None


class Newswatch(Entrant):
    """This program: the daemon, with matching on and alerts on the console.

    It runs on between the polls; each is called by making every feed due in its database.
    """

    name = "newswatch"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._urls: Sequence[str] = ()
        self._lines = 0

    def missing(self) -> str | None:
        return None

    def set_up(self, urls: Sequence[str]) -> None:
        self._urls = urls
        rules = "\n".join(
            f"  - name: Other {n}\n    all: [{word}, reactor]"
            for n, word in enumerate(("uranium", "lithium", "cobalt", "nickel", "cocoa") * 4)
        )
        feeds = "\n".join(f"  - {{url: '{url}', every: 24h}}" for url in urls)
        (self.folder / "config.yaml").write_text(
            "state: ./state\ndefaults: {channel: out}\nnetwork: {allow: [127.0.0.0/8]}\n"
            "channels:\n  out: {console: true}\nrules:\n  - name: Planted\n"
            f"    any: [sanctions on Ruritania]\n    key: '/source \\d+/'\n{rules}\n"
            f"feeds:\n{feeds}\n"
        )

    def poll(self) -> Cost:
        out = self.folder / "stdout.txt"
        before, began = 0.0, time.time()
        if self._process is None:
            with out.open("wb") as sink, (self.folder / "stderr.txt").open("wb") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, str(ROOT / "bot.py"), "run", "--log-level", "warning"],
                    cwd=self.folder, stdout=sink, stderr=errors, stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
                )  # fmt: skip
        else:
            before = self._usage()[0]
            with self._database() as connection:
                connection.execute("update feeds set next_at = 0")
        self._settle(began)
        cpu, rss = self._usage()
        lines = out.read_text(errors="replace").splitlines()
        fresh, self._lines = lines[self._lines :], len(lines)
        return Cost(cpu - before, rss, "\n".join(fresh))

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _settle(self, began: float) -> None:
        """Wait until every feed was polled since ``began`` and nothing is left to do."""
        busy = self._usage()[0] if self._process else 0.0
        while True:
            time.sleep(2.0)
            assert self._process is not None
            if self._process.poll() is not None:
                tail = (self.folder / "stderr.txt").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the daemon ended: {tail}")
            now = self._usage()[0]
            idle = now - busy < 0.15  # CPU seconds in two: its ticks alone
            busy = now
            if idle and self._polled(began) == len(self._urls):
                return

    def _polled(self, began: float) -> int:
        try:
            with self._database() as connection:
                return int(
                    connection.execute(
                        "select count(*) from feeds where last_poll_at >= ?", (began * 1e6,)
                    ).fetchone()[0]
                )
        except (sqlite3.Error, StopIteration):
            return 0

    def _usage(self) -> tuple[float, float]:
        """Return CPU seconds and memory (PSS, MiB) of the daemon and its workers."""
        assert self._process is not None
        processes = family(self._process.pid)
        return cpu_seconds(processes), memory(processes)

    def _database(self) -> sqlite3.Connection:
        path = next((self.folder / "state").glob("*.db"))
        return sqlite3.connect(path, timeout=30)

    def entries(self) -> int:
        with self._database() as connection:
            return int(connection.execute("select count(*) from entries").fetchone()[0])

    def trouble(self) -> list[str]:
        with self._database() as connection:
            rows = connection.execute("select key, last_status from feeds where failures > 0")
            return [f"{key}: {status}" for key, status in rows]

    def late(self) -> float:
        """Bring the text index up to date, as the first search does."""

        async def search() -> float:
            now = datetime.now(UTC)
            store = await open_sqlite(
                self.folder / "state", now=now, tokenize=search_tokens, check=False
            )
            began = time.process_time()
            await store.numbers_since(now - timedelta(days=1), Word("reactor"))
            used = time.process_time() - began
            await store.close()
            return used

        return asyncio.run(search())

    def posts(self, cost: Cost) -> int:
        return sum("Planted" in line for line in cost.output.splitlines())


def cpu_seconds(processes: Sequence[int]) -> float:
    """Return the CPU seconds that processes, and their children that have ended, have used."""
    ticks = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(processes: Sequence[int]) -> float:
    """Return the memory of processes in MiB, shared pages counted once (PSS)."""
    kilobytes = 0
    for process in processes:
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+)", rollup, re.M)
        kilobytes += int(found[1]) if found else 0
    return kilobytes / 1024


def family(root: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting.extend(parents.get(process, ()))
    return found


class Reader(Entrant):
    """lemon24/reader through its own API, ten workers."""

    name = "reader"
    script = """
import json, sys
from reader import make_reader
mode, urls = sys.argv[1], json.load(open("urls.json"))
reader = make_reader("reader.sqlite")
if mode == "set up":
    for url in urls:
        reader.add_feed(url, exist_ok=True)
elif mode == "poll":
    reader.update_feeds(workers=10, scheduled=False)
else:
    print(reader.get_entry_counts().total)
"""

    def __init__(self, folder: Path, python: str | None) -> None:
        super().__init__(folder)
        self._python = python

    def missing(self) -> str | None:
        if self._python is None:
            return "no --reader-python given (a Python that has lemon24/reader)"
        return None

    def _call(self, mode: str) -> Cost:
        assert self._python is not None
        return run([self._python, "-c", self.script, mode], self.folder)

    def set_up(self, urls: Sequence[str]) -> None:
        (self.folder / "urls.json").write_text(json.dumps(list(urls)))
        self._call("set up")

    def poll(self) -> Cost:
        return self._call("poll")

    def entries(self) -> int:
        return int(self._call("count").output.split()[-1])


class Newsboat(Entrant):
    """newsboat, reload without a screen."""

    name = "newsboat"

    def missing(self) -> str | None:
        return None if shutil.which("newsboat") else "newsboat is not installed (Debian package)"

    def set_up(self, urls: Sequence[str]) -> None:
        (self.folder / "urls").write_text("\n".join(urls) + "\n")
        (self.folder / "config").write_text(
            "reload-threads 10\nreload-only-visible-feeds no\nmax-items 0\n"
        )

    def poll(self) -> Cost:
        return run(
            ["newsboat", "-u", "urls", "-c", "cache.db", "-C", "config", "-x", "reload"],
            self.folder,
            {"HOME": str(self.folder)},
        )

    def entries(self) -> int:
        with sqlite3.connect(self.folder / "cache.db") as connection:
            return int(connection.execute("select count(*) from rss_item").fetchone()[0])


class Rss2email(Entrant):
    """rss2email, nothing sent."""

    name = "rss2email"

    def missing(self) -> str | None:
        return None if shutil.which("r2e") else "rss2email is not installed (Debian package)"

    def set_up(self, urls: Sequence[str]) -> None:
        sections = "\n".join(f"[feed.f{n}]\nurl = {url}\n" for n, url in enumerate(urls))
        (self.folder / "r2e.cfg").write_text(
            "[DEFAULT]\nfrom = a@example.org\nto = b@example.org\nverbose = error\n"
            f"same-server-fetch-interval = 0\n\n{sections}"
        )

    def poll(self) -> Cost:
        return run(["r2e", "-c", "r2e.cfg", "-d", "r2e.json", "run", "--no-send"], self.folder)

    def entries(self) -> int:
        data = json.loads((self.folder / "r2e.json").read_text())
        return sum(len(feed.get("seen", {})) for feed in data["feeds"])


def version(command: Sequence[str]) -> str:
    """Return a program's version in its own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "?"
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "?"

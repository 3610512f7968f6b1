"""The programs compared: each knows how to be set up, polled once, and asked what it has seen."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What one poll of all feeds took: CPU seconds (user and system, all processes), peak RSS in
    MiB of the largest process, and what came out on stdout."""

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
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        tail = (cwd / "stderr.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {tail}")
    text = out.read_text(errors="replace")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


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

    @abstractmethod
    def entries(self) -> int:
        """Return how many entries it knows."""

    def posts(self, cost: Cost) -> int | None:
        """Return how many alerts a poll brought; None where the program has none."""
        return None


class Newswatch(Entrant):
    """This program: `once`, with matching on and alerts on the console."""

    name = "newswatch"

    def missing(self) -> str | None:
        return None

    def set_up(self, urls: Sequence[str]) -> None:
        rules = "\n".join(
            f"  - name: Other {n}\n    all: [{word}, reactor]"
            for n, word in enumerate(("uranium", "lithium", "cobalt", "nickel", "cocoa") * 4)
        )
        feeds = "\n".join(f"  - {url}" for url in urls)
        (self.folder / "config.yaml").write_text(
            "state: ./state\ndefaults: {channel: out}\nnetwork: {allow: [127.0.0.0/8]}\n"
            "channels:\n  out: {console: true}\nrules:\n  - name: Planted\n"
            f"    any: [sanctions on Ruritania]\n    key: '/source \\d+/'\n{rules}\n"
            f"feeds:\n{feeds}\n"
        )

    def poll(self) -> Cost:
        return run(
            [sys.executable, str(ROOT / "bot.py"), "once", "--log-level", "warning"], self.folder
        )

    def entries(self) -> int:
        database = next((self.folder / "state").glob("*.db"), None) or next(
            (self.folder / "state").glob("*.sqlite*")
        )
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from entries").fetchone()[0])

    def posts(self, cost: Cost) -> int:
        return sum("Planted" in line for line in cost.output.splitlines())


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
    reader.update_feeds(workers=10)
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

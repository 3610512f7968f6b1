"""More programs for the polling comparison: sfeed, feed2exec, and a bot of the usual kind.

What a program is (set up, polled, asked what it has seen) is ``benchmarks.polling.entrants``'.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from benchmarks.polling.entrants import Cost, Entrant, run


class Sfeed(Entrant):
    """sfeed_update, ten feeds at a time: curl, a parser in C and ``sort`` for each feed."""

    name = "sfeed"

    def missing(self) -> str | None:
        return None if shutil.which("sfeed_update") else "sfeed is not installed (Debian package)"

    def set_up(self, urls: Sequence[str]) -> None:
        (self.folder / "feeds").mkdir()
        lines = "\n".join(f'\tfeed "f{number}" "{url}"' for number, url in enumerate(urls))
        (self.folder / "sfeedrc").write_text(
            f'sfeedpath="{self.folder}/feeds"\nmaxjobs=10\nfeeds() {{\n{lines}\n}}\n'
        )

    def poll(self) -> Cost:
        return run(["sfeed_update", "./sfeedrc"], self.folder, {"HOME": str(self.folder)})

    def entries(self) -> int:
        return sum(
            path.read_bytes().count(b"\n") for path in sorted((self.folder / "feeds").iterdir())
        )


class Feed2exec(Entrant):
    """feed2exec with its null plugin: what it costs without doing anything."""

    name = "feed2exec"

    def __init__(self, folder: Path, program: Path | None) -> None:
        super().__init__(folder)
        self._program = program

    def missing(self) -> str | None:
        return None if self._program and self._program.exists() else "feed2exec is not installed"

    def set_up(self, urls: Sequence[str]) -> None:
        (self.folder / "feed2exec.ini").write_text(
            "\n".join(
                f"[f{number}]\nurl = {url}\noutput = feed2exec.plugins.null\n"
                for number, url in enumerate(urls)
            )
        )

    def poll(self) -> Cost:
        return run(
            [str(self._program), "-q", "--config", "feed2exec.ini", "--database", "feed2exec.db",
             "fetch"],
            self.folder,
            {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")},
        )  # fmt: skip

    def entries(self) -> int:
        with sqlite3.connect(self.folder / "feed2exec.db") as connection:
            return int(connection.execute("select count(*) from feedcache").fetchone()[0])


class RegexBot(Entrant):
    """The usual bot: feedparser fetches each feed anew, ids in SQLite, an expression per rule."""

    name = "regex bot"
    script = r"""
import json, re, sqlite3, sys
import feedparser
urls = json.load(open("urls.json"))
words = ("sanctions on Ruritania", *("uranium", "lithium", "cobalt", "nickel", "cocoa") * 4)
rules = [re.compile(rf"\b{re.escape(word)}\b", re.I) for word in words]
database = sqlite3.connect("seen.sqlite")
database.execute("create table if not exists seen (id text primary key)")
for url in urls:
    for entry in feedparser.parse(url).entries:
        key = f"{url} {entry.get('id') or entry.get('link') or entry.get('title')}"
        if database.execute("insert or ignore into seen values (?)", (key,)).rowcount:
            text = f"{entry.get('title', '')} {entry.get('summary', '')}"
            for number, rule in enumerate(rules):
                if rule.search(text) and (number == 0 or "reactor" in text):
                    print("Planted" if number == 0 else "Other", flush=True)
    database.commit()
"""

    def __init__(self, folder: Path, python: Path | None) -> None:
        super().__init__(folder)
        self._python = python

    def missing(self) -> str | None:
        return None if self._python and self._python.exists() else "feedparser is not installed"

    def set_up(self, urls: Sequence[str]) -> None:
        (self.folder / "urls.json").write_text(json.dumps(list(urls)))

    def poll(self) -> Cost:
        return run([str(self._python), "-c", self.script], self.folder)

    def entries(self) -> int:
        with sqlite3.connect(self.folder / "seen.sqlite") as connection:
            return int(connection.execute("select count(*) from seen").fetchone()[0])

    def posts(self, cost: Cost) -> int | None:
        return sum(line == "Planted" for line in cost.output.splitlines())

"""Compared with others, in one command: polling, and what is told to whom.

    python -m benchmarks.peers [--feeds 600] [--peer-feeds 200] [--only reader newsboat …]
                               [--skip polling] [--skip matchers] [--write]

Installs the peers that can be had (a virtual environment under build/peers; newsboat, sfeed and
nginx by apt where it runs as root), polls the same feeds with each, and judges rival matchers on
labelled data. Prints Markdown; ``--write`` puts it into docs/explanation/comparison.md. A peer that
can't be had, or fails, is named with the reason and the rest goes on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import install, quality
from benchmarks.peers.entrants import Feed2exec, RegexBot, Sfeed
from benchmarks.polling import corpus
from benchmarks.polling.__main__ import POLLS, SHARE, Row, measure
from benchmarks.polling.entrants import Entrant, Newsboat, Newswatch, Reader, Rss2email
from benchmarks.polling.server import Nginx
from monitor import __version__

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "comparison.md"
HEADINGS = {
    "cold": "cold",
    "304": "unchanged",
    "10 %": "10 % changed",
    "deaf": "validators ignored",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--feeds", type=int, default=600, help="for us")
    parser.add_argument("--peer-feeds", type=int, default=200, help="for each peer")
    parser.add_argument("--only", nargs="*", help="names of entrants")
    parser.add_argument("--skip", action="append", default=[], choices=["polling", "matchers"])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    )
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    parser.add_argument("--cache", type=Path, default=Path("build/peers"))
    options = parser.parse_args()
    made = (
        f"{datetime.now(UTC):%d %B %Y}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, newswatch {__version__}."
    )
    parts: dict[str, str] = {}
    if "polling" not in options.skip:
        parts["polling"] = f"Measured {made} {polling(options)}"
        print(parts["polling"], flush=True)
    if "matchers" not in options.skip:
        parts["matchers"] = f"Measured {made}\n\n{quality.tables(options.data)}"
        print(parts["matchers"])
    if options.write:
        write(PAGE, parts)


def write(page: Path, parts: dict[str, str]) -> None:
    """Put each part between its marks in the page."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        _, also, after = rest.partition(end)
        if not found or not also:
            raise SystemExit(f"{page} has no marks for {name}")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    page.write_text(text, encoding="utf-8")
    print(f"written to {page}")


def polling(options: argparse.Namespace) -> str:
    """Install, poll, and return the table."""
    home = install.python_peers(options.cache.resolve())
    install.debian_peers()
    if home is not None:
        os.environ["PATH"] = f"{home}:{os.environ['PATH']}"
    if why := Nginx.missing():
        return f"polling skipped: {why}\n"
    python = home / "python" if home else None
    kinds: dict[str, Callable[[Path], Entrant]] = {
        Newswatch.name: Newswatch,
        Reader.name: lambda at: Reader(at, str(python) if python else None),
        Newsboat.name: Newsboat,
        Sfeed.name: Sfeed,
        Rss2email.name: Rss2email,
        Feed2exec.name: lambda at: Feed2exec(at, home / "feed2exec" if home else None),
        RegexBot.name: lambda at: RegexBot(at, python),
    }
    rows: list[Row] = []
    notes: list[str] = []
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)  # nginx reads it as another user
        for name, make in kinds.items():
            if options.only and name not in options.only:
                continue
            place = base / name.replace(" ", "-")
            entrant, empty = make(place / "all"), make(place / "empty")
            if why := entrant.missing():
                notes.append(f"{name}: skipped: {why}")
                continue
            count = options.feeds if name == Newswatch.name else options.peer_feeds
            feeds = corpus.build(place / "feeds", count, options.data / "feeds")
            new = sum(n // 10 % 3 + 1 for n in range(feeds.real, count, 10))
            print(f"polling {count} feeds with {name} …", flush=True)
            os.sched_setaffinity(0, cores[-1:])
            try:
                row = measure(entrant, empty, feeds, base)
            except (OSError, RuntimeError, sqlite3.Error) as error:
                notes.append(f"{name}: failed: {error}")
                continue
            finally:
                os.sched_setaffinity(0, cores)
                entrant.close()
                empty.close()
            if not row.entries["cold"]:
                said = (place / "all" / "stderr.txt").read_text(errors="replace").strip()
                notes.append(f"{name}: failed: no entry stored: {said[-200:]}")
                continue
            rows.append(row)
            found = row.entries["10 %"] - row.entries["304"]
            posts = row.posts["10 %"]
            told = "" if posts is None else f"; {posts} of {feeds.changed(SHARE)} posted"
            stored = row.entries["cold"]
            notes.append(f"{name}: {stored} entries stored; {found} of {new} new ones found{told}")
            if row.late:
                notes.append(f"{name}: of the cold poll {row.late:.2f} ms are its text index's")
            notes += [f"{name}: {line}" for line in row.trouble[:5]]
    return _table(rows, install.versions(home), notes)


def _table(rows: list[Row], versions: dict[str, str], notes: list[str]) -> str:
    heads = [HEADINGS[poll] for poll in POLLS]
    lines = [
        "CPU milliseconds a feed (in brackets: feeds a second and core), start-up taken off:\n",
        f"| program | feeds | {' | '.join(heads)} | peak memory |",
        f"|---|---|{'---|' * len(heads)}---|",
    ]
    for row in rows:
        cells = [_cell(row.ms[poll]) for poll in POLLS]
        name = f"**{row.name}** {__version__}" if row.name == Newswatch.name else (
            f"{row.name} {versions.get(row.name, '')}")  # fmt: skip
        lines.append(f"| {name} | {row.feeds} | {' | '.join(cells)} | {row.rss:.0f} MiB |")
    return "\n".join([*lines, "", *(f"* {note}" for note in notes)]) + "\n"


def _cell(ms: float) -> str:
    """Return milliseconds, and what they mean in feeds a second."""
    return f"{ms:.2f} ({1000 / ms:,.0f})" if ms >= 0.01 else "< 0.01"


if __name__ == "__main__":
    main()

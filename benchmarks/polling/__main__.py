"""Polling compared with peers: CPU per feed, the same feeds, the same server, entries checked.

    python -m benchmarks.polling [--feeds 2000] [--peer-feeds 200] [--reader-python PATH]

Four polls in this order: ``cold`` (nothing known), ``304`` (nothing changed), ``10 %`` (every
tenth feed has one to three new entries), ``deaf`` (a server without validators sends the same
bodies again). Peers may get fewer feeds, an even sample, because they take long; the cost is per
feed. ``304`` and ``deaf`` are polled three times, and their mean counts. Our text index runs behind
the polls, up to an hour: what it takes for the entries of the cold poll is counted with that.
Start-up is measured with one feed and taken off, for all alike; peers start anew for each
poll, ours is a daemon and starts once. Every program runs
pinned to one core where the machine has two; nginx keeps to the other.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.polling import corpus
from benchmarks.polling.entrants import Entrant, Newsboat, Newswatch, Reader, Rss2email
from benchmarks.polling.server import Nginx

SHARE = 0.1
ROUNDS = 3  # of the polls that change nothing: one of them is too short to be told from noise
POLLS = ("cold", "304", "10 %", "deaf")


@dataclass
class Row:
    """One entrant's results: ms of CPU per feed by poll, entries, posts, memory."""

    name: str
    feeds: int
    start_up: float
    ms: dict[str, float] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    posts: dict[str, int | None] = field(default_factory=dict)
    rss: float = 0.0
    trouble: list[str] = field(default_factory=list)
    late: float = 0.0  # of the cold poll's ms: what is done after it

    def add(self, poll: str, entrant: Entrant, rounds: int = 1) -> None:
        """Poll ``rounds`` times and note the mean cost, and what came of the last."""
        costs = [entrant.poll() for _ in range(rounds)]
        cpu = sum(max(cost.cpu - self.start_up, 0.0) for cost in costs) / rounds
        self.ms[poll] = cpu / self.feeds * 1000
        self.entries[poll] = entrant.entries()
        self.posts[poll] = entrant.posts(costs[-1])
        self.rss = max(self.rss, *(cost.rss for cost in costs))
        self.trouble.extend(f"{poll}: {line}" for line in entrant.trouble())


def measure(entrant: Entrant, empty: Entrant, feeds: corpus.Corpus, base: Path) -> Row:
    """Take one entrant through the four polls over ``feeds``."""
    urls = Nginx.addresses(feeds.count)
    empty.set_up(urls[:1])
    with Nginx(feeds.root, base / "run"):
        start_up = empty.poll().cpu
        if isinstance(empty, Newswatch):
            empty.close()  # a daemon: only its first poll has a start-up
        else:
            start_up = empty.poll().cpu
        row = Row(entrant.name, feeds.count, start_up)
        entrant.set_up(urls)
        row.add("cold", entrant)
        row.late = entrant.late() / feeds.count * 1000
        row.ms["cold"] += row.late
        if isinstance(entrant, Newswatch):
            row.start_up = 0.0
        row.add("304", entrant, ROUNDS)
        feeds.change(SHARE)
        row.add("10 %", entrant)
    with Nginx(feeds.root, base / "run", deaf=True):
        row.add("deaf", entrant, ROUNDS)
    row.start_up = start_up
    entrant.close()
    return row


def report(rows: Sequence[Row], added: dict[str, tuple[int, int]]) -> None:
    """Print the table, then whether every new entry was found and every post made."""
    print(f"{'CPU, ms per feed':16} {'feeds':>6} " + " ".join(f"{p:>8}" for p in POLLS)
          + f" {'start-up':>9} {'peak MiB':>9}")  # fmt: skip
    for row in rows:
        print(f"{row.name:16} {row.feeds:6} " + " ".join(f"{row.ms[p]:8.2f}" for p in POLLS)
              + f" {row.start_up * 1000:9.0f} {row.rss:9.0f}")  # fmt: skip
    ours = rows[0]
    for row in rows[1:]:
        ratios = " ".join(f"{row.ms[p] / max(ours.ms[p], 1e-6):7.1f}x" for p in POLLS)
        print(f"{'over ' + row.name:23} {ratios}")
    for row in rows:
        entries, feeds = added[row.name]
        found = row.entries["10 %"] - row.entries["304"]
        posts = row.posts["10 %"]
        told = "" if posts is None else f", {posts} posts of {feeds}"
        for line in row.trouble[:10]:
            print(f"{row.name}: {line}")
        print(f"{row.name}: {row.entries['cold']} entries; {found} new of {entries}{told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--feeds", type=int, default=2000)
    parser.add_argument("--peer-feeds", type=int, default=200)
    parser.add_argument("--reader-python", help="a Python that has lemon24/reader")
    parser.add_argument("--only", nargs="*", help="names of entrants")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    if why := Nginx.missing():
        print(f"skipped: {why}")
        return
    if not (options.data / "feeds").is_dir():
        print(f"no {options.data / 'feeds'}: invented feeds only")
    cores = sorted(os.sched_getaffinity(0))
    rows: list[Row] = []
    added: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        kinds: dict[str, Callable[[Path], Entrant]] = {
            Newswatch.name: Newswatch,
            Reader.name: lambda at: Reader(at, options.reader_python),
            Newsboat.name: Newsboat,
            Rss2email.name: Rss2email,
        }
        for name, make in kinds.items():
            if options.only and name not in options.only:
                continue
            entrant, empty = make(base / name), make(base / f"{name}-empty")
            if why := entrant.missing():
                print(f"{name}: skipped: {why}")
                continue
            ours = name == Newswatch.name
            count = options.feeds if ours else min(options.peer_feeds, options.feeds)
            feeds = corpus.build(base / f"feeds-{name}", count, options.data / "feeds")
            os.sched_setaffinity(0, cores[-1:])
            rows.append(measure(entrant, empty, feeds, base))
            os.sched_setaffinity(0, cores)
            added[name] = (
                sum(n // 10 % 3 + 1 for n in range(feeds.real, count, 10)),
                feeds.changed(SHARE),
            )
    report(rows, added)


if __name__ == "__main__":
    main()

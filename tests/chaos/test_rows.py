"""Attack cases that no other folder holds: patterns, the log, two feeds, the clock."""

from __future__ import annotations

import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor import logs
from monitor.config.load import load
from monitor.daemon.assembly import assembled
from monitor.loading import compiled_watch
from monitor.values import Document
from tests.acceptance.process import ROOT
from tests.feedserver import Answer, FeedServer, rss

PATTERNS = [
    ("REDOS-01", "(a+)+$", "a" * 20_000 + "!"),
    ("REDOS-02", "(a|aa)+$", "a" * 20_000 + "!"),
    ("REDOS-03", "(.*a){12}$", "a" * 20_000 + "!"),
    ("REDOS-04", r"^(\w+\s?)*$", "word " * 4_000 + "!"),
    ("REDOS-05", "(x+x+)+y", "x" * 20_000),
    ("REDOS-06", r"\s*,\s*$", " " * 20_000 + "x"),
    ("REDOS-07", "(.*),(.*),(.*)$", "," * 20_000),
    ("REDOS-08", "^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 20_000 + "!"),
]


@pytest.mark.parametrize(
    ("pattern", "text"), [row[1:] for row in PATTERNS], ids=[row[0] for row in PATTERNS]
)
def test_a_pattern_that_backtracks_for_years_ends(tmp_path: Path, pattern: str, text: str) -> None:
    """Python's own engine needs more than 2**1000 steps for most of these: it would never end."""
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"rules": [{"name": "R", "any": [f"/{pattern}/", "beacon"]}]}))
    compiled, _ = compiled_watch(load(config, {}))
    (match,) = compiled.ruleset.match(Document("1", "A beacon", text))
    assert match.rule == "R"


def test_redos_11_word_boundaries_are_unicode(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"rules": [{"name": "R", "any": [r"/\bсирия\b/"]}]}))
    compiled, _ = compiled_watch(load(config, {}))
    assert compiled.ruleset.match(Document("1", "Что такое сирия сегодня"))
    assert not compiled.ruleset.match(Document("1", "Ассирияне"))


def test_state_19_a_closed_stdout_ends_nothing(tmp_path: Path) -> None:
    """Alerts for a console that has gone are kept; the cycle goes on to its end."""
    reading, writing = os.pipe()
    os.close(reading)
    with FeedServer() as server:
        url = server.script("/f", Answer(rss([("1", "Zebrafish found in the upper lake")])))
        config = written(tmp_path, url)
        config.write_text(config.read_text().replace("every: 15m", "first_run: alert"))
        done = subprocess.run(
            [sys.executable, str(ROOT / "bot.py"), "once"],
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(writing)
        assert "Traceback" not in done.stderr
        assert len(server.of("/f")) == 1
    (database,) = tmp_path.rglob("newswatch.db")
    with closing(sqlite3.connect(database)) as db:
        kept = db.execute("SELECT state FROM outbox WHERE kind = 'alert'").fetchall()
    # Whether the console showed it can't be known: it is sent again a minute later.
    assert kept in ([("unknown",)], [("queued",)])


HOSTILE_LOG = [
    ("LOG-01", "a\nERROR fake line"),
    ("LOG-02", "\x1b]0;pwn\x07"),
    ("LOG-03", "%s %n %(message)s"),
    ("LOG-04", "x" * 1_000_000),
    ("LOG-05", "http://n.example/\r\nSet-Cookie: a=b"),
]


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize("text", [row[1] for row in HOSTILE_LOG], ids=[r[0] for r in HOSTILE_LOG])
def test_one_record_is_one_line_whatever_a_feed_wrote(text: str) -> None:
    stream = io.StringIO()
    logs.setup(stream=stream, as_json=True)
    logging.getLogger("monitor.test").info("feed polled", extra={"feed": text})
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert len(line) < 50_000
    assert json.loads(line)["message"] == "feed polled"


CONFIG = """\
channels: {{out: {{console: true}}}}
defaults: {{channel: out}}
network: {{allow: [127.0.0.0/8]}}
feeds:
{feeds}
rules: [{{name: Fish, any: [zebrafish]}}]
"""


def written(place: Path, *urls: str, rules: str = "") -> Path:
    feeds = "\n".join(f"  - {{url: '{url}', name: F{n}, every: 15m}}" for n, url in enumerate(urls))
    config = place / "config.yaml"
    config.write_text(CONFIG.format(feeds=feeds) + rules)
    return config


async def test_dedup_15_one_id_in_two_feeds_is_two_entries(tmp_path: Path) -> None:
    with FeedServer() as server:
        one = server.script("/one", Answer(rss([("1", "Ferry company orders two hulls")])))
        two = server.script("/two", Answer(rss([("1", "Court finds gaps in the accounts")])))
        async with assembled(written(tmp_path, one, two), {}) as daemon:
            await daemon.once(due_only=False)
            assert [s.entries_seen for s in daemon.current_states().values()] == [1, 1]


async def test_dedup_03_a_new_rule_alerts_nothing_old(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FeedServer() as server:
        url = server.script("/f", Answer(rss([("1", "Lungfish found in the upper lake")])))
        config = written(tmp_path, url)
        async with assembled(config, {}) as daemon:
            await daemon.once(due_only=False)
        config.write_text(config.read_text().replace("zebrafish", "lungfish"))
        async with assembled(config, {}) as daemon:
            await daemon.once(due_only=False)
            rows = await daemon._store.outbox_rows()
        assert "alert" not in {row.kind for row in rows}


async def test_state_20_polls_leave_no_descriptors_behind(tmp_path: Path) -> None:
    with FeedServer() as server:
        urls = [server.script(f"/{n}", Answer(rss())) for n in range(8)]
        urls.append(server.script("/gone", Answer(b"gone", 500)))
        async with assembled(written(tmp_path, *urls), {}) as daemon:
            await daemon.once(due_only=False)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(12):
                await daemon.once(due_only=False)
            assert len(os.listdir("/proc/self/fd")) <= before + 2


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.steady = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def passes(self, time: timedelta) -> None:
        self.wall += time
        self.steady += time.total_seconds()


async def polls_when(place: Path, steps: list[tuple[str, timedelta]]) -> list[int]:
    """Return the number of requests after each step: time that "passes", or a clock "set"."""
    clock = SetClock()
    counts = []
    with FeedServer() as server:
        config = written(place, server.script("/f", Answer(rss())))
        for kind, time in [("passes", timedelta()), *steps]:
            if kind == "passes":
                clock.passes(time)
            else:
                clock.wall += time
            async with assembled(config, {}, clock=clock) as daemon:
                await daemon.once(due_only=True)
            counts.append(len(server.of("/f")))
    return counts


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("steps", "polls"),
    [
        # Ten years ahead: one poll, not as many as were missed; and back: within an interval.
        ([("set", 3650 * DAY), ("passes", HOUR)], [1, 2, 3]),
        ([("set", -DAY), ("passes", HOUR)], [1, 1, 2]),
        ([("set", 3650 * DAY), ("set", -3650 * DAY), ("passes", HOUR)], [1, 2, 2, 3]),
    ],
    ids=["TIME-01 ahead", "TIME-01 back", "TIME-01 there and back"],
)
async def test_a_clock_that_was_set_neither_floods_nor_stalls(
    tmp_path: Path, steps: list[tuple[str, timedelta]], polls: list[int]
) -> None:
    assert await polls_when(tmp_path, steps) == polls


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((timedelta(hours=8), 2), id="TIME-03 suspended for 8 hours"),
        pytest.param((timedelta(seconds=2), 1), id="TIME-04 slewed by 2 s"),
        pytest.param((timedelta(hours=6), 2), id="OUTAGE-03 cut off for 6 hours"),
    ],
)
async def test_what_was_missed_is_one_poll(tmp_path: Path, case: tuple[timedelta, int]) -> None:
    time, polls = case
    assert (await polls_when(tmp_path, [("set", time)]))[-1] == polls

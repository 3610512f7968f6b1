"""A disk that is full, locked by another or damaged while the watch runs: said, and nothing lost.

The real program; what it can't store it doesn't post either, and polls again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.process import Process, run
from tests.fakeslack import FakeSlack, FakeSlackThread
from tests.feedserver import Answer, FeedServer, rss

CONFIG = """\
state: ./state
defaults: {{channel: news}}
channels: {{news: {{slack: "#news-watch"}}}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
feeds: [{{url: "{feed}", name: Wire, first_run: alert, every: 1s}}]
rules: [{{name: Fish, any: [zebrafish]}}]
"""
SIZE = 4 << 20  # bytes of the small file system
STORIES = ["Zebrafish found in the upper lake", "Auditors count zebrafish in Oslo harbour"]


@cache
def mounting() -> tuple[str, ...]:
    """Return the command that starts a program whose folder ``state`` is a small file system, seen
    by nobody else; empty where mounting isn't allowed."""
    script = f'mount -t tmpfs -o size={SIZE} tmpfs state && exec "$@"'
    for options in ("-m", "-rm"):
        space = ("unshare", options, "--propagation", "private")
        allowed = (
            shutil.which("unshare")
            and not subprocess.run(
                [*space, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True
            ).returncode
        )
        if allowed:
            return (*space, "sh", "-c", script, "sh")
    return ()


@contextmanager
def full_disk(process: Process, state: Path) -> Iterator[str]:
    seen = Path(f"/proc/{process.popen.pid}/root{state}")
    ballast = seen / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))
    yield "the disk is full"
    ballast.unlink()


@contextmanager
def locked(process: Process, state: Path) -> Iterator[str]:
    with closing(sqlite3.connect(state / "newswatch.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield "locked"
        db.execute("ROLLBACK")


@contextmanager
def damaged(process: Process, state: Path) -> Iterator[str]:
    """Overwrite the file. What helps is a backup, taken while the watch ran."""
    assert run("db", "backup", cwd=state.parent)[0] == 0
    for name in ("newswatch.db", "newswatch.db-wal"):
        with (state / name).open("r+b") as file:
            file.write(os.urandom((state / name).stat().st_size))
    yield "the database is damaged"


def restored(process: Process, place: Path, env: Mapping[str, str]) -> Process:
    """End the watch; it doesn't start on what is damaged; put the backup back and start it."""
    assert process.stop() == 0
    assert "Traceback" not in process.log, process.log
    code, _, said = run("run", cwd=place, env=env)
    assert (code, len(said)) == (2, 1), said
    assert "Restore a backup" in said[0]
    (backup,) = (place / "state" / "backups").iterdir()
    assert run("db", "restore", str(backup), cwd=place)[0] == 0
    return Process("run", cwd=place, env=env)


TROUBLES: Mapping[str, Callable[[Process, Path], AbstractContextManager[str]]] = {
    "full": full_disk,
    "locked": locked,
    "damaged": damaged,
}


def lived_through(trouble: str, place: Path) -> tuple[list[str], str]:
    """Publish a story, and another one in trouble; return what was posted, and the log."""
    place.mkdir()
    (place / "state").mkdir()
    with FeedServer() as server, FakeSlackThread() as slack:
        url = server.url()
        server.script("/feed", Answer(rss([("1", STORIES[0])])))
        (place / "config.yaml").write_text(CONFIG.format(slack=slack.url, feed=url))
        env = {"SLACK_BOT_TOKEN": slack.token}
        before = mounting() if trouble == "full" else ()
        process = Process("run", cwd=place, env=env, before=before)
        try:
            process.wait_for("the first story", lambda: posted(slack) == STORIES[:1])
            with TROUBLES[trouble](process, place / "state") as words:
                both = rss([("1", STORIES[0]), ("2", STORIES[1])])
                server.script("/feed", Answer(both))
                process.wait_for(words, process.said(words), timeout=60)
                assert posted(slack) == STORIES[:1], "posted what couldn't be stored"
            if trouble == "damaged":
                process = restored(process, place, env)
            process.wait_for("the second story", lambda: len(posted(slack)) > 1, timeout=60)
            assert process.stop() == 0
        finally:
            process.popen.kill()
        return posted(slack), process.log


def posted(slack: FakeSlack) -> list[str]:
    texts = [message.text for message in slack.workspace.messages()]
    return [title for text in texts for title in STORIES if title in text]


@pytest.fixture(scope="module")
def lives(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Future[tuple[list[str], str]]]:
    """Live through all troubles at the same time: they mostly wait."""
    place = tmp_path_factory.mktemp("storage")
    with ThreadPoolExecutor(len(TROUBLES)) as pool:
        return {name: pool.submit(lived_through, name, place / name) for name in TROUBLES}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_is_lost_when_the_trouble_clears(
    trouble: str, lives: Mapping[str, Future[tuple[list[str], str]]]
) -> None:
    if trouble == "full" and not mounting():
        pytest.skip("mounting a small file system isn't allowed here")
    told, log = lives[trouble].result()
    assert told == STORIES, log
    assert "Traceback" not in log, log
    if trouble != "damaged":  # whose log is that of the program started anew
        assert log.count("the store fails") == 1, log
        assert log.count("the store works again") == 1, log


def powerless() -> tuple[str, ...]:
    """Return what starts a program that is bound by permissions, also as root."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root is bound by no permissions, and there is no setpriv here")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


FORBIDDEN: Mapping[str, Mapping[str, int]] = {
    "read-only folder": {"state": 0o500},
    "read-only file": {"state/newswatch.db": 0o400},
    "unreadable file": {"state/newswatch.db": 0},
    "unreadable folder": {"state": 0},
    "no journal": {"state/newswatch.db": 0o400, "state": 0o500},
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_what_is_forbidden_is_said_and_nothing_is_lost_when_it_is_allowed(
    kind: str, tmp_path: Path
) -> None:
    with FeedServer() as server, FakeSlackThread(message_rate=0) as slack:
        server.script("/feed", Answer(rss([("1", STORIES[0])])))
        text = CONFIG.format(slack=slack.url, feed=server.url())
        (tmp_path / "config.yaml").write_text(text)
        env = {"SLACK_BOT_TOKEN": slack.token}
        assert run("once", cwd=tmp_path, env=env)[0] == 0
        assert posted(slack) == STORIES[:1]
        server.script("/feed", Answer(rss([("1", STORIES[0]), ("2", STORIES[1])])))
        whole = (tmp_path / "state" / "newswatch.db").read_bytes()
        allowed = {name: (tmp_path / name).stat().st_mode for name in FORBIDDEN[kind]}
        try:
            for name, mode in FORBIDDEN[kind].items():
                (tmp_path / name).chmod(mode)
            process = Process("once", cwd=tmp_path, env=env, before=powerless())
            code = process.wait()
        finally:
            for name, mode in reversed(allowed.items()):
                (tmp_path / name).chmod(mode)
        assert code in (2, 75), process.log
        assert "Traceback" not in process.log
        (said,) = process.err
        assert said.startswith("error: "), said
        assert "state" in said, said
        assert (tmp_path / "state" / "newswatch.db").read_bytes() == whole
        assert posted(slack) == STORIES[:1]
        assert run("once", cwd=tmp_path, env=env)[0] == 0
        assert posted(slack) == STORIES

"""A folder for each watch, a feed server, and what every acceptance configuration needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.process import Process
from tests.feedserver import FeedServer

ARMS = """\
rules:
  - name: Arms deals with Syria
    any: [arms deals]
    entities: [Syria]
"""


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start `bot.py` with these words in the watch's folder; killed at the end of the test."""
    started: list[Process] = []

    def begin(*args: str, env: dict[str, str] | None = None) -> Process:
        process = Process(*args, cwd=tmp_path, env=env)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.popen.kill()
        process.wait()


both_stores = pytest.mark.parametrize("state", ["sqlite", "postgres"], indirect=True)


@contextmanager
def state_of(kind: str) -> Iterator[str]:
    """Yield a `state:` of its own: a folder beside the configuration, or a PostgreSQL schema."""
    if kind == "sqlite":
        yield "./state"
        return
    from tests.contract.databases import fresh_schema

    with fresh_schema() as url:
        yield url


@pytest.fixture
def state(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the watch's state lives: SQLite, unless the test is for ``both_stores``."""
    with state_of(getattr(request, "param", "sqlite")) as target:
        yield target


@pytest.fixture
def watch(tmp_path: Path, state: str) -> Callable[..., Path]:
    """Write a config.yaml that polls every second and prints to the console."""

    def write(feeds: str, rules: str = ARMS, more: str = "", every: str = "1s") -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(
            f"state: {state}\n"
            "defaults: {channel: news}\n"
            "channels: {news: {console: true}}\n"
            "network: {allow: [127.0.0.0/8]}\n"
            f"polling: {{min: {every}}}\n{more}\nfeeds:\n{feeds}\n{rules}",
            encoding="utf-8",
        )
        return path

    return write

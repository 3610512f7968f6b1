"""Politeness over cycles and restarts, through the whole program: what a server counts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from monitor.daemon.assembly import assembled
from tests.feedserver import Answer, FeedServer, redirect, rss

CONFIG = """
state: ./state
defaults: {{channel: out}}
channels: {{out: {{console: true}}}}
network: {{allow: [127.0.0.0/8]}}
rules: [{{name: Coup, any: [coup]}}]
feeds: [{{url: "{url}"}}]
"""
GOOD = Answer(rss(), etag='W/"one"', last_modified="Mon, 23 Nov 2026 10:00:00 GMT")


def cycles(folder: Path, url: str, count: int, *, due_only: bool = False) -> list[int]:
    """Run so many cycles, each a start of its own; returns how many feeds failed in each."""
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(url=url))

    async def once() -> int:
        async with assembled(config, os.environ) as daemon:
            return await daemon.once(due_only)

    return [asyncio.run(once()) for _ in range(count)]


def test_polite_03_04_one_unconditional_request_in_a_lifetime(
    server: FeedServer, tmp_path: Path
) -> None:
    url = server.script("/feed", GOOD)
    assert cycles(tmp_path, url, 4) == [0, 0, 0, 0]
    asked = [(r.header("if-none-match"), r.header("if-modified-since")) for r in server.requests]
    assert asked == [(None, None)] + [('W/"one"', "Mon, 23 Nov 2026 10:00:00 GMT")] * 3


def test_polite_05_a_body_that_is_no_feed_leaves_no_validators(
    server: FeedServer, tmp_path: Path
) -> None:
    page = Answer(
        "<html><body>Please log in</body></html>", etag='"page"', content_type="text/html"
    )
    url = server.script("/feed", GOOD, page, GOOD, GOOD)
    assert cycles(tmp_path, url, 4) == [0, 1, 0, 0]
    asked = [request.header("if-none-match") for request in server.requests]
    assert asked == [None, 'W/"one"', None, 'W/"one"']


def test_polite_06_no_poll_before_it_is_due_after_a_restart(
    server: FeedServer, tmp_path: Path
) -> None:
    url = server.script("/feed", GOOD)
    cycles(tmp_path, url, 3, due_only=True)
    assert len(server.requests) == 1


def test_http_17_a_retry_after_holds_across_restarts(server: FeedServer, tmp_path: Path) -> None:
    busy = Answer("later", 429, headers=(("Retry-After", "3600"),))
    url = server.script("/feed", busy)
    assert cycles(tmp_path, url, 3)[0] == 1
    assert len(server.requests) == 1


def test_http_11_a_confirmed_move_is_followed_and_the_file_left_alone(
    server: FeedServer, tmp_path: Path
) -> None:
    url = server.script("/feed", redirect("/new", 301))
    server.script("/new", GOOD)
    cycles(tmp_path, url, 5)
    assert len(server.of("/feed")) == 3
    assert len(server.of("/new")) == 5
    assert url in (tmp_path / "config.yaml").read_text()

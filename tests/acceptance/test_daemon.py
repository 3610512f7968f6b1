"""The daemon among bad feeds, under signals, and while its configuration is edited."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.process import Process, rss
from tests.feedserver import Answer, FeedServer

STORY = {"title": "Arms deals with Syria go on", "guid": "1", "link": "http://n.example/1"}


def replaced(path: Path, text: str) -> None:
    """Write a file the way editors do: beside it, then over it."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


def test_bad_feeds_do_not_hold_up_the_others(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    good = Answer(rss("Wire", [STORY]))
    kinds = [Answer(hang=True), Answer(b"oops", 500), Answer(os.urandom(2000))]
    feeds = []
    for number in range(200):
        path = f"/{number}"
        kind = number // 20 if number < 60 else None
        server.script(path, good if kind is None else kinds[kind])
        feeds.append(f"  - {{url: '{server.url(path)}', name: 'Feed {number}', every: 2s}}\n")
    watch("".join(feeds))
    process = start("run")

    def rounds() -> int:
        return min(len(server.of(f"/{number}")) for number in range(60, 200))

    process.wait_for("a first round of the good feeds", lambda: rounds() >= 1)
    began = time.monotonic()
    process.wait_for("four more rounds", lambda: rounds() >= 5)
    # Four intervals of 2 s and their jitter are about 9 s; the hanging feeds' deadline is 30 s.
    assert time.monotonic() - began < 25
    assert process.stop() == 0
    log = "\n".join(process.err)
    assert "HTTP 500" in log
    assert "Traceback" not in log


def test_a_broken_configuration_leaves_the_old_one_in_force(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    quiet = rss("Wire", [{"title": "Nothing", "guid": "0", "link": "http://n.example/0"}])
    url = server.script("/feed", Answer(quiet))
    path = watch(f"  - {{url: '{url}', name: Wire, every: 1s}}\n")
    good = path.read_text()
    process = start("run")
    process.wait_for("a poll", lambda: server.of("/feed"))

    replaced(path, good.replace("any: [arms deals]", "anny: [arms deals]"))
    line = 1 + good.splitlines().index("    any: [arms deals]")
    process.wait_for("the refusal", process.said(f"config.yaml:{line}:5"))
    server.script("/feed", Answer(rss("Wire", [STORY])))
    process.wait_for("an alert by the old rules", lambda: process.out)

    replaced(path, good.replace("name: Arms deals with Syria", "name: Syrian arms"))
    process.wait_for("the new rules", process.said("configuration reloaded"))
    second = {
        "title": "More arms deals in Syria, sources say",
        "guid": "2",
        "link": "http://n.example/2",
    }
    other = {
        "title": "Parliament of Norway debates arms deals with Syria after leak of papers",
        "guid": "3",
        "link": "http://n.example/3",
    }
    server.script("/feed", Answer(rss("Wire", [other, second, STORY])))
    process.wait_for(
        "an alert by the new rules", lambda: any("Syrian arms" in o for o in process.out)
    )
    assert process.stop() == 0
    assert sum("configuration refused" in line for line in process.err) == 1, process.log


def test_sighup_reloads(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    path = watch(f"  - {server.script('/feed', Answer(rss('Wire', [STORY])))}\n")
    process = start("run")
    process.wait_for("a poll", lambda: server.of("/feed"))
    path.write_text(path.read_text() + "  - {name: Second, any: [election]}\n")
    process.popen.send_signal(signal.SIGHUP)
    process.wait_for("the reload", process.said("configuration reloaded"))
    assert process.stop() == 0


def test_sigterm_ends_within_ten_seconds_with_polls_in_flight(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    urls = [server.script(f"/{number}", Answer(hang=True)) for number in range(5)]
    watch("".join(f"  - {url}\n" for url in urls))
    process = start("run")
    process.wait_for("polls in flight", lambda: len(server.requests) >= 5)
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in "\n".join(process.err)

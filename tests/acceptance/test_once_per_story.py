"""The example story alerts once, whatever its feed does to it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import both_stores
from tests.acceptance.process import Process, rss, run
from tests.feedserver import Answer, FeedServer

pytestmark = both_stores

STORY = {
    "title": "Russia sees 'no reason' to halt weapon support for Syria",
    "link": "http://news.example/world/russia-syria",
    "guid": "story-1",
    "description": (
        "A Russian official said today that his country will fulfill several existing arms deals "
        "with Syria. Opposition to foreign intervention is growing."
    ),
    "date": "Tue, 13 Mar 2012 12:00:00 GMT",
}
UNRELATED = [
    {"title": "Syria wins football friendly", "guid": "u1", "link": "http://news.example/u1"},
    {"title": "Arms deals signed with Norway", "guid": "u2", "link": "http://news.example/u2"},
]
MUTATIONS = {
    "new GUID": {"guid": "story-1-renumbered"},
    "tracking parameter": {"link": STORY["link"] + "?utm_source=rss&utm_medium=feed"},
    "https": {"link": STORY["link"].replace("http:", "https:")},
    "all three": {"guid": "n", "link": "https://news.example/world/russia-syria?utm_source=x"},
    "date bumped": {"date": "Wed, 14 Mar 2012 08:00:00 GMT"},
    "typo fixed": {"title": STORY["title"].replace("halt", "stop")},
    "fragment": {"link": STORY["link"] + "#comments", "guid": "x"},
}


def config(watch: Callable[..., Path], url: str) -> None:
    watch(f"  - {{url: '{url}', name: Wire, first_run: alert, every: 1s}}\n")


@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_changed_copy_does_not_alert_again(
    change: dict[str, str],
    server: FeedServer,
    watch: Callable[..., Path],
    tmp_path: Path,
) -> None:
    url = server.script(
        "/feed",
        Answer(rss("Wire", [STORY, *UNRELATED])),
        Answer(rss("Wire", [{**STORY, **change}, *UNRELATED])),
    )
    config(watch, url)
    code, out, err = run("once", cwd=tmp_path)
    assert code == 0, err
    assert len(out) == 1, (out, err)
    assert "Arms deals with Syria" in out[0]
    assert STORY["title"] in out[0]
    code, out, err = run("once", cwd=tmp_path)
    assert (code, out) == (0, []), err
    assert len(server.of("/feed")) == 2


def test_the_daemon_alerts_what_comes_while_it_runs_and_not_what_was_there(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    news = {
        **STORY,
        "title": "New arms deals with Syria signed",
        "guid": "2",
        "link": "http://n.example/2",
    }
    url = server.script(
        "/feed",
        Answer(rss("Wire", [STORY])),
        Answer(rss("Wire", [STORY])),
        Answer(rss("Wire", [news, STORY])),
    )
    watch(f"  - {{url: '{url}', name: Wire, every: 1s}}\n")
    process = start("run")
    process.wait_for("the alert", lambda: process.out)
    assert news["title"] in process.out[0]
    assert process.stop() == 0
    assert len(process.out) == 1, process.log
    assert any("Now watching 1 feed" in line for line in process.err), process.log


def test_identity_outlives_a_restart(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process]
) -> None:
    url = server.script("/feed", Answer(rss("Wire", [STORY])))
    config(watch, url)
    first = start("run")
    first.wait_for("the alert", lambda: first.out)
    assert first.stop() == 0
    seen = len(server.of("/feed"))
    second = start("run")
    second.wait_for("another poll", lambda: len(server.of("/feed")) > seen)
    assert second.stop() == 0
    assert second.out == []

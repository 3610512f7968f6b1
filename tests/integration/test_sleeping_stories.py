"""Entries of a first run sleep, and still count for the stories of what comes later."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from monitor.daemon.assembly import assembled
from monitor.daemon.daemon import Daemon
from monitor.pipeline import pipeline
from monitor.store.port import FoundEntry
from tests.acceptance.process import rss
from tests.feedserver import Answer, FeedServer

CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{console: true}}}}
network: {{allow: [127.0.0.0/8]}}
feeds:
  - {{url: "{base}/one", name: One Wire}}
  - {{url: "{base}/two", name: Two Wire}}
rules: [{{name: Blasts, any: [blast, explosion], when_story: {{sources: 2}}}}]
"""
LATELY = format_datetime(datetime.now(UTC) - timedelta(hours=2))
LONG_AGO = format_datetime(datetime.now(UTC) - timedelta(days=9))
BLAST = {
    "title": "Blast at chemical plant in Rotterdam kills nine",
    "description": "Nine people died in a blast at a chemical plant in Rotterdam, police said.",
    "date": LATELY,
    "guid": "1",
    "link": "http://one.example/1",
}
OLD_BLAST = {**BLAST, "date": LONG_AGO}
WEATHER = {
    "title": "Rain expected all week across the north",
    "description": "Forecasters expect rain.",
    "date": LATELY,
    "guid": "w",
    "link": "http://two.example/w",
}
EXPLOSION = {
    "title": "Nine dead in explosion at Rotterdam chemical plant",
    "description": "An explosion at a chemical plant in Rotterdam killed nine people on Monday.",
    "guid": "2",
    "link": "http://two.example/2",
}


@pytest.fixture(autouse=True)
def all_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "AWAKE", 0)


async def entries(daemon: Daemon) -> dict[str, FoundEntry]:
    found = await daemon._store.entries_since(datetime.now(UTC) - timedelta(hours=1))
    return {each.entry.entry.title: each for each in found}


async def watch(place: Path, first: dict[str, str], *, restart: bool) -> dict[str, FoundEntry]:
    """Baseline both feeds, then let the second report; returns the entries by their titles."""
    with FeedServer() as server:
        url = server.script("/one", Answer(rss("One", [first])))
        server.script(
            "/two", Answer(rss("Two", [WEATHER])), Answer(rss("Two", [WEATHER, EXPLOSION]))
        )
        path = place / "config.yaml"
        path.write_text(CONFIG.format(base=url.removesuffix("/one")))
        async with AsyncExitStack() as stack:
            daemon = await stack.enter_async_context(assembled(path, {}))
            await daemon.once(due_only=False)
            if restart:
                await stack.aclose()
                daemon = await stack.enter_async_context(assembled(path, {}))
            await daemon.once(due_only=False)
            return await entries(daemon)


@pytest.mark.parametrize("restart", [False, True])
def test_a_sleeper_counts_as_a_source(tmp_path: Path, restart: bool) -> None:
    found = asyncio.run(watch(tmp_path, BLAST, restart=restart))
    before, after = found[BLAST["title"]].entry, found[EXPLOSION["title"]].entry
    assert before.baseline
    assert (before.outcome, before.story_id) == ("baselined", after.story_id)
    assert after.outcome == "alert to news (default channel)"
    assert found[WEATHER["title"]].entry.story_id != after.story_id


def test_what_is_over_wakes_no_more(tmp_path: Path) -> None:
    found = asyncio.run(watch(tmp_path, OLD_BLAST, restart=False))
    before, after = found[BLAST["title"]].entry, found[EXPLOSION["title"]].entry
    assert before.story_id != after.story_id
    assert "sources" in after.outcome

"""The event loop comes round while much is decided, and nothing is decided too early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.daemon.assembly import assembled
from monitor.pipeline.pipeline import Pipeline
from monitor.rules.ruleset import RuleSet
from monitor.sources.parse import ParsePool
from monitor.values import Document
from tests.feedserver import Answer, FeedServer, rss

CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{console: true}}}}
network: {{allow: [127.0.0.0/8]}}
feeds: [{{url: "{url}", name: Wire, first_run: alert}}]
rules: [{{name: Fish, any: [zebrafish]}}]
"""
ENTRIES = 300


def before(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, happens: Callable[[], object]
) -> None:
    """Call ``happens`` before each call of a method."""
    method = getattr(kind, name)

    def called(self: object, *args: Any, **kwargs: Any) -> Any:
        happens()
        return method(self, *args, **kwargs)

    monkeypatch.setattr(kind, name, called)


def test_a_long_feed_does_not_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [(str(n), f"Item {n} of the {n * 7919 % 1000} long list") for n in range(ENTRIES)]
    turn = 0
    turns: list[int] = []
    before(monkeypatch, RuleSet, "match", lambda: turns.append(turn))

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def main() -> None:
        async with assembled(tmp_path / "config.yaml", {}) as daemon:
            counting = asyncio.create_task(count())
            await daemon.once(due_only=False)
            counting.cancel()

    with FeedServer() as server:
        url = server.script("/feed", Answer(rss(items)))
        (tmp_path / "config.yaml").write_text(CONFIG.format(url=url))
        asyncio.run(main())
    assert len(turns) == ENTRIES
    assert len(set(turns)) == ENTRIES


def test_nothing_is_decided_until_the_gazetteer_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first alert would wait for it in the loop."""
    built, entities, parse = threading.Event(), RuleSet.entities, ParsePool.parse
    matched: list[bool] = []

    def slow(self: RuleSet, document: Document) -> Any:
        if document.title == "":
            assert built.wait(20)
        return entities(self, document)

    async def main() -> None:
        parsed = asyncio.Event()

        async def noted(self: ParsePool, *args: Any, **kwargs: Any) -> Any:
            try:
                return await parse(self, *args, **kwargs)
            finally:
                parsed.set()

        monkeypatch.setattr(ParsePool, "parse", noted)
        async with assembled(tmp_path / "config.yaml", {}) as daemon:
            once = asyncio.create_task(daemon.once(due_only=False))
            await parsed.wait()
            await asyncio.sleep(0.3)
            assert matched == []
            built.set()
            await once
            assert matched == [True]

    monkeypatch.setattr(RuleSet, "entities", slow)
    before(monkeypatch, RuleSet, "match", lambda: matched.append(built.is_set()))
    with FeedServer() as server:
        url = server.script("/feed", Answer(rss([("1", "Zebrafish found in the upper lake")])))
        (tmp_path / "config.yaml").write_text(CONFIG.format(url=url))
        asyncio.run(main())


def test_ops_02_a_decision_that_hangs_feeds_no_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polls and deliveries come round for a while when nothing is decided any more."""
    hanging, release = asyncio.Event(), asyncio.Event()
    decide = Pipeline.commit

    async def hangs(self: Pipeline, batch: Any) -> Any:
        hanging.set()
        await release.wait()
        return await decide(self, batch)

    async def main() -> None:
        async with assembled(tmp_path / "config.yaml", {}) as daemon:
            first = daemon.progress.alive()
            assert daemon.progress.alive()[2] > first[2], "an idle watch is alive"
            running = asyncio.create_task(daemon.run())
            await hanging.wait()
            stuck = daemon.progress.alive()
            for place in range(2):
                while daemon.progress.alive()[place] <= stuck[place]:  # noqa: ASYNC110 - ticks, not events
                    await asyncio.sleep(0.05)
            assert daemon.progress.alive()[2] == stuck[2]
            release.set()
            while daemon.progress.alive()[2] == stuck[2]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
            daemon.stop()
            await running

    monkeypatch.setattr(Pipeline, "commit", hangs)
    with FeedServer() as server:
        url = server.script("/feed", Answer(rss([("1", "Zebrafish found in the upper lake")])))
        (tmp_path / "config.yaml").write_text(CONFIG.format(url=url))
        asyncio.run(main())

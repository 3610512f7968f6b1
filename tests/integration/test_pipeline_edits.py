"""Edited entries and known entries, through the pipeline with real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from monitor.daemon.assembly import assembled
from monitor.store.port import OutboxRow
from tests.acceptance.process import rss
from tests.feedserver import Answer, FeedServer

CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{console: true}}}}
network: {{allow: [127.0.0.0/8]}}
feeds: [{{url: "{url}", name: Wire, first_run: {first_run}}}]
rules: [{{name: Arms deals with Syria, any: [arms deals], entities: [Syria]}}]
"""
QUIET = {
    "title": "Ministry confirms contract with Damascus",
    "guid": "1",
    "link": "http://n.example/1",
    "description": "The ministry in Moscow gave no details of the contract on Monday.",
}
FIXED = {**QUIET, "description": "The ministry in Moscow gave no detail of the contract on Monday."}
NAMED = {**QUIET, "description": "It is one of several arms deals with Syria, the ministry said."}
MENDED = {**NAMED, "description": "It is one of several arms deals with Syria, a ministry said."}


async def cycles(
    place: Path, documents: list[list[Mapping[str, str]]], first_run: str = "alert"
) -> list[list[OutboxRow]]:
    """Poll a feed once for each document; returns the alerts queued by each poll."""
    out: list[list[OutboxRow]] = []
    with FeedServer() as server:
        url = server.script("/feed", *(Answer(rss("Wire", each)) for each in documents))
        path = place / "config.yaml"
        path.write_text(CONFIG.format(url=url, first_run=first_run))
        async with AsyncExitStack() as stack:
            daemon = await stack.enter_async_context(assembled(path, {}))
            known: set[str] = set()
            for _ in documents:
                await daemon.once(due_only=False)
                rows = await daemon._store.outbox_rows()
                alerts = [r for r in rows if r.kind in ("alert", "update") and r.id not in known]
                known.update(row.id for row in alerts)
                out.append(alerts)
    return out


CASES: dict[str, tuple[list[list[Mapping[str, str]]], str, list[int]]] = {
    "an edit that makes a rule hold alerts": ([[QUIET], [NAMED]], "alert", [0, 1]),
    "a mended typo is nothing": ([[NAMED], [MENDED], [NAMED]], "alert", [1, 0, 0]),
    "an edit without a rule is nothing": ([[QUIET], [FIXED]], "alert", [0, 0]),
    "a baselined entry that comes to match alerts": ([[QUIET], [NAMED]], "baseline", [0, 1]),
    "a baselined match stays silent when edited": ([[NAMED], [MENDED]], "baseline", [0, 0]),
}


@pytest.mark.parametrize(("documents", "first_run", "expected"), CASES.values(), ids=CASES.keys())
def test_edits(
    documents: list[list[Mapping[str, str]]],
    first_run: str,
    expected: list[int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = asyncio.run(cycles(tmp_path, documents, first_run))
    assert [len(rows) for rows in found] == expected


def test_known_entries_come_without_text_and_stay_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"title": "Harvest begins", "guid": "2", "link": "http://n.example/2"}
    third = {"title": "Rain in the north", "guid": "3", "link": "http://n.example/3"}
    documents: list[list[Mapping[str, str]]] = [[NAMED], [other, NAMED], [third, NAMED, other]]
    found = asyncio.run(cycles(tmp_path, documents))
    assert [len(rows) for rows in found] == [1, 0, 0]

"""The Atom feed holds whatever a feed may have brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from monitor.review.exports import ATOM, PAGE, atom_feed, match_rows
from monitor.store import open_store
from monitor.store.port import EntryMatch, PollCommit
from monitor.values import Entry, Match
from tests.contract.samples import NOW, entry, feed, tokenize

pytestmark = pytest.mark.anyio
HOSTILE = "<script>&amp; ]]> \x1b\ufffe\uffff \ud800 \u2028 é"


@pytest.fixture(name="anyio_backend")
def _backend() -> str:
    return "asyncio"


async def test_hostile_texts_and_one_entry_a_story(tmp_path: Path) -> None:
    store = await open_store(str(tmp_path), now=NOW, tokenize=tokenize)
    try:
        state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
        stored = tuple(
            entry(
                n,
                state.id,
                NOW + timedelta(seconds=n),
                entry=Entry(str(n), "https://x.invalid/?a=1&b=<2>", f"{n} {HOSTILE}", HOSTILE),
                story_id=f"S{n // 2}",
                published=None,
            )
            for n in range(6)
        )
        matches = tuple(EntryMatch(each.id, Match("R & <D>")) for each in stored)
        await store.commit_polls([PollCommit(state, stored, matches=matches)])
        at = datetime(2026, 2, 1, tzinfo=UTC)
        body = await atom_feed(store, "R & <D>", feeds={}, since=at, now=NOW)
        entries = etree.fromstring(body).findall(f"{{{ATOM}}}entry")
        titles = [each.findtext(f"{{{ATOM}}}title") or "" for each in entries]
        assert [title.split()[0] for title in titles] == ["4", "2", "0"]
        assert "<script>&amp; ]]>" in titles[0]
        assert len({each.findtext(f"{{{ATOM}}}id") for each in entries}) == 3
    finally:
        await store.close()


async def test_rows_come_page_by_page(tmp_path: Path) -> None:
    store = await open_store(str(tmp_path), now=NOW, tokenize=tokenize)
    try:
        state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
        count = 2 * PAGE + 1  # all at one moment: pages must still move on
        stored = tuple(entry(n, state.id) for n in range(count))
        matches = tuple(EntryMatch(each.id, Match("R")) for each in stored)
        await store.commit_polls([PollCommit(state, stored, matches=matches)])
        rows = [row["id"] async for row in match_rows(store, NOW - timedelta(days=1), ("R",))]
        assert rows == [each.id for each in stored]
    finally:
        await store.close()

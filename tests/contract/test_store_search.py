"""Store contract: search by phrases of our own tokens."""

from __future__ import annotations

import pytest

from monitor.store.port import PollCommit, Store
from monitor.values import Entry
from tests.contract.samples import DAY, MINUTE, NOW, entry, feed

pytestmark = pytest.mark.anyio

TEXTS = {
    1: ("Arms deals with Syria", "Moscow will honour existing deals", ""),
    2: ("Syria wins", "", "The arms of the winner; deals later"),
    3: ("Дамаск и Москва", "", "大統領 が訪問"),
    4: ("zq00 and naïve AND or NEAR the\N{COMBINING ACUTE ACCENT}", "", 'a* b^ "quoted" c:d'),
    5: ("x" * 40_000, "", "İstanbul ısı STRASSE"),
}


async def fill(store: Store) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    entries = tuple(
        entry(number, state.id, NOW + number * MINUTE, entry=Entry(None, None, *texts))
        for number, texts in TEXTS.items()
    )
    await store.commit_polls([PollCommit(state, entries)])


@pytest.mark.parametrize(
    ("phrases", "found"),
    [
        ([["arms", "deals"]], [1]),
        ([["deals", "arms"]], []),
        ([["arms"]], [2, 1]),
        ([["syria", "moscow"]], []),  # a phrase never crosses from title to summary
        ([["wins", "the"]], []),
        ([["arms", "deals"], ["syria", "wins"]], [2, 1]),
        ([["дамаск"]], [3]),
        ([["大統領"]], [3]),
        ([["zq00"]], [4]),
        ([["and"]], [4]),
        ([["and", "or", "near"]], [4]),
        ([["naïve"]], [4]),
        ([["naive"]], []),
        ([["x" * 40_000]], [5]),
        ([["x" * 39_999]], []),
        ([["ısı", "strasse"]], [5]),
        ([["isi"]], []),
        ([['"'], ["*"], ["'; drop table entries; --"]], []),
        ([[]], []),
        ([], []),
        ([["", "arms", ""]], [2, 1]),
    ],
)
async def test_phrases(store: Store, phrases: list[list[str]], found: list[int]) -> None:
    await fill(store)
    ids = [each.entry.id for each in await store.search(phrases, NOW - DAY)]
    assert ids == [f"E{number:06}" for number in found]


async def test_since_and_limit(store: Store) -> None:
    await fill(store)
    since = await store.search([["arms"]], NOW + 2 * MINUTE)
    assert [each.entry.id for each in since] == ["E000002"]
    limited = await store.search([["arms"]], NOW, limit=1)
    assert [each.entry.id for each in limited] == ["E000002"]


async def test_thousands_of_phrases(store: Store) -> None:
    await fill(store)
    phrases = [[f"word{number}", "x"] for number in range(3_000)] + [["moscow", "will"]]
    assert len(await store.search(phrases, NOW)) == 1

"""Store contract: entries by the words of their texts, and how many each day brought."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monitor.store.port import PollCommit, Store
from monitor.values import AllOf, AnyOf, Entry, Expression, Word, Wording
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


def has(*words: str) -> AllOf:
    return AllOf(tuple(Word(word) for word in words))


@pytest.mark.parametrize(
    ("wording", "found"),
    [
        (has("arms", "deals"), [2, 1]),
        (has("arms", "deals", "moscow"), [1]),
        (has("syria", "moscow"), [1]),
        (AnyOf((Word("moscow"), Word("wins"))), [2, 1]),
        (AllOf((AnyOf((Word("moscow"), Word("wins"))), Word("winner"))), [2]),
        (Word("дамаск"), [3]),
        (Word("大統領"), [3]),
        (Word("zq00"), [4]),
        (has("and", "or", "near"), [4]),
        (Word("naïve"), [4]),
        (Word("naive"), []),
        (Word("win", starts=True), [2]),
        (Word("дам", starts=True), [3]),
        (Word("zq", starts=True), [4]),
        (Word("x" * 40_000), [5]),
        (Word("x" * 39_999), []),
        (has("ısı", "strasse"), [5]),
        (Word("isi"), []),
        (AnyOf((Word('"'), Word("*"), Word("'; drop table entries; --"))), []),
        (Word(""), []),
        (AnyOf(()), []),
        (AllOf((AnyOf(()), Word("arms"))), []),
        (AllOf(()), [5, 4, 3, 2, 1]),
        (AnyOf((AllOf(()), Word("arms"))), [5, 4, 3, 2, 1]),
        (None, [5, 4, 3, 2, 1]),
        (Expression("(arms)"), [5, 4, 3, 2, 1]),  # the index can't tell
        (AllOf((Expression("(arms)"), Word("moscow"))), [1]),
    ],
)
async def test_wordings(store: Store, wording: Wording | None, found: list[int]) -> None:
    await fill(store)
    assert await ids(store, await store.numbers_since(NOW - DAY, wording)) == found


async def ids(store: Store, numbers: Sequence[int]) -> list[int]:
    return [int(each.entry.id[1:]) for each in await store.entries_numbered(numbers)]


async def test_since_and_limit(store: Store) -> None:
    await fill(store)
    arms = Word("arms")
    assert await ids(store, await store.numbers_since(NOW + 2 * MINUTE, arms)) == [2]
    assert await ids(store, await store.numbers_since(NOW, arms, limit=1)) == [2]
    assert await ids(store, await store.numbers_since(NOW + 4 * MINUTE)) == [5, 4]
    assert await store.numbers_since(NOW + DAY, arms) == []


async def test_numbers_that_are_gone_are_left_out(store: Store) -> None:
    await fill(store)
    numbers = list(await store.numbers_since(NOW))
    assert await ids(store, [999_999, *numbers[3:], numbers[0]]) == [2, 1, 5]
    assert await store.entries_numbered([]) == []
    texts = dict(await store.texts_numbered([999_999, *numbers[3:]]))
    assert texts == {numbers[3]: TEXTS[2], numbers[4]: TEXTS[1]}
    assert await store.texts_numbered([]) == []


async def test_thousands_of_words(store: Store) -> None:
    await fill(store)
    words = tuple(Word(f"word{number}") for number in range(3_000))
    assert len(await store.numbers_since(NOW, AnyOf((*words, Word("moscow"))))) == 1


async def test_days_are_counted_by_kind(store: Store) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    entries = (
        entry(1, state.id, NOW),
        entry(2, state.id, NOW, story_kind="duplicate"),
        entry(3, state.id, NOW, baseline=True),
        entry(4, state.id, NOW + DAY, story_kind="duplicate"),
        entry(5, state.id, NOW + DAY, story_kind="duplicate"),
    )
    await store.commit_polls([PollCommit(state, entries)])
    found = await store.days(NOW - DAY)
    assert [(each.day, dict(each.kinds), each.entries) for each in found] == [
        (NOW.date(), {"new": 1, "duplicate": 1}, 2),
        ((NOW + DAY).date(), {"duplicate": 2}, 2),
    ]
    assert len(await store.days(NOW + MINUTE)) == 1

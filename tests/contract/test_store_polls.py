"""Store contract: a poll is stored whole, and what it stored is read back as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor import failpoints
from monitor.failpoints import FailpointReached
from monitor.store.port import EntryMatch, FeedState, PollCommit, SeenKey, Store
from monitor.values import Entry
from tests.contract.samples import (
    DAY,
    MINUTE,
    NOW,
    entry,
    feed,
    full_entry,
    key,
    match,
    outbox,
    poll,
    story,
    with_words,
)

pytestmark = pytest.mark.anyio


async def one_feed(store: Store) -> FeedState:
    return (await store.sync_feeds([feed("a")], NOW))[feed("a").key]


async def test_an_entry_comes_back_as_it_was(store: Store) -> None:
    state = await one_feed(store)
    stored = full_entry(state.id)
    matches = (EntryMatch(stored.id, match("Zeta")), EntryMatch(stored.id, match("Alpha")))
    await store.commit_polls([PollCommit(state, (stored,), matches=matches)])
    (found,) = await store.entries_since(NOW)
    assert found.entry == stored
    assert (found.feed_key, found.rules) == (feed("a").key, ("Alpha", "Zeta"))
    assert await store.matches_of(stored.id) == [match("Alpha"), match("Zeta")]
    assert await store.matches_of("none") == []


async def test_text_that_no_database_takes_is_mended_not_refused(store: Store) -> None:
    state = await one_feed(store)
    bad = Entry("\udcff\0", "https://example.org/\udcff", "a\0b\ud800c", "\udfff", "\0")
    await store.commit_polls([PollCommit(state, (entry(1, state.id, entry=bad),))])
    (found,) = await store.entries_since(NOW)
    assert found.entry.entry.title == "a\ufffdb\ufffdc"
    assert await with_words(store, ["b\ufffdc"], NOW) == []


async def test_entries_are_listed_oldest_first(store: Store) -> None:
    state = await one_feed(store)
    for number, minutes in ((1, 3), (2, 1), (3, 2)):
        at = NOW + minutes * MINUTE
        await store.commit_polls([PollCommit(state, (entry(number, state.id, at),))])
    found = await store.entries_since(NOW + 2 * MINUTE)
    assert [each.entry.id for each in found] == ["E000003", "E000001"]
    assert [each.entry.id for each in await store.entries_since(NOW, limit=1)] == ["E000002"]


async def test_matched_entries_page_by_page(store: Store) -> None:
    state = await one_feed(store)
    stored = tuple(entry(n, state.id, NOW + (n // 3) * MINUTE) for n in range(9))
    rules = {0: ["A"], 1: ["B"], 2: ["A", "B"], 4: ["A"], 5: ["A"], 8: ["B"]}
    matches = tuple(
        EntryMatch(f"E{n:06}", match(rule)) for n, names in rules.items() for rule in names
    )
    await store.commit_polls([PollCommit(state, stored, matches=matches)])

    async def numbers(*given: object, **more: object) -> list[int]:
        found = await store.matched_entries(*given, **more)  # type: ignore[arg-type]
        return [int(each.entry.id[1:]) for each in found]

    assert await numbers(NOW) == [0, 1, 2, 4, 5, 8]
    assert await numbers(NOW, ("A",)) == [0, 2, 4, 5]
    assert await numbers(NOW, ("A", "B", "C"), limit=2) == [0, 1]
    assert await numbers(NOW, limit=2, after="E000001") == [2, 4]
    assert await numbers(NOW + MINUTE, after="E000005") == [8]
    assert await numbers(NOW, ("A",), newest=True, limit=3) == [5, 4, 2]
    assert await numbers(NOW + 3 * MINUTE) == []


async def test_seen_keys_belong_to_their_feed(store: Store) -> None:
    states = await store.sync_feeds([feed("a"), feed("b")], NOW)
    a, b = states[feed("a").key], states[feed("b").key]
    keys = tuple(SeenKey("url", key(number), f"E{number}") for number in range(2_500))
    await store.commit_polls([PollCommit(a, seen=keys)])
    asked = [key(number) for number in range(2_400, 2_600)]
    found = await store.seen(a.id, asked)
    assert found == {each.key: each for each in keys[2_400:]}
    assert len(await store.seen(a.id, [key(number) for number in range(5_000)])) == 2_500
    assert await store.seen(b.id, asked) == {}
    assert await store.seen(a.id, []) == {}


async def test_a_key_given_to_another_entry_points_there(store: Store) -> None:
    state = await one_feed(store)
    for owner in ("first", "second"):
        await store.commit_polls([PollCommit(state, seen=(SeenKey("title", key(1), owner),))])
    assert (await store.seen(state.id, [key(1)]))[key(1)].entry_id == "second"


async def test_stories_are_replaced_and_listed_oldest_first(store: Store) -> None:
    state = await one_feed(store)
    await store.commit_polls([PollCommit(state, stories=(story(1), story(2, NOW - MINUTE)))])
    newer = replace(story(2, NOW + MINUTE), blob=b"")
    await store.commit_polls([PollCommit(state, stories=(newer,))])
    assert await store.stories_since(NOW) == [story(1), newer]
    assert await store.stories_since(NOW + 2 * MINUTE) == []


async def test_entries_of_a_story_come_from_all_feeds(store: Store) -> None:
    states = await store.sync_feeds([feed("a"), feed("b")], NOW)
    for number, name in ((1, "a"), (2, "b"), (3, "b")):
        state = states[feed(name).key]
        stored = entry(number, state.id, NOW + number * MINUTE, story_id="S" if number < 3 else "T")
        await store.commit_polls([PollCommit(state, (stored,))])
    found = await store.entries_of_story("S")
    assert [(each.entry.id, each.feed_key) for each in found] == [
        ("E000001", feed("a").key),
        ("E000002", feed("b").key),
    ]
    assert await store.entries_of_story("none") == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("E000001", True),
        ("https://example.org/1", True),
        ("http://example.org/1", True),
        ("https://www.example.org/1/", True),
        ("https://example.org/1#top", True),
        ("https://example.org/12", False),
        ("Number 1", False),
        ("", False),
        ("http://[bad", False),
    ],
)
async def test_an_entry_is_found_by_id_or_url(store: Store, asked: str, found: bool) -> None:
    state = await one_feed(store)
    await store.commit_polls([poll(state, 1)])
    assert bool(await store.find_entries(asked)) is found


async def test_found_entries_are_the_newest(store: Store) -> None:
    state = await one_feed(store)
    same = Entry(None, "https://example.org/live", "Live")
    for number in range(5):
        stored = entry(number, state.id, NOW + number * MINUTE, entry=same)
        await store.commit_polls([PollCommit(state, (stored,))])
    found = await store.find_entries("https://example.org/live", limit=2)
    assert [each.entry.id for each in found] == ["E000004", "E000003"]


async def test_an_entry_stored_again_is_replaced_and_searched_by_its_new_text(store: Store) -> None:
    state = await one_feed(store)
    await store.commit_polls([poll(state, 1)])
    new = entry(1, state.id, entry=Entry("x", None, "Wholly other words"))
    await store.commit_polls([PollCommit(state, (new,))])
    assert [each.entry for each in await store.entries_since(NOW)] == [new]
    assert await with_words(store, ["number", "1"], NOW) == []
    assert len(await with_words(store, ["wholly", "other"], NOW)) == 1


async def test_named_values(store: Store) -> None:
    state = await one_feed(store)
    assert await store.blob("stories/df") is None
    await store.commit_polls([PollCommit(state, blobs=(("stories/df", b"\0\1"),))])
    await store.put_blobs({"b": b"", "c": b"3"})
    assert await store.blob("stories/df") == b"\0\1"
    await store.put_blobs({"b": None, "stories/df": b"2", "none": None})
    assert [await store.blob(name) for name in ("stories/df", "b", "c")] == [b"2", None, b"3"]


def _broken_payload(commit: PollCommit) -> PollCommit:
    """A row that the database refuses only when everything before it is written."""
    return replace(commit, outbox=(*commit.outbox, outbox(99, payload=None)))


def _failpoint(commit: PollCommit) -> PollCommit:
    failpoints.configure("in_txn=raise:2")
    return commit


@pytest.mark.parametrize("spoil", [_broken_payload, _failpoint])
async def test_a_batch_is_stored_whole_or_not_at_all(
    store: Store, spoil: Callable[[PollCommit], PollCommit]
) -> None:
    states = await store.sync_feeds([feed("a"), feed("b")], NOW)
    batch = [poll(states[feed("a").key], 1, 2), spoil(poll(states[feed("b").key], 3))]
    try:
        with pytest.raises((FailpointReached, AttributeError)):
            await store.commit_polls(batch)
    finally:
        failpoints.configure(None)
    assert await store.feed_states() == states
    assert await store.entries_since(NOW - DAY) == []
    assert await store.stories_since(NOW - DAY) == []
    assert await store.outbox_rows() == []
    assert await with_words(store, ["number"], NOW) == []
    for state in states.values():
        assert await store.seen(state.id, [key(number) for number in range(5)]) == {}
    await store.commit_polls(batch[:1])
    assert len(await store.entries_since(NOW)) == 2


async def test_commits_at_the_same_time_are_all_stored_and_one_failure_is_its_own(
    store: Store,
) -> None:
    states = await store.sync_feeds([feed(str(number)) for number in range(40)], NOW)
    commits = [[poll(state, number)] for number, state in enumerate(states.values())]
    commits[7] = [_broken_payload(commits[7][0])]
    outcomes = await asyncio.gather(
        *(store.commit_polls(commit) for commit in commits), return_exceptions=True
    )
    assert [number for number, each in enumerate(outcomes) if each is not None] == [7]
    found = {each.entry.id for each in await store.entries_since(NOW)}
    assert found == {f"E{number:06}" for number in range(40) if number != 7}
    assert len(await store.outbox_rows()) == 39


async def test_the_last_entries_of_first_runs_are_given_with_their_beginnings(
    store: Store,
) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    long = "word " * 200
    entries = (
        entry(1, state.id, NOW - DAY, baseline=True),
        entry(2, state.id, NOW, baseline=True, entry=Entry(None, None, "Short", "Lead.", long)),
        entry(3, state.id, NOW + MINUTE),
        entry(4, state.id, NOW + 2 * MINUTE, baseline=True, entry=Entry(None, None, "L", long)),
    )
    await store.commit_polls([PollCommit(state, entries)])
    found = await store.baselined(NOW, 10)
    assert [(each.id, each.title) for each in found] == [("E000002", "Short"), ("E000004", "L")]
    assert [each.text for each in found] == [f"Lead.\n{long[:400]}", long[:400]]
    assert found[0].first_seen == NOW
    assert [each.id for each in await store.baselined(NOW - DAY, 2)] == ["E000002", "E000004"]

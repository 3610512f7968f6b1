"""Store contract: which feeds are polled, and what is known of each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from monitor.store.port import FeedState, Store, Validators
from monitor.store.rows import shard_of
from tests.contract.samples import DAY, MINUTE, NOW, feed, key, poll

pytestmark = pytest.mark.anyio


async def test_a_new_feed_is_due_at_once_and_known_as_new(store: Store) -> None:
    states = await store.sync_feeds([feed("a"), feed("b")], NOW)
    assert list(states) == [feed("a").key, feed("b").key]
    state = states[feed("a").key]
    assert (state.added_at, state.next_at, state.baselined_at) == (NOW, NOW, None)
    assert state.last_status == "not polled yet"
    assert await store.feed_states() == states
    assert await store.next_due() == NOW


async def test_nothing_is_due_in_an_empty_store(store: Store) -> None:
    assert await store.sync_feeds([], NOW) == {}
    assert await store.due(NOW, 10, NOW) == []
    assert await store.due_shards(NOW) == []
    assert await store.next_due() is None


async def test_syncing_again_keeps_what_is_known(store: Store) -> None:
    await store.sync_feeds([feed("a")], NOW)
    before = await store.feed_states()
    after = await store.sync_feeds([feed("a"), feed("b")], NOW + DAY)
    assert after[feed("a").key] == before[feed("a").key]
    assert after[feed("b").key].added_at == NOW + DAY


async def test_a_feed_taken_out_is_never_due_and_comes_back_with_its_memory(store: Store) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    await store.commit_polls([poll(replace(state, baselined_at=NOW), 1)])
    assert await store.sync_feeds([], NOW + MINUTE) == {}
    assert await store.due(NOW + DAY, 10, NOW + DAY) == []
    assert await store.due_shards(NOW + DAY) == []
    again = (await store.sync_feeds([feed("a")], NOW + DAY))[feed("a").key]
    assert (again.id, again.baselined_at) == (state.id, NOW)
    assert set(await store.seen(again.id, [key(1)])) == {key(1)}


async def test_a_poll_that_ends_after_its_feed_was_taken_out_does_not_bring_it_back(
    store: Store,
) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    await store.sync_feeds([], NOW)
    await store.commit_polls([poll(state, 1)])
    assert await store.feed_states() == {}
    assert await store.due(NOW + DAY, 10, NOW + DAY) == []


async def test_every_part_of_a_state_is_kept(store: Store) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    changed = replace(
        state,
        next_at=NOW + MINUTE,
        baselined_at=NOW,
        validators=Validators('W/"é\\""', "Tue, 01 Jan 2019 00:00:00 GMT", b"\0" * 32),
        last_poll_at=NOW,
        last_ok_at=NOW - MINUTE,
        last_new_at=NOW - DAY,
        last_status="ok: 30 entries, 2 new",
        failures=3,
        entries_seen=2**40,
        moved_to="https://example.org/new",
        disabled_reason="410 Gone",
        title="Théâtre",
        extra={"rate": 0.25, "redirects": [1, None, "x"]},
    )
    await store.update_feed(changed)
    assert (await store.feed_states())[feed("a").key] == changed
    await store.update_feed(state)
    assert (await store.feed_states())[feed("a").key] == replace(state, baselined_at=NOW)


async def test_a_feed_is_baselined_once(store: Store) -> None:
    """Two polls began before the first of them was stored: the second comes with an old state."""
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    await store.commit_polls([poll(replace(state, baselined_at=NOW), 1)])
    await store.commit_polls([poll(state, 2)])
    assert (await store.feed_states())[feed("a").key].baselined_at == NOW
    await store.commit_polls([poll(replace(state, baselined_at=NOW + DAY), 3)])
    assert (await store.feed_states())[feed("a").key].baselined_at == NOW


async def test_a_claim_takes_the_longest_overdue_first_and_moves_them(store: Store) -> None:
    states = await store.sync_feeds([feed(name) for name in "abcd"], NOW)
    for minutes, name in ((3, "a"), (1, "b"), (2, "c"), (-1, "d")):
        at = NOW - minutes * MINUTE
        await store.update_feed(replace(states[feed(name).key], next_at=at))
    first = await store.due(NOW, 2, NOW + MINUTE)
    assert [state.key for state in first] == [feed("a").key, feed("c").key]
    assert first[0].next_at == NOW - 3 * MINUTE
    second = await store.due(NOW, 2, NOW + MINUTE)
    assert [state.key for state in second] == [feed("b").key]
    assert await store.due(NOW, 2, NOW + MINUTE) == []
    retried = await store.due(NOW + MINUTE, 10, NOW + DAY)
    assert {state.key for state in retried} == {feed(name).key for name in "abcd"}


async def test_no_feed_is_claimed_twice_by_claims_at_the_same_time(store: Store) -> None:
    await store.sync_feeds([feed(str(number)) for number in range(60)], NOW)
    claims = await asyncio.gather(*(store.due(NOW, 7, NOW + DAY) for _ in range(12)))
    keys = [state.key for claim in claims for state in claim]
    assert len(keys) == len(set(keys)) == 60


async def test_a_shard_holds_all_feeds_of_a_host(store: Store) -> None:
    feeds = [feed(name, f"h{host}.example") for host in range(20) for name in "ab"]
    await store.sync_feeds(feeds, NOW)
    shards = await store.due_shards(NOW)
    assert sorted(shards) == sorted({shard_of(each) for each in feeds})
    claimed: list[FeedState] = []
    for shard in shards:
        states = await store.due(NOW, 100, NOW + DAY, shard)
        assert {state.key for state in states} == {
            each.key for each in feeds if shard_of(each) == shard
        }
        claimed += states
    assert len(claimed) == 40
    assert await store.due_shards(NOW) == []
    assert sorted(await store.due_shards(NOW + DAY)) == sorted(shards)


async def test_a_feed_is_made_due(store: Store) -> None:
    state = (await store.sync_feeds([feed("a")], NOW))[feed("a").key]
    await store.update_feed(replace(state, next_at=NOW + DAY, failures=2))
    assert await store.make_due(state.key, NOW + MINUTE)
    assert await store.make_due(state.key, NOW + 2 * MINUTE)  # it was due sooner: that stays
    assert not await store.make_due("https://nowhere.example/", NOW)
    found = (await store.feed_states())[state.key]
    assert (found.next_at, found.failures) == (NOW + MINUTE, 2)
    await store.sync_feeds([], NOW)
    assert not await store.make_due(state.key, NOW)


async def test_states_of_feeds_polled_since(store: Store) -> None:
    states = await store.sync_feeds([feed("a"), feed("b"), feed("c")], NOW)
    await store.update_feed(replace(states[feed("a").key], last_poll_at=NOW))
    await store.update_feed(replace(states[feed("b").key], last_poll_at=NOW - MINUTE))
    assert list(await store.feed_states(NOW)) == [feed("a").key]
    assert list(await store.feed_states(NOW - DAY)) == [feed("a").key, feed("b").key]
    assert len(await store.feed_states()) == 3

"""Store contract: what is removed when, and what never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.store.port import PollCommit, Retention, Store
from monitor.values import Entry
from tests.contract.samples import DAY, NOW, entry, feed, key, outbox, poll, story, with_words

pytestmark = pytest.mark.anyio

KEEP = Retention(stories=30 * DAY, alerts=365 * DAY, seen=180 * DAY, max_bytes=10**9)


async def test_old_entries_go_with_all_that_hangs_on_them(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1, 2)])
    await store.commit_polls([poll(state, 3, at=NOW + 20 * DAY)])
    pruned = await store.prune(NOW + 31 * DAY, KEEP)
    assert (pruned.entries, pruned.seen) == (2, 0)
    assert [each.entry.id for each in await store.entries_since(NOW)] == ["E000003"]
    assert await store.matches_of("E000001") == []
    assert await with_words(store, ["number"], NOW) == ["E000003"]
    assert await store.check() == []


async def test_a_story_that_owes_a_message_stays(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([PollCommit(state, stories=(story(1), story(2)))])
    await store.enqueue([outbox(1, state="unknown"), outbox(2, state="sent")])
    assert (await store.prune(NOW + 31 * DAY, KEEP)).stories == 1
    assert [row.story.id for row in await store.stories_since(NOW - DAY)] == ["S000001"]


async def test_only_settled_messages_go(store: Store) -> None:
    states = ("queued", "held", "sending", "sent", "unknown", "dead")
    rows = [outbox(number, state=state) for number, state in enumerate(states)]
    recent = outbox(9, state="sent", last_try=NOW + 300 * DAY)
    await store.enqueue([*rows, recent])
    assert (await store.prune(NOW + 366 * DAY, KEEP)).outbox == 2
    left = {row.id: row.state for row in await store.outbox_rows()}
    assert left.pop("O000009") == "sent"
    assert sorted(left.values()) == ["held", "queued", "sending", "unknown"]


async def test_a_key_is_kept_as_long_as_it_is_in_the_feed_and_half_a_year_more(
    store: Store,
) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1, 2)])
    later = replace(state, last_poll_at=NOW + 100 * DAY)
    await store.commit_polls([PollCommit(later, touched=(key(2),))])
    for day, left in ((179, {1, 2}), (182, {2}), (279, {2})):
        await store.prune(NOW + day * DAY, KEEP)
        found = await store.seen(state.id, [key(1), key(2)])
        assert set(found) == {key(number) for number in left}, day


async def test_a_key_that_may_be_in_the_feed_still_is_kept(store: Store) -> None:
    """The store is told of it only every 30 days: what is not older than the last reading by more
    may be in the feed, whatever came with that reading."""
    keep = replace(KEEP, refreshed=30 * DAY)
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1)])
    read = replace(state, last_poll_at=NOW + 30 * DAY)
    await store.commit_polls([PollCommit(read, touched=(key(2),), seen=poll(state, 2).seen)])
    assert (await store.prune(NOW + 1000 * DAY, keep)).seen == 0
    later = replace(state, last_poll_at=NOW + 31 * DAY)
    await store.commit_polls([PollCommit(later, seen=poll(state, 3).seen)])
    assert (await store.prune(NOW + 181 * DAY, keep)).seen == 1
    assert set(await store.seen(state.id, [key(n) for n in (1, 2, 3)])) == {key(2), key(3)}


async def test_keys_of_a_feed_that_has_not_changed_for_years_stay(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1)])
    for day in range(100, 1000, 100):  # 304: polled well, nothing parsed
        at = NOW + day * DAY
        await store.commit_polls([PollCommit(replace(state, last_poll_at=at, last_ok_at=at))])
        assert (await store.prune(at, KEEP)).seen == 0
    assert set(await store.seen(state.id, [key(1)])) == {key(1)}


async def test_a_feed_taken_out_for_half_a_year_is_forgotten(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(replace(state, baselined_at=NOW), 1)])
    await store.sync_feeds([], NOW + DAY)
    await store.prune(NOW + 179 * DAY, KEEP)
    assert set(await store.seen(state.id, [key(1)])) == {key(1)}
    assert (await store.prune(NOW + 182 * DAY, KEEP)).seen == 1
    again = (await store.sync_feeds([feed()], NOW + 183 * DAY))[feed().key]
    assert again.baselined_at is None  # so that it baselines, and doesn't flood
    assert again.added_at == NOW + 183 * DAY


async def test_the_bound_on_size_takes_the_oldest_entries_and_nothing_else(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    for start in range(0, 3_000, 500):
        entries = tuple(
            entry(
                number,
                state.id,
                NOW + timedelta(seconds=number),
                entry=Entry(None, None, f"Number {number}", f"w{number} filler " * 60),
            )
            for number in range(start, start + 500)
        )
        commit = poll(state, *range(start, start + 500))
        await store.commit_polls([replace(commit, entries=entries, outbox=(), stories=())])
    await store.enqueue([outbox(1)])
    full = (await store.prune(NOW, KEEP)).bytes_after
    pruned = await store.prune(NOW, replace(KEEP, max_bytes=full // 2))
    left = [each.entry.id for each in await store.entries_since(NOW)]
    assert 0 < len(left) < 3_000
    assert pruned.entries == 3_000 - len(left)
    assert left == [f"E{number:06}" for number in range(3_000 - len(left), 3_000)]
    assert pruned.bytes_after <= full // 2
    assert len(await store.seen(state.id, [key(number) for number in range(3_000)])) == 3_000
    assert await store.outbox_counts() == {"queued": 1}
    assert await with_words(store, ["w2999"], NOW) == ["E002999"]
    assert await with_words(store, ["w1"], NOW) == []
    assert await store.check() == []


async def test_a_bound_that_nothing_can_meet_ends(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(state, 1)])
    assert (await store.prune(NOW, replace(KEEP, max_bytes=1))).entries == 1

"""Store contract: what is owed to the channels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.errors import StateError
from monitor.store.port import PollCommit, Store
from monitor.values import Receipt
from tests.contract.samples import DAY, MINUTE, NOW, feed, outbox

pytestmark = pytest.mark.anyio


def ids(rows: object) -> list[str]:
    return [row.id for row in rows]  # type: ignore[attr-defined]


async def test_a_row_comes_back_as_it_was(store: Store) -> None:
    row = outbox(
        1,
        state="unknown",
        attempts=3,
        first_try=NOW - MINUTE,
        last_try=NOW,
        looks=2,
        receipt=Receipt("1700000000.000100", "C123"),
        error="timeout: é",
        not_before=NOW + DAY,
        severity=4,
        revision=7,
        kind="escalation",
    )
    assert await store.enqueue([row]) == 1
    assert await store.outbox_rows() == [row]


async def test_a_logical_double_is_left_as_it_was(store: Store) -> None:
    first = outbox(1)
    doubles = [
        replace(first, payload="other"),
        replace(first, id="O-other", payload="other"),
    ]
    others = [
        replace(first, id="OA", revision=1),
        replace(first, id="OB", channel="ops"),
        replace(first, id="OC", kind="update"),
    ]
    assert await store.enqueue([first]) == 1
    assert await store.enqueue([*doubles, *others, others[0]]) == 3
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([PollCommit(state, outbox=tuple(doubles))])
    assert await store.outbox_rows(story_id=first.story_id) == [first, *others]


async def test_due_rows_come_by_severity_then_age(store: Store) -> None:
    rows = [
        outbox(1, NOW - MINUTE),
        outbox(2, NOW - 2 * MINUTE),
        outbox(3, NOW, severity=4),
        outbox(4, NOW, not_before=NOW + MINUTE),
        outbox(5, NOW - DAY, state="held"),
        outbox(6, NOW - DAY, channel="ops"),
    ]
    await store.enqueue(rows)
    due = await store.outbox_due(NOW, 10)
    assert ids(due) == ["O000003", "O000006", "O000002", "O000001"]
    assert ids(await store.outbox_due(NOW, 1)) == ["O000003"]
    assert ids(await store.outbox_due(NOW, 10, ["ops"])) == ["O000006"]
    assert ids(await store.outbox_due(NOW, 10, [])) == []
    assert await store.outbox_next() == NOW - DAY


async def test_rows_are_chosen_by_state_channel_and_story(store: Store) -> None:
    await store.enqueue(
        [
            outbox(1, NOW + MINUTE),
            outbox(2, NOW, state="sent"),
            outbox(3, NOW, channel="ops", story_id="S000001"),
        ]
    )
    assert ids(await store.outbox_rows()) == ["O000002", "O000003", "O000001"]
    assert ids(await store.outbox_rows(["queued"])) == ["O000003", "O000001"]
    assert ids(await store.outbox_rows([])) == []
    assert ids(await store.outbox_rows(["sent", "dead"])) == ["O000002"]
    assert ids(await store.outbox_rows(channel="ops")) == ["O000003"]
    assert ids(await store.outbox_rows(story_id="S000001", channel="news")) == ["O000001"]
    assert ids(await store.outbox_rows(limit=1)) == ["O000002"]
    assert ids(await store.outbox_rows(newest=True, limit=2)) == ["O000003", "O000002"]
    assert ids(await store.outbox_rows(since=NOW + MINUTE)) == ["O000001"]
    assert ids(await store.outbox_rows(["sent"], since=NOW)) == ["O000002"]
    assert await store.outbox_counts() == {"queued": 2, "sent": 1}


async def test_new_versions_replace_rows(store: Store) -> None:
    row = outbox(1)
    await store.enqueue([row, outbox(2)])
    sent = replace(row, state="sent", attempts=1, last_try=NOW, receipt=Receipt("1.2", "C1"))
    await store.outbox_put([sent])
    assert await store.outbox_rows(["sent"]) == [sent]
    assert ids(await store.outbox_due(NOW, 10)) == ["O000002"]


async def test_a_version_of_a_dropped_row_is_refused_with_its_whole_batch(store: Store) -> None:
    await store.enqueue([outbox(1)])
    batch = [outbox(1, state="sending"), outbox(2, state="sending")]
    with pytest.raises(StateError, match="O000002"):
        await store.outbox_put(batch)
    assert await store.outbox_counts() == {"queued": 1}


async def test_rows_are_dropped_on_request_but_not_what_was_sent(store: Store) -> None:
    states = ("queued", "held", "sending", "sent", "unknown", "dead")
    await store.enqueue([outbox(number, state=state) for number, state in enumerate(states)])
    assert await store.outbox_forget([f"O{number:06}" for number in range(10)]) == 4
    assert await store.outbox_counts() == {"sending": 1, "sent": 1}


async def test_what_was_left_in_flight_is_found_by_channel(store: Store) -> None:
    rows = [outbox(1, state="sending"), outbox(2), outbox(3, state="sending", channel="ops")]
    await store.enqueue(rows)
    assert ids(await store.outbox_stranded(["ops"])) == ["O000003"]
    assert ids(await store.outbox_stranded(["nowhere"])) == []
    found = await store.outbox_stranded(["news", "ops"])
    assert sorted(ids(found)) == ["O000001", "O000003"]


async def test_a_poll_withdraws_what_no_channel_was_given(store: Store) -> None:
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.enqueue([outbox(1), outbox(2, state="sending"), outbox(3, state="held")])
    forget = ("O000001", "O000002", "O000003")
    # The same story and revision may be queued anew in the same commit.
    fresh = replace(outbox(1), id="O-new")
    await store.commit_polls([PollCommit(state, outbox=(fresh,), forget=forget)])
    assert sorted(ids(await store.outbox_rows())) == ["O-new", "O000002"]


async def test_a_poll_takes_back_what_an_earlier_one_of_its_batch_wanted_to_tell(
    store: Store,
) -> None:
    states = await store.sync_feeds([feed("a"), feed("b")], NOW)
    first, second = states[feed("a").key], states[feed("b").key]
    instead = replace(outbox(1), id="O-instead")
    await store.commit_polls(
        [
            PollCommit(first, outbox=(outbox(1, state="held"), outbox(2))),
            PollCommit(second, outbox=(instead,), forget=("O000001",)),
        ]
    )
    assert sorted(ids(await store.outbox_rows())) == ["O-instead", "O000002"]


async def test_an_empty_outbox(store: Store) -> None:
    assert await store.outbox_next() is None
    assert await store.outbox_due(NOW, 10) == []
    assert await store.outbox_counts() == {}
    assert await store.enqueue([]) == 0
    await store.outbox_put([])


async def test_rows_since_a_time(store: Store) -> None:
    rows = [outbox(1, NOW - DAY), outbox(2, NOW), outbox(3, NOW + MINUTE, state="sent")]
    await store.enqueue(rows)
    assert await store.outbox_rows(since=NOW) == rows[1:]
    assert await store.outbox_rows(["sent"], since=NOW - DAY) == rows[2:]

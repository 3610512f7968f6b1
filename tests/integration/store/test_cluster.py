"""Several workers on one database: what one holds, another doesn't take."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from monitor.errors import StateError
from monitor.store.port import OutboxRow, PollCommit
from monitor.store.postgres import Patience, PgStore, StaleConfiguration, cluster, open_postgres
from monitor.values import Receipt
from tests.contract.samples import DAY, NOW, entry, feed, outbox, poll, tokenize
from tests.integration.store.proxy import Proxy

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def stores(
    url: str, count: int = 2, patience: Patience | None = None
) -> AsyncIterator[list[PgStore]]:
    opened = [await open_postgres(url, tokenize=tokenize, patience=patience) for _ in range(count)]
    try:
        yield opened
    finally:
        for store in opened:
            await store.close()


def sending(row: OutboxRow) -> OutboxRow:
    return replace(row, state="sending", attempts=row.attempts + 1, last_try=NOW)


def sent(row: OutboxRow) -> OutboxRow:
    return replace(row, state="sent", receipt=Receipt("1.2", "C1"))


# Messages being sent ------------------------------------------------------------------------------


async def test_a_message_being_sent_is_nobody_elses(database: str) -> None:
    async with stores(database) as (one, other):
        row = outbox(1)
        await one.enqueue([row, outbox(2)])
        await one.outbox_put([sending(row)])
        with pytest.raises(StateError, match="O000001"):
            await other.outbox_put([sending(row)])
        with pytest.raises(StateError, match="O000001"):
            await other.outbox_put([replace(row, state="unknown")])
        assert await other.outbox_stranded() == []
        # A batch that clashes in one row takes none of the others.
        with pytest.raises(StateError):
            await other.outbox_put([sending(outbox(2)), sending(row)])
        await one.outbox_put([sending(outbox(2))])
        await one.outbox_put([sent(sending(row))])
        with pytest.raises(StateError, match="O000001"):
            await other.outbox_put([sending(row)])
        assert await one.outbox_counts() == {"sending": 1, "sent": 1}


async def test_of_many_that_want_a_message_one_gets_it(database: str) -> None:
    async with stores(database, 4) as all_stores:
        rows = [outbox(number) for number in range(30)]
        await all_stores[0].enqueue(rows)

        async def take(store: PgStore, row: OutboxRow) -> bool:
            try:
                await store.outbox_put([sending(row)])
            except StateError:
                return False
            return True

        for row in rows:
            got = await asyncio.gather(*(take(store, row) for store in all_stores))
            assert sum(got) == 1


async def test_who_stood_still_after_reading_a_message_does_not_send_it(database: str) -> None:
    """Meanwhile another has sent it, or tried to and can't tell."""
    async with stores(database) as (stopped, other):
        rows = [outbox(number) for number in range(3)]
        await stopped.enqueue(rows)
        read = await stopped.outbox_due(NOW + DAY, 10)
        assert len(read) == 3
        tried = [sending(row) for row in rows]
        await other.outbox_put(tried)
        queued_again = replace(tried[2], state="queued", looks=3)
        await other.outbox_put([sent(tried[0]), replace(tried[1], state="unknown"), queued_again])
        for row in read:
            with pytest.raises(StateError, match=row.id):
                await stopped.outbox_put([sending(row)])
        # Nor does it undo what was found out, by what it believed of the message.
        await stopped.outbox_put([replace(row, state="queued") for row in rows[:2]])
        assert await stopped.outbox_counts() == {"sent": 1, "unknown": 1, "queued": 1}
        await stopped.outbox_put([sending(queued_again)])


async def test_what_a_dead_sender_left_is_found_once(database: str) -> None:
    async with stores(database, 3) as (one, other, third):
        rows = [outbox(number) for number in range(3)]
        await one.enqueue(rows)
        await one.outbox_put([sending(row) for row in rows])
        await one.outbox_put([sent(sending(rows[0]))])
        await one.close()
        found = await asyncio.gather(other.outbox_stranded(), third.outbox_stranded())
        assert sorted(row.id for part in found for row in part) == ["O000001", "O000002"]
        for store, part in zip((other, third), found, strict=True):
            await store.outbox_put([replace(row, state="unknown") for row in part])
        assert await other.outbox_counts() == {"sent": 1, "unknown": 2}
        assert await third.outbox_stranded() == []


async def test_a_sender_cut_off_while_it_posts_keeps_the_last_word_only_on_success(
    database: str,
) -> None:
    """The network falls silent in the middle of a post, and comes back later."""
    parts = urlsplit(database)
    async with Proxy(parts.hostname or "127.0.0.1", parts.port or 5432).running() as proxy:
        user = f"{parts.username}@" if parts.username else ""
        there = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        patience = Patience(answer=0.5)
        cut_off = await open_postgres(there, tokenize=tokenize, patience=patience)
        async with stores(database, 1) as (other,):
            rows = [outbox(number) for number in range(2)]
            await other.enqueue(rows)
            await cut_off.outbox_put([sending(row) for row in rows])
            proxy.cut()
            with pytest.raises(StateError, match="did not answer in time"):
                await cut_off.outbox_put([sent(sending(rows[0]))])
            # The server hasn't noticed yet: the rows are held still, and nobody doubles them.
            assert await other.outbox_stranded() == []
            await proxy.heal()
            async with asyncio.timeout(20):
                while not (found := await other.outbox_stranded()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert [row.id for row in found] == ["O000000", "O000001"]
            unknown = replace(found[0], state="unknown")
            await other.outbox_put([unknown, sent(found[1])])
            # The post had reached the channel: the sender that knows may say so …
            await cut_off.outbox_put([sent(sending(rows[0]))])
            # … and a doubt of its own doesn't undo what the other has found out meanwhile.
            await cut_off.outbox_put([replace(sending(rows[1]), state="unknown")])
            assert await other.outbox_counts() == {"sent": 2}
        await cut_off.close()


async def test_who_lost_a_message_that_it_had_not_sent_leaves_it_to_the_others(
    database: str,
) -> None:
    """It was stopped while it posted the first of a batch. Another took the rest, sent it, and
    can't tell what came of it: to send that anew would double it."""
    async with stores(database) as (stopped, other):
        rows = [outbox(number) for number in range(3)]
        await stopped.enqueue(rows)
        await stopped.outbox_put([sending(row) for row in rows])
        await other.pool.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (stopped.pool.options["application_name"],),
        )
        assert not await stopped.outbox_holds(rows[0].id)
        left = await other.outbox_stranded()
        await other.outbox_put([replace(row, state="queued", looks=3) for row in left])
        again = [sending(row) for row in await other.outbox_due(NOW + DAY, 10)]
        await other.outbox_put(again)
        await other.outbox_put([replace(row, state="unknown") for row in again[:2]])
        # Its call has ended: the first was sent by then, the others were never tried.
        queued = [replace(row, state="queued") for row in rows[1:]]
        await stopped.outbox_put([sent(sending(rows[0])), *queued])
        assert await other.outbox_counts() == {"sent": 1, "unknown": 1, "sending": 1}


async def test_a_lane_whose_round_broke_off_settles_its_own_rows_and_no_others(
    database: str,
) -> None:
    """What it holds still, and what it lost; not what another sends, nor another lane's."""
    async with stores(database) as (one, other):
        rows = [outbox(1), outbox(2), outbox(3, channel="ops")]
        await one.enqueue([*rows, outbox(4)])
        await one.outbox_put([sending(row) for row in rows])
        await other.outbox_put([sending(outbox(4))])
        assert [row.id for row in await one.outbox_stranded(["news"])] == ["O000001", "O000002"]
        await other.pool.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (one.pool.options["application_name"],),
        )
        assert not await one.outbox_holds("O000001")
        left = await one.outbox_stranded(["news"])
        assert [row.id for row in left] == ["O000001", "O000002"]
        await one.outbox_put([replace(row, state="unknown") for row in left])
        assert await one.outbox_counts() == {"sending": 2, "unknown": 2}
        assert [row.id for row in await one.outbox_stranded()] == ["O000003"]


async def test_a_row_is_ours_for_as_long_as_our_session_is(database: str) -> None:
    async with stores(database) as (one, other):
        rows = [outbox(number) for number in range(2)]
        await one.enqueue(rows)
        assert not await one.outbox_holds(rows[0].id)
        await one.outbox_put([sending(row) for row in rows])
        assert await one.outbox_holds(rows[0].id)
        assert not await other.outbox_holds(rows[0].id)
        await one.outbox_put([sent(sending(rows[0]))])
        assert not await one.outbox_holds(rows[0].id)
        assert await one.outbox_holds(rows[1].id)
        await other.pool.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (one.pool.options["application_name"],),
        )
        assert not await one.outbox_holds(rows[1].id)
        assert not await one.outbox_holds(rows[1].id), "a new session doesn't make it ours"


POSTER = """
import asyncio, os, sys
from dataclasses import replace
from datetime import timedelta
from monitor.errors import StateError
from monitor.store.postgres import open_postgres
from tests.contract.samples import DAY, NOW, tokenize

async def main():
    store = await open_postgres(sys.argv[1], tokenize=tokenize, size=2)
    posts = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
    print("ready", flush=True)
    while True:
        left = await store.outbox_stranded()
        if left:
            await store.outbox_put([replace(row, state="unknown") for row in left])
        for row in await store.outbox_due(NOW + DAY, 5):
            row = replace(row, state="sending", attempts=row.attempts + 1)
            try:
                await store.outbox_put([row])
            except StateError:
                continue
            os.write(posts, f"{row.id}\\n".encode())
            await asyncio.sleep(0.002)
            await store.outbox_put([replace(row, state="sent")])

asyncio.run(main())
"""


async def test_three_senders_under_kill_9_lose_nothing_and_double_nothing(
    database: str, tmp_path: Path
) -> None:
    posts = tmp_path / "posts"
    posts.touch()
    chance = random.Random(11)
    rows = [outbox(number) for number in range(250)]

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", POSTER, database, str(posts)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    async with stores(database, 1) as (store,):
        await store.enqueue(rows)
        senders = [await asyncio.to_thread(start) for _ in range(3)]
        kills = 0
        try:
            async with asyncio.timeout(60):
                while (await store.outbox_counts()).get("queued", 0):
                    await asyncio.sleep(chance.uniform(0.02, 0.1))
                    if kills < 6:
                        victim = chance.randrange(3)
                        senders[victim].send_signal(signal.SIGKILL)
                        await asyncio.to_thread(senders[victim].communicate)
                        senders[victim] = await asyncio.to_thread(start)
                        kills += 1
                while await store.outbox_rows(["sending"]):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            for sender in senders:
                sender.kill()
                await asyncio.to_thread(sender.communicate)
        posted = Counter(posts.read_text().split())
        states = {row.id: row.state for row in await store.outbox_rows()}
    assert kills >= 1
    assert [id_ for id_, count in posted.items() if count > 1] == []
    assert set(states.values()) <= {"sent", "unknown"}
    assert [id_ for id_, state in states.items() if state == "sent" and id_ not in posted] == []
    assert sum(state == "unknown" for state in states.values()) <= 3 * kills


# Deciding about stories ---------------------------------------------------------------------------


async def test_decisions_are_taken_one_after_the_other_each_knowing_those_before(
    database: str,
) -> None:
    async with stores(database) as (one, other):
        state = (await one.sync_feeds([feed()], NOW))[feed().key]
        known: dict[PgStore, set[str]] = {one: set(), other: set()}
        inside = 0

        async def decide(store: PgStore, number: int) -> None:
            nonlocal inside
            async with store.turn() as turn:
                inside += 1
                assert inside == 1
                if turn.stale:
                    known[store] = {row.story.id for row in await store.stories_since(NOW)}
                assert known[store] == {f"S{n:06}" for n in decided}
                await asyncio.sleep(0.002)
                await store.commit_polls([poll(state, number)])
                known[store].add(f"S{number:06}")
                decided.append(number)
                inside -= 1

        decided: list[int] = []
        await asyncio.gather(*(decide((one, other)[n % 3 // 2], n) for n in range(20)))
        assert len(await one.stories_since(NOW)) == 20


async def test_what_was_read_waits_for_a_turn(database: str) -> None:
    async with stores(database) as (one, other):
        state = (await one.sync_feeds([feed()], NOW))[feed().key]
        await one.inbox_put([b"1", b"2"], [state.id], NOW + DAY)
        await other.inbox_put([b"3"], [state.id], NOW + DAY)
        assert await one.due(NOW, 10, NOW) == [], "what is undecided isn't polled again"
        assert (await one.inbox_waiting(2), await one.inbox_waiting(9)) == (2, 3)
        async with other.turn():
            first, second, third = await other.inbox_take(10)
            assert [first[1], second[1], third[1]] == [b"1", b"2", b"3"]
            await other.inbox_remove([first[0], third[0]])
        async with one.turn() as turn:
            assert turn.stale
            assert await one.inbox_take(10) == [second]


async def test_a_turn_that_fails_lets_the_next_one_go(database: str) -> None:
    async with stores(database) as (one, other):
        with pytest.raises(ValueError, match="oh"):
            async with one.turn():
                raise ValueError("oh")
        async with asyncio.timeout(5):
            async with other.turn():
                pass
            async with one.turn():
                pass


async def test_a_decision_is_lost_with_its_turn(database: str) -> None:
    """Who has lost the turn (its session died) can't commit what it decided in it."""
    async with stores(database) as (one, other):
        state = (await one.sync_feeds([feed()], NOW))[feed().key]
        with pytest.raises(StateError):  # noqa: PT012 - the turn is the statement
            async with one.turn():
                await other.pool.rows(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l "
                    "WHERE locktype = 'advisory' AND granted AND l.pid <> pg_backend_pid() "
                    "AND (l.classid::bigint << 32) + l.objid::bigint = "
                    "(SELECT hashtextextended('newswatch:' || current_schema() || ':decide', 0))"
                )
                await one.commit_polls([PollCommit(state, (entry(1, state.id),))])
        assert await other.entries_since(NOW) == []


# Configuration, leadership, workers ---------------------------------------------------------------


async def test_what_an_old_configuration_decided_is_not_stored(database: str) -> None:
    async with stores(database) as (one, other):
        state = (await one.sync_feeds([feed()], NOW))[feed().key]
        for store in (one, other):
            store.config_hash = "old"
        await cluster.announce(one.pool, "old", "w1")
        await one.commit_polls([poll(state, 1)])
        other.config_hash = "new"
        with pytest.raises(StaleConfiguration):
            await other.commit_polls([poll(state, 2)])
        await cluster.announce(other.pool, "new", "w2")
        await other.commit_polls([poll(state, 2)])
        for refused in (one.commit_polls([poll(state, 3)]), one.enqueue([outbox(9)])):
            with pytest.raises(StaleConfiguration, match="no longer in force"):
                await refused
        assert await cluster.in_force(one.pool) == "new"
        assert len(await one.entries_since(NOW)) == 2


async def test_a_new_configuration_waits_for_commits_under_way(database: str) -> None:
    async with stores(database) as (one, other):
        await cluster.announce(one.pool, "old", "w1")
        async with one.pool.transaction() as db:
            await cluster.require(db, "old")
            announcing = asyncio.create_task(cluster.announce(other.pool, "new", "w2"))
            await asyncio.sleep(0.1)
            assert not announcing.done()
        await announcing
        assert await cluster.in_force(one.pool) == "new"


async def test_one_leads_and_another_takes_over(database: str) -> None:
    async with stores(database) as (one, other):
        seats = [store.leadership("dispatcher") for store in (one, other)]
        seats.append(other.leadership("something else"))
        assert await seats[0].hold()
        assert not await seats[1].hold()
        assert await seats[0].hold()
        assert await seats[2].hold()
        await seats[0].release()
        assert await seats[1].hold()
        assert not await seats[0].hold()
        for seat in seats:
            await seat.release()


async def test_a_leader_that_the_server_has_not_missed_is_unseated(database: str) -> None:
    """Its session stands, so the lock does, but it has been silent for too long."""
    patience = Patience(seat=timedelta(seconds=0.5))
    async with stores(database, patience=patience) as (one, other):
        silent, waiting = (store.leadership("dispatcher") for store in (one, other))
        assert await silent.hold()
        assert not await waiting.hold()
        await asyncio.sleep(0.6)
        assert not await waiting.hold()  # this ends the silent one's session
        async with asyncio.timeout(10):
            while not await waiting.hold():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        with pytest.raises(StateError):
            await silent.hold()
        assert not await silent.hold()
        for seat in (silent, waiting):
            await seat.release()


async def test_workers_are_known_until_they_fall_silent(database: str) -> None:
    async with stores(database, 1) as (store,):
        for name in ("w1", "w2"):
            await cluster.beat(store.pool, name, "höst", 7, "hash", NOW, {"polls": 3})
        await store.pool.rows(
            "UPDATE workers SET beat_at = beat_at - interval '61 seconds' WHERE id = 'w2'"
            " RETURNING id"
        )
        found = await cluster.workers(store.pool)
        assert [(row.id, row.alive, row.metrics) for row in found] == [
            ("w1", True, {"polls": 3}),
            ("w2", False, {"polls": 3}),
        ]
        await cluster.farewell(store.pool, "w1")
        assert [row.id for row in await cluster.workers(store.pool)] == ["w2"]
        skew = await cluster.server_now(store.pool) - await cluster.server_now(store.pool)
        assert abs(skew.total_seconds()) < 60

"""A tokeniser that changes: texts are indexed anew beside the work, and none is missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.store.port import PollCommit
from monitor.store.postgres import PgStore, open_postgres
from monitor.values import AllOf, Word, Wording
from tests.contract.databases import psycopg
from tests.contract.samples import DAY, NOW, feed, poll, tokenize
from tests.integration.store.members import member, wires

pytestmark = pytest.mark.anyio
STEP = 4
COUNT = 10


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.postgres.text_index.STEP", STEP)


def by_letter(text: str) -> Sequence[str]:
    return list(text)


def almost_as_before(text: str) -> Sequence[str]:
    """Cut as before, but for one text's number and the signs of languages."""
    return [word.replace("д", "D").replace("7", "seven") for word in tokenize(text)]


@asynccontextmanager
async def opened(
    database: str, cut: Callable[[str], Sequence[str]] = tokenize
) -> AsyncIterator[PgStore]:
    store = await open_postgres(database, tokenize=cut)
    try:
        yield store
    finally:
        await store.close()


async def fill(database: str, *numbers: int) -> None:
    async with opened(database) as store:
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        await store.commit_polls([poll(state, *(numbers or range(COUNT)))])


async def found(store: PgStore, wording: Wording) -> int:
    return len(await store.numbers_since(NOW - DAY, wording))


LETTERS = AllOf((Word("N"), Word("u"), Word("m")))


async def test_what_is_not_indexed_anew_yet_is_given_too(database: str) -> None:
    await fill(database)
    async with opened(database, by_letter) as store:
        assert await found(store, LETTERS) == COUNT
        assert await found(store, Word("none")) == COUNT, "nothing is known of any"
        assert await store.renew_tokens()
        assert await found(store, LETTERS) == COUNT
        assert await found(store, Word("none")) == COUNT - STEP
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        await store.commit_polls([poll(state, COUNT)])
        assert await found(store, LETTERS) == COUNT + 1
        assert await found(store, Word("none")) == COUNT - STEP
        while await store.renew_tokens():
            pass
        assert await found(store, LETTERS) == COUNT + 1
        assert await found(store, Word("none")) == 0
        assert not await store.renew_tokens()
    async with opened(database) as store:
        assert await found(store, LETTERS) == COUNT + 1, "and back again"
        while await store.renew_tokens():
            pass
        assert (await found(store, LETTERS), await found(store, Word("number"))) == (0, COUNT + 1)


async def test_texts_cut_as_before_are_not_written_again(database: str) -> None:
    await fill(database)
    with psycopg.connect(database, autocommit=True) as db:
        before = db.execute("SELECT seq, xmin::text FROM entries ORDER BY seq").fetchall()
        async with opened(database, almost_as_before) as store:
            while await store.renew_tokens():
                pass
            assert await found(store, Word("seven")) == 1
        after = db.execute("SELECT seq, xmin::text FROM entries ORDER BY seq").fetchall()
    assert len(set(after) - set(before)) == 1


async def test_a_store_of_the_version_that_knew_no_mark(database: str) -> None:
    await fill(database)
    with psycopg.connect(database) as db:
        db.execute("UPDATE newswatch_schema SET version = 2")
        db.execute("DELETE FROM blobs")
        db.execute("UPDATE entries SET tokens = ''")
    async with opened(database) as store:
        assert await found(store, Word("number")) == COUNT
        assert await found(store, Word("none")) == COUNT
        while await store.renew_tokens():
            pass
        assert await found(store, Word("number")) == COUNT
        assert await found(store, Word("none")) == 0


async def test_a_new_store_has_nothing_to_make_anew(database: str) -> None:
    async with opened(database) as store:
        assert not await store.renew_tokens()
        state = (await store.sync_feeds([feed()], NOW))[feed().key]
        await store.commit_polls([PollCommit(state)])
        await store.commit_polls([poll(state, 1)])
        assert not await store.renew_tokens()
        assert await found(store, Word("none")) == 0


async def test_the_leader_does_it_aside(database: str, tmp_path: Path) -> None:
    async with wires(tmp_path, database) as here, member(here, database):
        here.released = 2
        await here.all_told(20)
        assert here.told() == here.wanted()
        with psycopg.connect(database, autocommit=True) as db:
            db.execute("UPDATE blobs SET value = 'another 0' WHERE name = 'store/tokens'")
            db.execute("UPDATE entries SET tokens = ''")
        store = here.stores[0]
        assert await found(store, Word("none")) == 2
        async with asyncio.timeout(15):
            while await found(store, Word("none")):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert await found(store, Word("newsworthy")) == 2

"""What stands in the way of using a database: one clear line each, never with the password."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from monitor.errors import NewerSchema, StateError
from monitor.store import open_store
from monitor.store.postgres import PgStore, open_postgres
from tests.acceptance.process import run
from tests.contract.databases import psycopg
from tests.contract.samples import NOW, feed, tokenize

SECRET = "s3cret-in-the-url"


def changed(url: str, **parts: str) -> str:
    return urlunsplit(urlsplit(url)._replace(**parts))


async def opened(url: str) -> None:
    await (await open_store(url, now=NOW, tokenize=tokenize)).close()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"netloc": f"x:{SECRET}@127.0.0.1:1"}, "can't reach the database"),
        ({"netloc": f"x:{SECRET}@nowhere.invalid:5432"}, "can't reach the database"),
        ({"path": "/no_such_database"}, "there is no such database"),
    ],
)
def test_a_server_that_cannot_be_used(database: str, parts: dict[str, str], says: str) -> None:
    with pytest.raises(StateError, match=says) as caught:
        asyncio.run(opened(changed(database, **parts)))
    message = str(caught.value)
    assert SECRET not in message
    assert message.startswith("postgresql://")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("parts", "code"),
    [({"netloc": f"x:{SECRET}@127.0.0.1:1"}, 75), ({"path": "/no_such_database"}, 2)],
)
@pytest.mark.parametrize("command", ["worker", "run", "once"])
def test_a_supervisor_starts_again_what_may_work_later(
    tmp_path: Path, database: str, command: str, parts: dict[str, str], code: int
) -> None:
    """Else a worker that starts before its server, after a power cut, would never come back."""
    feeds = "feeds: ['https://example.org/feed']\nrules: [{name: A, any: [arms]}]\n"
    (tmp_path / "config.yaml").write_text(f"state: {changed(database, **parts)}\n{feeds}")
    found, out, err = run(command, cwd=tmp_path)
    assert (found, out) == (code, [])
    assert err[-1].startswith("error: postgresql://")
    assert SECRET not in "".join(err)


def test_a_schema_from_a_newer_version(database: str) -> None:
    with psycopg.connect(database) as db:
        db.execute("UPDATE newswatch_schema SET version = version + 1")
    try:
        with pytest.raises(NewerSchema, match="newer version"):
            asyncio.run(opened(database))
    finally:
        with psycopg.connect(database) as db:
            db.execute("UPDATE newswatch_schema SET version = version - 1")


def test_a_server_too_old(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.postgres.pool.OLDEST", 990_000)
    with pytest.raises(StateError, match="too old; 99 or newer"):
        asyncio.run(opened(database))


def test_missing_rights(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        if not db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[
            0
        ]:
            pytest.skip("the test user can't make other users")
        db.execute("DROP ROLE IF EXISTS newswatch_test_guest")
        db.execute("CREATE ROLE newswatch_test_guest LOGIN PASSWORD 'x'")
        try:
            parts = urlsplit(database)
            host = parts.netloc.rpartition("@")[2]
            guest = changed(database, netloc=f"newswatch_test_guest:x@{host}")
            with pytest.raises(StateError, match="the user may not do that"):
                asyncio.run(opened(guest))
        finally:
            db.execute("DROP ROLE newswatch_test_guest")


def test_a_read_only_server(database: str) -> None:
    async def run() -> None:
        store = await open_postgres(
            database.replace(
                "search_path", f"{quote('default_transaction_read_only=on -c ')}search_path"
            ),
            tokenize=tokenize,
        )
        try:
            with pytest.raises(StateError, match="read-only; name the primary"):
                await store.sync_feeds([feed()], NOW)
        finally:
            await store.close()

    asyncio.run(run())


def test_the_server_restarts(database: str) -> None:
    """Sessions ended by the server cost an error at most, and are replaced."""

    async def run() -> None:
        store = await open_postgres(database, tokenize=tokenize)
        assert isinstance(store, PgStore)
        await store.sync_feeds([feed()], NOW)
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s)",
                ([await pid(store) for _ in range(3)],),
            )
        assert len(await store.feed_states()) == 1
        await store.close()

    async def pid(store: PgStore) -> int:
        return int((await store.pool.rows("SELECT pg_backend_pid()"))[0][0])

    asyncio.run(run())

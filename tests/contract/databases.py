"""A schema of its own on a real PostgreSQL for each test.

The server is ``NEWSWATCH_TEST_DATABASE_URL``, else what libpq's ``PG*`` variables name, else
127.0.0.1:5432, database ``test``. Where there is none, tests are skipped; in CI they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from secrets import token_hex
from urllib.parse import quote

import pytest

psycopg = pytest.importorskip("psycopg")


def server() -> str:
    """Return the URL of the server to test with."""
    url = os.environ.get("NEWSWATCH_TEST_DATABASE_URL")
    if url:
        return url
    if any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
        return "postgresql://"
    return "postgresql://127.0.0.1:5432/test"


@cache
def missing() -> str:
    """Return why there is no server to test with; empty where there is one."""
    try:
        psycopg.connect(server(), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        return f"no PostgreSQL to test with: {' '.join(str(error).split())}"
    return ""


def empty(url: str) -> None:
    """Remove all rows of a schema: many times faster than making its tables anew."""
    with psycopg.connect(url) as db:
        tables = db.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = current_schema()::regnamespace AND relname <> 'newswatch_schema'"
        ).fetchall()
        for (table,) in tables:
            db.execute(f"DELETE FROM {table}")


@contextmanager
def fresh_schema(*, durable: bool = False) -> Iterator[str]:
    """Yield the URL of an empty schema, dropped at the end.

    Unless ``durable``, commits don't wait for the disk: no test is about power loss.
    """
    if why := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    name = f"newswatch_test_{token_hex(6)}"
    with psycopg.connect(server(), autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}")
        try:
            joint = "&" if "?" in server() else "?"
            yield f"{server()}{joint}options={quote(f'-c search_path={name}')}"
        finally:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'newswatch-%%' AND pid <> pg_backend_pid() AND EXISTS "
                "(SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = "
                "pg_stat_activity.pid AND c.relnamespace = %s::regnamespace)",
                (name,),
            )
            db.execute(f"DROP SCHEMA {name} CASCADE")

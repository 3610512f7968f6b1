"""How PostgreSQL goes about each statement of a store, told by itself (``auto_explain``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from monitor.store.postgres.pool import Pool
from tests.contract.databases import psycopg

SETTINGS = (
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_level=notice",
)
# The tables that grow; reading one of a handful of rows from end to end is no fault.
_SCAN = re.compile(r"Seq Scan on (feeds|seen|entries|matches|stories|outbox)\b")


def cannot_explain(url: str) -> str:
    """Return why the server can't tell; empty where it can."""
    try:
        with psycopg.connect(url) as db:
            db.execute("LOAD 'auto_explain'")
    except psycopg.Error as error:
        return f"auto_explain: {' '.join(str(error).split())}"
    return ""


@contextmanager
def explained(url: str) -> Iterator[tuple[str, list[str]]]:
    """Yield a URL, and the plans of what is run by stores that are opened with it meanwhile."""
    plans: list[str] = []
    configure = Pool.configure

    async def listening(pool: Pool, db: psycopg.AsyncConnection[Any]) -> None:
        db.add_notice_handler(lambda told: plans.append(told.message_primary or ""))
        await configure(pool, db)

    with patch.object(Pool, "configure", listening):
        more = "".join(quote(f" -c {setting}") for setting in SETTINGS)
        yield f"{url}{more}", plans


def scans(plans: list[str]) -> list[str]:
    """Return those of ``plans`` that read a growing table from end to end."""
    return [plan for plan in plans if _SCAN.search(plan)]

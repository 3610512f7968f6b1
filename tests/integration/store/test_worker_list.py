"""`feeds health` names a cluster's workers: those at work, and those not heard of."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from click.testing import CliRunner

from monitor.cli.app import app
from monitor.store.postgres import open_postgres
from monitor.store.postgres.cluster import beat
from tests.contract.samples import tokenize

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def _alive(url: str) -> None:
    store = await open_postgres(url, tokenize=tokenize)
    metrics = {"leads": True, "waits": False, "polls": 7, "fetching": 1}
    await beat(store.pool, "w1", "host-a", 11, "abc", BEGAN, metrics)
    await beat(store.pool, "w2", "host-b", 12, "abd", BEGAN, {"waits": True, "polls": 0})
    await beat(store.pool, "w3", "host-c", 13, "abc", BEGAN, {})
    await store.close()
    with psycopg.connect(url) as db:
        db.execute("UPDATE workers SET beat_at = beat_at - interval '5 min' WHERE id = 'w3'")


def _health(folder: Path, state: str, *args: str) -> str:
    path = folder / "config.yaml"
    path.write_text(f"state: {state}\nfeeds: ['https://example.org/feed']\n")
    done = CliRunner().invoke(app, ["feeds", "health", "-c", str(path), *args])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_workers_of_a_cluster(tmp_path: Path, database: str) -> None:
    asyncio.run(_alive(database))
    lines = [json.loads(line) for line in _health(tmp_path, database, "--json").splitlines()]
    feeds, workers = [lines[0]], lines[1:]
    assert [each["status"] for each in feeds] == ["not polled yet"]
    assert [(each["worker"], each["alive"]) for each in workers] == [
        ("w1", True),
        ("w2", True),
        ("w3", False),
    ]
    first = workers[0]
    assert (first["host"], first["pid"], first["polls"]) == ("host-a", 11, 7)
    assert first["started"] == "2026-03-01T12:00:00Z"
    shown = _health(tmp_path, database)
    for state in ("leads", "waits: another configuration", "silent", "5 min ago"):
        assert state in shown


def test_a_folder_has_no_workers(tmp_path: Path) -> None:
    assert len(_health(tmp_path, "./state", "--json").splitlines()) == 1
    assert "last heard" not in _health(tmp_path, "./state")

"""`db backup|restore|check|copy-to`, as they are called."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.cli.app import app
from monitor.errors import AlreadyRunning, CorruptState, StateError
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.lock import StateLock
from tests.contract.samples import DAY, NOW, feed, poll

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("state: ./state\n")
    asyncio.run(fill(str(tmp_path / "state"), 1, 2, 3))
    return tmp_path


async def fill(state: str, *numbers: int) -> None:
    store = await open_store(state, now=NOW, tokenize=search_tokens)
    known = (await store.sync_feeds([feed()], NOW))[feed().key]
    await store.commit_polls([poll(known, *numbers)])
    await store.close()


def stored(state: Path | str) -> list[str]:
    async def look() -> list[str]:
        store = await open_store(str(state), now=NOW, tokenize=search_tokens)
        found = await store.entries_since(NOW - DAY)
        await store.close()
        return [each.entry.id for each in found]

    return asyncio.run(look())


def db(home: Path, *args: str) -> Any:
    """Run a `db` command; returns its JSON, or raises what it raised."""
    command = ["db", args[0], "-c", str(home / "config.yaml"), "--json", *args[1:]]
    done = CliRunner().invoke(app, command)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1), done.output
    return json.loads(done.stdout)


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096 * 4)


def test_a_backup_is_made_while_the_watch_runs_and_the_oldest_go(home: Path) -> None:
    folder = home / "state" / "backups"
    folder.mkdir()
    for day in range(1, 9):
        (folder / f"newswatch-backup-2020010{day}T000000Z.db").touch()
    (folder / "newswatch-upgrade-20200101T000000Z.db").touch()
    with StateLock(home / "state"):
        made = db(home, "backup", "--keep", "3")
    assert len(made["removed"]) == 6
    assert len(list(folder.iterdir())) == 4
    file = Path(made["backup"])
    assert file.parent == folder
    assert file.stat().st_size == made["bytes"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_backup_to_a_named_file_removes_nothing(home: Path) -> None:
    target = home / "away" / "copy.db"
    assert db(home, "backup", "--to", str(target)) == {
        "backup": str(target),
        "bytes": target.stat().st_size,
        "removed": [],
    }


def test_restoring_brings_back_what_was_and_keeps_what_is(home: Path) -> None:
    backup = db(home, "backup")["backup"]
    asyncio.run(fill(str(home / "state"), 4))
    kept = db(home, "restore", backup)["kept"]
    assert stored(home / "state") == ["E000001", "E000002", "E000003"]
    db(home, "restore", kept)
    assert stored(home / "state") == ["E000001", "E000002", "E000003", "E000004"]


def test_restoring_over_a_damaged_database(home: Path) -> None:
    backup = db(home, "backup")["backup"]
    damage(home / "state" / "newswatch.db")
    damaged = (home / "state" / "newswatch.db").read_bytes()
    kept = Path(db(home, "restore", backup)["kept"])
    assert kept.read_bytes() == damaged
    assert len(stored(home / "state")) == 3


def test_restoring_where_nothing_was(home: Path, tmp_path: Path) -> None:
    backup = db(home, "backup")["backup"]
    (home / "config.yaml").write_text("state: ./fresh\n")
    assert db(home, "restore", backup)["kept"] is None
    assert len(stored(home / "fresh")) == 3


def test_what_cannot_be_restored_changes_nothing(home: Path) -> None:
    backup = Path(db(home, "backup")["backup"])
    state = home / "state"
    before = (state / "newswatch.db").read_bytes()
    (home / "text").write_text("no database " * 1000)
    damaged = home / "damaged.db"
    damaged.write_bytes(backup.read_bytes())
    damage(damaged)
    for file, error in (
        (home / "none", StateError),
        (home / "text", CorruptState),
        (damaged, CorruptState),
        (state / "newswatch.db", StateError),
    ):
        with pytest.raises(error):
            db(home, "restore", str(file))
    with StateLock(state), pytest.raises(AlreadyRunning):
        db(home, "restore", str(backup))
    assert (state / "newswatch.db").read_bytes() == before


def test_check_finds_damage(home: Path) -> None:
    assert db(home, "check") == {"sound": True, "findings": []}
    damage(home / "state" / "newswatch.db")
    found = db(home, "check")
    assert not found["sound"]
    assert found["findings"]


def test_copying_to_a_folder_and_to_a_database(home: Path, database: str) -> None:
    there = db(home, "copy-to", database)
    assert not there["unchanged"]
    assert there["tables"]["entries"]["rows"] == 3
    assert db(home, "copy-to", database)["unchanged"]
    (home / "config.yaml").write_text(f"state: {database}\n")
    back = db(home, "copy-to", str(home / "back"))
    assert back["tables"] == there["tables"]
    assert len(stored(home / "back")) == 3


def test_a_database_is_backed_up_to_a_file_and_restored_from_it(home: Path, database: str) -> None:
    db(home, "copy-to", database)
    (home / "config.yaml").write_text(f"state: {database}\n")
    made = db(home, "backup")
    assert Path(made["backup"]).parent == home / "backups"
    asyncio.run(fill(database, 4))
    assert len(stored(database)) == 4
    assert db(home, "restore", made["backup"])["kept"] is None
    assert len(stored(database)) == 3
    assert db(home, "check")["sound"]


def test_errors_are_one_line_and_an_exit_code(home: Path) -> None:
    def call(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "bot.py"), "db", *args]
        return subprocess.run(command, cwd=home, capture_output=True, text=True)

    sound = call("check")
    assert (sound.returncode, sound.stdout) == (0, "sound\n"), sound.stderr
    missing = call("restore", "nothing.db")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.count("\n") == 1
    with StateLock(home / "state"):
        assert call("copy-to", "elsewhere").returncode == 75
    damage(home / "state" / "newswatch.db")
    assert call("check").returncode == 1

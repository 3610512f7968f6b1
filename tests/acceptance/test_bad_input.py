"""Bad input: one line on stderr that says what, where and the fix; exit 2 (75); no traceback."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.process import Process, run
from tests.feedserver import Answer, FeedServer

BASE = "feeds: [https://example.org/feed]\n"

CONFIGURATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "unknown key": ("fedes: []\n", ("config.yaml:1:1", "fedes", "feeds")),
    "unknown key in a rule": (
        BASE + "rules:\n  - name: A\n    anny: [x]\n",
        ("config.yaml:4:5", "anny", "any"),
    ),
    "wrong type": (
        BASE + "rules:\n  - name: A\n    any: war\n    severity: 7\n",
        ("config.yaml:5:15", "severity"),
    ),
    "duplicate key": (BASE + "state: a\nstate: b\n", ("config.yaml:3:1", "state")),
    "unknown entity": (
        BASE + "rules:\n  - name: A\n    entities: [entity:Narnia]\n",
        ("config.yaml:4:16", "Narnia"),
    ),
    "bad URL": ("feeds: ['htp://example.org/feed']\n", ("config.yaml:1:9", "htp:", "https")),
    "literal token": ("slack: {token: xoxb-1-2-abc}\n", ("config.yaml:1:16", "${")),
    "not YAML": ("feeds: [\n", ("config.yaml:",)),
    "unknown channel": (
        BASE + "channels: {news: {console: true}}\nrules:\n  - {name: A, any: [x], to: nwes}\n",
        ("config.yaml:4:", "nwes", "news"),
    ),
}


@pytest.mark.parametrize("command", ["run", "once", "check"])
@pytest.mark.parametrize(("text", "expected"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_bad_configuration_is_refused_with_its_place(
    text: str, expected: tuple[str, ...], command: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    code, out, err = run(command, cwd=tmp_path)
    assert code == 2, (out, err)
    assert "Traceback" not in "\n".join(err)
    problem = next(line for line in err + out if "error" in line)
    for part in expected:
        assert part in problem, (part, err)
    assert not (tmp_path / "state").exists()


def test_a_missing_configuration(tmp_path: Path) -> None:
    code, out, err = run("run", cwd=tmp_path)
    assert (code, out) == (2, [])
    assert len(err) == 1, err
    assert "config.yaml" in err[0]


def test_an_unreadable_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    code, out, err = run("run", cwd=tmp_path)
    assert (code, out, len(err)) == (2, [], 1), err


def test_an_unwritable_state_directory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    (tmp_path / "config.yaml").write_text(BASE)
    code, _, err = run("run", cwd=tmp_path)
    assert code == 2
    assert [line for line in err if "error" in line and "state" in line], err
    assert "Traceback" not in "\n".join(err)


def test_a_newer_database_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("feeds: []\n")
    assert run("once", cwd=tmp_path)[0] == 0
    database = next((tmp_path / "state").glob("*.db"))
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    code, _, err = run("run", cwd=tmp_path)
    assert code == 2
    assert [line for line in err if "newer" in line], err
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (9999,)
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    connection.close()


def test_a_damaged_database_is_refused_and_not_recreated(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("feeds: []\n")
    assert run("once", cwd=tmp_path)[0] == 0
    database = next((tmp_path / "state").glob("*.db"))
    database.write_bytes(b"this is no database at all" * 400)
    code, _, err = run("run", cwd=tmp_path)
    assert code == 2
    assert "Traceback" not in "\n".join(err)
    assert database.read_bytes().startswith(b"this is no database")


def test_a_second_instance_exits_75(
    server: FeedServer, watch: Callable[..., Path], start: Callable[..., Process], tmp_path: Path
) -> None:
    watch(f"  - {server.script('/feed', Answer(b'', 304))}\n")
    first = start("run")
    first.wait_for("a poll", lambda: server.of("/feed"))
    code, out, err = run("once", cwd=tmp_path)
    assert (code, out) == (75, [])
    assert [line for line in err if str(first.popen.pid) in line], err
    assert first.stop() == 0


def test_an_unknown_command_and_option(tmp_path: Path) -> None:
    assert run("rnu", cwd=tmp_path)[0] == 2
    assert run("once", "--dou", cwd=tmp_path)[0] == 2

"""Changes are noticed, read once they have settled, and refused once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.config.load import Loaded, load
from monitor.config.reload import Reloader
from monitor.errors import ConfigError
from tests.unit.config.samples import write

ONE = "feeds: ['https://a.org/']\nrules: [{name: A, any: [x]}]\ninclude: rules.d/*.yaml\n"
TWO = ONE.replace("name: A", "name: B")
BROKEN = ONE.replace("any:", "nay:")


def settled(reloader: Reloader) -> Loaded | None:
    """Check until a change has been seen twice."""
    assert reloader.check() is None
    return reloader.check()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, ONE)


def test_nothing_changed(path: Path) -> None:
    reloader = Reloader(path, {}, loaded=load(path, {}))
    assert [reloader.check() for _ in range(3)] == [None, None, None]


def test_a_change_is_taken_once(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, TWO)
    fresh = settled(reloader)
    assert fresh is not None
    assert fresh.settings.rules[0].name == "B"
    assert reloader.check() is None


def test_config_04_a_half_written_file_is_not_read(path: Path) -> None:
    reloader = Reloader(path, {})
    for text in (BROKEN[:20], BROKEN[:60], TWO):
        write(path.parent, text)
        assert reloader.check() is None
    fresh = reloader.check()
    assert fresh is not None
    assert fresh.settings.rules[0].name == "B"


def test_config_01_a_broken_file_is_reported_once(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, BROKEN)
    assert reloader.check() is None
    with pytest.raises(ConfigError, match="unknown key `nay`"):
        reloader.check()
    assert reloader.broken is not None
    assert [reloader.check() for _ in range(3)] == [None, None, None]
    os.utime(path)
    assert [reloader.check() for _ in range(3)] == [None, None, None]
    write(path.parent, BROKEN + "# same mistake, other bytes\n")
    assert [reloader.check() for _ in range(3)] == [None, None, None]


def test_a_broken_file_put_back_counts_as_mended(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, BROKEN)
    reloader.check()
    with pytest.raises(ConfigError):
        reloader.check()
    write(path.parent, ONE)
    assert settled(reloader) is not None
    assert reloader.broken is None


def test_another_mistake_is_reported_anew(path: Path) -> None:
    reloader = Reloader(path, {})
    for text in (BROKEN, BROKEN.replace("nay", "ayn")):
        write(path.parent, text)
        assert reloader.check() is None
        with pytest.raises(ConfigError):
            reloader.check()


def test_a_missing_file_is_reported_once_and_comes_back(path: Path) -> None:
    reloader = Reloader(path, {})
    path.unlink()
    assert reloader.check() is None
    with pytest.raises(ConfigError, match="no such file"):
        reloader.check()
    assert reloader.check() is None
    write(path.parent, TWO)
    assert settled(reloader) is not None


@pytest.mark.parametrize("replace", [True, False])
def test_included_files_are_watched(path: Path, replace: bool) -> None:
    desk = write(path.parent, "rules: [{name: Desk, any: [x]}]\n", "rules.d/a.yaml")
    reloader = Reloader(path, {})
    if replace:
        other = write(path.parent, "rules: [{name: Sked, any: [x]}]\n", "new.yaml")
        other.replace(desk)
    else:
        desk.unlink()
    fresh = settled(reloader)
    assert fresh is not None
    names = [rule.name for rule in fresh.settings.rules]
    assert names == (["A", "Sked"] if replace else ["A"])


def test_a_new_included_file_is_found(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, "rules: [{name: Desk, any: [x]}]\n", "rules.d/new.yaml")
    fresh = settled(reloader)
    assert fresh is not None
    assert [rule.name for rule in fresh.settings.rules] == ["A", "Desk"]


def test_mending_a_file_that_only_the_broken_state_includes(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, "rules: [{name: Desk, nay: [x]}]\n", "desk.yaml")
    write(path.parent, ONE.replace("rules.d/*.yaml", "desk.yaml"))
    assert reloader.check() is None
    with pytest.raises(ConfigError):
        reloader.check()
    write(path.parent, "rules: [{name: Desk, any: [x]}]\n", "desk.yaml")
    assert settled(reloader) is not None


def test_secret_files_are_watched(tmp_path: Path) -> None:
    write(tmp_path, "xoxb-1-abcdefgh", "token").chmod(0o600)
    path = write(tmp_path, "slack: {token_file: token}\n")
    reloader = Reloader(path, {})
    write(tmp_path, "xoxb-2-abcdefgh", "token")
    fresh = settled(reloader)
    assert fresh is not None
    assert fresh.settings.slack.token is not None
    assert fresh.settings.slack.token.get_secret_value() == "xoxb-2-abcdefgh"


def test_config_02_losing_all_feeds_is_refused(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, "rules: []\nfeeds: []\n")
    assert reloader.check() is None
    with pytest.raises(ConfigError, match="no feeds any more"):
        reloader.check()
    allowing = Reloader(path, {}, allow_empty=True)
    write(path.parent, "rules: []\n")
    assert settled(allowing) is not None


def test_config_03_a_hundred_signals_give_one_change(path: Path) -> None:
    reloader = Reloader(path, {})
    write(path.parent, TWO)
    answers = [reloader.check() for _ in range(100)]
    assert sum(answer is not None for answer in answers) == 1


def test_starting_from_a_broken_file(tmp_path: Path) -> None:
    path = write(tmp_path, BROKEN)
    reloader = Reloader(path, {})
    assert reloader.check() is None
    write(tmp_path, ONE)
    assert settled(reloader) is not None

"""A changed configuration's rules: edited where single ones changed, else all compiled anew."""

from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.errors import ConfigError
from monitor.loading import compiled_watch, recompiled_watch
from monitor.values import Document

BASE = """\
feeds: ['https://a.org/']
lists: {arms: [arms deal]}
rules:
  - {name: A, any: [Syria]}
  - {name: B, any: ["list:arms"]}
  - {name: C, any: ['cease-fire'], entities: [Russia]}
"""
STORY = Document("1", "Arms deal: Russia and Syria sign a ceasefire over grain")
EDITED = "rules edited, the others kept"
ANEW = "all rules compiled anew"


def change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> tuple[list[str], list[str]]:
    """Return the rules that match after the change, and what the log said."""
    file = tmp_path / "config.yaml"
    file.write_text(BASE)
    before = load(file, {})
    compiled, _ = compiled_watch(before)
    assert [match.rule for match in compiled.ruleset.match(STORY)] == ["A", "B", "C"]
    assert old in BASE
    file.write_text(BASE.replace(old, new))
    with caplog.at_level(logging.INFO, "monitor.loading"):
        loaded, recompiled, _ = recompiled_watch(load(file, {}), before.settings, compiled.ruleset)
    rebuilt, _ = compiled_watch(load(file, {}))
    assert loaded.settings == load(file, {}).settings
    assert recompiled.ruleset.match(STORY) == rebuilt.ruleset.match(STORY)
    assert list(recompiled.ruleset.rules) == list(rebuilt.ruleset.rules)
    names = [match.rule for match in recompiled.ruleset.match(STORY)]
    return names, [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("old", "new", "matching", "said"),
    [
        ("any: [Syria]", "any: [Iraq]", ["B", "C"], [EDITED]),
        ("any: [Syria]", "any: [grain]", ["A", "B", "C"], [EDITED]),
        ("  - {name: A, any: [Syria]}\n", "", ["B", "C"], [EDITED]),
        (
            "  - {name: B",
            "  - {name: N, any: [grain]}\n  - {name: B",
            ["A", "N", "B", "C"],
            [EDITED],
        ),
        (
            "  - {name: A",
            "  - {name: N, any: [grain]}\n  - {name: A",
            ["N", "A", "B", "C"],
            [EDITED],
        ),
        ("name: C", "name: D", ["A", "B", "D"], [EDITED]),
        ("{name: B,", "{name: B, enabled: false,", ["A", "C"], [EDITED]),
        ("{name: B,", "{name: B, severity: high,", ["A", "B", "C"], [EDITED]),
        ("arms deal]", "arms sale]", ["A", "C"], [ANEW]),
        ("rules:", "ignore: {title: [grain]}\nrules:", [], [ANEW]),
        ("rules:", "entities: {Russia: [Kremlin]}\nrules:", ["A", "B", "C"], [ANEW]),
        ("https://a.org/", "https://b.org/", ["A", "B", "C"], []),
    ],
)
def test_a_changed_rule_leaves_the_others_as_they_are(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    old: str,
    new: str,
    matching: list[str],
    said: list[str],
) -> None:
    assert change(tmp_path, caplog, old, new) == (matching, said)


def test_rules_that_changed_places_are_compiled_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = BASE.splitlines(keepends=True)
    assert change(tmp_path, caplog, "".join(lines[3:5]), lines[4] + lines[3]) == (
        ["B", "A", "C"],
        [ANEW],
    )


def test_a_broken_rule_is_refused_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match="unknown list"):
        change(tmp_path, caplog, "any: [Syria]", "any: ['list:none']")


def test_after_many_edits_everything_is_built_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.rules.ruleset.EDITS", 0)
    assert change(tmp_path, caplog, "any: [Syria]", "any: [Iraq]") == (["B", "C"], [ANEW])


def test_an_old_rule_set_goes_without_the_collector(tmp_path: Path) -> None:
    """Whatever is frozen is never looked at again: a circle of references would stay for ever."""
    file = tmp_path / "config.yaml"
    file.write_text(BASE)
    loaded = load(file, {})
    collecting = gc.isenabled()
    gc.disable()
    try:
        compiled, _ = compiled_watch(loaded)
        ruleset = compiled.ruleset
        ruleset.match(STORY)
        ruleset.entities(STORY)
        index = ruleset._index
        parts = [ruleset, index, index.trie, index.planner, index._postings, loaded.settings]
        gone = [weakref.ref(part) for part in parts]
        del compiled, ruleset, index, parts, loaded
        assert [each() for each in gone] == [None] * len(gone)
    finally:
        if collecting:
            gc.enable()

"""Included files: one a desk, under the configuration's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.errors import ConfigError
from tests.unit.config.samples import loaded, refused, said, write

MAIN = """\
channels: {news: {console: true}}
lists: {arms: [arms deal]}
ignore: {category: [sport]}
rules:
  - {name: Main, any: [x]}
include: rules.d/*.yaml
"""


def test_rules_entities_lists_routes_and_ignore_are_united(tmp_path: Path) -> None:
    write(
        tmp_path,
        "rules:\n  - {name: A, any: [a]}\n  - {name: B, any: [b], added_by: U1}\n"
        "entities: {Wagner: {type: org}}\nlists: {banks: [Sberbank]}\n"
        "routes: [{when: {rule: A}, to: news}]\nignore: {category: [sport, weather], url: [/x/]}\n",
        "rules.d/a.yaml",
    )
    write(tmp_path, "rules: [{name: C, any: [c]}]\n", "rules.d/b.yaml")
    write(tmp_path, "rules: [{name: Hidden, any: [c]}]\n", "rules.d/.hidden.yaml")
    result = loaded(tmp_path, MAIN)
    settings = result.settings
    assert [rule.name for rule in settings.rules] == ["Main", "A", "B", "C"]
    assert settings.rules[2].added_by == "U1"
    assert set(settings.entities) == {"Wagner"}
    assert set(settings.lists) == {"arms", "banks"}
    assert settings.ignore == {"category": ["sport", "weather"], "url": ["/x/"]}
    assert len(settings.routes) == 1
    assert result.files == (
        tmp_path / "config.yaml",
        tmp_path / "rules.d/a.yaml",
        tmp_path / "rules.d/b.yaml",
    )


def test_places_name_their_own_file(tmp_path: Path) -> None:
    write(tmp_path, "# desk\nrules:\n  - name: A\n    match: a b\n", "rules.d/a.yaml")
    write(tmp_path, "rules:\n  - name: B\n    match: 'it''s'\n", "rules.d/b.yaml")
    positions = loaded(tmp_path, MAIN).positions
    assert str(positions.place(("rules", 0, "name"))).endswith("config.yaml:5:12")
    assert str(positions.place(("rules", 1, "match"))).endswith("a.yaml:4:12")
    assert str(positions.in_scalar(("rules", 1, "match"), 2)).endswith("a.yaml:4:14")
    assert str(positions.in_scalar(("rules", 2, "match"), 3)).endswith("b.yaml:3:17")


def test_errors_name_their_own_file(tmp_path: Path) -> None:
    write(tmp_path, "rules:\n  - {name: A, nay: [a], to: nowhere}\n", "rules.d/a.yaml")
    write(tmp_path, "rules:\n  - {name: Main, any: [c]}\n  - {name: B, any: }\n", "rules.d/b.yaml")
    write(tmp_path, "lists: {arms: [x]}\nrules: [\n", "rules.d/c.yaml")
    lines = said(refused(tmp_path, MAIN))
    for expected in (
        "a.yaml:2:15: error: unknown key `nay` in `rules` (did you mean `any`?)",
        "a.yaml:2:29: error: unknown channel `nowhere`",
        "b.yaml:2:12: error: two rules are called `Main`",
        "b.yaml:3:18: error: `any` has no value",
        "c.yaml:3:1: error: not YAML",
    ):
        assert any(line.startswith(expected) for line in lines), (expected, lines)


NOT_HERE = [
    ("feeds: ['https://a.org/']", "feeds stand in the main file only"),
    ("include: x.yaml", "an included file can't include others"),
    ("slack: {}", "`slack` can't stand in an included file"),
    ("state: elsewhere", "`state` can't stand in an included file"),
    ("rulez: []", "`rulez` can't stand in an included file"),
    ("- a", "an included file is a mapping"),
    ("rules: {a: b}", "`rules` must be a list"),
    ("lists: [a]", "`lists` must be a mapping"),
    ("lists: {arms: [x]}", "`arms` is in `lists` twice"),
]


@pytest.mark.parametrize(("text", "message"), NOT_HERE)
def test_what_cannot_stand_in_an_included_file(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text + "\n", "rules.d/a.yaml")
    problems = refused(tmp_path, MAIN)
    found = [problem for problem in problems if message in problem.message]
    assert found, said(problems)
    assert found[0].place is not None
    assert found[0].place.file.endswith("a.yaml")


# CONFIG-05: nothing outside the configuration's folder is read.
TRAVERSAL = [
    "../../etc/passwd",
    "/etc/passwd",
    "rules.d/../../x.yaml",
    "rules.d/link.yaml",
    "linked/*.yaml",
    "'**/*.yaml'",
    "''",
]


@pytest.mark.parametrize("pattern", TRAVERSAL)
def test_config_05_traversal_is_refused(tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "inside"
    outside = write(tmp_path, "rules: [{name: Outside, any: [x]}]\n", "outside/x.yaml")
    (folder / "rules.d").mkdir(parents=True)
    (folder / "rules.d/link.yaml").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    (problem,) = refused(folder, f"include: {pattern}\n")
    assert "include `" in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (1, 10)


def test_config_06_loops_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "include: config.yaml\n", "b.yaml")
    (problem,) = refused(tmp_path, "include: b.yaml\n")
    assert problem.message == "an included file can't include others"
    (problem,) = refused(tmp_path, "include: [config.yaml]\n")
    assert "the file includes itself" in problem.message


def test_a_named_file_must_be_there_and_a_pattern_need_not(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "include: [desk.yaml, none.d/*.yaml]\n")
    assert "include `desk.yaml`: there is no such file" in problem.message
    assert loaded(tmp_path, "include: none.d/*.yaml\n").files == (tmp_path / "config.yaml",)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "rules: [{name: A, any: [a]}]\n", "rules.d/a.yaml")
    settings = loaded(tmp_path, "include: [rules.d/*.yaml, rules.d/a.yaml]\n").settings
    assert [rule.name for rule in settings.rules] == ["A"]


UNREADABLE = ["missing.yaml", "."]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_configuration_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / name, {})
    (problem,) = raised.value.problems
    assert "no such file" in problem.message or "a folder" in problem.message
    assert problem.hint


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "rules: []\n")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read any mode
    with pytest.raises(ConfigError, match="may not be read"):
        load(path, {})

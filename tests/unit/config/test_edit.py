"""Adding rules and feeds: nothing else in the file changes, and what is written loads."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config.edit import (
    append_feed,
    append_feeds,
    append_rule,
    append_rules,
    preview,
    write,
)
from monitor.config.load import load
from monitor.errors import ConfigError
from tests.unit.config.samples import FULL
from tests.unit.config.samples import write as write_sample

RULE: dict[str, Any] = {"name": "New", "any": ["x"], "to": ["news"]}
ENV = {"PAGER_URL": "json://example.org"}


def changed_lines(old: str, new: str) -> list[str]:
    """Return removed lines; adding must not remove any."""
    return [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] == "-"]


def test_a_rule_is_added_and_no_line_touched(tmp_path: Path) -> None:
    path = write_sample(tmp_path, FULL)
    text = append_rule(path, RULE, env=ENV)
    assert path.read_text() == text
    assert changed_lines(FULL, text) == []
    assert text.index("- name: New") < text.index("routes:")
    assert [rule.name for rule in load(path, ENV).settings.rules][-1] == "New"


def test_feeds_are_added_in_both_forms(tmp_path: Path) -> None:
    path = write_sample(tmp_path, FULL)
    append_feed(path, "https://a.org/feed?x=1#top", env=ENV)
    text = append_feed(path, {"url": "https://b.org/", "name": "B: the feed"}, env=ENV)
    assert changed_lines(FULL, text) == []
    feeds = load(path, ENV).settings.feeds
    assert [feed.url for feed in feeds[-2:]] == ["https://a.org/feed?x=1#top", "https://b.org/"]
    assert feeds[-1].name == "B: the feed"


TRICKY = [
    "coup: Mali", "no", "NULL", "~", "12:30", "0123", "1.10", "2012-11-20", "=US", "#arms",
    "@Syria", "*gate", "!stop", "&x", "- x", "? x", "wild*", "/re2: x/", 'say "hi"', "it's",
    "a, b", "[a]", "{a}", " lead", "trail ", "a #b", "100%", "%x", "`x`", "сирия", "𝒳", "true",
    "back\\slash", "a\nb", "\t", "é\u200b", "\u2028", "|", ">", "", ":", "a:", ":a", "<<",
]  # fmt: skip


@pytest.mark.parametrize("term", TRICKY)
def test_whatever_is_added_arrives(tmp_path: Path, term: str) -> None:
    path = write_sample(tmp_path, "rules:\n  - {name: A, any: [x]}\n")
    rule = {"name": "New", "any": [term, "x"], "examples": {"match": [term]}}
    append_rule(path, rule)
    assert load(path, {}).settings.rules[1].any == [term, "x"]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_arrives(tmp_path: Path, term: str) -> None:
    path = write_sample(tmp_path, "rules:\n  - {name: A, any: [x]}\n")
    if "${" in term or "\ufffe" in term or "\uffff" in term:
        return
    append_rule(path, {"name": "New", "any": [term]})
    assert load(path, {}).settings.rules[1].any == [term]


SHAPES = [
    ("empty", ""),
    ("comments", "# my watch\n"),
    ("no value", "rules:\n"),
    ("empty list", "rules: []\n"),
    ("other section", "lists: {a: [x]}\n"),
    ("flow", "rules: [{name: A, any: [x]}]\n"),
    ("not indented", "rules:\n- name: A\n  any: [x]\nlists: {}\n"),
    ("no newline", "rules:\n  - name: A\n    any: [x]"),
    ("comment below", "rules:\n  - name: A\n    any: [x]\n# about lists\nlists: {}\n"),
    ("comment inside", "rules:\n  - name: A\n    # why\n    any: [x]\n  # next\n\nlists: {}\n"),
    ("carriage returns", "rules:\r\n  - name: A\r\n    any: [x]\r\n"),
    ("last item nested", "rules:\n  - name: A\n    any:\n      - x\n      - y\nroutes: []\n"),
    ("anchor", "rules: &mine\n  - name: A\n    any: [x]\nlists: {}\n"),
    ("dash alone", "rules:\n  -\n    name: A\n    any: [x]\nlists: {}\n"),
    ("flow at the top", "{lists: {a: [x]}}\n"),
    ("document start", "---\nlists: {a: [x]}\n"),
    ("block text", "rules:\n  - name: A\n    match: |\n      x\n\n      # y\nlists: {}\n"),
]


@pytest.mark.parametrize("text", [row[1] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_every_shape_of_file(tmp_path: Path, text: str) -> None:
    path = write_sample(tmp_path, text)
    before = [rule.name for rule in load(path, {}).settings.rules]
    append_rule(path, {"name": "New", "any": ["x"]})
    append_rule(path, {"name": "Newer", "any": ["x"]})
    result = load(path, {}).settings
    assert [rule.name for rule in result.rules] == [*before, "New", "Newer"]
    comments = [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]
    written = path.read_bytes().decode()
    assert all(comment in written for comment in comments)
    if "\r\n" in text:
        assert "\n" not in written.replace("\r\n", "")


def test_an_included_file_is_made_and_checked_with_the_whole(tmp_path: Path) -> None:
    main = write_sample(tmp_path, FULL)
    slack = tmp_path / "rules.d/slack.yaml"
    append_rule(slack, {**RULE, "added_by": "U1"}, main=main, env=ENV)
    append_rule(slack, {**RULE, "name": "Newer"}, main=main, env=ENV)
    assert [rule.name for rule in load(main, ENV).settings.rules][-2:] == ["New", "Newer"]
    before = slack.read_bytes()
    for rule in ({**RULE, "name": "Arms deals with Syria"}, {**RULE, "name": "X", "to": ["no"]}):
        with pytest.raises(ConfigError) as raised:
            append_rule(slack, rule, main=main, env=ENV)
        assert "slack.yaml" in str(raised.value)
    assert slack.read_bytes() == before


def test_a_file_nobody_includes_is_refused(tmp_path: Path) -> None:
    main = write_sample(tmp_path, "rules: []\n")
    with pytest.raises(ConfigError, match=r"add `include: rules.d/\*.yaml` to config.yaml"):
        append_rule(tmp_path / "rules.d/slack.yaml", {"name": "N", "any": ["x"]}, main=main)
    assert not (tmp_path / "rules.d").exists()


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("is in `rules` already", {"name": "A", "any": ["y"]}),
    ("unknown key `nay`", {"name": "B", "nay": ["y"]}),
    ("unknown channel", {"name": "B", "any": ["y"], "to": "nowhere"}),
    ("says nothing", {"name": "B"}),
]


@pytest.mark.parametrize(("message", "rule"), REFUSED)
def test_what_would_not_load_is_not_written(
    tmp_path: Path, message: str, rule: dict[str, Any]
) -> None:
    path = write_sample(tmp_path, "rules:\n  - {name: A, any: [x]}\n")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=message):
        append_rule(path, rule)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_feed_listed_already_is_refused(tmp_path: Path) -> None:
    path = write_sample(tmp_path, FULL)
    for feed in ("https://example.com/feed", {"url": "https://example.org/world/rss.xml"}):
        with pytest.raises(ConfigError, match="is in `feeds` already"):
            append_feed(path, feed, env=ENV)


def test_many_at_once_or_none(tmp_path: Path) -> None:
    path = write_sample(tmp_path, FULL)
    feeds = [f"https://a.org/{number}" for number in range(200)]
    text = append_feeds(path, [*feeds, {"url": "https://b.org/", "name": "B"}], env=ENV)
    assert changed_lines(FULL, text) == []
    assert len(load(path, ENV).settings.feeds) == 203
    append_rules(path, [{**RULE, "name": f"N{number}"} for number in range(3)], env=ENV)
    assert [rule.name for rule in load(path, ENV).settings.rules][-3:] == ["N0", "N1", "N2"]
    before = path.read_bytes()
    for rules in ([RULE, RULE], [RULE, {"name": "X", "nay": ["x"]}]):
        with pytest.raises(ConfigError):
            append_rules(path, rules, env=ENV)
    assert path.read_bytes() == before


def test_without_the_environment_unset_variables_pass(tmp_path: Path) -> None:
    path = write_sample(tmp_path, "feeds: ['${BASE}/a']\n")
    append_feed(path, "https://a.org/")
    with pytest.raises(ConfigError, match="is not set"):
        append_feed(path, "https://b.org/", env={})


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    real = write_sample(tmp_path, "rules:\n  - {name: A, any: [x]}\n", "real.yaml")
    real.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(real)
    append_rule(link, {"name": "New", "any": ["x"]})
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "New" in real.read_text()


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    folder = tmp_path / "config.yaml"
    folder.mkdir()
    with pytest.raises(ConfigError, match="can't be written"):
        write(folder, "rules: []\n")
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_preview_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert preview(path, "rules", RULE) == ("rules:\n  - name: New\n    any: [x]\n    to: [news]\n")
    assert not path.exists()

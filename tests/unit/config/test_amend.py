"""Changing one item: its lines change, no other line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.config.amend import item_text, place_of, with_appended, with_change, with_item
from monitor.config.load import load

TEXT = """\
feeds:
  # the wire
  - https://a.example/feed   # ours
  - {url: 'https://b.example/feed', name: B}
  -
    url: https://c.example/feed
    # slow
    every: 1h

rules:
- name: One   # first
  any: [a,
    b]
  # about one
# about two
- any: [c]
  name: Two

web: {enabled: false}
"""


def paused(item: dict[str, Any]) -> None:
    item["enabled"] = False


@pytest.mark.parametrize(
    ("section", "index", "expected"),
    [
        ("feeds", 0, "https://a.example/feed   # ours\n"),
        ("feeds", 2, "\nurl: https://c.example/feed\n# slow\nevery: 1h\n"),
        ("rules", 0, "name: One   # first\nany: [a,\n  b]\n# about one\n"),
        ("rules", 1, "any: [c]\nname: Two\n"),
        ("rules", 9, ""),
        ("nothing", 0, ""),
    ],
)
def test_an_item_as_it_stands(section: str, index: int, expected: str) -> None:
    assert item_text(TEXT, section, index) == expected


def test_what_an_item_says_put_back_changes_nothing() -> None:
    for section, index in (("feeds", 0), ("feeds", 1), ("rules", 0), ("rules", 1)):
        assert with_item(TEXT, section, index, item_text(TEXT, section, index)) == TEXT


def test_only_the_item_changes() -> None:
    changed = with_item(TEXT, "rules", 0, "# new\nname: One\nany:\n  - z\n")
    assert changed == TEXT.replace(
        "- name: One   # first\n  any: [a,\n    b]\n  # about one\n",
        "  # new\n- name: One\n  any:\n    - z\n",
    )


@pytest.mark.parametrize(
    ("index", "before", "after"),
    [
        (0, "- https://a.example/feed   # ours\n",
         "- url: https://a.example/feed   # ours\n    enabled: false\n"),
        (1, "name: B}", "name: B, enabled: false}"),
        (2, "-\n    url: https://c.example/feed\n    # slow\n    every: 1h\n",
         "- url: https://c.example/feed\n    # slow\n    every: 1h\n    enabled: false\n"),
    ],
)  # fmt: skip
def test_a_feed_is_paused(index: int, before: str, after: str) -> None:
    changed = with_change(TEXT, "feeds", index, paused)
    assert changed == TEXT.replace(before, after)


def test_lists_in_one_line_and_windows_lines() -> None:
    flow = "feeds: [https://a.example/, https://b.example/]  # two\r\n"
    changed = with_change(flow, "feeds", 1, paused)
    assert "enabled: false" in changed
    assert changed.endswith("# two\r\n")
    assert "\r\r" not in changed
    with pytest.raises(ValueError, match="line for each"):
        with_item(flow, "feeds", 0, "x")
    block = "rules:\r\n- name: A\r\n  any: [a]\r\n"
    assert with_item(block, "rules", 0, "name: B\nany: [b]") == (
        "rules:\r\n- name: B\r\n  any: [b]\r\n"
    )


def test_an_item_is_added_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for text in (TEXT, "", "rules: []\n", "# nothing yet\n"):
        path.write_text(text)
        new = "name: New  # mine\nany:\n  - x\n"
        changed = with_appended(path, "rules", {"name": "New", "any": ["x"]}, new)
        path.write_text(changed)
        assert "name: New  # mine" in changed
        assert load(path, {}).settings.rules[-1].name == "New"


def test_an_item_of_an_included_file_is_found_there(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("include: more.yaml\nrules: [{name: A, any: [a]}]\n")
    (tmp_path / "more.yaml").write_text("rules:\n- name: B\n  any: [b]\n- name: C\n  any: [c]\n")
    loaded = load(path, {})
    names = [rule.name for rule in loaded.settings.rules]
    file, index = place_of(loaded, "rules", names.index("C"))
    assert (file.name, item_text(file.read_text(), "rules", index)) == (
        "more.yaml", "name: C\nany: [c]\n",
    )  # fmt: skip

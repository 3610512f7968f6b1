"""Many things added at once: every line that was there stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.additions import Additions, with_additions
from monitor.config.yaml import parse

FILE = Path("config.yaml")
ADDED = Additions(
    rules=[{"name": "New", "any": ["oil"]}, {"name": "Newer", "match": '"oil price" AND x1'}],
    comments=[["line 1: oil"], ["line 2", "changed: much"]],
    feeds=[{"url": "https://new.invalid/", "tags": ["a1"]}],
    lists={"words": ["one", "two: three"]},
    ignore={"title": ["ad"]},
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "rules:\n  - name: Mine # kept\n    any: [gas]\n",
        "rules:\n- {name: Mine, any: [gas]}\n\n# end\n",
        "lists:\n  mine:   [a1]   # aligned\n  other: [b2]\n\nrules:\n- name: Mine\n  any: [a1]\n",
        "lists: {words: [zero]}\nignore: {title: [old], url: [x9]}\nfeeds: []\n",
        "lists:\n  words:\n    - zero\nignore:\n  title: [old]\n  url: [x9]\n",
        "lists:\r\n  mine: [a1]\r\nstate: ./s\r\n",
    ],
)
def test_every_shape_of_file(text: str) -> None:
    before = parse(text, "x").data or {}
    after = with_additions(FILE, text, ADDED)
    data = parse(after, "x").data
    names = [rule["name"] for rule in data["rules"]]
    assert names == [rule["name"] for rule in before.get("rules", [])] + ["New", "Newer"]
    assert data["rules"][-1]["match"] == '"oil price" AND x1'
    assert data["feeds"][-1] == {"url": "https://new.invalid/", "tags": ["a1"]}
    words = before.get("lists", {}).get("words", [])
    assert data["lists"]["words"] == [*words, "one", "two: three"]
    assert data["ignore"]["title"][-1] == "ad"
    assert data["ignore"].get("url") == before.get("ignore", {}).get("url")
    for line in text.splitlines():
        if "#" in line:
            assert line in after
    if "\r\n" in text:
        assert "\n" not in after.replace("\r\n", "")


def test_comments_stand_above_their_rule() -> None:
    after = with_additions(FILE, "rules:\n  - name: Mine\n    any: [gas]\n", ADDED)
    lines = after.splitlines()
    at = lines.index("  - name: Newer")
    assert lines[at - 3 : at] == ["", "  # line 2", "  # changed: much"]
    assert lines[: lines.index("")] == ["rules:", "  - name: Mine", "    any: [gas]"]


def test_long_lists_go_one_item_a_line() -> None:
    after = with_additions(FILE, "", Additions(lists={"many": [f"word {n}" for n in range(40)]}))
    assert max(map(len, after.splitlines())) < 100
    assert len(parse(after, "x").data["lists"]["many"]) == 40

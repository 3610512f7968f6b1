"""Columns inside a text: for every way of writing it in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.positions import Positions, Source
from tests.unit.config.samples import loaded

TEXTS = [
    ("plain", "a: alpha beta\n"),
    ("quoted", "a: 'alpha beta'\n"),
    ("doubled quotes", "a: 'al''pha b''eta'\n"),
    ("double", 'a: "alpha beta"\n'),
    ("escapes", 'a: "al\\u0070ha\\tx \\x62eta"\n'),
    ("plain over lines", "a: alpha\n  beta gamma\n\n  delta\n"),
    ("quoted over lines", "a: 'alpha\n  beta\n\n  gamma'\n"),
    ("double over lines", 'a: "alpha\n  beta \\\n  gamma"\n'),
    ("literal", "a: |\n  alpha beta\n    gamma\n\n  delta\n"),
    ("folded", "a: >\n  alpha beta\n  gamma\n\n  delta\n"),
    ("folded, stripped", "a: >-\n    alpha beta\n    gamma\n"),
    ("no Latin", "a: 'сирия ÷ é 𝒳 beta'\n"),
    ("in a flow", "{x: [y], a: 'alpha beta'}\n"),
    ("after a comment", "# comment\n\na: alpha beta # end\n"),
    ("carriage returns", "x: y\r\na: |\r\n  alpha\r\n  beta\r\n"),
]


@pytest.mark.parametrize("text", [row[1] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_every_letter_is_where_it_says(text: str) -> None:
    import yaml

    value = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert isinstance(value, yaml.MappingNode)
    wanted = next(node.value for key, node in value.value if key.value == "a")
    positions = Positions([Source("x.yaml", text)])
    lines = text.replace("\r\n", "\n").split("\n")
    for offset, letter in enumerate(wanted):
        place = positions.in_scalar(("a",), offset)
        assert place is not None
        if letter.isspace():
            continue
        written = lines[place.line - 1][place.column - 1 :]
        assert written.startswith((letter, "\\")), (offset, letter, written)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_text_in_single_quotes(text: str) -> None:
    positions = Positions([Source("x.yaml", "a: '" + text.replace("'", "''") + "'\n")])
    for offset in range(len(text) + 1):
        place = positions.in_scalar(("a",), offset)
        assert place is None or place.line >= 1


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    positions = loaded(tmp_path, "rules: [{name: R, match: a b}]\n").positions
    assert positions.in_scalar(("rules", 0, "nothing"), 0) is None
    assert positions.in_scalar(("rules", 9, "match"), 0) is None
    assert positions.in_scalar(("rules",), 0) is None
    for path in (("rules", 0, "nothing"), ("rules", 9), ("nothing", "at", "all"), ()):
        assert positions.place(path) is not None


def test_a_single_text_where_a_list_may_stand(tmp_path: Path) -> None:
    positions = loaded(tmp_path, "rules: [{name: R, any: arms deal}]\n").positions
    place = positions.in_scalar(("rules", 0, "any", 0), 5)
    assert place is not None
    assert (place.line, place.column) == (1, 29)


def test_an_offset_past_the_end_is_the_end(tmp_path: Path) -> None:
    positions = loaded(tmp_path, "rules: [{name: R, match: ab}]\n").positions
    place = positions.in_scalar(("rules", 0, "match"), 99)
    assert place is not None
    assert place.column == 28


def test_behind_an_alias_the_start_is_given(tmp_path: Path) -> None:
    text = "lists: {a: [&t arms deal]}\nrules: [{name: R, any: [*t]}]\n"
    place = loaded(tmp_path, text).positions.in_scalar(("rules", 0, "any", 0), 5)
    assert place is not None
    assert (place.line, place.column) == (2, 25)

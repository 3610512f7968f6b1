"""Whatever the bytes: settings or a ConfigError; whatever the quoted text: it arrives."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config.load import feeds, load
from monitor.config.yaml import parse
from monitor.errors import ConfigError, Problem
from tests.unit.config.samples import FULL, write

QUIET = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PRINTABLE = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufeff"), max_size=60
)


def double_quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(PRINTABLE)
@QUIET
def test_a_quoted_text_arrives(text: str) -> None:
    single = "'" + text.replace("'", "''") + "'"
    # Line separators are line breaks to YAML 1.1, and refused when the file is read.
    if any(sign in text for sign in "\x85\u2028\u2029"):
        return
    assert parse(f"a: {single}\nb: {double_quoted(text)}\n", "x").data == {"a": text, "b": text}


@given(st.recursive(PRINTABLE, lambda inner: st.lists(inner) | st.dictionaries(
    PRINTABLE.filter(bool), inner), max_leaves=12))  # fmt: skip
@QUIET
def test_what_another_writer_quotes_arrives(data: object) -> None:
    text = yaml.safe_dump({"a": data}, default_style='"', allow_unicode=True)
    # A mapping's empty key and PyYAML's explicit key form (`? `) are both read.
    assert parse(text, "x").data == {"a": data}


def survives(path: Path) -> None:
    """Load; anything but settings or a ``ConfigError`` fails the test."""
    problems: tuple[Problem, ...] = ()
    try:
        loaded = load(path, {"PAGER_URL": "json://h"})
        feeds(loaded)
        assert loaded.positions.place(("rules", 0, "name")) is not None
    except ConfigError as error:
        problems = error.problems
    assert all(problem.message and str(problem).isprintable() for problem in problems)


@given(st.binary(max_size=200))
@QUIET
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    survives(write(tmp_path, raw))


@given(st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`?,=<~ \n\t0.$") | st.characters(), max_size=80))
@QUIET
def test_any_text(tmp_path: Path, text: str) -> None:
    survives(write(tmp_path, text.encode("utf-8", "surrogatepass")))


KEYS = """rules feeds channels slack entities lists ignore routes include name any all none match to
when url from digest min near quiet_hours examples auth headers inhibit volume where web"""
WORDS = st.sampled_from(KEYS.split())
VALUES = st.sampled_from(
    [
        "x",
        "",
        "no",
        "12:30",
        "[a]",
        "{}",
        "${X}",
        "-1",
        "10m",
        "#a",
        "https://a.org/",
        "news",
        "99999",
    ]
)


@given(
    st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
        max_leaves=20,
    )
)
@QUIET
def test_any_shape_of_known_keys(tmp_path: Path, data: object) -> None:
    survives(write(tmp_path, yaml.safe_dump({"rules": data, "feeds": data, "channels": data})))
    survives(write(tmp_path, yaml.safe_dump(data)))


@given(st.integers(0, len(FULL) - 1), st.integers(0, 12), st.text(max_size=3))
@QUIET
def test_any_slip_in_a_good_file(tmp_path: Path, at: int, gone: int, put: str) -> None:
    text = FULL[:at] + put + FULL[at + gone :]
    survives(write(tmp_path, text.encode("utf-8", "surrogatepass")))

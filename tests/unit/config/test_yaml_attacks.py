"""YAML's traps and attacks: refused with their place, or the text that stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.config.yaml import MAX_BYTES, decode, parse
from tests.unit.config.samples import loaded, refused, write

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(8)
)
RULE = "rules:\n  - name: R\n    any: [x]\n"

REFUSED = [
    ("YAML-01", BOMB, "aliases repeat more than 10,000 values", 4),
    ("YAML-02", "lists:\n  a: &a [*a]\n", "`*a` contains itself", 2),
    ("YAML-03", "state: !!python/object/apply:os.system [id]\n", "the tag", 1),
    ("YAML-04", "rules: !foo []\n", "the tag !foo is not allowed", 1),
    ("YAML-05", "rules:\n  - name: R\n    any: [x]\n    any: [y]\n", "twice, first at line 3", 4),
    ("YAML-12", "lists: " + "[" * 5_000, "nested more than 40 deep", 1),
    ("YAML-13", "lists: {}\n---\nlists: {}\n", "a second document", 2),
    ("YAML-14", "? [x]\n: y\n", "a key must be a plain text", 1),
    ("YAML-15", "a: &a {x: y}\nlists:\n  <<: *a\n", "merge keys", 3),
    ("YAML-16", "rules:\n\t- name: R\n", "a tab can't be used to indent", 2),
    ("YAML-17", 'state: "abc\nrules: []\n', "a quote is opened and never closed", 3),
    ("YAML-18", "# filling\n" * 110_000 + RULE, "hardly any of it settings", 1),
    ("YAML-18-text", f"lists: {{a: ['{'x' * 70_000}']}}\n", "a text of 70,000 characters", 1),
    ("YAML-18-hard", RULE + "#" * MAX_BYTES, "the limit is 16 MB", 1),
    ("YAML-19", "defaults: {chanel: news}\n", "unknown key `chanel` in `defaults`", 1),
    ("repeats", "lists:\n" + "  a: [x]\n" * 3_000, "more than 1,000 repeated keys", 1_003),
    ("values", f"lists: {{a: [{'x, ' * 1_000_100}]}}\n", "more than 1,000,000 values", 1),
    ("CONFIG-13", "rules:\n  - name: R\n    any:\n      -\n", "an empty item", 4),
]


@pytest.mark.parametrize(
    ("text", "message", "line"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(tmp_path: Path, text: str, message: str, line: int) -> None:
    problems = refused(tmp_path, text)
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    assert found[0].place is not None
    assert (found[0].place.line, found[0].place.column > 0) == (line, True)


TEXT = [
    ("YAML-06", ["no", "NO", "on", "off", "yes", "Yes", "TRUE", "false"]),
    ("YAML-07", ["12:30", "1:2:3"]),
    ("YAML-08", ["0123", "0o17", "0x1F", "1_000"]),
    ("YAML-09", ["1.10", "1e3", ".inf", ".nan"]),
    ("YAML-10", ["2012-11-20", "2012-11-20 10:00:00"]),
    ("YAML-11", ["NULL", "Null", "null", "~"]),
    ("YAML-21", ["9" * 10_000]),
    ("exact", ["=US", "=Yak-130", "wild*", "/re2/", "list:arms", "<html>", "a&b", "50%"]),
]


@pytest.mark.parametrize("words", [row[1] for row in TEXT], ids=[row[0] for row in TEXT])
def test_plain_text_stays_text(tmp_path: Path, words: list[str]) -> None:
    lines = "".join(f"      - {word}\n" for word in words)
    settings = loaded(tmp_path, f"rules:\n  - name: R\n    any:\n{lines}").settings
    assert settings.rules[0].any == words


def test_did_you_mean(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "defaults: {chanel: news}\n")
    assert problem.hint == "did you mean `channel`?"


def test_duplicate_key_names_both_places(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "rules:\n  - name: R\n    any: [x]\n    any: [y]\n")
    assert str(problem.place).endswith("config.yaml:4:5")
    assert "config.yaml:3:5" in problem.hint


ACCEPTED: list[tuple[str, bytes]] = [
    ("BOM", b"\xef\xbb\xbf" + RULE.encode()),
    ("CRLF", RULE.replace("\n", "\r\n").encode()),
    ("both", b"\xef\xbb\xbf" + RULE.replace("\n", "\r\n").encode()),
    ("document start", b"---\n" + RULE.encode()),
    ("no newline at the end", RULE.rstrip().encode()),
]


@pytest.mark.parametrize("raw", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_yaml_20_byte_order_mark_and_line_ends(tmp_path: Path, raw: bytes) -> None:
    assert [rule.name for rule in loaded(tmp_path, raw).settings.rules] == ["R"]


@pytest.mark.parametrize("raw", [b"", b"\n", b"# nothing yet\n", b"---\n", b"rules:\nfeeds:\n"])
def test_an_empty_configuration_is_fine(tmp_path: Path, raw: bytes) -> None:
    assert loaded(tmp_path, raw).settings.rules == []


BYTES = [
    ("UTF-16", "rules: []".encode("utf-16"), "UTF-16", (1, 1)),
    ("UTF-32", "rules: []".encode("utf-32"), "UTF-16", (1, 1)),
    ("Latin-1", "lists:\n  a: [caf\xe9]\n".encode("latin-1"), "byte 0xe9 is not UTF-8", (2, 10)),
    ("NUL", b"lists:\n  a: [x\x00y]\n", "a NUL byte", (2, 8)),
    ("escape", b"lists:\n  a: [x\x1b[31m]\n", "a control character", (2, 8)),
    ("separator", "lists:\n  a: [x\u2028y]\n".encode(), "a control character", (2, 8)),
    ("surrogate", b"lists: \xed\xa0\x80\n", "is not UTF-8", (1, 8)),
]


@pytest.mark.parametrize(
    ("raw", "message", "at"), [row[1:] for row in BYTES], ids=[row[0] for row in BYTES]
)
def test_bytes_that_are_not_clean_utf8(
    tmp_path: Path, raw: bytes, message: str, at: tuple[int, int]
) -> None:
    (problem,) = refused(tmp_path, raw)
    assert message in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == at


TRAPS = [
    (
        "block item that is a comment",
        "rules:\n  - name: R\n    any:\n      - #arms\n      - x\n",
        "`#` starts a comment in YAML",
        'quote it ("#arms") or write list:arms',
    ),
    (
        "flow item that is a comment",
        "rules:\n  - name: R\n    any: [#arms, x]\n    to: news\n",
        "is read as a comment",
        "list:arms",
    ),
    (
        "channel that is a comment",
        "channels:\n  news:\n    slack: #news\n",
        "`slack` has no value",
        'quote it ("#news")',
    ),
    (
        "term that is a mapping",
        "rules:\n  - name: R\n    any:\n      - coup: Mali\n",
        "YAML read `coup: Mali` as a mapping",
        'quote it: "coup: Mali"',
    ),
    (
        "flow term that is a mapping",
        "rules:\n  - name: R\n    any: [coup: Mali]\n",
        "YAML read `coup: Mali` as a mapping",
        'quote it: "coup: Mali"',
    ),
    (
        "example that is a mapping",
        "rules:\n  - name: R\n    any: [x]\n    examples:\n      match: [Mali: coup]\n",
        "YAML read `Mali: coup` as a mapping",
        'quote it: "Mali: coup"',
    ),
    (
        "empty mapping",
        "entities: {A: {aliases: [{}]}}\n",
        "a mapping where a text is wanted",
        "quote the text",
    ),
    (
        "list term that is a mapping",
        "lists:\n  a:\n    - coup: Mali\n",
        "YAML read `coup: Mali` as a mapping",
        'quote it: "coup: Mali"',
    ),
    (
        "@ at the start",
        "rules:\n  - name: R\n    any: [@Syria]\n",
        "a text can't start with `@`",
        'quote it: "@Syria"',
    ),
    (
        "* at the start",
        "rules:\n  - name: R\n    any: [*gate]\n",
        "refers to an anchor",
        '"*gate"',
    ),
    (
        "! at the start",
        "rules:\n  - name: R\n    any: [!stop]\n",
        "a text can't start with `!`",
        'quote it: "!stop"',
    ),
    (
        "colon in a query",
        "rules:\n  - name: R\n    match: title: coup\n",
        "a `:` where no key can stand",
        "quote",
    ),
]


@pytest.mark.parametrize(
    ("text", "message", "hint"), [row[1:] for row in TRAPS], ids=[row[0] for row in TRAPS]
)
def test_traps_are_named(tmp_path: Path, text: str, message: str, hint: str) -> None:
    problems = refused(tmp_path, text)
    found = [each for each in problems if message in each.message and hint in each.hint]
    assert found, [str(problem) for problem in problems]


def test_aliases_work_within_bounds(tmp_path: Path) -> None:
    text = "lists: {a: &terms [x, y], b: *terms}\nrules: [{name: R, any: *terms}]\n"
    settings = loaded(tmp_path, text).settings
    assert settings.lists == {"a": ["x", "y"], "b": ["x", "y"]}
    assert settings.rules[0].any == ["x", "y"]


@pytest.mark.parametrize("raw", ["text", "[a, b]", "1"])
def test_the_top_is_a_mapping(tmp_path: Path, raw: str) -> None:
    (problem,) = refused(tmp_path, raw)
    assert "a mapping of sections" in problem.message


def test_a_syntax_error_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "rules:\n  - name: R\n    match: title: coup\n")
    line, caret = problem.excerpt.split("\n")
    assert line == "    match: title: coup"
    assert line[caret.index("^")] == ":"


def test_a_syntax_error_shows_no_secret(tmp_path: Path) -> None:
    for text in ("slack: {token: @hunter2secret}\n", "state: postgresql://u:pw@h/x: y\n"):
        for problem in refused(tmp_path, text):
            assert problem.excerpt == ""


SCALARS: list[tuple[str, Any]] = [
    ("'it''s'", "it's"),
    ('"a\\tb\\u00e9"', "a\tbé"),
    ("|\n  one\n  two\n", "one\ntwo\n"),
    (">\n  one\n  two\n", "one two\n"),
    (">-\n  one\n\n  two\n", "one\ntwo"),
]


@pytest.mark.parametrize(("raw", "value"), SCALARS)
def test_scalar_styles(raw: str, value: str) -> None:
    assert parse(f"a: {raw}", "x.yaml").data == {"a": value}


def test_decode_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "rules: []\n")
    assert decode(path.read_bytes(), str(path)) == "rules: []\n"

"""The shipped schema and page are fresh, and the schema takes what the loader takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.config.reference import page
from monitor.config.schema import schema, schema_text
from tests.unit.config.samples import FULL

ROOT = Path(__file__).resolve().parents[3]
WRITE = "run: python -m monitor.config.reference"


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "newswatch.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), WRITE


def test_the_committed_page_is_fresh() -> None:
    committed = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    assert committed == page(), WRITE


def test_every_key_of_the_page_has_a_meaning() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    for row in rows:
        meaning = row.removesuffix("|").rpartition(" | ")[2].strip()
        assert meaning, row
        assert not meaning.startswith(("**Required", "Default:", "Example:")), row


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


class _Editor(yaml.SafeLoader):
    """Reads YAML 1.2 as editors do: only true and false are booleans, dates are text."""


_Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.rsplit(":")[-1] in {"int", "null"}]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Editor.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile("^(?:true|false)$"),
    list("tf"),
)


def findings(text: str) -> list[str]:
    data: Any = yaml.load(text, _Editor)
    validator = jsonschema.Draft202012Validator(schema())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]


def shipped() -> list[Path]:
    found = [ROOT / "config.yaml", *sorted((ROOT / "monitor/demo").glob("*.yaml"))]
    return [path for path in found if path.is_file()]


@pytest.mark.parametrize("path", shipped(), ids=lambda path: str(path.relative_to(ROOT)))
def test_it_takes_every_shipped_file(path: Path) -> None:
    assert findings(path.read_text(encoding="utf-8")) == []


TAKEN = [
    FULL,
    "feeds: ['https://a.org/', {url: 'file:x.xml', auth: {user: u, password_file: p}}]",
    "entities: {A: [Alias], B: {aliases: Alias, valid: {from: 2020-01-01}}}",
    "lists: {a: one, b: [2024, true]}",
    "rules: [{name: 2024, any: term, inflect: false, ignore: none, none: {title: [x]}}]",
    "rules: [{name: R, all: [{any: [x]}, {entity: S}], entities: {at_least: 2, of: [A, B]}}]",
    "channels: {a: {slack: '#a', hours: {from: '08:00', to: '18:00'}, quiet_hours: '22:00-6:00'}}",
    "routes: [{when: {tag: x, severity: [high]}, to: a, unanswered: {after: 10m, to: b}}]",
    "slack: {token_file: secrets/token}",
    "web: {enabled: true, token: '${T}'}",
    "include: [rules.d/*.yaml]",
]


@pytest.mark.parametrize("text", TAKEN)
def test_it_takes_short_and_long_forms(text: str) -> None:
    assert findings(text) == []


NOT_TAKEN = [
    "chanels: {}",
    "rules: [{any: [x]}]",
    "rules: [{name: R, nay: [x]}]",
    "rules: [{name: R, any: [x], severity: hihg}]",
    "channels: {a: {slack: '#a', live: maybe}}",
    "routes: [{when: {sevrity: x}}]",
    "retention: {stories: soon}",
]


@pytest.mark.parametrize("text", NOT_TAKEN)
def test_it_refuses_what_the_loader_refuses(text: str) -> None:
    assert findings(text)


def test_every_key_has_a_meaning() -> None:
    made = schema()
    for name, definition in made["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert value.get("description") or value.get("$ref"), (name, key)


def test_no_value_of_the_environment_is_in_it() -> None:
    assert "xoxb" not in json.dumps(schema())

"""The configuration's reference page, written from its JSON Schema.

Knows no settings of its own: what an editor shows and what the page says is one text.
``python -m monitor.config.reference`` writes ``newswatch.schema.json`` and
``docs/reference/configuration.md``; tests fail when either is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.config.schema import SCHEMA_FILE, schema, schema_text

PAGE_FILE = Path("docs/reference/configuration.md")

_HEAD = """# Configuration

*Generated from `newswatch.schema.json` by `python -m monitor.config.reference`.*

One YAML file, by default `config.yaml`. Put
`# yaml-language-server: $schema=./newswatch.schema.json` on its first line, and an editor with YAML
support completes and checks it. `newswatch check` checks it too; a running watch takes each change
by itself, and keeps the last good configuration when a change is broken.

Durations are `30s`, `10m`, `2h`, `30d`, `1y` (365 days); sizes `500MB`, `5GB`; times of day `08:00`
in `defaults.timezone`; countries ISO 3166 (`GB`). Where a list is wanted, a single text will do.

**YAML without surprises.** Every value stays the text that stands there: `no`, `12:30`, `0123` and
`1.10` are words. Two equal keys, tags (`!x`), merge keys (`<<`), a second document and more than 40
levels are refused; anchors and aliases work within bounds. `#` starts a comment, so `"#news"` and a
term like `"coup: Mali"` need quotes; the message says so where they are missing.

**Secrets** come from outside the file: `${NAME}` stands for an environment variable, also inside a
longer text, and each key that holds a secret can be written as `KEY_file: path` (relative to the
configuration; mode 600). A variable that isn't set means *absent* under `slack:`, *channel off,
with a warning* under `channels:`, and is an error elsewhere. An empty variable counts as not set.
Variables are not replaced in rules, entities, lists and `ignore`. Tokens in plain text are refused.

**Included files** (`include: rules.d/*.yaml`) stand under the configuration's folder and hold
`rules`, `entities`, `lists`, `routes` and `ignore`. They can't include others.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_sections(schema())]).rstrip() + "\n"


def _sections(made: dict[str, Any]) -> Iterator[str]:
    definitions: dict[str, Any] = made["$defs"]
    done: set[str] = set()
    waiting: list[tuple[str, str]] = []
    yield "## The file\n"
    yield from _table(made, definitions, waiting)
    while waiting:
        title, name = waiting.pop(0)
        if name in done:
            continue
        done.add(name)
        definition = definitions[name]
        if "properties" not in definition:
            continue
        yield f"## {title}\n"
        if definition.get("description"):
            yield definition["description"].replace("``", "`") + "\n"
        yield from _table(definition, definitions, waiting)


def _table(
    definition: dict[str, Any], definitions: dict[str, Any], waiting: list[tuple[str, str]]
) -> Iterator[str]:
    required = definition.get("required", ())
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for key, value in definition["properties"].items():
        waiting.extend((f"`{key}`", name) for name in _references(value))
        must = " **Required.**" if key in required else ""
        yield f"| `{key}` | {_cell(_kind(value))} | {_cell(_meaning(value, definitions) + must)} |"
    yield ""


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and not reference.endswith("/Clause"):
            yield reference.rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _kind(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{_scalar(each)}`" for each in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "$ref" in value:
        return "term or clause" if value["$ref"].endswith("/Clause") else "mapping"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(each) for each in value["anyOf"]))
    if value.get("format") == "date":
        return "date"
    kind = value.get("type")
    if isinstance(kind, list):
        return "size" if kind == ["string", "integer"] else "text"
    if kind == "array":
        return f"list of {_kind(value.get('items', {}))}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"name → {_kind(inner)}" if isinstance(inner, dict) and inner else "mapping"
    if kind == "string":
        if "pattern" in value and "a-zA-Z" in value["pattern"]:
            return "duration"
        return "text"
    return {"boolean": "true or false", "integer": "whole number", "number": "number"}.get(
        str(kind), "value"
    )


def _meaning(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    # pydantic leaves a description out that the section itself has.
    section = definitions.get(str(value.get("$ref", "")).rpartition("/")[2], {})
    text = str(value.get("description") or section.get("description", "")).replace("``", "`")
    default = value.get("default")
    if default is not None and not isinstance(default, dict):
        text += f" Default: `{_scalar(default)}`."
    examples = value.get("examples")
    if examples:
        text += " Example: " + ", ".join(f"`{_scalar(each)}`" for each in examples[:3]) + "."
    return text.strip()


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Write the schema and the page where they belong."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    PAGE_FILE.parent.mkdir(parents=True, exist_ok=True)
    PAGE_FILE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

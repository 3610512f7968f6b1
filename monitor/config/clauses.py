"""A look at rules as raw data: YAML's traps named, numbers read where a clause wants one.

What clauses mean is ``monitor.rules``' business; here only what YAML made of the text is judged.
"""

from __future__ import annotations

import re
from typing import Any

from monitor.config.suggest import did_you_mean
from monitor.config.yaml import Path
from monitor.errors import Problem

Finding = tuple[Path, Problem]

_KEYS = """
    any all none min near not match in inflect unless_in where entities entity list term phrase
    exact regex title lead body summary content category url author source tag tags lang language
    country feed first sent para atleast at_least of n within ordered from to only unless text
"""
CLAUSE_KEYS = frozenset(_KEYS.split())
_COUNTS = ("n", "within", "at_least")
_NESTED = ("any", "all", "none", "min", "near", "entities")


def check_rule(rule: dict[str, Any], path: Path, found: list[Finding]) -> None:
    """Report YAML traps in a rule's clauses; reads counts and ``ordered`` in place."""
    for key in _NESTED:
        value = rule.get(key)
        if isinstance(value, list):
            _items(value, (*path, key), found)
        elif isinstance(value, dict):
            _clause(value, (*path, key), found)
    for key in ("unless_in", "to", "mention"):
        check_texts(rule.get(key), (*path, key), found)
    examples = rule.get("examples")
    if isinstance(examples, dict):
        for key in ("match", "no_match"):
            check_texts(examples.get(key), (*path, "examples", key), found)


def check_texts(value: Any, path: Path, found: list[Finding]) -> None:
    """Report items of a list of texts that YAML read as something else."""
    if not isinstance(value, list):
        return
    for index, item in enumerate(value):
        if isinstance(item, dict):
            found.append(((*path, index), _as_mapping(item)))
        elif isinstance(item, list):
            found.append(
                ((*path, index), Problem("a list where a text is wanted", hint="quote the text"))
            )


def _items(items: list[Any], path: Path, found: list[Finding]) -> None:
    for index, item in enumerate(items):
        if isinstance(item, str):
            continue
        at = (*path, index)
        if isinstance(item, dict):
            if not CLAUSE_KEYS.isdisjoint(item):
                _clause(item, at, found)
            elif item:
                found.append((at, _as_mapping(item)))
        elif isinstance(item, list):
            _items(item, at, found)


def _clause(clause: dict[str, Any], path: Path, found: list[Finding]) -> None:
    for key, value in clause.items():
        if isinstance(value, str):
            if key in _COUNTS and re.fullmatch(r"-?\d{1,9}", value):
                clause[key] = int(value)
            elif key == "ordered" and value.lower() in {"true", "yes", "on"}:
                clause[key] = True
            elif key == "ordered" and value.lower() in {"false", "no", "off"}:
                clause[key] = False
        elif isinstance(value, list):
            _items(value, (*path, key), found)
        elif isinstance(value, dict):
            _clause(value, (*path, key), found)


def _as_mapping(item: dict[str, Any]) -> Problem:
    if not item:
        return Problem("a mapping where a text is wanted", hint="quote the text")
    key, value = next(iter(item.items()))
    if len(item) == 1 and isinstance(value, str):
        text = f"{key}: {value}"
        return Problem(f"YAML read `{text}` as a mapping", hint=f"quote it: {quoted(text)}")
    if isinstance(value, str):
        return Problem(
            f"YAML read `{key}: …` as a mapping", hint="quote the text that contains `:`"
        )
    near = did_you_mean(key, CLAUSE_KEYS)
    return Problem(f"unknown clause `{key[:60]}`", hint=near or "quote it, if it is a text")


def quoted(text: str) -> str:
    """Return ``text`` as a double-quoted YAML scalar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

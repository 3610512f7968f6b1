"""Completion in the rule lab: what may stand where somebody types. Pure, but for the gazetteer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from monitor.config.models import RuleSettings, Settings
from monitor.rules.entities.gazetteer import bundled
from monitor.values import Severity

MOST = 12  # offered at once
_WORD = re.compile(r"[\w:#@/-]*\Z")
_KEY = re.compile(r"(?P<indent>[ -]*)(?P<word>\w*)\Z")
_VALUE = re.compile(r"[ -]*(?P<key>\w+):\s*(?P<value>.*)\Z")
_NAMED = re.compile(r"(?:(?P<list>list:|#)|(?P<entity>entity:|@))\"?(?P<start>[\w .-]*)\Z")
# The query language's words (docs/reference/query-language.md).
_OPERATORS: Mapping[str, str] = {
    "AND": "both sides",
    "OR": "at least one side",
    "NOT": "not what follows",
    "NEAR/5": "at most 5 words between",
    "ONEAR/5": "the same, in this order",
    "NOT NEAR/5": "the left one without the right one near it",
    "SENT": "in one sentence",
    "PARA": "in one paragraph",
    "ATLEAST/2": "at least twice",
    "FIRST/50": "in the first 50 words",
    "title:": "in the title",
    "body:": "in summary or content",
    "lead:": "at the start of the text",
    "list:": "any term of a list",
    "entity:": "an entity under any of its names",
}
_WHERE = ("tags", "languages", "country", "category", "feed", "source", "author", "url")
_CHOICES: Mapping[str, Sequence[str]] = {
    "severity": [each.label for each in Severity],
    "precision": ["high", "balanced", "broad"],
    "inflect": ["plural", "none", "stem"],
    "in": ["title", "body"],
    "ignore": ["none"],
    "enabled": ["true", "false"],
}
_TERMS = ("any", "all", "none", "of")


@dataclass(frozen=True, slots=True)
class Offer:
    """What may stand there: ``text`` in place of the last ``replaces`` characters."""

    text: str
    says: str
    replaces: int


def complete(text: str, at: int, settings: Settings) -> tuple[Offer, ...]:
    """Return what may stand at the cursor ``at`` of a rule's YAML, the best first."""
    before = text[:at]
    line = before[before.rfind("\n") + 1 :]
    if named := _NAMED.search(line):
        return _named(named, settings)
    value = _VALUE.match(line)
    key = value["key"] if value else _above(before)
    if value is None and (start := _KEY.match(line)) is not None and "-" not in start["indent"]:
        word = start["word"]
        if key == "where":
            return _offers(_starting(word, dict.fromkeys(_WHERE, "")), len(word), ": ")
        if not start["indent"].strip() and len(start["indent"]) < 4:
            return _offers(_starting(word, _fields()), len(word), ": ")
    return _value(key, line, settings)


def _value(key: str, line: str, settings: Settings) -> tuple[Offer, ...]:
    word = _WORD.search(line)
    start = word[0] if word else ""
    if key in ("to", "channel"):
        return _offers(_starting(start, dict.fromkeys(settings.channels, "channel")), len(start))
    if key in _CHOICES:
        return _offers(_starting(start, dict.fromkeys(_CHOICES[key], "")), len(start))
    if key == "match" and start:
        return _offers(_starting(start, _OPERATORS), len(start))
    if key == "entities" and start:
        return _offers(_starting(start, _entities(settings)), len(start))
    if key in _TERMS and len(start) > 1:
        prefixes = {"list:": "any term of a list", "entity:": "an entity under any of its names"}
        return _offers(_starting(start, prefixes), len(start))
    return ()


def _named(found: re.Match[str], settings: Settings) -> tuple[Offer, ...]:
    start = found["start"]
    if found["list"]:
        lists = {name: f"{len(terms)} terms" for name, terms in settings.lists.items()}
        return _offers(_starting(start, lists), len(start))
    offers = _starting(start, _entities(settings))
    quoted = {f'"{name}"' if " " in name else name: says for name, says in offers}
    return _offers(quoted.items(), len(found[0]) - len(found["entity"]))


def _above(before: str) -> str:
    """Return the key whose list the last line belongs to: the nearest line above that ends in one
    and is less deep."""
    lines = before.split("\n")
    depth = len(lines[-1]) - len(lines[-1].lstrip(" "))
    for line in reversed(lines[:-1]):
        found = re.fullmatch(r"( *)(?:- )?(\w+):\s*", line)
        if found and len(found[1]) <= depth:
            return found[2]
    return ""


def _starting(start: str, names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    wanted = start.casefold()
    return [(name, says) for name, says in names.items() if name.casefold().startswith(wanted)]


def _offers(found: Iterable[tuple[str, str]], replaces: int, after: str = "") -> tuple[Offer, ...]:
    return tuple(Offer(name + after, says, replaces) for name, says in list(found)[:MOST])


@cache
def _fields() -> Mapping[str, str]:
    return {
        field.alias or name: field.description or ""
        for name, field in RuleSettings.model_fields.items()
        if name != "added_by"
    }


def _entities(settings: Settings) -> Mapping[str, str]:
    own = {name: each.type for name, each in settings.entities.items()}
    return {**own, **_countries()}


@cache
def _countries() -> Mapping[str, str]:
    return {each.name: f"country ({code})" for code, each in bundled().countries.items()}

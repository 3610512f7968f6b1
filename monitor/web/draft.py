"""A rule that somebody is writing: what is wrong with it, where, and what it would change in the
file. Changes nothing.

It is checked against the configuration in force without loading that anew: a configuration of ten
thousand feeds takes a second to load, and this is asked at every key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.config.amend import item_text, place_of, with_appended, with_item
from monitor.config.edit import text_of
from monitor.config.load import load
from monitor.config.models import RuleSettings, Settings
from monitor.config.yaml import YamlError
from monitor.config.yaml import parse as parse_strictly
from monitor.errors import ConfigError, Place, Problem
from monitor.loading import rule_problems
from monitor.rules import compile_rules
from monitor.web.changes import Change

_HEAD = 2  # lines before the rule in the small configuration that it is checked in
_FILE = "rule"  # what the rule's text is called in problems
_NAMELESS = "write `name: …` and below it `any: […]`"


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that loads: its text, what stands in it, as settings; ``whole`` is the configuration
    in force with it as its only rule, ``known`` the rule of that name in force, or None."""

    text: str
    data: Mapping[str, Any]
    settings: RuleSettings
    whole: Settings
    known: RuleSettings | None
    notes: tuple[Problem, ...]


def read_draft(text: str, in_force: Settings) -> Draft:
    """Return the rule written in ``text``; raises ``ConfigError`` with every problem and its place
    in ``text``. Names of lists, entities and channels are those ``in_force``."""
    if "${" in text:
        line = text[: text.index("${")].count("\n") + 1
        place = Place(_FILE, line, 1)
        raise ConfigError([Problem("variables have no place in a rule", place, "write the term")])
    data = _rule_of(text)
    shifted, by = _as_item(text)
    channels = {name: {"console": True} for name in in_force.channels}
    small = f"channels: {json.dumps(channels)}\nrules:\n{shifted}"
    path = Path(_FILE)
    try:
        loaded = load(path, {}, overlay={path.resolve(): small.encode("utf-8", "replace")})
    except ConfigError as error:
        raise ConfigError(_moved(error.problems, by)) from None
    settings = loaded.settings.rules[0]
    whole = in_force.model_copy(update={"rules": [settings]})
    compiled = compile_rules(whole)
    own = [each for each in compiled.problems if each.path[:1] == ("rules",)]
    found = _moved(rule_problems(loaded, type(compiled)(compiled.ruleset, tuple(own))), by)
    found = (*_moved([p for p in loaded.warnings if p.place and p.place.line > _HEAD], by), *found)
    if any(each.level == "error" for each in found):
        raise ConfigError([each for each in found if each.level == "error"])
    known = next((each for each in in_force.rules if each.name == settings.name), None)
    return Draft(text, data, settings, whole, known, found)


def rule_text(name: str, config: Path, env: Mapping[str, str]) -> str:
    """Return a configured rule as it stands in its file; "" where there is none, or where its list
    is written in one line. Raises ``ConfigError``."""
    loaded = load(config, env)
    for index, rule in enumerate(loaded.settings.rules):
        if rule.name == name:
            file, number = place_of(loaded, "rules", index)
            return item_text(text_of(file), "rules", number)
    return ""


def change_for(draft: Draft, config: Path, env: Mapping[str, str]) -> Change:
    """Return the change that puts ``draft`` into its file: in place of the rule of its name, else
    at the end of ``rules:``. Raises ``ConfigError`` where the whole would not load with it."""
    loaded = load(config, env)
    names = [rule.name for rule in loaded.settings.rules]
    if draft.settings.name not in names:
        edited = with_appended(config, "rules", dict(draft.data), _bare(draft.text))
        return Change.of(config, edited, config, env)
    file, number = place_of(loaded, "rules", names.index(draft.settings.name))
    try:
        edited = with_item(text_of(file), "rules", number, _bare(draft.text))
    except ValueError as error:
        message = f"{file.name}: {error}: change the rule there by hand"
        raise ConfigError([Problem(message)]) from None
    return Change.of(file, edited, config, env)


def _rule_of(text: str) -> dict[str, Any]:
    try:
        data = parse_strictly(text, _FILE).data
    except YamlError as error:
        raise ConfigError([error.problem]) from None
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        place = Place(_FILE, 1, 1)
        raise ConfigError([Problem("this is not one rule with a name", place, _NAMELESS)])
    return data


def _as_item(text: str) -> tuple[str, int]:
    """Return ``text`` as an item of a list two blanks deep, and by how many columns it moved."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if _says(line))
    if lines[first].startswith("- "):
        return "\n".join(f"  {line}" for line in lines) + "\n", 2
    moved = [f"    {line}" for line in lines]
    moved[first] = f"  - {lines[first]}"
    return "\n".join(moved) + "\n", 4


def _bare(text: str) -> str:
    """Return ``text`` without the dash of a list that it may have been copied from."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if _says(line))
    if not lines[first].startswith("- "):
        return text
    lines[first] = "  " + lines[first][2:]
    return "\n".join(line.removeprefix("  ") for line in lines) + "\n"


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _moved(problems: Sequence[Problem], by: int) -> tuple[Problem, ...]:
    """Return problems with the places that they have in the rule's own text."""
    out = []
    for each in problems:
        place = each.place
        if place is not None:
            line, column = place.line - _HEAD, max(1, place.column - by)
            place = Place(_FILE, line, column) if line > 0 else None
        out.append(Problem(each.message, place, each.hint, each.level, each.excerpt))
    return tuple(out)

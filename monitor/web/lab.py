"""The rule lab's thinking: a rule as YAML in, what it would have matched out. Changes nothing.

Near misses come from the rule with one clause left out at a time: what such a looser rule matches
and the rule itself doesn't, failed for that clause alone.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.config.edit import preview
from monitor.config.load import Loaded, load
from monitor.config.models import RuleSettings, Settings
from monitor.config.yaml import YamlError
from monitor.config.yaml import parse as parse_strictly
from monitor.documents import document_of_stored
from monitor.errors import ConfigError, Problem
from monitor.rules import RuleSet, compile_rules
from monitor.store.port import FoundEntry
from monitor.values import Document, Feed, Match

SHOWN = 100  # matches listed
NEAR = 10  # near misses listed
# Clauses that may be left out one at a time, in the order in which they are named.
_CLAUSES = ("all", "any", "none", "min", "near", "entities", "match")
_DRAFT = "(draft) "  # before the name of a rule that exists: both are looked at side by side


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that loads: as written, as settings, and the whole configuration with it.

    ``known`` is the rule of that name in force, or None. ``edited`` is the file's text with the
    rule at its end and ``seen`` a digest of the text it was made of ("" where the name is taken).
    """

    rule: Mapping[str, Any]
    settings: RuleSettings
    whole: Settings
    known: RuleSettings | None
    notes: tuple[Problem, ...]
    diff: tuple[str, ...]
    seen: str


@dataclass(frozen=True, slots=True)
class Found:
    """A document with the draft's match; for a near miss, ``lacks`` is the clause that failed."""

    document: Document
    match: Match
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a draft matched of ``looked_at`` documents; ``new`` and ``lost`` are against the rule
    of that name in force."""

    looked_at: int
    matched: int
    found: tuple[Found, ...]
    near: tuple[Found, ...]
    near_all: int
    days: tuple[tuple[date, int], ...]
    new: int = 0
    lost: int = 0


def read_draft(text: str, config: Path, env: Mapping[str, str]) -> Draft:
    """Return the rule written in ``text``; raises ``ConfigError`` with what is wrong with it."""
    rule = _rule_of(text)
    current = config.read_text(encoding="utf-8")
    in_force = load(config, env)
    name = rule.get("name")
    known = next((each for each in in_force.settings.rules if each.name == name), None)
    tried = {**rule, "name": f"{_DRAFT}{name}"} if known else rule
    edited = preview(config, "rules", tried)
    loaded = _loaded(config, env, edited)
    settings = next(each for each in loaded.settings.rules if each.name == tried.get("name"))
    whole = _alone(loaded, settings)
    problems = compile_rules(whole).problems
    findings = tuple(Problem(p.message, None, p.hint, p.level, p.excerpt) for p in problems)
    if any(each.level == "error" for each in findings):
        raise ConfigError([each for each in findings if each.level == "error"])
    lines = difflib.unified_diff(
        current.splitlines(), edited.splitlines(), str(config.name), str(config.name), lineterm=""
    )
    return Draft(
        rule,
        settings,
        whole,
        known,
        findings,
        () if known else tuple(lines),
        "" if known else digest(current),
    )


def digest(text: str) -> str:
    """Return what says whether a file is still as it was."""
    return hashlib.sha256(text.encode()).hexdigest()


def try_out(
    draft: Draft,
    entries: Sequence[FoundEntry],
    feeds: Mapping[str, Feed],
    now: datetime,
    days: int,
) -> Trial:
    """Run ``draft`` over stored entries of the last ``days`` days. Takes CPU: call in a thread."""
    looser = dict(_without_one(draft.settings))
    variants = [
        rule.model_copy(update={"name": f"{_DRAFT}{number}"})
        for number, rule in enumerate(looser.values())
    ]
    lacks = {rule.name: words for rule, words in zip(variants, looser, strict=True)}
    others = [draft.known] if draft.known else []
    rules = [draft.settings, *others, *variants]
    compiled = compile_rules(draft.whole.model_copy(update={"rules": rules}), lenient=True).ruleset
    mine, before = draft.settings.name, draft.known.name if draft.known else ""
    found: list[Found] = []
    near: list[Found] = []
    per_day: Counter[date] = Counter()
    new = lost = 0
    for entry in reversed(entries):
        document = document_of_stored(entry, feeds)
        matches = {match.rule: match for match in compiled.match(document)}
        new += mine in matches and before not in matches
        lost += mine not in matches and before in matches
        if mine in matches:
            found.append(Found(document, matches[mine]))
            per_day[entry.entry.first_seen.date()] += 1
            continue
        for name, words in lacks.items():
            if name in matches:
                near.append(Found(document, matches[name], words))
                break
    span = [(now - timedelta(days=back)).date() for back in range(days - 1, -1, -1)]
    return Trial(
        len(entries),
        len(found),
        tuple(found[:SHOWN]),
        tuple(near[:NEAR]),
        len(near),
        tuple((day, per_day[day]) for day in span),
        new if draft.known else 0,
        lost,
    )


def try_text(draft: Draft, title: str, body: str, now: datetime) -> tuple[Document, Match | None]:
    """Match one pasted text; returns it as a document and the match, or None."""
    document = Document(id="pasted", title=title, summary=body, published=now)
    rules: RuleSet = compile_rules(draft.whole, lenient=True).ruleset
    return document, next(iter(rules.match(document)), None)


def _loaded(config: Path, env: Mapping[str, str], edited: str) -> Loaded:
    try:
        return load(config, env, overlay={config.resolve(): edited.encode()})
    except ConfigError as error:
        # Lines of the file as it would be mean nothing to who writes the rule alone.
        errors = [each for each in error.problems if each.level == "error"]
        raise ConfigError([Problem(each.message, None, each.hint) for each in errors]) from None


def _rule_of(text: str) -> dict[str, Any]:
    if "${" in text:
        raise ConfigError([Problem("variables have no place in a rule", hint="write the term")])
    try:
        data = parse_strictly(text, "rule").data
    except YamlError as error:
        raise ConfigError([error.problem]) from None
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        hint = "write `name: …` and below it `any: […]`"
        raise ConfigError([Problem("this is not one rule with a name", hint=hint)])
    return data


def _alone(loaded: Loaded, rule: RuleSettings) -> Settings:
    return loaded.settings.model_copy(update={"rules": [rule]})


def _without_one(rule: RuleSettings) -> Iterator[tuple[str, RuleSettings]]:
    """Yield the rule without one of its clauses at a time, by what is left out, in words."""
    for name in _CLAUSES:
        field = RuleSettings.model_fields.get(name)
        value = getattr(rule, name, None)
        if field is None or not value:
            continue
        default = field.get_default(call_default_factory=True)
        if name == "all" and isinstance(value, list) and len(value) > 1:
            for number, term in enumerate(value):
                rest = [each for at, each in enumerate(value) if at != number]
                yield f"all: {_words(term)}", rule.model_copy(update={"all": rest})
        elif name == "none" or _still_asks(rule, name):
            looser = rule.model_copy(update={name: default})
            looser.model_fields_set.discard(name)  # left out, not written and empty
            yield f"{name}: {_words(value)}", looser


def _still_asks(rule: RuleSettings, without: str) -> bool:
    return any(getattr(rule, each, None) for each in _CLAUSES if each not in (without, "none"))


def _words(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words if len(words) <= 80 else words[:79] + "…"

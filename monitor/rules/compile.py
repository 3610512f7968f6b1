"""From the settings' rules to compiled rules: a tree, a key, and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from monitor.config.models import RuleSettings, Settings
from monitor.rules.clauses import META_OF, Clauses, inflection
from monitor.rules.entities import Gazetteer, Lookup
from monitor.rules.entities.lookup import Named
from monitor.rules.leaves import nearest
from monitor.rules.problems import Path, RuleError, RuleProblem, fail
from monitor.rules.text.inflect import LANGUAGES
from monitor.rules.tree import And, Node, UnlessIn, either


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule ready for the index.

    ``tree`` is None for a rule that never fires (only ``none``). ``key`` is an RE2 expression whose
    first find keeps stories apart (``RuleSettings.key``). ``stems`` are the languages whose stems
    the rule names.
    """

    index: int
    settings: RuleSettings
    tree: Node | None
    path: Path
    key: str | None = None
    stems: frozenset[str] = frozenset()


_GIVEN = ("any", "all", "none", "min", "near", "entities", "match")


class Builder:
    """Compiles rules; those with an error are left out, and the errors kept in ``problems``."""

    def __init__(self, settings: Settings, gazetteer: Gazetteer) -> None:
        self.settings = settings
        self.clauses = Clauses(settings, Lookup(settings.entities, gazetteer))
        self.ignore = self._ignored()

    @property
    def problems(self) -> list[RuleProblem]:
        """What was found so far."""
        return self.clauses.problems

    def after(self, settings: Settings) -> Builder:
        """Return a builder for settings that differ in rules only; shares what is compiled."""
        other = copy(self)
        other.settings = settings
        other.clauses = copy(self.clauses)
        other.clauses.settings, other.clauses.problems = settings, []
        return other

    def entities(self) -> list[Named]:
        """Return every entity, the user's and the bundled countries."""
        return self.clauses.lookup.all(self.clauses)

    def forget(self) -> None:
        """Let go of what was remembered for speed; entities stay."""
        self.clauses.forget()

    def rules(self, names: Collection[str] | None = None) -> Iterator[CompiledRule]:
        """Compile all enabled rules (or those of ``names``); those with an error are left out."""
        seen: set[str] = set()
        for index, rule in enumerate(self.settings.rules):
            if rule.name in seen:
                self.problems.append(
                    RuleProblem(
                        ("rules", index, "name"),
                        f"two rules are called {rule.name!r}",
                        "give each rule its own name",
                    )
                )
                continue
            seen.add(rule.name)
            if names is None or rule.name in names:
                compiled = self.rule(index, rule)
                if compiled is not None and rule.enabled:
                    yield compiled

    def rule(self, index: int, rule: RuleSettings) -> CompiledRule | None:
        """Compile one rule, the ``index``-th of the settings; None where it has an error."""
        path: Path = ("rules", index)
        try:
            tree = self._tree(rule, path)
            key = self._key(rule.key, (*path, "key"))
        except RuleError as error:
            self.problems.append(error.problem)
            return None
        stems = frozenset(_named(rule)) if rule.inflect == "stem" else frozenset()
        return CompiledRule(index, rule, tree, path, key, stems)

    def _key(self, key: str | None, path: Path) -> str | None:
        if key is None:
            return None
        body = key.strip()
        if len(body) < 3 or not (body.startswith("/") and body.endswith("/")):
            raise fail(
                path,
                f"key {key!r} is not a regular expression",
                r"write it between slashes: /CVE-\d{4}-\d{4,7}/",
            )
        return self.clauses.regex(body[1:-1], path).pattern

    def _tree(self, rule: RuleSettings, path: Path) -> Node | None:
        """Return the rule's tree, or None if it can never fire; raises ``RuleError``."""
        clauses = self.clauses
        context = clauses.context(inflection(rule.inflect, (*path, "inflect")), _named(rule))
        given: dict[str, Any] = {
            name: getattr(rule, name) for name in _GIVEN if name in rule.model_fields_set
        }
        if not given:
            raise fail(
                path, f"rule {rule.name!r} has no clause", "add any, all, entities, near or match"
            )
        only = given.keys() == {"none"}
        if rule.in_ is not None:
            given["in"] = rule.in_
        node = clauses.clauses(given, path, context)
        if only:
            self.problems.append(
                RuleProblem(
                    (*path, "none"),
                    f"rule {rule.name!r} has only `none` and never fires",
                    "add any, all, entities, near or match",
                    never=True,
                )
            )
            return None
        if rule.unless_in:
            node = UnlessIn(node, clauses.terms(rule.unless_in, (*path, "unless_in"), context))
        if rule.where:
            node = And((node, *self._where(rule.where, path)))
        return node

    def _where(self, where: Mapping[str, Any], rule: Path) -> list[Node]:
        out: list[Node] = []
        for name, value in where.items():
            path = (*rule, "where", name)
            if name not in META_OF:
                known = sorted(
                    {"tags", "languages", "country", "source", "feed", "category", "author", "url"}
                )
                raise fail(
                    path,
                    f"unknown label {name!r}",
                    nearest(name, known, "labels") or f"use one of: {', '.join(known)}",
                )
            items = value if isinstance(value, list) else [value]
            if not items:
                raise fail(path, "empty list", "add a value or remove the key")
            out.append(self.clauses.meta(META_OF[name], items, path))
        return out

    def _ignored(self) -> Node | None:
        parts: list[Node] = []
        plain = self.clauses.context()
        for name, values in self.settings.ignore.items():
            path: Path = ("ignore", name)
            try:
                parts.append(self.clauses.scoped(name, values, path, plain))
            except RuleError as error:
                self.problems.append(error.problem)
        return either(parts) if parts else None


def _named(rule: RuleSettings) -> tuple[str, ...]:
    """Return the languages that a rule names and that have stems."""
    where = rule.where or {}
    named = where.get("languages") or where.get("language") or where.get("lang") or []
    named = named if isinstance(named, list) else [named]
    return tuple(str(each)[:2].lower() for each in named if str(each)[:2].lower() in LANGUAGES)

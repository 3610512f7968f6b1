"""From the settings' clauses to trees: gives the raw YAML of a rule its meaning, and says with a
path what can't be meant.

Contains no matching (``monitor.rules.index``) and no query grammar (``monitor.rules.language``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from monitor.config.models import RuleSettings, Settings
from monitor.rules.entities import Gazetteer, Lookup
from monitor.rules.patterns import PatternError, compile_pattern
from monitor.rules.problems import Path, RuleError, RuleProblem, fail
from monitor.rules.terms import Inflect, TermError, compile_term
from monitor.rules.text.inflect import LANGUAGES
from monitor.rules.tree import (
    BODY,
    And,
    AtLeastOf,
    Entity,
    In,
    Lead,
    Meta,
    MetaField,
    Near,
    Node,
    Not,
    Or,
    Regex,
    Term,
    UnlessIn,
)
from monitor.values import TextField

CLAUSES = ("any", "all", "none", "min", "near", "entities", "entity", "match", "in", "inflect")
_META_OF: Mapping[str, MetaField] = {
    "tag": "tag",
    "tags": "tag",
    "language": "language",
    "languages": "language",
    "lang": "language",
    "country": "country",
    "countries": "country",
    "source": "source",
    "sources": "source",
    "feed": "feed",
    "feeds": "feed",
    "category": "category",
    "categories": "category",
    "author": "author",
    "authors": "author",
    "url": "url",
}
NONE_SCOPES = (
    "title",
    "lead",
    "body",
    "summary",
    "content",
    "category",
    "url",
    "author",
    "source",
    "tag",
)


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


class Builder:
    """Compiles clauses, collecting problems instead of stopping at the first."""

    def __init__(self, settings: Settings, gazetteer: Gazetteer) -> None:
        self.settings = settings
        self.lookup = Lookup(settings, gazetteer, self)
        self.problems: list[RuleProblem] = []
        self._lists: dict[tuple[str, Inflect, tuple[str, ...]], Node | None] = {}
        self._open_lists: list[str] = []
        self._terms: dict[tuple[str, bool, Context], Term] = {}
        self.ignore = self._ignored()

    def after(self, settings: Settings) -> Builder:
        """Return a builder for settings that differ in rules only; shares what is compiled."""
        other = copy(self)
        other.settings = settings
        other.problems = []
        other.lookup = self.lookup.beside(other, settings)
        return other

    def note(self, path: Path, message: str, hint: str = "", level: Any = "warning") -> None:
        """Record a finding that doesn't stop the rule."""
        problem = RuleProblem(path, message, hint, level)
        if problem not in self.problems:
            self.problems.append(problem)

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
            tree = RuleBuilder(self, rule, path).tree()
            key = self._key(rule.key, (*path, "key"))
        except RuleError as error:
            self.problems.append(error.problem)
            return None
        stems = frozenset(_spoken(rule)) if rule.inflect == "stem" else frozenset()
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
        return self.regex(body[1:-1], path).pattern

    def _ignored(self) -> Node | None:
        parts: list[Node] = []
        plain = Context("plural", ("en",))
        for name, values in self.settings.ignore.items():
            path: Path = ("ignore", name)
            try:
                parts.append(self.scoped(name, values, path, plain))
            except RuleError as error:
                self.problems.append(error.problem)
        return either(parts) if parts else None

    # ------------------------------------------------------------------------------- terms
    def term(self, text: str, path: Path, context: Context, *, alias: bool = False) -> Node:
        """Compile one term as written in YAML; raises ``RuleError``."""
        cached = self._terms.get((text, alias, context))
        if cached is not None:
            return cached
        body = text.strip()
        if not body:
            raise fail(path, "empty term", "remove it or write a word")
        if body.startswith("list:") or (body.startswith("#") and len(body) > 1):
            return self.named_list(_named(body, "list:", "#"), path, context)
        if body.startswith("entity:") or (body.startswith("@") and len(body) > 1):
            return self.lookup.entity(_named(body, "entity:", "@"), path)
        if len(body) > 1 and body.startswith("/") and body.endswith("/"):
            return self.regex(body[1:-1], path)
        inflect: Inflect = "none" if alias else context.inflect
        try:
            term = compile_term(body, inflect=inflect, languages=context.languages)
        except TermError as error:
            offset = text.find(body) + error.offset
            raise fail(path, str(error), error.hint, offset) from None
        if not self._thin(term, path):
            self._terms[text, alias, context] = term
        return term

    def forget(self) -> None:
        """Let go of what was remembered for speed; the builder itself lives on for the entities."""
        self._terms.clear()

    def regex(self, source: str, path: Path) -> Regex:
        """Compile an RE2 expression; raises ``RuleError``."""
        try:
            return Regex(f"/{source}/", compile_pattern(source))
        except PatternError as error:
            raise fail(path, str(error), error.hint, error.offset) from None

    def _thin(self, term: Term, path: Path) -> bool:
        """Warn of a term that can hardly be meant; returns whether it did."""
        if not term.forms:
            self.note(
                path,
                f"{term.text!r} has no letters or digits and never fires",
                "write it in words or as a /regular expression/",
            )
            return True
        form = term.forms[0]
        if len(form) == 1 and len(form[0][1]) == 1 and form[0][1].isascii() and form[0][0] != "w":
            self.note(
                path,
                f"{term.text!r} is read as the single letter {form[0][1]!r}",
                f"for the exact spelling write a regular expression: /{_escaped(term.text)}/",
            )
            return True
        return False

    def named_list(self, name: str, path: Path, context: Context) -> Node:
        """Return any of the terms of ``lists.NAME``; raises ``RuleError``."""
        items = self.settings.lists.get(name)
        if items is None:
            raise fail(path, f"unknown list {name!r}", _nearest(name, self.settings.lists, "lists"))
        if name in self._open_lists:
            chain = " → ".join([*self._open_lists, name])
            raise fail(path, f"list {name!r} contains itself: {chain}", "remove one of the uses")
        key = (name, context.inflect, context.languages)
        if key not in self._lists:
            self._open_lists.append(name)
            try:
                self._lists[key] = self._list_node(name, items, context)
            finally:
                self._open_lists.pop()
        node = self._lists[key]
        if node is None:
            raise fail(path, f"list {name!r} has no usable term", f"add terms to lists.{name}")
        return node

    def _list_node(self, name: str, items: Sequence[Any], context: Context) -> Node | None:
        nodes: list[Node] = []
        for index, item in enumerate(items):
            path: Path = ("lists", name, index)
            try:
                nodes.append(self.term(self.scalar(item, path), path, context))
            except RuleError as error:
                if error.problem not in self.problems:
                    self.problems.append(error.problem)
        return either(nodes) if nodes else None

    def scalar(self, item: Any, path: Path) -> str:
        """Return a scalar as the text that stands there; raises ``RuleError`` with the fix."""
        if isinstance(item, str):
            return item
        if item is None:
            raise fail(
                path,
                "empty item",
                '`#` starts a comment in YAML: quote it ("#name") or write list:name',
            )
        if isinstance(item, bool):
            raise fail(path, f"YAML read a truth value ({item}) here", 'quote the word: "no", "on"')
        if isinstance(item, (int, float)):
            return str(item)
        if isinstance(item, (date, datetime)):
            raise fail(path, f"YAML read a date here ({item})", f'quote it: "{item}"')
        if isinstance(item, Mapping) and len(item) == 1:
            key, value = next(iter(item.items()))
            shown = f"{key}: {value}" if not isinstance(value, (list, Mapping)) else f"{key}: …"
            raise fail(path, f"YAML read {shown!r} as a mapping", f'quote it: "{shown}"')
        raise fail(path, "a term is a word or a phrase", "write one term per item")

    def terms(self, items: Any, path: Path, context: Context) -> tuple[Term, ...]:
        """Compile plain terms only (``unless_in``, ``not_in``); raises ``RuleError``."""
        out: list[Term] = []
        for index, item in enumerate(items if isinstance(items, list) else [items]):
            at = (*path, index)
            node = self.term(self.scalar(item, at), at, context)
            out.extend(_plain_terms(node, at))
        return tuple(out)

    # -------------------------------------------------------------------------- scoped, where
    def scoped(self, name: str, values: Any, path: Path, context: Context) -> Node:
        """``none: {title: […]}`` and ``ignore``: any of the values in that place."""
        items = values if isinstance(values, list) else [values]
        if name in ("title", "summary", "content", "body", "lead"):
            parts = [self.item(item, (*path, index), context) for index, item in enumerate(items)]
            node = either(parts)
            if name == "lead":
                return Lead(node)
            return In(fields_of(name), node)
        if name in _META_OF:
            return self.meta(_META_OF[name], items, path)
        raise fail(
            path,
            f"unknown place {name!r}",
            _nearest(name, NONE_SCOPES, "places") or f"use one of: {', '.join(NONE_SCOPES)}",
        )

    def meta(self, field: MetaField, items: Sequence[Any], path: Path) -> Meta:
        """A condition on a label: any of ``items``; raises ``RuleError``."""
        values: list[str] = []
        terms: list[Term] = []
        for index, item in enumerate(items):
            at = (*path, index)
            text = self.scalar(item, at).strip()
            if not text:
                raise fail(at, "empty value", "remove it or write a value")
            if field in ("country", "language"):
                values.append(text.lower())
            elif field == "url":
                values.append(text.casefold())
            else:
                try:
                    terms.append(compile_term(text, inflect="plural"))
                except TermError as error:
                    raise fail(at, str(error), error.hint, error.offset) from None
        return Meta(field, tuple(values), tuple(terms))

    def item(self, item: Any, path: Path, context: Context) -> Node:
        """One item of ``any``/``all``/``none``/``min``: a term, a group, or a nested clause."""
        if isinstance(item, Mapping):
            if item and all(str(key) in CLAUSES for key in item):
                return self.clauses(item, path, context)
            unknown = [str(key) for key in item if str(key) not in CLAUSES]
            near = difflib.get_close_matches(unknown[0], CLAUSES, 1) if unknown else []
            value = item[unknown[0]] if unknown else None
            if near and isinstance(value, (list, Mapping)):
                raise fail(path, f"unknown clause {unknown[0]!r}", f"did you mean {near[0]!r}?")
            return self.term(self.scalar(item, path), path, context)
        if isinstance(item, list):
            if not item:
                raise fail(path, "empty group", "remove it or add a term")
            return either([self.item(each, (*path, i), context) for i, each in enumerate(item)])
        return self.term(self.scalar(item, path), path, context)

    def items(self, value: Any, path: Path, context: Context) -> list[Node]:
        if value is None or (isinstance(value, list) and not value):
            raise fail(path, "empty list", "add a term or remove the key")
        if not isinstance(value, list):
            return [self.item(value, path, context)]
        out: list[Node] = []
        first: RuleError | None = None
        for index, each in enumerate(value):
            try:
                out.append(self.item(each, (*path, index), context))
            except RuleError as error:
                if first is not None:
                    self.problems.append(error.problem)
                first = first or error
        if first is not None:
            raise first
        return out

    # -------------------------------------------------------------------------------- clauses
    def clauses(self, given: Mapping[Any, Any], path: Path, context: Context) -> Node:
        """A mapping of clauses, all of which must hold; raises ``RuleError``."""
        if "inflect" in given:
            context = replace(context, inflect=_inflect(given["inflect"], (*path, "inflect")))
        parts: list[Node] = []
        errors: list[RuleError] = []

        def attempt(build: Callable[[], Iterable[Node]]) -> None:
            try:
                parts.extend(build())
            except RuleError as error:
                errors.append(error)

        for name, value in given.items():
            if value is None and name not in ("any", "all", "none", "entities", "match"):
                continue
            at = (*path, str(name))
            if name == "any":
                attempt(lambda v=value, p=at: [either(self.items(v, p, context))])  # type: ignore[misc]
            elif name == "all":
                attempt(lambda v=value, p=at: self.items(v, p, context))  # type: ignore[misc]
            elif name == "none":
                attempt(lambda v=value, p=at: [Not(self.vetoes(v, p, context))])  # type: ignore[misc]
            elif name == "min":
                attempt(lambda v=value, p=at: [self.minimum(v, p, context)])  # type: ignore[misc]
            elif name == "near":
                attempt(lambda v=value, p=at: [self.near(v, p, context)])  # type: ignore[misc]
            elif name in ("entities", "entity"):
                attempt(lambda v=value, p=at: self.entities(v, p, context))  # type: ignore[misc]
            elif name == "match":
                attempt(lambda v=value, p=at: [self.query(v, p, context)])  # type: ignore[misc]
        if errors:
            self.problems.extend(error.problem for error in errors[1:])
            raise errors[0]
        node = parts[0] if len(parts) == 1 else And(tuple(parts))
        scope = given.get("in")
        if scope is not None:
            if scope not in ("title", "body", "summary", "content", "lead"):
                raise fail((*path, "in"), f"unknown place {scope!r}", "write title or body")
            node = Lead(node) if scope == "lead" else In(fields_of(scope), node)
        return node

    def vetoes(self, value: Any, path: Path, context: Context) -> Node:
        if isinstance(value, Mapping):
            parts = [
                self.scoped(str(name), each, (*path, str(name)), context)
                for name, each in value.items()
            ]
            if not parts:
                raise fail(path, "empty mapping", "add a place or remove the key")
            return either(parts)
        return either(self.items(value, path, context))

    def minimum(self, value: Any, path: Path, context: Context) -> Node:
        if not isinstance(value, Mapping) or "of" not in value or "n" not in value:
            raise fail(path, "min needs n and of", "write min: {n: 2, of: [a, b, c]}")
        parts = self.items(value["of"], (*path, "of"), context)
        n = _whole(value["n"], (*path, "n"))
        if not 1 <= n <= len(parts):
            raise fail(
                (*path, "n"), f"n is {n}, of has {len(parts)} items", f"write 1 to {len(parts)}"
            )
        return AtLeastOf(n, tuple(parts))

    def near(self, value: Any, path: Path, context: Context) -> Node:
        if not isinstance(value, Mapping) or "of" not in value:
            raise fail(path, "near needs of", "write near: {of: [[a, b], [c]], within: 10}")
        unknown = [k for k in value if k not in ("of", "within", "ordered")]
        if unknown:
            raise fail(path, f"unknown key {unknown[0]!r}", "near takes of, within, ordered")
        groups = self.items(value["of"], (*path, "of"), context)
        if len(groups) < 2:
            raise fail((*path, "of"), "near needs two groups or more", "write of: [[a, b], [c]]")
        within = _whole(value.get("within", 10), (*path, "within"))
        if not 0 <= within <= 100:
            raise fail((*path, "within"), f"within is {within}", "write 0 to 100 words")
        ordered = value.get("ordered", False)
        if isinstance(ordered, str):
            ordered = ordered.lower() in ("true", "yes", "on")
        node = groups[0]
        for other in groups[1:]:
            node = Near(node, other, within, bool(ordered))
        return node

    def entities(self, value: Any, path: Path, context: Context) -> list[Node]:
        if isinstance(value, Mapping):
            if set(value) == {"any"}:
                names = _listed(value["any"], (*path, "any"))
                return [
                    either(
                        [self.entity(v, (*path, "any", i), context) for i, v in enumerate(names)]
                    )
                ]
            if set(value) == {"all"}:
                return self.entities(value["all"], (*path, "all"), context)
            if set(value) == {"at_least", "of"}:
                names = _listed(value["of"], (*path, "of"))
                n = _whole(value["at_least"], (*path, "at_least"))
                if not 1 <= n <= len(names):
                    raise fail(
                        (*path, "at_least"),
                        f"at_least is {n}, of has {len(names)} items",
                        f"write 1 to {len(names)}",
                    )
                parts = [self.entity(v, (*path, "of", i), context) for i, v in enumerate(names)]
                return [AtLeastOf(n, tuple(parts))]
            raise fail(
                path,
                "entities takes a list, {any: […]}, or {at_least: N, of: […]}",
                "write entities: {any: [Syria, Iraq]}",
            )
        if not isinstance(value, list):
            return [self.entity(value, path, context)]
        names = _listed(value, path)
        if len(names) >= 3 and all(isinstance(each, str) for each in names):
            self.note(
                path,
                f"all {len(names)} entities must be in the story",
                "write entities: {any: […]} if one is enough",
                "note",
            )
        return [self.entity(each, (*path, i), context) for i, each in enumerate(names)]

    def entity(self, item: Any, path: Path, context: Context) -> Node:
        """An entity by name, or a nested list as an inline group of aliases."""
        if isinstance(item, list):
            if not item:
                raise fail(path, "empty group", "remove it or add an alias")
            group: list[Node] = []
            for index, each in enumerate(item):
                at = (*path, index)
                group.append(self.term(self.scalar(each, at), at, context, alias=True))
            return either(group)
        text = self.scalar(item, path).strip()
        if text.startswith("entity:") or (text.startswith("@") and len(text) > 1):
            text = _named(text, "entity:", "@")
        elif text.startswith(("list:", "=", "#")) or "*" in text:
            return self.term(text, path, context, alias=True)
        return self.lookup.entity(text, path)

    def query(self, value: Any, path: Path, context: Context) -> Node:
        """Compile a query string; raises ``RuleError``."""
        from monitor.rules.language import parse_query

        return parse_query(self.scalar(value, path), path, context, self)


@dataclass(frozen=True, slots=True)
class Context:
    """What terms fold in this rule: ``languages`` are those whose stems count under "stem"."""

    inflect: Inflect
    languages: tuple[str, ...]


class RuleBuilder:
    """Compiles one rule."""

    def __init__(self, builder: Builder, rule: RuleSettings, path: Path) -> None:
        self.builder = builder
        self.rule = rule
        self.path = path

    def tree(self) -> Node | None:
        """Return the rule's tree, or None if it can never fire; raises ``RuleError``."""
        rule, path, builder = self.rule, self.path, self.builder
        languages = _languages(rule)
        context = Context(_inflect(rule.inflect, (*path, "inflect")), languages)
        given: dict[str, Any] = {
            name: value
            for name in ("any", "all", "none", "min", "near", "entities", "match")
            if name in rule.model_fields_set
            for value in [getattr(rule, name)]
        }
        if rule.in_ is not None:
            given["in"] = rule.in_
        clauses = [name for name in given if name != "in"]
        if not clauses:
            raise fail(
                path, f"rule {rule.name!r} has no clause", "add any, all, entities, near or match"
            )
        node = builder.clauses(given, path, context)
        if clauses == ["none"]:
            builder.problems.append(
                RuleProblem(
                    (*path, "none"),
                    f"rule {rule.name!r} has only `none` and never fires",
                    "add any, all, entities, near or match",
                    never=True,
                )
            )
            return None
        if rule.unless_in:
            node = UnlessIn(node, builder.terms(rule.unless_in, (*path, "unless_in"), context))
        if rule.where:
            node = And((node, *self._where(rule.where)))
        return node

    def _where(self, where: Mapping[str, Any]) -> list[Node]:
        out: list[Node] = []
        for name, value in where.items():
            path = (*self.path, "where", name)
            if name not in _META_OF:
                known = sorted(
                    {"tags", "languages", "country", "source", "feed", "category", "author", "url"}
                )
                raise fail(
                    path,
                    f"unknown label {name!r}",
                    _nearest(name, known, "labels") or f"use one of: {', '.join(known)}",
                )
            items = value if isinstance(value, list) else [value]
            if not items:
                raise fail(path, "empty list", "add a value or remove the key")
            out.append(self.builder.meta(_META_OF[name], items, path))
        return out


def either(parts: Sequence[Node]) -> Node:
    """Return a node that holds when one of ``parts`` does."""
    if len(parts) == 1:
        return parts[0]
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    return Or(tuple(flat))


def fields_of(name: str) -> tuple[TextField, ...]:
    """Return the text fields that a place name stands for."""
    if name == "body":
        return BODY
    if name == "title":
        return ("title",)
    return ("summary",) if name == "summary" else ("content",)


def _plain_terms(node: Node, path: Path) -> list[Term]:
    if isinstance(node, Term):
        return [node]
    if isinstance(node, Entity):
        return list(node.terms)
    if isinstance(node, Or):
        return [term for part in node.parts for term in _plain_terms(part, path)]
    raise fail(path, "only words and phrases can stand here", "write a word or a phrase")


def _named(body: str, prefix: str, short: str) -> str:
    name = body[len(prefix) :] if body.startswith(prefix) else body[len(short) :]
    return name.strip().strip('"').strip()


def _nearest(name: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    by_fold = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_fold, 1, 0.6)
    if close:
        return f"did you mean {by_fold[close[0]]!r}?"
    return f"known {what}: {', '.join(sorted(names)[:8])}" if names else f"there are no {what} yet"


def _inflect(value: Any, path: Path) -> Inflect:
    if value is False or value in ("none", "false", "no", "off"):
        return "none"
    if value in ("plural", "stem"):
        return value  # type: ignore[no-any-return]
    if value is True or value in ("true", "yes", "on"):
        return "plural"
    raise fail(path, f"unknown inflection {value!r}", "write plural, none or stem")


def _languages(rule: RuleSettings) -> tuple[str, ...]:
    """Return the languages whose stems a rule's terms have."""
    if rule.inflect != "stem":
        return ("en",)
    return _spoken(rule) or tuple(dict.fromkeys(LANGUAGES))


def _spoken(rule: RuleSettings) -> tuple[str, ...]:
    """Return the languages that a rule names and that have stems."""
    where = rule.where or {}
    named = where.get("languages") or where.get("language") or where.get("lang") or []
    named = named if isinstance(named, list) else [named]
    return tuple(str(each)[:2].lower() for each in named if str(each)[:2].lower() in LANGUAGES)


def _whole(value: Any, path: Path) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise fail(path, f"{value!r} is not a whole number", "write a number such as 2") from None


def _listed(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise fail(path, "a list of entities is needed", "write [Syria, Iraq]")
    return value


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in ".+*?()[]{}|^$\\/" else char for char in text)

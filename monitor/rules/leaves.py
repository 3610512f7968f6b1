"""The leaves of a rule's tree, from what stands in the configuration: terms, lists, entities,
expressions, labels.

Says with a path what can't be meant. Contains no clauses (``monitor.rules.clauses``).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from monitor.config.models import EntitySettings, Settings
from monitor.config.suggest import closest
from monitor.rules.patterns import PatternError, compile_pattern
from monitor.rules.problems import Path, RuleError, RuleProblem, fail
from monitor.rules.terms import Inflect, TermError, compile_term
from monitor.rules.text.inflect import LANGUAGES
from monitor.rules.tree import Entity, Meta, MetaField, Node, Or, Regex, Term, either

if TYPE_CHECKING:
    from monitor.rules.entities import Lookup


# What belongs to a query string and can hardly be meant in a plain term.
_OPERATOR = re.compile(r"(?<!\S)(?:AND|OR|NOT|SENT|PARA|O?NEAR/\d+|(?:ATLEAST|FIRST)/\d+)(?!\S)")
_FIELD = re.compile(
    r"(?:title|summary|content|body|lead|url|author|source|feed|tag|category|lang|language|country):\S"
)
_EXCLUDED = re.compile(r"-([^\W\d].*)")
FLAGS = re.compile(r"/.+/([imsx]{1,4})")
_QUESTION = re.compile(r"\w\?(?=\w)")


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What terms fold in a rule: ``languages`` are those whose stems count under "stem", ``named``
    those that the rule names. Remembers the terms compiled so far."""

    inflect: Inflect
    languages: tuple[str, ...]
    named: tuple[str, ...]
    words: dict[str, Term] = field(default_factory=dict)
    aliases: dict[str, Term] = field(default_factory=dict)


class Leaves(ABC):
    """Compiles terms, collecting problems instead of stopping at the first."""

    def __init__(self, settings: Settings, lookup: Lookup) -> None:
        self.settings = settings
        self.lookup = lookup
        self.problems: list[RuleProblem] = []
        self.asks_language = False  # whether a rule depends on the language of a text
        self._contexts: dict[tuple[Inflect, tuple[str, ...]], Context] = {}
        self._lists: dict[tuple[str, Inflect, tuple[str, ...]], Node | None] = {}
        self._open_lists: list[str] = []

    def context(self, inflect: Inflect = "plural", named: tuple[str, ...] = ()) -> Context:
        """Return what terms fold; ``named`` are the languages that their rule names."""
        known = self._contexts.get((inflect, named))
        if known is None:
            self.asks_language |= inflect == "stem"
            languages = (named or tuple(LANGUAGES)) if inflect == "stem" else ("en",)
            known = self._contexts[inflect, named] = Context(inflect, languages, named)
        return known

    @abstractmethod
    def guards(self, settings: EntitySettings, path: Path) -> dict[str, Any]:
        """See ``monitor.rules.entities.lookup.Guards``."""

    def forget(self) -> None:
        """Let go of the terms that were remembered for speed."""
        self._contexts.clear()

    def note(self, path: Path, message: str, hint: str = "", level: Any = "warning") -> None:
        """Record a finding that doesn't stop the rule."""
        problem = RuleProblem(path, message, hint, level)
        if problem not in self.problems:
            self.problems.append(problem)

    def term(
        self,
        text: str,
        path: Path,
        context: Context,
        *,
        alias: bool = False,
        in_query: bool = False,
    ) -> Node:
        """Compile one term as written in YAML, or in a query; raises ``RuleError``."""
        known = context.aliases if alias else context.words
        if (cached := known.get(text)) is not None:
            return cached
        body = text.strip()
        if not body:
            raise fail(path, "empty term", "remove it or write a word")
        if body.startswith("list:") or (body.startswith("#") and len(body) > 1):
            return self.named_list(named(body, "list:", "#"), path, context)
        if body.startswith("entity:") or (body.startswith("@") and len(body) > 1):
            return self.lookup.entity(named(body, "entity:", "@"), path, self)
        if len(body) > 1 and body.startswith("/") and body.endswith("/"):
            return self.regex(body[1:-1], path)
        doubtful = not in_query and self._misplaced(body, path)
        inflect: Inflect = "none" if alias else context.inflect
        try:
            term = compile_term(body, inflect=inflect, languages=context.languages)
        except TermError as error:
            offset = text.find(body) + error.offset
            raise fail(path, str(error), error.hint, offset) from None
        if not self._thin(term, path) and not doubtful:
            known[text] = term
        return term

    def _misplaced(self, body: str, path: Path) -> bool:
        """Say what a term can't be meant as: operators, fields and marks of a query string; returns
        whether there was something to say."""
        if found := FLAGS.fullmatch(body):
            message = f"flags are not needed: `{found[1]}`"
            raise fail(path, message, "capitals are folded: leave them out")
        if found := _QUESTION.search(body):
            at = found.start() + 1
            hint = f"list the words, or write {body[:at]}*"
            raise fail(path, "`?` for one letter is not offered", hint, at)
        if found := _OPERATOR.search(body):
            message = f"`{found[0]}` is read as a word of the phrase {body!r}"
            self.note(path, message, f"operators belong to a query: match: '{body}'")
        elif _FIELD.match(body):
            message = f"{body!r} is read as a phrase"
            self.note(path, message, f"fields belong to a query: match: '{body}'")
        elif found := _EXCLUDED.match(body):
            message = f"{body!r} is read as the words {found[1]!r}"
            self.note(path, message, "what must not be there goes under `none`")
        else:
            return False
        return True

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
            raise fail(path, f"unknown list {name!r}", nearest(name, self.settings.lists, "lists"))
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

    def meta(self, field: MetaField, items: Sequence[Any], path: Path) -> Meta:
        """A condition on a label: any of ``items``; raises ``RuleError``."""
        values: list[str] = []
        terms: list[Term] = []
        self.asks_language |= field == "language"
        for index, item in enumerate(items):
            at = (*path, index)
            text = self.scalar(item, at).strip()
            if not text:
                raise fail(at, "empty value", "remove it or write a value")
            if field == "country":
                named = self.lookup.gazetteer.find(text)  # "Syria" as well as its code
                values.append((named.code if named else text).lower())
            elif field == "language":
                values.append(text.lower())
            elif field == "url":
                values.append(text.casefold())
            else:
                try:
                    terms.append(compile_term(text, inflect="plural"))
                except TermError as error:
                    raise fail(at, str(error), error.hint, error.offset) from None
        return Meta(field, tuple(values), tuple(terms))


def _plain_terms(node: Node, path: Path) -> list[Term]:
    if isinstance(node, Term):
        return [node]
    if isinstance(node, Entity):
        return list(node.terms)
    if isinstance(node, Or):
        return [term for part in node.parts for term in _plain_terms(part, path)]
    raise fail(path, "only words and phrases can stand here", "write a word or a phrase")


def named(body: str, prefix: str, short: str) -> str:
    name = body[len(prefix) :] if body.startswith(prefix) else body[len(short) :]
    return name.strip().strip('"').strip()


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """Return which of ``known`` is most likely meant, or some of them."""
    names = list(known)
    if near := closest(name, names):
        return f"did you mean {near!r}?"
    return f"known {what}: {', '.join(sorted(names)[:8])}" if names else f"there are no {what} yet"


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in ".+*?()[]{}|^$\\/" else char for char in text)

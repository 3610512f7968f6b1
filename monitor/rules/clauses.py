"""From a rule's clauses to a tree: groups, vetoes, proximity, entities, nested clauses.

Contains no matching (``monitor.rules.index``) and no query grammar (``monitor.rules.language``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.config.models import EntitySettings
from monitor.config.suggest import closest
from monitor.rules.leaves import Context, Leaves, named, nearest
from monitor.rules.problems import Path, RuleError, fail
from monitor.rules.terms import Inflect
from monitor.rules.tree import (
    And,
    AtLeastOf,
    In,
    Lead,
    MetaField,
    Near,
    Node,
    Not,
    either,
    fields_of,
)

CLAUSES = ("any", "all", "none", "min", "near", "entities", "entity", "match", "in", "inflect")
META_OF: Mapping[str, MetaField] = {
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
MAX_NEAR = 20
"""Groups of one ``near``."""
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


class Clauses(Leaves):
    """Compiles clauses: what stands under ``any``, ``all``, ``none`` and their like."""

    def scoped(self, name: str, values: Any, path: Path, context: Context) -> Node:
        """``none: {title: […]}`` and ``ignore``: any of the values in that place."""
        items = values if isinstance(values, list) else [values]
        if name in ("title", "summary", "content", "body", "lead"):
            parts = [self.item(item, (*path, index), context) for index, item in enumerate(items)]
            node = either(parts)
            if name == "lead":
                return Lead(node)
            return In(fields_of(name), node)
        if name in META_OF:
            return self.meta(META_OF[name], items, path)
        raise fail(
            path,
            f"unknown place {name!r}",
            nearest(name, NONE_SCOPES, "places") or f"use one of: {', '.join(NONE_SCOPES)}",
        )

    def item(self, item: Any, path: Path, context: Context) -> Node:
        """One item of ``any``/``all``/``none``/``min``: a term, a group, or a nested clause."""
        if isinstance(item, Mapping):
            if item and all(str(key) in CLAUSES for key in item):
                return self.clauses(item, path, context)
            unknown = [str(key) for key in item if str(key) not in CLAUSES]
            near = closest(unknown[0], CLAUSES) if unknown else None
            value = item[unknown[0]] if unknown else None
            if near and isinstance(value, (list, Mapping)):
                raise fail(path, f"unknown clause {unknown[0]!r}", f"did you mean {near!r}?")
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

    def clauses(self, given: Mapping[Any, Any], path: Path, context: Context) -> Node:
        """A mapping of clauses, all of which must hold; raises ``RuleError``."""
        if "inflect" in given:
            inflect = inflection(given["inflect"], (*path, "inflect"))
            context = self.context(inflect, context.named)
        parts: list[Node] = []
        first: RuleError | None = None
        for name, value in given.items():
            if value is None and name not in ("any", "all", "none", "entities", "match"):
                continue
            try:
                self._clause(str(name), value, (*path, str(name)), context, parts)
            except RuleError as error:
                if first is not None:
                    self.problems.append(error.problem)
                first = first or error
        if first is not None:
            raise first
        node = parts[0] if len(parts) == 1 else And(tuple(parts))
        scope = given.get("in")
        if scope is not None:
            if scope not in ("title", "body", "summary", "content", "lead"):
                raise fail((*path, "in"), f"unknown place {scope!r}", "write title or body")
            node = Lead(node) if scope == "lead" else In(fields_of(scope), node)
        return node

    def _clause(
        self, name: str, value: Any, path: Path, context: Context, parts: list[Node]
    ) -> None:
        """Append what one clause asks for to ``parts``."""
        if name == "any":
            parts.append(either(self.items(value, path, context)))
        elif name == "all":
            parts += self.items(value, path, context)
        elif name == "none":
            parts.append(Not(self.vetoes(value, path, context)))
        elif name == "min":
            parts.append(self.minimum(value, path, context))
        elif name == "near":
            parts.append(self.near(value, path, context))
        elif name in ("entities", "entity"):
            parts += self.entities(value, path, context)
        elif name == "match":
            parts.append(self.query(value, path, context))

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
        if len(groups) > MAX_NEAR:
            hint = f"write {MAX_NEAR} at most, or several near clauses"
            raise fail((*path, "of"), f"near has {len(groups)} groups", hint)
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
            text = named(text, "entity:", "@")
        elif text.startswith(("list:", "=", "#")) or "*" in text:
            return self.term(text, path, context, alias=True)
        return self.lookup.entity(text, path, self)

    def guards(self, settings: EntitySettings, path: Path) -> dict[str, Any]:
        """See ``monitor.rules.entities.lookup.Guards``."""
        guards: dict[str, Any] = {}
        context = self.context()
        guards["not_in"] = self.terms(settings.not_in, (*path, "not_in"), context)
        if settings.needs:
            needs = dict(settings.needs)
            unless = needs.pop("unless", None)
            at = (*path, "needs")
            if unless is not None:
                guards["unless"] = either(self.items(unless, (*at, "unless"), context))
            if not needs:
                raise fail(at, "needs has no clause", "write needs: {any: [iPhone, Cupertino]}")
            guards["needs"] = self.clauses(needs, at, context)
        if settings.valid is not None:
            guards["since"] = settings.valid.from_
            guards["until"] = settings.valid.to
        return guards

    def query(self, value: Any, path: Path, context: Context) -> Node:
        """Compile a query string; raises ``RuleError``."""
        # Here: a configuration without queries needs no grammar.
        from monitor.rules.language import parse_query

        return parse_query(self.scalar(value, path), path, context, self)


def inflection(value: Any, path: Path) -> Inflect:
    if value is False or value in ("none", "false", "no", "off"):
        return "none"
    if value in ("plural", "stem"):
        return value  # type: ignore[no-any-return]
    if value is True or value in ("true", "yes", "on"):
        return "plural"
    raise fail(path, f"unknown inflection {value!r}", "write plural, none or stem")


def _whole(value: Any, path: Path) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise fail(path, f"{value!r} is not a whole number", "write a number such as 2") from None


def _listed(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise fail(path, "a list of entities is needed", "write [Syria, Iraq]")
    return value

"""From an entity's name in a rule to its tree node: the user's entities over the bundled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.config.models import EntitySettings
from monitor.config.suggest import closest
from monitor.rules.entities.gazetteer import Country, Gazetteer, key_of
from monitor.rules.entities.people import initials
from monitor.rules.problems import Path, RuleError, RuleProblem, fail
from monitor.rules.terms import TermError, compile_term
from monitor.rules.tree import Entity, Node, Term


class Guards(Protocol):
    """Compiles what guards an entity, and keeps the problems found (``monitor.rules.clauses``)."""

    problems: list[RuleProblem]

    def guards(self, settings: EntitySettings, path: Path) -> dict[str, Any]:
        """Return ``not_in``, ``needs``, ``unless``, ``since`` and ``until`` of an ``Entity``;
        raises ``RuleError``."""


@dataclass(frozen=True, slots=True)
class Named:
    """An entity ready for use: its node, its code (ISO 3166 for a country) and its type."""

    node: Entity
    code: str
    type: str


class Lookup:
    """Resolves entity names; compiles each entity once.

    Who asks gives the compiler of guards; kept here, the two would hold each other in memory.
    """

    def __init__(self, own: Mapping[str, EntitySettings], gazetteer: Gazetteer) -> None:
        self.own = own
        self.gazetteer = gazetteer
        self._known: dict[str, Named | None] = {}
        self._by_fold = {name.casefold(): name for name in own}
        self._open: list[str] = []

    def entity(self, name: str, path: Path, guards: Guards) -> Node:
        """Return the node for ``name``; raises ``RuleError`` for an unknown one."""
        named = self.named(name, guards)
        if named is None:
            raise fail(path, f"unknown entity {name!r}", self._hint(name))
        return named.node

    def named(self, name: str, guards: Guards) -> Named | None:
        """Return the entity called ``name``: the user's, else the bundled country."""
        own = name if name in self.own else self._by_fold.get(name.casefold())
        country = None if own else self.gazetteer.find(name)
        key = own or (country.code if country else name)
        if key in self._known:
            return self._known[key]
        if own:
            result = self._own(own, guards)
        else:
            result = self._country(country, country.name) if country else None
        self._known[key] = result
        return result

    def all(self, guards: Guards) -> list[Named]:
        """Return every entity: the user's and all bundled countries the user didn't redefine."""
        out: list[Named] = []
        taken: set[str] = set()
        for name in self.own:
            named = self.named(name, guards)
            if named is not None:
                out.append(named)
                taken.add(named.code)
        for code, country in self.gazetteer.countries.items():
            if code not in taken:
                named = self.named(country.name, guards)
                if named is not None and named.code == code:
                    out.append(named)
        return out

    def _own(self, name: str, guards: Guards) -> Named | None:
        settings = self.own[name]
        path: Path = ("entities", name)
        if name in self._open:
            return None
        self._open.append(name)
        try:
            if settings.extend:
                country = self.gazetteer.find(name)
                if country is None:
                    raise fail(path, f"{name!r} is not a bundled entity, so it can't be extended",
                               "remove extend, or use the country's name")  # fmt: skip
                return self._country(country, name, settings, path, guards)
            return self._plain(name, settings, path, guards)
        except RuleError as error:
            if error.problem not in guards.problems:
                guards.problems.append(error.problem)
            return None
        finally:
            self._open.pop()

    def _plain(self, name: str, settings: EntitySettings, path: Path, guards: Guards) -> Named:
        own_name = [] if any(a.lstrip("=") == name for a in settings.aliases) else [name]
        spellings = [*own_name, *settings.aliases]
        if settings.type == "person":
            spellings = list(
                dict.fromkeys(s for each in spellings for s in (each, *initials(each)))
            )
        terms = self._terms(spellings, path, guards)
        node = Entity(name, terms, **guards.guards(settings, path))
        country = self.gazetteer.find(name) if settings.type == "country" else None
        return Named(node, country.code if country else name, settings.type)

    def _country(
        self,
        country: Country,
        name: str,
        settings: EntitySettings | None = None,
        path: Path = (),
        guards: Guards | None = None,
    ) -> Named:
        """Return a bundled country, with what ``settings`` add to it."""
        spellings = list(country.aliases)
        not_in = tuple(map(alias, country.not_in))
        guarded: dict[str, Any] = {"not_in": not_in}
        if settings is None or guards is None:
            terms = tuple(map(alias, spellings))
        else:
            spellings += settings.aliases
            if settings.capitals:
                spellings += country.capitals
            guarded = guards.guards(settings, path)
            guarded["not_in"] = not_in + guarded["not_in"]
            terms = self._terms(spellings, path, guards)
        return Named(Entity(name, terms, **guarded), country.code, "country")

    def _terms(self, spellings: list[str], path: Path, guards: Guards) -> tuple[Term, ...]:
        terms: list[Term] = []
        for index, spelling in enumerate(spellings):
            try:
                terms.append(alias(spelling))
            except TermError as error:
                where = (*path, "aliases", index)
                guards.problems.append(
                    RuleProblem(where, str(error), error.hint, "error", error.offset)
                )
        return tuple(term for term in terms if term.forms)

    def _hint(self, name: str) -> str:
        if code := self.gazetteer.by_place.get(key_of(name)):
            country = self.gazetteer.countries[code].name
            return f"{name} counts as {country} here; for itself write a group of words: [{name}]"
        names = [country.name for country in self.gazetteer.countries.values()]
        if near := closest(name, [*names, *self.own]):
            return f"did you mean {near!r}? If not, define it under entities:"
        return f"define it under entities:, or write it as a group of words: [{name}]"


def alias(spelling: str) -> Term:
    """Compile one alias: nothing is inflected; ``^Term`` counts only with a capital letter."""
    if spelling.startswith("^"):
        term = compile_term(spelling[1:], inflect="none")
        forms = tuple(
            (*((("c", form[0][1]),) if form[0][0] == "f" else form[:1]), *form[1:])
            for form in term.forms
        )
        return Term(spelling[1:], forms)
    return compile_term(spelling, inflect="none")

"""From an entity's name in a rule to its tree node: the user's entities over the bundled ones."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.config.models import EntitySettings, Settings
from monitor.config.suggest import closest
from monitor.rules.entities.gazetteer import Country, Gazetteer, key_of
from monitor.rules.entities.people import initials
from monitor.rules.problems import Path, RuleError, RuleProblem, fail
from monitor.rules.terms import TermError, compile_term
from monitor.rules.tree import Entity, Node, Term, either

if TYPE_CHECKING:
    from monitor.rules.clauses import Clauses


@dataclass(frozen=True, slots=True)
class Named:
    """An entity ready for use: its node, its code (ISO 3166 for a country) and its type."""

    node: Entity
    code: str
    type: str


class Lookup:
    """Resolves entity names; compiles each entity once."""

    def __init__(self, settings: Settings, gazetteer: Gazetteer, clauses: Clauses) -> None:
        self.settings = settings
        self.gazetteer = gazetteer
        self.clauses = clauses
        self._known: dict[str, Named | None] = {}
        self._by_fold = {name.casefold(): name for name in settings.entities}
        self._open: list[str] = []

    def beside(self, clauses: Clauses, settings: Settings) -> Lookup:
        """Return a lookup for other clauses with the same entities; shares what is compiled."""
        other = copy(self)
        other.clauses, other.settings = clauses, settings
        return other

    def entity(self, name: str, path: Path) -> Node:
        """Return the node for ``name``; raises ``RuleError`` for an unknown one."""
        named = self.named(name)
        if named is None:
            raise fail(path, f"unknown entity {name!r}", self._hint(name))
        return named.node

    def named(self, name: str) -> Named | None:
        """Return the entity called ``name``: the user's, else the bundled country."""
        own = name if name in self.settings.entities else self._by_fold.get(name.casefold())
        country = None if own else self.gazetteer.find(name)
        key = own or (country.code if country else name)
        if key in self._known:
            return self._known[key]
        if own:
            result = self._own(own)
        else:
            result = self._country(country, country.name, None, ()) if country else None
        self._known[key] = result
        return result

    def all(self) -> list[Named]:
        """Return every entity: the user's and all bundled countries the user didn't redefine."""
        out: list[Named] = []
        taken: set[str] = set()
        for name in self.settings.entities:
            named = self.named(name)
            if named is not None:
                out.append(named)
                taken.add(named.code)
        for code, country in self.gazetteer.countries.items():
            if code not in taken:
                named = self.named(country.name)
                if named is not None and named.code == code:
                    out.append(named)
        return out

    def _own(self, name: str) -> Named | None:
        settings = self.settings.entities[name]
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
                return self._country(country, name, settings, path)
            return self._plain(name, settings, path)
        except RuleError as error:
            if error.problem not in self.clauses.problems:
                self.clauses.problems.append(error.problem)
            return None
        finally:
            self._open.pop()

    def _plain(self, name: str, settings: EntitySettings, path: Path) -> Named:
        own_name = [] if any(a.lstrip("=") == name for a in settings.aliases) else [name]
        spellings = [*own_name, *settings.aliases]
        if settings.type == "person":
            spellings = list(
                dict.fromkeys(s for each in spellings for s in (each, *initials(each)))
            )
        terms = self._terms(spellings, path)
        guards = self._guards(settings, path)
        node = Entity(name, terms, **guards)
        country = self.gazetteer.find(name) if settings.type == "country" else None
        return Named(node, country.code if country else name, settings.type)

    def _country(
        self, country: Country, name: str, settings: EntitySettings | None, path: Path
    ) -> Named:
        spellings = list(country.aliases)
        not_in = self._terms(list(country.not_in), path)
        guards: dict[str, Any] = {"not_in": not_in}
        if settings is not None:
            spellings += settings.aliases
            if settings.capitals:
                spellings += country.capitals
            guards = self._guards(settings, path)
            guards["not_in"] = not_in + guards["not_in"]
        return Named(Entity(name, self._terms(spellings, path), **guards), country.code, "country")

    def _guards(self, settings: EntitySettings, path: Path) -> dict[str, Any]:
        guards: dict[str, Any] = {}
        context = self.clauses.context()
        guards["not_in"] = self.clauses.terms(settings.not_in, (*path, "not_in"), context)
        if settings.needs:
            needs = dict(settings.needs)
            unless = needs.pop("unless", None)
            at = (*path, "needs")
            if unless is not None:
                guards["unless"] = either(self.clauses.items(unless, (*at, "unless"), context))
            if not needs:
                raise fail(at, "needs has no clause", "write needs: {any: [iPhone, Cupertino]}")
            guards["needs"] = self.clauses.clauses(needs, at, context)
        if settings.valid is not None:
            guards["since"] = settings.valid.from_
            guards["until"] = settings.valid.to
        return guards

    def _terms(self, spellings: list[str], path: Path) -> tuple[Term, ...]:
        terms: list[Term] = []
        for index, spelling in enumerate(spellings):
            try:
                terms.append(alias(spelling))
            except TermError as error:
                where = (*path, "aliases", index)
                self.clauses.problems.append(
                    RuleProblem(where, str(error), error.hint, "error", error.offset)
                )
        return tuple(term for term in terms if term.forms)

    def _hint(self, name: str) -> str:
        if code := self.gazetteer.by_place.get(key_of(name)):
            country = self.gazetteer.countries[code].name
            return f"{name} counts as {country} here; for itself write a group of words: [{name}]"
        names = [country.name for country in self.gazetteer.countries.values()]
        if near := closest(name, [*names, *self.settings.entities]):
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

"""The compiled rules as one immutable object: which rules hold for a document, and where."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from threading import Lock

from monitor.config.models import RuleSettings, Settings
from monitor.rules.compile import Builder, CompiledRule
from monitor.rules.entities import bundled
from monitor.rules.entities.lookup import Named
from monitor.rules.index.document import Slots
from monitor.rules.index.engine import SPACING, Index
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.index.labels import Labels
from monitor.rules.index.plan import forms_of
from monitor.rules.index.trie import Trie
from monitor.rules.index.wording import any_of, wording_of
from monitor.rules.language.detect import make_ready
from monitor.rules.lint import TWINS_LIMIT, lint_rule, twins
from monitor.rules.problems import RuleProblem
from monitor.values import Document, EntityMention, Match, Wording

EDITS = 500
"""Edited rules after which a rule set is built anew: each is posted beside the others."""


@dataclass(frozen=True)
class Compiled:
    """A rule set, and what the compiler has to say; rules with an error are left out of it."""

    ruleset: RuleSet
    problems: tuple[RuleProblem, ...]


class Mentions:
    """Finds all known entities in a document; built when first asked, by whichever thread."""

    def __init__(self, entities: Callable[[], Sequence[Named]], today: date | None) -> None:
        self._building = Lock()
        self._entities = entities
        self._today = today
        self._trie: Trie | None = None
        self._named: tuple[Named, ...] = ()
        self._by_form: dict[int, list[int]] = {}

    def find(self, document: Document) -> tuple[EntityMention, ...]:
        """Return the entities that the document mentions, in order of first mention."""
        trie = self._built()
        slots = Slots(document)
        found = trie.find(slots)
        labels = Labels(document)
        evaluation = Evaluation(slots, found, trie.forms, self._today, labels.holds)
        candidates = {number for form in found for number in self._by_form.get(form, ())}
        mentions: list[tuple[int, int, EntityMention]] = []
        for number in candidates:
            named = self._named[number]
            places = evaluation.places(named.node)
            if places:
                mention = EntityMention(named.node.name, named.code, named.type)
                mentions.append((places[0].first, number, mention))
        return tuple(mention for _, _, mention in sorted(mentions, key=lambda each: each[:2]))

    def beside(self, entities: Callable[[], Sequence[Named]]) -> Mentions:
        """Return mentions of the same entities, asked for by another way if they still must be."""
        return Mentions(entities, self._today) if self._trie is None else self

    def _built(self) -> Trie:
        if self._trie is not None:
            return self._trie
        with self._building:
            return self._trie if self._trie is not None else self._build()

    def _build(self) -> Trie:
        trie = Trie()
        self._named = tuple(self._entities())
        self._entities = tuple  # holds the settings: no longer needed
        for number, named in enumerate(self._named):
            for form in forms_of(named.node):
                trie.add(form)
            for term in named.node.terms:
                for form in term.forms:
                    self._by_form.setdefault(trie.forms[form], []).append(number)
        self._trie = trie
        return self._trie


class RuleSet:
    """Immutable; to be used from one thread at a time, ``entities`` from any."""

    def __init__(
        self,
        rules: Mapping[str, RuleSettings],
        index: Index,
        mentions: Mentions,
        builder: Builder,
    ) -> None:
        self.rules = rules
        self._index = index
        self._mentions = mentions
        self._builder = builder

    def match(self, document: Document) -> tuple[Match, ...]:
        """Return the rules that hold, in the configuration's order, with sorted hits."""
        return self._index.match(document)

    def match_many(self, documents: Sequence[Document]) -> list[tuple[Match, ...]]:
        """Return ``match`` of each document."""
        match = self._index.match
        return [match(document) for document in documents]

    def wording(self) -> Wording:
        """Return what a text's tokens must be for any rule to hold (see ``Wording``)."""
        index = self._index
        return any_of([wording_of(plan, index.trie.names) for plan in index.plans])

    def evaluated(self, slots: Slots) -> Evaluation:
        """Return what decides trees of these rules' terms for a document, clause by clause."""
        return self._index.evaluated(slots)

    def entities(self, document: Document) -> tuple[EntityMention, ...]:
        """Return the entities that the document mentions, in order of first mention.

        Countries have ISO 3166 codes, the user's entities their names.
        """
        return self._mentions.find(document)

    def frequencies(self) -> Frequencies:
        """Return the document frequencies learned so far, for ``with_frequencies``."""
        return self._index.frequencies()

    def with_frequencies(self, frequencies: Frequencies) -> RuleSet:
        """Return the same rules, each anchored to its rarest group by ``frequencies``."""
        return RuleSet(self.rules, self._index.anchored(frequencies), self._mentions, self._builder)

    def current(
        self, matches: Sequence[Match], published: datetime | None, now: datetime
    ) -> tuple[Match, ...]:
        """Return those of ``matches`` whose rule's ``max_age`` a story of ``published`` still
        meets.

        A story that doesn't say its time is as old as now. Kept apart from ``match``, which knows
        no clock.
        """
        age = now - published if published is not None else None
        return tuple(
            match
            for match in matches
            if age is None or (limit := self.rules[match.rule].max_age) is None or age <= limit
        )

    def edited(self, settings: Settings, change: Change) -> Compiled | None:
        """Return this rule set with ``change`` made, ``settings`` being those after it; None where
        it is to be compiled anew: after many edits, or where a changed rule has an error.

        The price doesn't grow with the number of rules that stay: they keep their index.
        ``problems`` are those of the changed rules.
        """
        builder = self._builder.after(settings)
        changed = [(at, settings.rules[at]) for at in change.at]
        compiled = [builder.rule(at, rule) for at, rule in changed]
        taken = [rule for rule in compiled if rule is not None and rule.settings.enabled]
        orders = self._orders(settings.rules, [rule.index for rule in taken])
        if None in compiled or orders is None or self._index.edits + len(change) > EDITS:
            return None
        if builder.clauses.asks_language:
            make_ready()
        gone = {*change.gone, *(rule.name for _, rule in changed if not rule.enabled)}
        index = self._index.edited(list(zip(taken, orders, strict=True)), gone)
        index.planner.forget()
        builder.forget()
        known = self.rules.keys() - gone | {rule.settings.name for rule in taken}
        rules = {rule.name: rule for rule in settings.rules if rule.name in known}
        findings = [found for rule in taken for found in lint_rule(rule, settings)]
        problems = tuple(dict.fromkeys([*builder.problems, *findings]))
        mentions = self._mentions.beside(builder.entities)
        return Compiled(RuleSet(rules, index, mentions, builder), problems)

    def _orders(self, rules: Sequence[RuleSettings], places: Iterable[int]) -> list[int] | None:
        """Return the orders of the rules at ``places``: their own, or for new ones one between
        those of their neighbours; None where there is no room."""
        order_of = self._index.order_of
        fresh: dict[str, int] = {}

        def nearest(others: Iterable[int]) -> int | None:
            names = (rules[other].name for other in others)
            orders = (fresh.get(name, order_of(name)) for name in names)
            return next((order for order in orders if order is not None), None)

        for at in places:
            name = rules[at].name
            order = order_of(name)
            if order is None:
                low, high = nearest(range(at - 1, -1, -1)), nearest(range(at + 1, len(rules)))
                if (order := _between(low, high)) is None:
                    return None
            fresh[name] = order
        return list(fresh.values())


def _between(low: int | None, high: int | None) -> int | None:
    """Return an order behind ``low`` and before ``high``, as far from both as can be."""
    if low is None or high is None:
        return high - SPACING if high is not None else (low or 0) + SPACING
    return (low + high) // 2 if high - low > 1 else None


@dataclass(frozen=True, slots=True)
class Change:
    """What is different in one configuration's rules: ``at`` are places, in the new one, of rules
    that are new or changed, ``gone`` names of rules that it has no longer."""

    at: tuple[int, ...]
    gone: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.at) + len(self.gone)


def difference(before: Settings, after: Settings) -> tuple[Settings, Change] | None:
    """Return ``after`` with the rules that didn't change as they were in memory, and what did; None
    where more than single rules did.

    Lists, entities and ``ignore`` are part of many rules; and rules that changed places give
    another order to those that stay.
    """
    if (before.lists, before.entities, before.ignore) != (
        after.lists, after.entities, after.ignore,
    ):  # fmt: skip
        return None
    known = {rule.name: rule for rule in before.rules}
    names = {rule.name for rule in after.rules}
    if len(known) != len(before.rules) or len(names) != len(after.rules):
        return None  # two rules of one name: an error that a rebuild tells
    stay = [rule.name for rule in before.rules if rule.name in names]
    if stay != [rule.name for rule in after.rules if rule.name in known]:
        return None
    changed: list[int] = []
    rules: list[RuleSettings] = []
    for at, rule in enumerate(after.rules):
        old = known.get(rule.name)
        if old == rule:
            rules.append(old)
        else:
            changed.append(at)
            rules.append(rule)
    change = Change(tuple(changed), frozenset(known.keys() - names))
    return after.model_copy(update={"rules": rules}), change


def compile_rules(
    settings: Settings,
    today: date | None = None,
    frequencies: Frequencies | None = None,
    *,
    lenient: bool = False,
) -> Compiled:
    """Compile the rules of ``settings``.

    ``today`` dates stories that don't say their own day (entities with ``valid``); None means the
    day on which they are matched (UTC). ``frequencies`` is what an earlier rule set learned. Rules
    with an error-level problem are left out; the caller decides whether that refuses the
    configuration. ``lenient`` makes a rule that asks for nothing but ``none`` a warning (it never
    fires).
    """
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand rules make millions of small values and no garbage
    try:
        builder = Builder(settings, bundled())
        index = Index(today, builder.ignore)
        rules: dict[str, RuleSettings] = {}
        looked_at: list[CompiledRule] = []
        for rule in builder.rules():
            rules[rule.settings.name] = rule.settings
            index.add(rule)
            if len(looked_at) < TWINS_LIMIT:
                looked_at.append(rule)
        findings = [f for rule in looked_at for f in lint_rule(rule, settings)]
        builder.problems.extend(dict.fromkeys([*findings, *twins(looked_at)]))
        if builder.clauses.asks_language:
            make_ready()
        builder.forget()
        index.planner.forget()
        index.anchor(frequencies or Frequencies())
    finally:
        if collecting:
            gc.enable()
    mentions = Mentions(builder.entities, today)
    problems = builder.problems
    if lenient:
        problems = [replace(p, level="warning") if p.never else p for p in problems]
    return Compiled(RuleSet(rules, index, mentions, builder), tuple(problems))

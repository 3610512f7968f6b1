"""The compiled rules as one immutable object: which rules hold for a document, and where."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from monitor.config.models import RuleSettings, Settings
from monitor.rules.compile import Builder, CompiledRule
from monitor.rules.entities import bundled
from monitor.rules.entities.lookup import Named
from monitor.rules.index.document import Slots
from monitor.rules.index.engine import Index
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.index.labels import Labels
from monitor.rules.index.plan import forms_of
from monitor.rules.index.trie import Trie
from monitor.rules.index.wording import any_of, wording_of
from monitor.rules.lint import TWINS_LIMIT, lint_rule, twins
from monitor.rules.problems import RuleProblem
from monitor.values import Document, EntityMention, Match, Wording


@dataclass(frozen=True)
class Compiled:
    """A rule set, and what the compiler has to say; rules with an error are left out of it."""

    ruleset: RuleSet
    problems: tuple[RuleProblem, ...]


class Mentions:
    """Finds all known entities in a document; built when first asked."""

    def __init__(self, entities: Callable[[], Sequence[Named]], today: date) -> None:
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

    def _built(self) -> Trie:
        if self._trie is None:
            trie = Trie()
            self._named = tuple(self._entities())
            for number, named in enumerate(self._named):
                for form in forms_of(named.node):
                    trie.add(form)
                for term in named.node.terms:
                    for form in term.forms:
                        self._by_form.setdefault(trie.forms[form], []).append(number)
            self._trie = trie
        return self._trie


class RuleSet:
    """Immutable; to be used from one thread at a time."""

    def __init__(
        self,
        rules: Mapping[str, RuleSettings],
        index: Index,
        mentions: Mentions,
        settings: Settings,
    ) -> None:
        self.rules = rules
        self._index = index
        self._mentions = mentions
        self._settings = settings

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
        index = self._index.anchored(frequencies)
        return RuleSet(self.rules, index, self._mentions, self._settings)

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

    def edited(self, settings: Settings, names: Collection[str]) -> Compiled:
        """Return this rule set with the rules called ``names`` as ``settings`` has them now.

        The price of an edit doesn't grow with the number of rules that stay: the others keep their
        index. ``settings`` may differ from those compiled in these rules only (replaced, removed,
        or added at the end); where it differs elsewhere, everything is rebuilt. ``problems`` are
        those of the named rules.
        """
        before = self._settings
        if not _only_rules_differ(before, settings) or not _in_place(
            list(self.rules), [rule.name for rule in settings.rules if rule.enabled], set(names)
        ):
            return compile_rules(settings, self._index.today, self.frequencies())
        builder = Builder(settings, bundled())
        compiled = {rule.settings.name: rule for rule in builder.rules(set(names))}
        index = self._index.edited(set(names), list(compiled.values()))
        index.planner.forget()
        rules = {
            rule.name: rule
            for rule in settings.rules
            if rule.enabled and (rule.name not in names or rule.name in compiled)
        }
        mentions = Mentions(builder.lookup.all, self._index.today)
        problems = [p for p in builder.problems if _concerns(p, settings, names)]
        return Compiled(RuleSet(rules, index, mentions, settings), tuple(problems))


def _only_rules_differ(before: Settings, after: Settings) -> bool:
    return (
        before.lists == after.lists
        and before.entities == after.entities
        and before.ignore == after.ignore
    )


def _in_place(before: list[str], after: list[str], names: set[str]) -> bool:
    """Whether all differences are in ``names``, the rest keeps its order, and what is new is
    last."""
    known, wanted = set(before), set(after)
    kept = [name for name in after if name in known]
    return (
        (known ^ wanted) <= names
        and kept == [name for name in before if name in wanted]
        and after[: len(kept)] == kept
    )


def _concerns(problem: RuleProblem, settings: Settings, names: Collection[str]) -> bool:
    path = problem.path
    if len(path) > 1 and path[0] == "rules" and isinstance(path[1], int):
        return settings.rules[path[1]].name in names
    return True


def compile_rules(
    settings: Settings,
    today: date | None = None,
    frequencies: Frequencies | None = None,
    *,
    lenient: bool = False,
) -> Compiled:
    """Compile the rules of ``settings``.

    ``today`` dates stories that don't say their own day (entities with ``valid``); the current UTC
    day when None. ``frequencies`` is what an earlier rule set learned. Rules with an error-level
    problem are left out; the caller decides whether that refuses the configuration. ``lenient``
    makes a rule that asks for nothing but ``none`` a warning (it never fires).
    """
    day = today or datetime.now(UTC).date()
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand rules make millions of small values and no garbage
    try:
        builder = Builder(settings, bundled())
        index = Index(day, builder.ignore)
        rules: dict[str, RuleSettings] = {}
        looked_at: list[CompiledRule] = []
        for rule in builder.rules():
            rules[rule.settings.name] = rule.settings
            index.add(rule)
            if len(looked_at) < TWINS_LIMIT:
                looked_at.append(rule)
        findings = [f for rule in looked_at for f in lint_rule(rule, settings)]
        builder.problems += dict.fromkeys([*findings, *twins(looked_at)])
        builder.forget()
        index.planner.forget()
        index.anchor(frequencies or Frequencies())
    finally:
        if collecting:
            gc.enable()
    mentions = Mentions(builder.lookup.all, day)
    problems = builder.problems
    if lenient:
        problems = [replace(p, level="warning") if p.never else p for p in problems]
    return Compiled(RuleSet(rules, index, mentions, settings), tuple(problems))

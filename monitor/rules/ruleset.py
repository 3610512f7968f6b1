"""The compiled rules as one immutable object: which rules hold for a document, and where."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from monitor.config.models import RuleSettings, Settings
from monitor.rules.compile import Builder
from monitor.rules.entities import bundled
from monitor.rules.entities.lookup import Named
from monitor.rules.index.document import Slots
from monitor.rules.index.engine import Index
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.index.labels import Labels
from monitor.rules.index.plan import forms_of
from monitor.rules.index.trie import Trie
from monitor.rules.problems import RuleProblem
from monitor.values import Document, EntityMention, Match


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
    ) -> None:
        self.rules = rules
        self._index = index
        self._mentions = mentions

    def match(self, document: Document) -> tuple[Match, ...]:
        """Return the rules that hold, in the configuration's order, with sorted hits."""
        return self._index.match(document)

    def match_many(self, documents: Sequence[Document]) -> list[tuple[Match, ...]]:
        """Return ``match`` of each document."""
        match = self._index.match
        return [match(document) for document in documents]

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
        return RuleSet(self.rules, self._index.anchored(frequencies), self._mentions)


def compile_rules(
    settings: Settings, today: date | None = None, frequencies: Frequencies | None = None
) -> Compiled:
    """Compile the rules of ``settings``.

    ``today`` dates stories that don't say their own day (entities with ``valid``); the current UTC
    day when None. ``frequencies`` is what an earlier rule set learned. Rules with an error-level
    problem are left out; the caller decides whether that refuses the configuration.
    """
    day = today or datetime.now(UTC).date()
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand rules make millions of small values and no garbage
    try:
        builder = Builder(settings, bundled())
        index = Index(day, builder.ignore)
        rules: dict[str, RuleSettings] = {}
        for rule in builder.rules():
            rules[rule.settings.name] = rule.settings
            index.add(rule)
        index.anchor(frequencies or Frequencies())
    finally:
        if collecting:
            gc.enable()
    mentions = Mentions(builder.lookup.all, day)
    return Compiled(RuleSet(rules, index, mentions), tuple(builder.problems))

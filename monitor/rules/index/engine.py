"""The index: each rule posted under its rarest necessary group, candidates verified, hits
collected.

A document touches only the rules whose anchor occurs in it; of those, most fall to a set test of
their other groups. What is left is decided by the plan, or by evaluating the tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from monitor.rules.index.document import Slots
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.index.plan import Group, Plan, Planner, forms_of
from monitor.rules.index.postings import (
    Bundles,
    ListPostings,
    Posted,
    Postings,
    Tell,
    in_order,
    posted,
    postings,
)
from monitor.rules.index.run import Run
from monitor.rules.index.score import threshold
from monitor.rules.index.trie import Spans, Trie
from monitor.rules.language.detect import script_of, spoken
from monitor.rules.tree import Node
from monitor.values import Document, Match

if TYPE_CHECKING:
    from monitor.rules.compile import CompiledRule

_SAMPLE = 16
"""Every sixteenth document is counted for the document frequencies: cheap, and enough for an
order."""


SPACING = 1 << 16
"""Between the orders of two rules: so many, halved each time, may come to stand between them."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What changed since the index was built: ``dropped`` are orders of plans that it still posts,
    ``fresh`` the plans beside it, ``orders`` those of all edited rules by name."""

    dropped: frozenset[int] = frozenset()
    fresh: Mapping[str, Plan] = field(default_factory=dict)
    orders: Mapping[str, int] = field(default_factory=dict)
    postings: Postings = ListPostings(())  # noqa: RUF009 (immutable)


class Index:
    """Finds the rules that hold. Filled once (``add``, then ``anchor``); then only read."""

    def __init__(self, today: date | None, ignore: Node | None = None) -> None:
        self.today = today
        self.ignore = ignore
        self.trie = Trie()
        self.planner = Planner(self.trie)
        self.bundles = Bundles()
        self._frequencies = Frequencies()
        if ignore is not None:
            for form in forms_of(ignore):
                self.trie.add(form)
        self._plans: dict[str, Plan] = {}
        self._named: frozenset[str] = frozenset()
        self._postings: Postings = ListPostings(())
        self._edits = Edits()
        self._seen = 0
        self._counts: dict[int, int] = {}

    def add(self, rule: CompiledRule) -> None:
        """Add a rule, in the configuration's order; call ``anchor`` when all are added."""
        self._named |= rule.stems
        if rule.tree is not None:
            self._plans[rule.settings.name] = plan_of(self.planner, rule, rule.index * SPACING)

    def anchor(self, frequencies: Frequencies) -> None:
        """Post each rule under its rarest necessary group."""
        self._frequencies = frequencies
        self.trie.settle()
        rows = list(self._posted(self._plans.values()))
        self._postings = postings(rows, len(self.trie.names), self.bundles)

    def _posted(self, plans: Collection[Plan]) -> Iterator[Posted]:
        names = self.trie.names
        shares: dict[int, float] = {}

        def weight(group: Group) -> float:
            total = 0.0
            for form in group:
                share = shares.get(form)
                if share is None:
                    share = shares[form] = self._frequencies.share(names[form])
                total += share
            return total

        return posted(plans, weight, self.bundles)

    @property
    def plans(self) -> list[Plan]:
        """The plans of all rules, in order."""
        edits = self._edits
        kept = [plan for plan in self._plans.values() if plan.order not in edits.dropped]
        return in_order(kept, list(edits.fresh.values()))

    def anchored(self, frequencies: Frequencies) -> Index:
        """Return an index of the same rules with other anchors; shares the trie and its memo."""
        other = self._beside()
        other._plans = {plan.name: plan for plan in self.plans}
        other.anchor(frequencies)
        return other

    def order_of(self, name: str) -> int | None:
        """Return the order of the rule called ``name``, None where there is none that can fire."""
        if (order := self._edits.orders.get(name)) is not None:
            return order
        plan = self._plans.get(name)
        return plan.order if plan is not None and plan.order not in self._edits.dropped else None

    def edited(self, rules: Sequence[tuple[CompiledRule, int]], gone: Collection[str]) -> Index:
        """Return an index with ``rules``, each with its order, in place of those of their names,
        and without those called ``gone``.

        Shares the postings of the rules that stay; the replaced ones are skipped, the new ones
        posted beside. Both are merged by the next rebuild.
        """
        other = self._beside()
        other._plans, other._postings = self._plans, self._postings
        other._frequencies = self._frequencies
        dropped, fresh = set(self._edits.dropped), dict(self._edits.fresh)
        orders = dict(self._edits.orders)
        for name in (*gone, *(rule.settings.name for rule, _ in rules)):
            if (order := self.order_of(name)) is not None:
                dropped.add(order)
            orders.pop(name, None)
            fresh.pop(name, None)
        for rule, order in rules:
            other._named |= rule.stems
            orders[rule.settings.name] = order
            if rule.tree is not None:
                fresh[rule.settings.name] = plan_of(self.planner, rule, order)
        self.trie.settle()
        beside = ListPostings(self._posted(fresh.values()))
        other._edits = Edits(frozenset(dropped), fresh, orders, beside)
        return other

    @property
    def edits(self) -> int:
        """How many rules were edited since the index was built."""
        return len({*self._edits.dropped, *self._edits.orders.values()})

    def _beside(self) -> Index:
        other = Index(self.today, None)
        other.trie, other.planner, other.bundles = self.trie, self.planner, self.bundles
        other.ignore, other._named = self.ignore, self._named
        return other

    def frequencies(self) -> Frequencies:
        """Return what was learned, folded into what was known before."""
        names = self.trie.names
        merged = Frequencies.from_bytes(self._frequencies.to_bytes())
        forms = [names[form] for form, count in self._counts.items() for _ in range(count)]
        merged.observe(forms, self._seen // _SAMPLE)
        return merged

    def match(self, document: Document) -> tuple[Match, ...]:
        """Return the rules that hold for ``document``, in the configuration's order."""
        slots = Slots(document)
        found = self.trie.find(slots, self.stem_languages(document))
        self._seen += 1
        if not self._seen % _SAMPLE:
            for form in found:
                self._counts[form] = self._counts.get(form, 0) + 1
        candidates, tell = self.candidates(found)
        if not candidates:
            return ()
        return Run(self, slots, found, tell).matches(candidates)

    def evaluated(self, slots: Slots) -> Evaluation:
        """Return what decides trees for one document."""
        found = self.trie.find(slots, self.stem_languages(slots.document))
        return Run(self, slots, found).evaluation

    def stem_languages(self, document: Document) -> tuple[str, ...]:
        """Return the languages whose stems count in a document: its own; where that can't be told,
        what its script suggests, and those that rules with stems name."""
        if not self.trie.stems:
            return ()
        language = spoken(document)
        return (language,) if language else tuple(sorted({script_of(document), *self._named}))

    def candidates(self, found: Spans) -> tuple[list[Plan], Tell | None]:
        """Return plans whose necessary groups all occur and that no veto rules out, in order, and
        what tells which forms met their groups (see ``Postings``)."""
        bundles = self.bundles.found(found)
        plans, tell = self._postings.candidates(found, bundles)
        edits = self._edits
        if edits.dropped or edits.fresh:
            plans = [plan for plan in plans if plan.order not in edits.dropped]
            plans = in_order(plans, edits.postings.candidates(found, bundles)[0])
        return plans, tell


def plan_of(planner: Planner, rule: CompiledRule, order: int) -> Plan:
    """Return the plan of a compiled rule."""
    assert rule.tree is not None
    settings = rule.settings
    return planner.plan(
        order,
        settings.name,
        rule.tree,
        ignores=settings.ignore != "none",
        min_score=threshold(settings.precision, settings.min_score),
        key=rule.key,
    )

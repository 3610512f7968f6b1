"""The index: each rule posted under its rarest necessary group, candidates verified, hits
collected.

A document touches only the rules whose anchor occurs in it; of those, most fall to a set test of
their other groups. What is left is decided by the plan, or by evaluating the tree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from monitor.rules import patterns
from monitor.rules.index.document import Slots
from monitor.rules.index.evaluate import Evaluation, Found, Place, Span
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.index.labels import Labels
from monitor.rules.index.make import lazy_match, make_hit
from monitor.rules.index.plan import Group, Plan, Planner, forms_of
from monitor.rules.index.postings import ListPostings, Postings, posted
from monitor.rules.index.score import Scorer, threshold
from monitor.rules.index.trie import Trie
from monitor.rules.tree import Node
from monitor.values import TEXT_FIELDS, Document, Hit, Match

if TYPE_CHECKING:
    from monitor.rules.compile import CompiledRule

_SAMPLE = 16
"""Every sixteenth document is counted for the document frequencies: cheap, and enough for an
order."""

MAX_HITS = 100
"""Hits given with a match, the first ones; nobody reads more, and each costs time."""

Entry = tuple[int, int, int, Hit]
"""(first slot, last slot, label, hit): sorts by place without comparing hits."""


class Index:
    """Finds the rules that hold. Filled once (``add``, then ``anchor``); then only read."""

    def __init__(self, today: date, ignore: Node | None = None) -> None:
        self.today = today
        self.trie = Trie()
        self.planner = Planner(self.trie)
        self.plans: list[Plan] = []
        self.ignore = ignore
        if ignore is not None:
            for form in forms_of(ignore):
                self.trie.add(form)
        self._postings: Postings = ListPostings({}, ())
        self._added: Postings | None = None
        self._fresh: list[Plan] = []
        self._dropped: frozenset[int] = frozenset()
        self.labels: list[tuple[str, str | None]] = []
        self._seen = 0
        self._counts: dict[int, int] = {}
        self._frequencies = Frequencies()

    def add(self, rule: CompiledRule) -> None:
        """Add a rule; call ``anchor`` when all are added."""
        if rule.tree is None:
            return
        plan = plan_of(self.planner, rule)
        self.plans.append(plan)

    def anchor(self, frequencies: Frequencies) -> None:
        """Post each rule under its rarest necessary group."""
        self._frequencies = frequencies
        self._postings = self._posted(self.plans)
        self.labels = self.planner.names

    def _posted(self, plans: Sequence[Plan]) -> Postings:
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

        return posted(plans, weight, len(names))

    def anchored(self, frequencies: Frequencies) -> Index:
        """Return an index of the same rules with other anchors; shares the trie and its memo."""
        other = Index(self.today, None)
        other.trie = self.trie
        other.planner = self.planner
        other.ignore = self.ignore
        other.plans = [replace(plan) for plan in self.plans]
        other.anchor(frequencies)
        return other

    def edited(self, names: set[str], rules: Sequence[CompiledRule]) -> Index:
        """Return an index where the rules called ``names`` are replaced by ``rules``.

        Shares the postings of the rules that stay; the replaced ones are skipped, the new ones
        posted beside. Both are merged by the next rebuild.
        """
        other = Index(self.today, None)
        other.trie = self.trie
        other.planner = self.planner
        other.ignore = self.ignore
        other._frequencies = self._frequencies
        old = {plan.name: plan for plan in self.plans if plan.name in names}
        fresh = [plan_of(self.planner, rule) for rule in rules if rule.tree is not None]
        last = self.plans[-1].order if self.plans else -1
        for plan in fresh:
            if plan.name in old:
                plan.order = old[plan.name].order
            else:
                last += 1
                plan.order = last
        other.plans = [plan for plan in self.plans if plan.name not in names] + fresh
        other.plans.sort(key=lambda plan: plan.order)
        other._postings = self._postings
        other._dropped = self._dropped | {id(plan) for plan in old.values()}
        other._fresh = [plan for plan in self._fresh if plan.name not in names] + fresh
        other._added = other._posted(other._fresh)
        other.labels = self.planner.names
        return other

    def frequencies(self) -> Frequencies:
        """Return what was learned, folded into what was known before."""
        names = self.trie.names
        merged = Frequencies.from_bytes(self._frequencies.to_bytes())
        forms = [names[form] for form, count in self._counts.items() for _ in range(count)]
        merged.observe(forms, self._seen // _SAMPLE)
        return merged

    # ------------------------------------------------------------------------------- matching
    def match(self, document: Document) -> tuple[Match, ...]:
        """Return the rules that hold for ``document``, in the configuration's order."""
        slots = Slots(document)
        found = self.trie.find(slots, document.language or "en")
        self._seen += 1
        if not self._seen % _SAMPLE:
            for form in found:
                self._counts[form] = self._counts.get(form, 0) + 1
        candidates = self._candidates(found)
        if not candidates:
            return ()
        run = Run(self, slots, found)
        return run.matches(candidates)

    def _candidates(self, found: dict[int, list[tuple[int, int]]]) -> list[Plan]:
        """Return plans whose necessary groups all occur and that no veto rules out, in order."""
        out: dict[int, Plan] = {}
        self._postings.candidates(found, out)
        if self._dropped:
            out = {order: plan for order, plan in out.items() if id(plan) not in self._dropped}
        if self._added is not None:
            self._added.candidates(found, out)
        return [out[order] for order in sorted(out)]


class Run:
    """Decides candidates for one document and collects their hits."""

    def __init__(self, index: Index, slots: Slots, found: dict[int, list[tuple[int, int]]]) -> None:
        self.index = index
        self.slots = slots
        self.found = found
        self.labels = Labels(slots.document)
        self.evaluation = Evaluation(slots, found, index.trie.forms, index.today, self.labels.holds)
        self._scorer: Scorer | None = None
        self._entries: dict[tuple[int, int], list[Entry]] = {}
        self._ignored: bool | None = None

    def matches(self, candidates: Sequence[Plan]) -> tuple[Match, ...]:
        """Return the matches of those candidates that hold."""
        out: list[Match] = []
        respects = self.index.ignore is not None
        for plan in candidates:
            if respects and plan.ignores and self.ignored():
                continue
            if plan.tree is not None:
                if not self.evaluation.holds(plan.tree):
                    continue
            elif (plan.metas and not all(map(self.labels.holds, plan.metas))) or (
                plan.nears and not self._all_near(plan)
            ):
                continue
            key = key_of(plan.key, self.slots) if plan.key else None
            match = lazy_match(plan.name, key, partial(self.detail, plan))
            if plan.min_score <= 0.0 or match.score >= plan.min_score:
                out.append(match)
        return tuple(out)

    def ignored(self) -> bool:
        """Whether the configuration's ``ignore`` takes the document away."""
        if self._ignored is None:
            node = self.index.ignore
            self._ignored = node is not None and self.evaluation.holds(node)
        return self._ignored

    def detail(self, plan: Plan) -> tuple[float, tuple[Hit, ...]]:
        """Return the score and the hits of a plan that holds."""
        entries = self._exact(plan) if plan.tree is None else self._evaluated(plan.tree)
        if self._scorer is None:
            self._scorer = Scorer(self.slots, self.found)
        bare = () if plan.groups else [entry[0] for entry in entries]
        return self._scorer.score(plan.groups, bare), tuple(
            [entry[3] for entry in entries[:MAX_HITS]]
        )

    def _all_near(self, plan: Plan) -> bool:
        for left, right, n, ordered in plan.nears:
            lefts, rights = self._spans(plan.groups[left]), self._spans(plan.groups[right])
            if not near_each_other(lefts, rights, n, ordered, self.slots.breaks):
                return False
        return True

    def _spans(self, group: Group) -> list[Span]:
        found = self.found
        out: list[Span] = []
        for form in group:
            if form in found:
                out += found[form]
        out.sort()
        return out

    def _exact(self, plan: Plan) -> list[Entry]:
        near: dict[int, set[Span]] = {}
        for left, right, n, ordered in plan.nears:
            lefts, rights = self._spans(plan.groups[left]), self._spans(plan.groups[right])
            kept = near_each_other(lefts, rights, n, ordered, self.slots.breaks)
            near[left], near[right] = kept or (set(), set())
        rows: list[list[Entry]] = []
        for index, group in enumerate(plan.groups):
            rows.append(self._entries_of(group, plan.labels[index], near.get(index)))
        if len(rows) == 1:
            return rows[0]
        return sorted({entry[:3]: entry for row in rows for entry in row}.values(), key=_place)

    def _entries_of(
        self, group: Group, labels: tuple[int, ...], within: set[Span] | None
    ) -> list[Entry]:
        """Return the first hits of a group's forms, in order; only those ``within``, if given."""
        out: list[Entry] = []
        found = self.found
        several = False
        usual = self.index.planner.usual
        for at, form in enumerate(group):
            if form in found:
                label = labels[at] if labels else usual[form]
                if within is not None:
                    spans = [span for span in found[form] if span in within]
                    known = self._made(spans, label)
                else:
                    kept = self._entries.get((form, label))
                    if kept is None:
                        kept = self._entries[form, label] = self._made(found[form], label)
                    known = kept
                several = bool(out)
                out = out + known if several else known
        if several:
            unique = {entry[:3]: entry for entry in out}
            return sorted(unique.values(), key=_place)
        return out

    def _made(self, spans: Sequence[Span], label: int) -> list[Entry]:
        term, entity = self.index.labels[label]
        slots = self.slots
        out: list[Entry] = []
        for first, last in spans[:MAX_HITS]:
            field, start, end = slots.text_range(first, last)
            text = slots.document.text(field)[start:end]
            out.append((first, last, label, make_hit(term, field, start, end, text, entity)))
        return out

    def _evaluated(self, tree: Node) -> list[Entry]:
        return _entries_of_places(self.slots, self.evaluation.hits(tree))


def hits_of_places(slots: Slots, places: Iterable[Place]) -> tuple[Hit, ...]:
    """Return the hits of ``places``, each once, in order."""
    return tuple(entry[3] for entry in _entries_of_places(slots, places))


def _entries_of_places(slots: Slots, places: Iterable[Place]) -> list[Entry]:
    seen = list(dict.fromkeys(found for place in places for found in place.found))
    if len(seen) > MAX_HITS:
        seen = sorted(seen, key=_first_slot)[:MAX_HITS]
    out: list[Entry] = []
    for number, each in enumerate(seen):
        field, start, end = each.chars or slots.text_range(each.first, each.last)
        text = slots.document.text(field)[start:end]
        hit = make_hit(each.term, field, start, end, text, each.entity)
        out.append((each.first, each.last, number, hit))
    return sorted(out, key=_hit_place)


def _first_slot(found: Found) -> int:
    return found.first


def near_each_other(
    lefts: list[Span], rights: list[Span], n: int, ordered: bool, breaks: list[int]
) -> tuple[set[Span], set[Span]] | None:
    """Return the spans of both sides that have one of the other side within ``n`` words, in the
    same
    paragraph and not overlapping; None if there are none. Both sides are sorted."""
    kept_left = _beside(lefts, rights, n, breaks, after=True, before=not ordered)
    if not kept_left:
        return None
    return kept_left, _beside(rights, lefts, n, breaks, after=not ordered, before=True)


def _beside(
    these: list[Span], those: list[Span], n: int, breaks: list[int], *, after: bool, before: bool
) -> set[Span]:
    kept: set[Span] = set()
    starts = [each[0] for each in those]
    ends = sorted(each[1] for each in those)
    for this in these:
        if after:
            at = bisect_right(starts, this[1])
            if (
                at < len(starts)
                and starts[at] - this[1] - 1 <= n
                and bisect_left(breaks, starts[at]) == bisect_left(breaks, this[0])
            ):
                kept.add(this)
                continue
        if before:
            at = bisect_left(ends, this[0]) - 1
            if (
                at >= 0
                and this[0] - ends[at] - 1 <= n
                and bisect_left(breaks, ends[at]) == bisect_left(breaks, this[0])
            ):
                kept.add(this)
    return kept


def key_of(key: str, slots: Slots) -> str | None:
    """Return what ``key`` (an RE2 expression) finds first in the document, or None."""
    for name in TEXT_FIELDS:
        text = slots.text(name)
        for start, end in patterns.find(key, text):
            return text[start:end].upper()
    return None


def plan_of(planner: Planner, rule: CompiledRule) -> Plan:
    """Return the plan of a compiled rule."""
    assert rule.tree is not None
    settings = rule.settings
    return planner.plan(
        rule.index,
        settings.name,
        rule.tree,
        ignores=settings.ignore != "none",
        min_score=threshold(settings.precision, settings.min_score),
        key=rule.key,
    )


def _place(entry: Entry) -> tuple[int, int, int]:
    return entry[:3]


def _hit_place(entry: Entry) -> tuple[int, int, int, int, int]:
    hit = entry[3]
    return entry[0], hit.start, entry[1], hit.end, entry[2]

"""One document and the rules it brings up: which hold, and where their terms stand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Protocol

from monitor.rules import patterns
from monitor.rules.index.document import Slots
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.labels import Labels
from monitor.rules.index.make import lazy_match, make_hit
from monitor.rules.index.places import Found, Place, Span
from monitor.rules.index.plan import Group, Plan, Planner
from monitor.rules.index.postings import Met, Tell
from monitor.rules.index.score import Scorer
from monitor.rules.index.trie import Spans, Trie
from monitor.rules.tree import Node
from monitor.values import TEXT_FIELDS, Hit, Match

MAX_HITS = 100
"""Hits given with a match, the first ones; nobody reads more, and each costs time."""

_FEW = 20
"""Matches below which their forms are looked up one by one (measured)."""
Entry = tuple[int, int, int, Hit]
"""(first slot, last slot, label, hit)."""
Read = tuple[list[Entry], float, list[int]]
"""What was read of a form: its entries, its best place, and the slots where it starts."""


class Rules(Protocol):
    """What is asked of the rules that a document brings up (``monitor.rules.index.engine``)."""

    trie: Trie
    planner: Planner
    today: date | None
    ignore: Node | None


class Run:
    """Decides candidates for one document and collects their hits."""

    def __init__(self, index: Rules, slots: Slots, found: Spans, tell: Tell | None = None) -> None:
        self.index = index
        self.slots = slots
        self.found = found
        self.labels = Labels(slots.document)
        self.evaluation = Evaluation(slots, found, index.trie.forms, index.today, self.labels.holds)
        self._scorer = Scorer(slots)
        self._entries: dict[int, Read] = {}
        self._unusual: dict[tuple[int, int], list[Entry]] = {}
        self._nears: dict[tuple[Group, Group, int, bool], tuple[set[Span], set[Span]] | None] = {}
        self._ignored: bool | None = None
        self._tell = tell
        self._met: dict[int, Met] = {}

    def matches(self, candidates: Sequence[Plan]) -> tuple[Match, ...]:
        """Return the matches of those candidates that hold."""
        if len(candidates) < _FEW:
            self._tell = None
        if self.index.ignore is not None:
            candidates = [plan for plan in candidates if not (plan.ignores and self.ignored())]
        return tuple(
            [lazy_match(plan, self) for plan in candidates if plan.plain or self._holds(plan)]
        )

    def _holds(self, plan: Plan) -> bool:
        if plan.tree is not None:
            if not self.evaluation.holds(plan.tree):
                return False
        elif (plan.metas and not all(map(self.labels.holds, plan.metas))) or (
            plan.nears and not self._all_near(plan)
        ):
            return False
        return plan.min_score <= 0.0 or self.detail(plan)[0] >= plan.min_score

    def ignored(self) -> bool:
        """Whether the configuration's ``ignore`` takes the document away."""
        if self._ignored is None:
            node = self.index.ignore
            self._ignored = node is not None and self.evaluation.holds(node)
        return self._ignored

    def detail(self, plan: Plan) -> tuple[float, tuple[Hit, ...], str | None]:
        """Return the score, the hits and the key of a plan that holds."""
        if self._tell is not None:
            self._met, self._tell = self._tell(), None
        met = self._met.get(id(plan))
        if met is None and plan.simple:
            met = self._forms_met(plan)
        if met is None:
            return self._detail(plan)
        entries, places, rows = self._collected(met)
        if len(entries) > 1:
            entries = _sorted(entries)
        score = self._scorer.score(places, rows)
        return score, tuple([entry[3] for entry in entries[:MAX_HITS]]), None

    def _collected(self, met: Met) -> tuple[list[Entry], list[float], list[list[int]]]:
        """Return the entries of all forms; and for each group its best place and the slots where
        its forms start."""
        known = self._entries
        entries: list[Entry] = []
        places: list[float] = []
        rows: list[list[int]] = []
        for forms in met:
            first = forms[0]
            made, place, row = known[first] if first in known else self._of(first)
            entries += made
            for form in forms[1:]:
                made, other, slots = known[form] if form in known else self._of(form)
                entries += made
                row = row + slots
                if other > place:
                    place = other
            places.append(place)
            rows.append(row)
        return entries, places, rows

    def _detail(self, plan: Plan) -> tuple[float, tuple[Hit, ...], str | None]:
        if plan.tree is not None:
            entries = _entries_of_places(self.slots, self.evaluation.hits(plan.tree))
        elif plan.nears:
            entries = self._near(plan)
        else:
            entries = self._labelled(plan)
        place = self._scorer.place
        found = self.found
        rows = [[s[0] for form in forms for s in found[form]] for forms in self._forms_met(plan)]
        places = [
            max(place(found[form][0][0]) for form in forms) for forms in self._forms_met(plan)
        ]
        if not rows and entries:  # a bare regular expression: where it was found
            rows = [[entry[0] for entry in entries]]
            places = [max(map(place, rows[0]))]
        score = self._scorer.score(places, rows)
        hits = tuple([entry[3] for entry in entries[:MAX_HITS]])
        return score, hits, key_of(plan.key, self.slots) if plan.key else None

    def _forms_met(self, plan: Plan) -> Met:
        """Return, of each of a plan's groups, the forms that occur."""
        found = self.found
        return [[form for form in group if form in found] for group in plan.groups]

    def _labelled(self, plan: Plan) -> list[Entry]:
        """Return the entries of a plan that calls a term otherwise than most rules do."""
        out: list[Entry] = []
        for labels, group in zip(plan.labels, plan.groups, strict=True):
            for place, form in enumerate(group):
                if form in self.found:
                    out += self._under(form, labels[place] if labels else self._usual(form))
        return _sorted(out)

    def _near(self, plan: Plan) -> list[Entry]:
        """Return the entries of a plan with NEAR: of its two sides only those near each other."""
        near: dict[int, set[Span]] = {}
        for left, right, n, ordered in plan.nears:
            kept = self._beside(plan.groups[left], plan.groups[right], n, ordered)
            near[left], near[right] = kept or (set(), set())
        out: list[Entry] = []
        for at, group in enumerate(plan.groups):
            labels, within = plan.labels[at], near.get(at)
            for place, form in enumerate(group):
                if form in self.found:
                    if within is not None:
                        label = labels[place] if labels else self._usual(form)
                        out += self._made([s for s in self.found[form] if s in within], label)
                    elif labels:
                        out += self._under(form, labels[place])
                    else:
                        out += (self._entries.get(form) or self._of(form))[0]
        return _sorted(out)

    def _usual(self, form: int) -> int:
        return self.index.planner.usual[form]

    def _of(self, form: int) -> Read:
        """Return a form's entries under its usual label, its best place and where it starts."""
        spans = self.found[form]
        made = self._made(spans, self._usual(form))
        slots = [span[0] for span in spans]
        read = self._entries[form] = (made, self._scorer.place(slots[0]), slots)
        return read

    def _under(self, form: int, label: int) -> list[Entry]:
        """Return a form's entries under a label."""
        made = self._unusual.get((form, label))
        if made is None:
            made = self._unusual[form, label] = self._made(self.found[form], label)
        return made

    def _made(self, spans: Sequence[Span], label: int) -> list[Entry]:
        term, entity = self.index.planner.names[label]
        slots = self.slots
        document = slots.document
        out: list[Entry] = []
        for first, last in spans[:MAX_HITS]:
            name, start, end = slots.text_range(first, last)
            text = document.text(name)[start:end]
            out.append((first, last, label, make_hit(term, name, start, end, text, entity)))
        return out

    def _all_near(self, plan: Plan) -> bool:
        return all(
            self._beside(plan.groups[left], plan.groups[right], n, ordered)
            for left, right, n, ordered in plan.nears
        )

    def _beside(
        self, left: Group, right: Group, n: int, ordered: bool
    ) -> tuple[set[Span], set[Span]] | None:
        """Return the spans of two groups that are near each other; worked out once."""
        key = (left, right, n, ordered)
        if key not in self._nears:
            lefts, rights = self._spans(left), self._spans(right)
            self._nears[key] = near_each_other(lefts, rights, n, ordered, self.slots.breaks)
        return self._nears[key]

    def _spans(self, group: Group) -> list[Span]:
        found = self.found
        out: list[Span] = []
        for form in group:
            if form in found:
                out += found[form]
        out.sort()
        return out


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
    same paragraph and not overlapping; None if there are none. Both sides are sorted."""
    if len(lefts) == len(rights) == 1:
        (left,), (right,) = lefts, rights
        gap = right[0] - left[1] if ordered or right[0] > left[1] else left[0] - right[1]
        if not 1 <= gap <= n + 1 or (
            breaks and bisect_left(breaks, left[0]) != bisect_left(breaks, right[0])
        ):
            return None
        return set(lefts), set(rights)
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


def _sorted(entries: list[Entry]) -> list[Entry]:
    """Return the entries in order of place, each place and label once."""
    if len(entries) == 2:  # the usual rule: one word of each of two groups
        one, other = entries
        if one[0] != other[0]:
            return entries if one[0] < other[0] else [other, one]
    return sorted({entry[:3]: entry for entry in entries}.values(), key=_place)


def _place(entry: Entry) -> tuple[int, int, str, str]:
    first, last, _, hit = entry
    return first, last, hit.term, hit.entity or ""


def _hit_place(entry: Entry) -> tuple[int, int, int, int, str, str]:
    first, last, _, hit = entry
    return first, hit.start, last, hit.end, hit.term, hit.entity or ""

"""Which plans a document's forms bring up: each plan posted under its anchor group's forms.

Two ways with the same answer. Small sets: a dictionary of lists. Large sets: arrays, where a few
numpy expressions test hundreds of candidates at once, touching memory in rows instead of object by
object.

A group of many forms (a country, a long list) that rules share counts as one form of its own, its
*bundle*, which a document has when it has any form of the group: a rule is posted and tested under
one number instead of eighty.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from monitor.rules.index.plan import Group, Plan

VECTOR_FROM = 1_500
"""Plans from which arrays win (measured; below, numpy's fixed price per call is the larger)."""
BUNDLE_FROM = 8
"""Forms from which a group counts as a bundle: what the arrays have room for."""
_WIDTH = 8
"""Forms of a group that the arrays hold; eight bytes are tested as one number."""
_VETOES = 6
"""Vetoes that the arrays hold; a rule with more is left to the exact test."""

Numbers = Mapping[int, object]


class Bundles:
    """Numbers large groups: -1, -2, …"""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}
        self._of: dict[int, list[int]] = {}

    def number(self, group: Group) -> Group:
        """Return ``group``, or its bundle where it is large."""
        if len(group) <= BUNDLE_FROM:
            return group
        number = self._numbers.get(group)
        if number is None:
            number = self._numbers[group] = -1 - len(self._numbers)
            for form in dict.fromkeys(group):
                self._of.setdefault(form, []).append(number)
        return (number,)

    def __len__(self) -> int:
        return len(self._numbers)

    def found(self, forms: Mapping[int, object]) -> set[int]:
        """Return the bundles of which ``forms`` has one."""
        of = self._of
        return {number for form in of.keys() & forms.keys() for number in of[form]}


Met = list[list[int]]
"""Of each of a plan's groups the forms that occur."""
Tell = Callable[[], dict[int, Met]]
"""Gives, by a plan's ``id()``, which forms met its groups."""


class Postings(Protocol):
    """Finds plans whose necessary groups all occur and that no veto rules out."""

    def candidates(self, found: Numbers, bundles: set[int]) -> tuple[list[Plan], Tell | None]:
        """Return the plans that the forms and bundles of a document bring up, in order, and what
        tells of some of them which forms met their groups, where that is cheap."""


class Asked:
    """What a plan asks for besides the group it is posted under."""

    __slots__ = ("others", "vetoes")

    def __init__(self, others: tuple[Group, ...], vetoes: Group) -> None:
        self.others = others
        self.vetoes = vetoes

    def met(self, absent: Callable[[Iterable[int]], bool]) -> bool:
        for group in self.others:
            if absent(group):
                return False
        return not self.vetoes or absent(self.vetoes)


Posted = tuple[Plan, Group, Asked]
"""A plan, the group it is posted under (empty: it is always looked at), and what else it asks."""


class ListPostings:
    """A dictionary from form to plans and what else they ask for."""

    def __init__(self, posted: Iterable[Posted]) -> None:
        self._posted: dict[int, list[tuple[Plan, Asked]]] = {}
        self._always: list[tuple[Plan, Asked]] = []
        for plan, anchor, asked in posted:
            for form in dict.fromkeys(anchor):
                self._posted.setdefault(form, []).append((plan, asked))
            if not anchor:
                self._always.append((plan, asked))

    def candidates(self, found: Numbers, bundles: set[int]) -> tuple[list[Plan], None]:
        """See ``Postings``."""
        present = found.keys() | bundles if bundles else found.keys()
        absent = present.isdisjoint
        posted = self._posted
        out: dict[int, Plan] = {}
        for form in posted.keys() & present:
            for plan, asked in posted[form]:
                if asked.met(absent):
                    out[plan.order] = plan
        for plan, asked in self._always:
            if asked.met(absent):
                out[plan.order] = plan
        return [out[order] for order in sorted(out)], None


class ArrayPostings:
    """Plans' numbers in one array, sorted by form, and beside each the smallest other group.

    ``posted`` is in order: a plan's number is its place. Of the forms in a document, all postings
    are laid in a row, those kept of whose other group a form is present, then those with a veto
    present left out. What the arrays have no room for is tested one by one.
    """

    def __init__(self, posted: Sequence[Posted], forms: int, bundles: int) -> None:
        import numpy as np

        self._np: Any = np
        self._forms, self._bundles = forms, bundles
        self._always = ListPostings(each for each in posted if not each[1])
        self._plans = [plan for plan, _, _ in posted]
        yes, no = forms + bundles, forms + bundles + 1
        self._unsure: dict[int, Asked] = {}
        self._simple = bytearray(len(posted))
        ids, numbers = array("i"), array("i")
        others, vetoes = array("i"), array("i")
        for number, (plan, anchor, asked) in enumerate(posted):
            anchors = {self._place(form) for form in anchor}
            ids.extend(anchors)
            numbers.extend([number] * len(anchors))
            group = min(asked.others, key=len, default=())
            row = [self._place(form) for form in group] or [yes]
            others.extend(row + [no] * (_WIDTH - len(row)))
            row = [self._place(form) for form in asked.vetoes[:_VETOES]]
            vetoes.extend(row + [no] * (_VETOES - len(row)))
            if len(asked.others) > 1 or len(asked.vetoes) > _VETOES:
                self._unsure[number] = asked
            elif plan.simple and min((*anchor, *group), default=-1) >= 0:
                self._simple[number] = 1
        by_id = np.array(ids, np.int32)
        order = by_id.argsort(kind="stable")
        self._starts = np.zeros(yes + 1, np.int32)
        np.cumsum(np.bincount(by_id, minlength=yes), out=self._starts[1:])
        self._numbers = np.array(numbers, np.int32).take(order)
        table = np.array(others, np.int32).reshape(-1, _WIDTH)
        self._others = table.take(self._numbers, 0)
        self._vetoes = np.array(vetoes, np.int32).reshape(-1, _VETOES)
        self._present = np.zeros(no + 1, np.uint8)
        self._present[yes] = 1
        self._upward = np.arange(4096, dtype=np.int32)

    def _place(self, form: int) -> int:
        return form if form >= 0 else self._forms - 1 - form

    def candidates(self, found: Numbers, bundles: set[int]) -> tuple[list[Plan], Tell | None]:
        """See ``Postings``."""
        np, present = self._np, self._present
        known = np.fromiter(found, np.int32, len(found))
        if bundles:
            more = [self._place(each) for each in bundles if -each <= self._bundles]
            known = np.concatenate((known[known < self._forms], np.array(more, np.int32)))
        elif len(known) and known.max() >= self._forms:
            known = known[known < self._forms]
        always, _ = self._always.candidates(found, bundles)
        # All postings of the known forms: ranges laid end to end.
        first = self._starts.take(known)
        counts = self._starts.take(known + 1) - first
        ends = counts.cumsum()
        total = int(ends[-1]) if len(ends) else 0
        if not total:
            return always, None
        if total > len(self._upward):
            self._upward = np.arange(2 * total, dtype=np.int32)
        at = (first - ends + counts).repeat(counts) + self._upward[:total]
        present[known] = 1
        others = self._others.take(at, 0)
        there = present.take(others)
        kept = there.view(np.uint64).ravel().nonzero()[0]
        numbers = self._numbers.take(at.take(kept))
        fine = (~present.take(self._vetoes.take(numbers, 0)).any(1)).nonzero()[0]
        present[known] = 0
        numbers = numbers.take(fine).tolist()
        chosen = sorted(set(numbers))
        plans, unsure = self._plans, self._unsure
        if unsure and not unsure.keys().isdisjoint(chosen):
            absent = (found.keys() | bundles).isdisjoint
            chosen = [n for n in chosen if n not in unsure or unsure[n].met(absent)]

        def tell() -> dict[int, Met]:
            rows = kept.take(fine)
            anchors = known.take(ends.searchsorted(rows, "right"))
            which = there.take(rows, 0).nonzero()
            met = others.take(rows, 0)[which]
            return self._met(numbers, anchors.tolist(), which[0].tolist(), met.tolist())

        return in_order([plans[number] for number in chosen], always), tell

    def _met(
        self, numbers: list[int], anchors: list[int], rows: list[int], forms: list[int]
    ) -> dict[int, Met]:
        """Return which forms met the groups of the simple plans among ``numbers``, each posted
        under the form in ``anchors``; ``forms`` are those of its other group, by ``rows``."""
        out: dict[int, Met] = {}
        simple, limit = self._simple, self._forms
        first: dict[int, int] = {}  # the row that tells of a plan's other group
        for row, (number, anchor) in enumerate(zip(numbers, anchors, strict=True)):
            if number in out:
                out[number][0].append(anchor)
            elif simple[number]:
                out[number] = [[anchor]]
                first[row] = number
        for row, form in zip(rows, forms, strict=True):
            if form < limit and row in first:
                met = out[first[row]]
                if len(met) == 1:
                    met.append([form])
                else:
                    met[1].append(form)
        plans = self._plans
        return {id(plans[number]): met for number, met in out.items()}


def in_order(one: list[Plan], other: list[Plan]) -> list[Plan]:
    """Merge two lists of plans in order."""
    return sorted(one + other, key=_order) if one and other else one or other


def _order(plan: Plan) -> int:
    return plan.order


def posted(
    plans: Iterable[Plan], weight: Callable[[Group], float], bundles: Bundles
) -> Iterator[Posted]:
    """Anchor each plan at its lightest group; a plan with a group that nothing can meet goes."""
    for plan in plans:
        groups = plan.groups
        if not groups:
            yield plan, (), Asked((), plan.vetoes)
            continue
        if not all(groups):
            continue
        best = min(range(len(groups)), key=lambda i: weight(groups[i])) if len(groups) > 1 else 0
        others = tuple(bundles.number(group) for at, group in enumerate(groups) if at != best)
        yield plan, bundles.number(groups[best]), Asked(others, plan.vetoes)


def postings(posted: Sequence[Posted], forms: int, bundles: Bundles) -> Postings:
    """Return the postings that suit the number of plans; ``posted`` is in order."""
    if len(posted) >= VECTOR_FROM:
        return ArrayPostings(posted, forms, len(bundles))
    return ListPostings(posted)

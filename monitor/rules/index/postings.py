"""Which plans a document's forms bring up: each plan posted under its anchor group's forms.

Two ways with the same answer. Small sets: a dictionary of lists. Large sets: arrays, where one
numpy expression tests hundreds of candidates at once, touching memory in rows instead of object by
object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from typing import Any, Protocol

from monitor.rules.index.plan import Group, Plan

VECTOR_FROM = 2_000
"""Plans from which arrays win (measured; below, numpy's fixed price per call is the larger)."""
_WIDTH = 6
"""Forms of a group, and vetoes, that the arrays hold; wider ones are left to the exact test."""

Found = Mapping[int, object]


class Postings(Protocol):
    """Finds plans whose necessary groups all occur and that no veto rules out."""

    def candidates(self, found: Found, out: dict[int, Plan]) -> None:
        """Add the plans that ``found`` brings up to ``out``, by their order."""


def passes(plan: Plan, absent: Callable[[Iterable[int]], bool]) -> bool:
    """Whether all groups besides the anchor occur, and no veto does."""
    for group in plan.others:
        if absent(group):
            return False
    return not plan.vetoes or absent(plan.vetoes)


class ListPostings:
    """A dictionary from form to plans."""

    def __init__(self, posted: Mapping[int, list[Plan]], always: Sequence[Plan]) -> None:
        self._posted = posted
        self._always = always

    def candidates(self, found: Found, out: dict[int, Plan]) -> None:
        """See ``Postings``."""
        keys: KeysView[int] = found.keys()
        absent = keys.isdisjoint
        posted = self._posted
        for form in posted.keys() & keys:
            for plan in posted[form]:
                if passes(plan, absent):
                    out[plan.order] = plan
        for plan in self._always:
            if passes(plan, absent):
                out[plan.order] = plan


class ArrayPostings:
    """Plans' numbers in one array, sliced by form; one other group and the vetoes in tables."""

    def __init__(
        self, posted: Mapping[int, list[Plan]], always: Sequence[Plan], forms: int
    ) -> None:
        import numpy as np

        self._np: Any = np
        self._always = always
        numbers: dict[int, int] = {}
        self._plans: list[Plan] = []
        starts = np.zeros(forms + 1, np.int64)
        for form, plans in posted.items():
            starts[form + 1] = len(plans)
        self._starts = np.cumsum(starts).tolist()
        self._flat = np.empty(self._starts[-1], np.int32)
        for form, plans in posted.items():
            at = self._starts[form]
            for plan in plans:
                number = numbers.get(id(plan))
                if number is None:
                    number = numbers[id(plan)] = len(self._plans)
                    self._plans.append(plan)
                self._flat[at] = number
                at += 1
        yes, no = forms, forms + 1
        self._present = np.zeros(forms + 2, bool)
        self._present[yes] = True
        self._others = np.full((len(self._plans), _WIDTH), no, np.int32)
        self._vetoes = np.full((len(self._plans), _WIDTH), no, np.int32)
        for number, plan in enumerate(self._plans):
            group: Group = min(plan.others, key=lambda each: len(each), default=())
            if 0 < len(group) <= _WIDTH:
                self._others[number, : len(group)] = group
            else:
                self._others[number, 0] = yes
            vetoes = plan.vetoes[:_WIDTH]
            self._vetoes[number, : len(vetoes)] = vetoes
        self._forms = forms

    def candidates(self, found: Found, out: dict[int, Plan]) -> None:
        """See ``Postings``."""
        np, starts, flat, forms = self._np, self._starts, self._flat, self._forms
        absent = found.keys().isdisjoint
        rows = [
            flat[starts[form] : starts[form + 1]]
            for form in found
            if form < forms and starts[form] != starts[form + 1]
        ]
        if rows:
            known = [form for form in found if form < forms]
            present = self._present
            present[known] = True
            chosen = np.concatenate(rows)
            keep = present[self._others[chosen]].any(1)
            chosen = chosen[keep]
            keep = ~present[self._vetoes[chosen]].any(1)
            kept = chosen[keep].tolist()
            present[known] = False
            plans = self._plans
            for number in kept:
                plan = plans[number]
                if plan.order not in out and passes(plan, absent):
                    out[plan.order] = plan
        for plan in self._always:
            if passes(plan, absent):
                out[plan.order] = plan


def posted(plans: Sequence[Plan], weight: Callable[[Group], float], forms: int) -> Postings:
    """Anchor each plan at its lightest group, and post it there."""
    rows: dict[int, list[Plan]] = {}
    always: list[Plan] = []
    for plan in plans:
        groups = plan.groups
        if not groups:
            plan.others = ()
            always.append(plan)
            continue
        best = min(range(len(groups)), key=lambda i: weight(groups[i])) if len(groups) > 1 else 0
        plan.others = groups[:best] + groups[best + 1 :]
        for form in dict.fromkeys(groups[best]):
            rows.setdefault(form, []).append(plan)
    if len(plans) >= VECTOR_FROM:
        return ArrayPostings(rows, always, forms)
    return ListPostings(rows, always)

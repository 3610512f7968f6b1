"""Whether a rule's tree holds for a document, and where: exact, by positions.

Works on what the trie found (``Found``: for each form the slots where it occurs). Called for the
candidates that the index leaves, so clarity comes before speed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from monitor.rules.index.document import Slots
from monitor.rules.tree import (
    And,
    AtLeast,
    AtLeastOf,
    Entity,
    First,
    Form,
    In,
    Lead,
    Meta,
    Near,
    Node,
    Not,
    NotNear,
    Or,
    Regex,
    Same,
    Term,
    UnlessIn,
)
from monitor.values import TEXT_FIELDS, TextField


@dataclass(frozen=True, slots=True)
class Place:
    """An occurrence: slots ``first`` to ``last`` inclusive, with the terms that make it up.

    ``hits`` are (first, last, term text, entity or None), and for a regular expression
    (-1, -1, …) with ``chars`` holding its exact place.
    """

    first: int
    last: int
    hits: tuple[tuple[int, int, str, str | None, tuple[TextField, int, int] | None], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: fields, and slots below ``until`` (the lead) if set; what covers hits."""

    fields: tuple[TextField, ...] = TEXT_FIELDS
    lead: bool = False
    covers: tuple[Term, ...] = ()


Occurrences = Callable[[Form], Sequence[tuple[int, int]]]


class Evaluation:
    """Evaluates trees against one document.

    ``occurrences`` returns, for a form, its (first, last) slots in order; ``today`` is the date
    of a story that doesn't say its own; ``meta`` decides conditions on labels; ``search`` runs a
    regular expression over a text and returns (start, end) pairs.
    """

    def __init__(
        self,
        slots: Slots,
        occurrences: Occurrences,
        today: date,
        meta: Callable[[Meta], bool],
        search: Callable[[str, str], Iterable[tuple[int, int]]],
    ) -> None:
        self.slots = slots
        self.occurrences = occurrences
        published = slots.document.published
        self.day = published.date() if published else today
        self.meta = meta
        self.search = search
        self._entities: dict[tuple[int, Scope], tuple[Place, ...]] = {}

    def holds(self, node: Node, scope: Scope) -> bool:
        """Return whether ``node`` is true within ``scope``."""
        match node:
            case And(parts):
                return all(self.holds(part, scope) for part in parts)
            case Or(parts):
                return any(self.holds(part, scope) for part in parts)
            case Not(part):
                return not self.holds(part, scope)
            case AtLeastOf(n, parts):
                return sum(self.holds(part, scope) for part in parts) >= n
            case Meta():
                return self.meta(node)
            case In(fields, part):
                return self.holds(part, _narrow(scope, fields))
            case Lead(part):
                return self.holds(part, Scope(scope.fields, True, scope.covers))
            case UnlessIn(part, phrases):
                return self.holds(part, Scope(scope.fields, scope.lead, scope.covers + phrases))
            case _:
                return bool(self.places(node, scope))

    def hits(self, node: Node, scope: Scope) -> list[Place]:
        """Return the occurrences that make a true ``node`` true."""
        match node:
            case And(parts) | Or(parts) | AtLeastOf(_, parts):
                return [
                    place
                    for part in parts
                    if self.holds(part, scope)
                    for place in self.hits(part, scope)
                ]
            case Not() | Meta():
                return []
            case In(fields, part):
                return self.hits(part, _narrow(scope, fields))
            case Lead(part):
                return self.hits(part, Scope(scope.fields, True, scope.covers))
            case UnlessIn(part, phrases):
                return self.hits(part, Scope(scope.fields, scope.lead, scope.covers + phrases))
            case _:
                return list(self.places(node, scope))

    def places(self, node: Node, scope: Scope) -> Sequence[Place]:
        """Return the occurrences of a positional ``node``, in order of position."""
        match node:
            case Term():
                return self._term(node, scope, None)
            case Entity():
                return self._entity(node, scope)
            case Regex():
                return self._regex(node, scope)
            case Or(parts):
                return _merged(place for part in parts for place in self.places(part, scope))
            case Near(left, right, n, ordered):
                return self._near(self.places(left, scope), self.places(right, scope), n, ordered)
            case NotNear(left, right, n):
                others = self.places(right, scope)
                return [
                    place
                    for place in self.places(left, scope)
                    if not any(self._within(place, other, n) for other in others)
                ]
            case Same(left, right, unit):
                return self._same(
                    self.places(left, scope), self.places(right, scope), unit == "sentence"
                )
            case AtLeast(n, part):
                found = self.places(part, scope)
                return found if len(_distinct(found)) >= n else ()
            case First(n, part):
                return [p for p in self.places(part, scope) if self._rank(p.last, scope) <= n]
            case In(fields, part):
                return self.places(part, _narrow(scope, fields))
            case Lead(part):
                return self.places(part, Scope(scope.fields, True, scope.covers))
            case UnlessIn(part, phrases):
                return self.places(part, Scope(scope.fields, scope.lead, scope.covers + phrases))
            case And(parts):
                if not self.holds(node, scope):
                    return ()
                return _merged(place for part in parts for place in self.hits(part, scope))
            case AtLeastOf(_, parts):
                if not self.holds(node, scope):
                    return ()
                return _merged(place for part in parts for place in self.hits(part, scope))
            case _:
                return ()

    # ---------------------------------------------------------------------------------------
    def _term(self, term: Term, scope: Scope, entity: str | None) -> list[Place]:
        found: dict[tuple[int, int], None] = {}
        for form in term.forms:
            for first, last in self.occurrences(form):
                if self._in_scope(first, last, scope, term.shouted):
                    found[first, last] = None
        places = sorted(found)
        if scope.covers:
            covers = self._covers(scope.covers)
            places = [p for p in places if not _covered(p, covers)]
        return [
            Place(first, last, ((first, last, term.text, entity, None),)) for first, last in places
        ]

    def _covers(self, phrases: tuple[Term, ...]) -> list[tuple[int, int]]:
        return [
            place for term in phrases for form in term.forms for place in self.occurrences(form)
        ]

    def _entity(self, entity: Entity, scope: Scope) -> tuple[Place, ...]:
        key = (id(entity), scope)
        known = self._entities.get(key)
        if known is None:
            known = self._entities[key] = tuple(self._entity_places(entity, scope))
        return known

    def _entity_places(self, entity: Entity, scope: Scope) -> list[Place]:
        if (entity.since and self.day < entity.since) or (entity.until and self.day > entity.until):
            return []
        found = _merged(
            place for term in entity.terms for place in self._term(term, scope, entity.name)
        )
        if found and entity.not_in:
            covers = self._covers(entity.not_in)
            found = [p for p in found if not _covered((p.first, p.last), covers)]
        if found and entity.needs is not None:
            whole = Scope()
            excused = entity.unless is not None and self.holds(entity.unless, whole)
            if not excused and not self.holds(entity.needs, whole):
                return []
        return found

    def _regex(self, node: Regex, scope: Scope) -> list[Place]:
        out: list[Place] = []
        slots = self.slots
        for name, (low, high) in zip(TEXT_FIELDS, slots.fields, strict=True):
            if name not in scope.fields or low == high:
                continue
            text = slots.document.text(name)
            for start, end in self.search(node.pattern, text):
                first, last = self._slots_of(low, high, start, end)
                if first < 0 or not self._in_scope(first, last, scope, False):
                    continue
                hit = (first, last, node.source, None, (name, start, end))
                out.append(Place(first, last, (hit,)))
        return out

    def _slots_of(self, low: int, high: int, start: int, end: int) -> tuple[int, int]:
        first = last = -1
        for slot in range(low, high):
            a, b = self.slots.offsets[slot]
            if a < 0 or b <= start:
                continue
            if a >= max(end, start + 1):
                break
            first = slot if first < 0 else first
            last = slot
        return first, last

    def _in_scope(self, first: int, last: int, scope: Scope, shouted: bool) -> bool:
        name = self.slots.field_of(first)
        if name not in scope.fields:
            return False
        if shouted and name == "title" and self.slots.shouted:
            return False
        if scope.lead:
            return self._in_lead(first, name)
        return True

    def _in_lead(self, slot: int, name: TextField) -> bool:
        _, summary, content = self.slots.fields
        if name == "summary":
            return True
        if name == "content" and summary[0] == summary[1]:
            return self.slots.paragraph(slot) == self.slots.paragraph(content[0])
        return False

    def _rank(self, slot: int, scope: Scope) -> int:
        """The number of the word at ``slot``, counted from 1 over title and then body."""
        title, _, _ = self.slots.fields
        name = self.slots.field_of(slot)
        low = self.slots.fields[TEXT_FIELDS.index(name)][0]
        before = sum(1 for each in self.slots.breaks if low <= each < slot)
        rank = slot - low - before + 1
        if name != "title" and "title" in scope.fields:
            rank += title[1] - title[0]
        return rank

    def _within(self, left: Place, right: Place, n: int) -> bool:
        between = right.first - left.last if right.first > left.last else left.first - right.last
        if between < 1 or between - 1 > n:
            return False
        return self.slots.paragraph(left.first) == self.slots.paragraph(right.first)

    def _near(
        self, lefts: Sequence[Place], rights: Sequence[Place], n: int, ordered: bool
    ) -> list[Place]:
        return _merged(
            _joined(left, right)
            for left in lefts
            for right in rights
            if (not ordered or left.last < right.first) and self._within(left, right, n)
        )

    def _same(self, lefts: Sequence[Place], rights: Sequence[Place], sentence: bool) -> list[Place]:
        unit = self.slots.sentence if sentence else self.slots.paragraph
        return _merged(
            _joined(left, right)
            for left in lefts
            for right in rights
            if (left.last < right.first or right.last < left.first)
            and unit(left.first) == unit(right.first)
            and self.slots.paragraph(left.first) == self.slots.paragraph(right.first)
        )


def _narrow(scope: Scope, fields: tuple[TextField, ...]) -> Scope:
    kept = tuple(name for name in scope.fields if name in fields)
    return Scope(kept, scope.lead, scope.covers)


def _covered(place: tuple[int, int], covers: list[tuple[int, int]]) -> bool:
    return (
        any(a <= place[0] and place[1] <= b and (a, b) != place for a, b in covers)
        or place in covers
    )


def _joined(left: Place, right: Place) -> Place:
    return Place(min(left.first, right.first), max(left.last, right.last), left.hits + right.hits)


def _merged(places: Iterable[Place]) -> list[Place]:
    unique = {(p.first, p.last, p.hits): p for p in places}
    return sorted(unique.values(), key=lambda p: (p.first, p.last))


def _distinct(places: Sequence[Place]) -> list[Place]:
    """Occurrences that don't overlap, leftmost first."""
    out: list[Place] = []
    reach = -1
    for place in sorted(places, key=lambda p: (p.last, p.first)):
        if place.first > reach:
            out.append(place)
            reach = place.last
    return out

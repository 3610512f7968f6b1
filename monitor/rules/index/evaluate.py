"""Whether a rule's tree holds for a document, and where: exact, by positions.

Works on what the trie found. Called for the candidates that the index leaves, so clarity comes
before speed here; still everything is linear (or n log n) in the number of occurrences, so that
no rule and no story can hold up the event loop.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from monitor.rules import patterns
from monitor.rules.index.document import Slots
from monitor.rules.index.places import (
    Found,
    Place,
    Span,
    by_place,
    by_span,
    covered,
    joined,
    merged,
)
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
class Scope:
    """Where to look: fields, whether only the lead, and phrases whose inside doesn't count."""

    fields: tuple[TextField, ...] = TEXT_FIELDS
    lead: bool = False
    covers: tuple[Term, ...] = ()


WHOLE = Scope()


def current_day() -> date:
    """Return the day it is (UTC)."""
    return datetime.now(UTC).date()


class Evaluation:
    """Evaluates trees against one document.

    ``occurrences`` has the spans of each form number; ``numbers`` gives the numbers of forms;
    ``today`` is the day of a story that doesn't say its own (None: the current one, UTC); ``meta``
    decides label conditions.
    """

    def __init__(
        self,
        slots: Slots,
        occurrences: Mapping[int, Sequence[Span]],
        numbers: Mapping[Form, int],
        today: date | None,
        meta: Callable[[Meta], bool],
    ) -> None:
        self.slots = slots
        self.occurrences = occurrences
        self.numbers = numbers
        published = slots.document.published
        self.day = published.date() if published else today or current_day()
        self.meta = meta
        self._places: dict[int, Sequence[Place]] = {}
        self._entities: dict[tuple[int, Scope], Sequence[Place]] = {}

    def holds(self, node: Node, scope: Scope = WHOLE) -> bool:
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
            case Term():
                return self._term_holds(node, scope)
            case _:
                return bool(self.places(node, scope))

    def hits(self, node: Node, scope: Scope = WHOLE) -> list[Place]:
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

    def places(self, node: Node, scope: Scope = WHOLE) -> Sequence[Place]:
        """Return the occurrences of a positional ``node``, in order of position."""
        if scope is not WHOLE:
            return self._find(node, scope)
        known = self._places.get(id(node))
        if known is None:
            known = self._places[id(node)] = self._find(node, scope)
        return known

    def _find(self, node: Node, scope: Scope) -> Sequence[Place]:
        match node:
            case Term():
                return self._term(node, scope, None)
            case Entity():
                return self._entity(node, scope)
            case Regex():
                return self._regex(node, scope)
            case Or(parts):
                return merged(place for part in parts for place in self.places(part, scope))
            case Near(left, right, n, ordered):
                return self._near(self.places(left, scope), self.places(right, scope), n, ordered)
            case NotNear(left, right, n):
                return self._apart(self.places(left, scope), self.places(right, scope), n)
            case Same(left, right, unit):
                lefts, rights = self.places(left, scope), self.places(right, scope)
                return self._same(lefts, rights, unit == "sentence")
            case AtLeast(n, part):
                found = self.places(part, scope)
                return found if self._count(found) >= n else ()
            case First(n, part):
                return [p for p in self.places(part, scope) if self._rank(p.last, scope) <= n]
            case In(fields, part):
                return self.places(part, _narrow(scope, fields))
            case Lead(part):
                return self.places(part, Scope(scope.fields, True, scope.covers))
            case UnlessIn(part, phrases):
                return self.places(part, Scope(scope.fields, scope.lead, scope.covers + phrases))
            case And() | AtLeastOf():
                return merged(self.hits(node, scope)) if self.holds(node, scope) else ()
            case _:
                return ()

    # ------------------------------------------------------------------------------- leaves
    def spans(self, term: Term) -> Iterable[Span]:
        """Yield the spans of all forms of ``term``."""
        for form in term.forms:
            yield from self.occurrences.get(self.numbers[form], ())

    def _term_holds(self, term: Term, scope: Scope) -> bool:
        if scope is WHOLE:
            return any(self.numbers[form] in self.occurrences for form in term.forms)
        return bool(self._term(term, scope, None))

    def _term(self, term: Term, scope: Scope, entity: str | None) -> list[Place]:
        spans = set(self.spans(term))
        if scope is not WHOLE:
            spans = {span for span in spans if self._in_scope(span[0], scope)}
            if spans and scope.covers:
                covers = self._covers(scope.covers)
                spans = {span for span in spans if not covered(span, covers)}
        return [Place(a, b, (Found(a, b, term.text, entity),)) for a, b in sorted(spans)]

    def _covers(self, phrases: tuple[Term, ...]) -> list[Span]:
        return sorted({span for term in phrases for span in self.spans(term)})

    def _entity(self, entity: Entity, scope: Scope) -> Sequence[Place]:
        key = (id(entity), scope)
        known = self._entities.get(key)
        if known is None:
            known = self._entities[key] = self._entity_places(entity, scope)
        return known

    def _entity_places(self, entity: Entity, scope: Scope) -> list[Place]:
        if (entity.since and self.day < entity.since) or (entity.until and self.day > entity.until):
            return []
        found = merged(
            place for term in entity.terms for place in self._term(term, scope, entity.name)
        )
        if found and entity.not_in:
            covers = self._covers(entity.not_in)
            found = [place for place in found if not covered((place.first, place.last), covers)]
        if found and entity.needs is not None:
            excused = entity.unless is not None and self.holds(entity.unless)
            if not excused and not self.holds(entity.needs):
                return []
        return found

    def _regex(self, node: Regex, scope: Scope) -> list[Place]:
        out: list[Place] = []
        slots = self.slots
        for name, (low, high) in zip(TEXT_FIELDS, slots.fields, strict=True):
            if name not in scope.fields or low == high:
                continue
            spans = list(patterns.find(node.pattern, slots.text(name)))
            if not spans:
                continue  # most texts: to locate their words would cost many times the search
            ends = [slots.offsets[slot][1] for slot in range(low, high)]
            for index in range(1, len(ends)):  # breaks have no offsets: keep the row ascending
                ends[index] = max(ends[index], ends[index - 1])
            for start, end in spans:
                first = low + bisect_right(ends, start)
                last = max(low + bisect_left(ends, end), first)
                first, last = min(first, high - 1), min(last, high - 1)
                if self._in_scope(first, scope):
                    found = Found(first, last, node.source, None, (name, start, end))
                    out.append(Place(first, last, (found,)))
        return out

    # ------------------------------------------------------------------------------- places
    def _in_scope(self, slot: int, scope: Scope) -> bool:
        name = self.slots.field_of(slot)
        if name not in scope.fields:
            return False
        return not scope.lead or self._in_lead(slot, name)

    def _in_lead(self, slot: int, name: TextField) -> bool:
        _, summary, content = self.slots.fields
        if name == "summary":
            return True
        if name == "content" and summary[0] == summary[1]:
            return self.slots.paragraph(slot) == self.slots.paragraph(content[0])
        return False

    def _rank(self, slot: int, scope: Scope) -> int:
        """The number of the word at ``slot``, from 1: title first, then each of summary and
        content after it (a summary is the content's beginning told shortly, not before it)."""
        name = self.slots.field_of(slot)
        low = self.slots.fields[TEXT_FIELDS.index(name)][0]
        breaks = self.slots.breaks
        rank = slot - low + 1 - (bisect_left(breaks, slot) - bisect_left(breaks, low))
        if name != "title" and "title" in scope.fields:
            rank += self.slots.fields[0][1]
        return rank

    def _count(self, places: Sequence[Place]) -> int:
        """Occurrences that don't overlap; a summary that the content repeats counts once."""
        summary = self.slots.fields[1]
        repeats = self.slots.summary_repeats
        count = 0
        reach = -1
        for place in sorted(places, key=lambda each: (each.last, each.first)):
            if repeats and summary[0] <= place.first < summary[1]:
                continue
            if place.first > reach:
                count += 1
                reach = place.last
        return count

    def _within(self, left: Place, right: Place, n: int) -> bool:
        gap = right.first - left.last if right.first > left.last else left.first - right.last
        if gap < 1 or gap - 1 > n:
            return False
        return self.slots.paragraph(left.first) == self.slots.paragraph(right.first)

    def _near(
        self, lefts: Sequence[Place], rights: Sequence[Place], n: int, ordered: bool
    ) -> list[Place]:
        """Each side's occurrences with the closest of the other side before and after them."""
        lefts, rights = by_span(lefts), by_span(rights)
        pairs: dict[tuple[int, int, int, int], Place] = {}
        for these, those, swapped in ((lefts, rights, False), (rights, lefts, True)):
            starts = [place.first for place in those]
            by_end = sorted(those, key=lambda place: place.last)
            ends = [place.last for place in by_end]
            for this in these:
                after = bisect_right(starts, this.last)
                before = bisect_left(ends, this.first) - 1
                for other in ([those[after]] if after < len(those) else []) + (
                    [by_end[before]] if before >= 0 else []
                ):
                    left, right = (other, this) if swapped else (this, other)
                    if ordered and left.last >= right.first:
                        continue
                    if self._within(left, right, n):
                        key = (left.first, left.last, right.first, right.last)
                        pairs.setdefault(key, joined(left, right))
        return sorted(pairs.values(), key=by_place)

    def _apart(self, lefts: Sequence[Place], rights: Sequence[Place], n: int) -> list[Place]:
        near = {(found.first, found.last) for found in self._near_spans(lefts, rights, n)}
        return [place for place in lefts if (place.first, place.last) not in near]

    def _near_spans(
        self, lefts: Sequence[Place], rights: Sequence[Place], n: int
    ) -> Iterable[Place]:
        starts = [place.first for place in rights]
        by_end = sorted(rights, key=lambda place: place.last)
        ends = [place.last for place in by_end]
        for left in lefts:
            after = bisect_right(starts, left.last)
            before = bisect_left(ends, left.first) - 1
            if (after < len(rights) and self._within(left, rights[after], n)) or (
                before >= 0 and self._within(left, by_end[before], n)
            ):
                yield left

    def _same(self, lefts: Sequence[Place], rights: Sequence[Place], sentence: bool) -> list[Place]:
        """One place for each sentence (paragraph) with both sides in it, side by side."""
        unit = self.slots.sentence if sentence else self.slots.paragraph
        groups: dict[int, tuple[list[Place], list[Place]]] = {}
        for place in lefts:
            groups.setdefault(unit(place.first), ([], []))[0].append(place)
        for place in rights:
            groups.setdefault(unit(place.first), ([], []))[1].append(place)
        out: list[Place] = []
        for these, those in groups.values():
            if not these or not those:
                continue
            apart = min(p.last for p in these) < max(p.first for p in those) or min(
                p.last for p in those
            ) < max(p.first for p in these)
            if apart:
                every = [*these, *those]
                first, last = min(p.first for p in every), max(p.last for p in every)
                found = dict.fromkeys(each for place in every for each in place.found)
                out.append(Place(first, last, tuple(found)))
        return out


def _narrow(scope: Scope, fields: tuple[TextField, ...]) -> Scope:
    kept = tuple(name for name in scope.fields if name in fields)
    return Scope(kept, scope.lead, scope.covers)

"""Where a part of a rule stands in a document: places, and what is made of several."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.values import TextField

Span = tuple[int, int]
"""First and last slot, inclusive."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where one term stands: slots, the term and entity, and for a regular expression its exact
    place (field, start, end)."""

    first: int
    last: int
    term: str
    entity: str | None = None
    chars: tuple[TextField, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An occurrence of a part of a rule: its slots, and the terms that make it up."""

    first: int
    last: int
    found: tuple[Found, ...]


def covered(span: Span, covers: list[Span]) -> bool:
    """Whether ``span`` lies inside one of ``covers`` (sorted; phrases are short)."""
    at = bisect_right(covers, (span[0], 1 << 60)) - 1
    for index in range(at, max(at - 8, -1), -1):
        first, last = covers[index]
        if first <= span[0] and span[1] <= last:
            return True
    return False


def joined(left: Place, right: Place) -> Place:
    """Return the place of both, which don't overlap."""
    return Place(min(left.first, right.first), max(left.last, right.last), left.found + right.found)


def by_place(place: Place) -> Span:
    """Return what places are sorted by."""
    return place.first, place.last


def by_span(places: Sequence[Place]) -> list[Place]:
    """Let terms that stand at the same words be one place ("Syria" and the entity); in order."""
    spans: dict[Span, Place] = {}
    for place in places:
        span = place.first, place.last
        if (known := spans.get(span)) is not None:
            place = Place(*span, tuple(dict.fromkeys(known.found + place.found)))
        spans[span] = place
    return list(spans.values())


def merged(places: Iterable[Place]) -> list[Place]:
    """Return the different ones of ``places``, in order."""
    unique = {(p.first, p.last, p.found): p for p in places}
    return sorted(unique.values(), key=by_place)

"""Matches whose hits and score are worked out when first read, and hits made fast.

A rule set of a hundred thousand rules gives fifty matches a story. Whether a rule holds costs
microseconds; where exactly its terms stand in the text costs more than that, and not everybody
asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from monitor.values import Hit, Match, TextField

if TYPE_CHECKING:
    from monitor.rules.index.plan import Plan

_new: Any = object.__new__
# The slots' own setters: they write where ``frozen`` refuses, exactly as the generated __init__
# does.
_term, _field, _start, _end, _text, _entity = (
    getattr(Hit, name).__set__ for name in ("term", "field", "start", "end", "text", "entity")
)


def make_hit(
    term: str, field: TextField, start: int, end: int, text: str, entity: str | None
) -> Hit:
    """Return ``Hit(term, field, start, end, text, entity)``."""
    hit: Hit = _new(Hit)
    _term(hit, term)
    _field(hit, field)
    _start(hit, start)
    _end(hit, end)
    _text(hit, text)
    _entity(hit, entity)
    return hit


class Details(Protocol):
    """What a match asks when it is read."""

    def detail(self, plan: Plan) -> tuple[float, tuple[Hit, ...], str | None]:
        """Return the score, the hits and the key of a plan that holds."""


class LazyMatch(Match):
    """A ``Match`` that is equal to the plain one, and works out ``score``, ``hits`` and ``key``
    when read."""

    __slots__ = ("_details", "_plan", "_read")

    if TYPE_CHECKING:  # the slots above, for the type checker: annotations would make them fields
        _details: Details | None
        _plan: Plan
        _read: tuple[float, tuple[Hit, ...], str | None]

    @property
    def rule(self) -> str:
        return self._plan.name

    @property
    def score(self) -> float:
        return (self._read if self._details is None else self._settled())[0]

    @property
    def hits(self) -> tuple[Hit, ...]:
        return (self._read if self._details is None else self._settled())[1]

    @property
    def key(self) -> str | None:
        if self._plan.key is None:
            return None
        return (self._read if self._details is None else self._settled())[2]

    def _settled(self) -> tuple[float, tuple[Hit, ...], str | None]:
        assert self._details is not None
        read = self._details.detail(self._plan)
        _lazy_read(self, read)
        _lazy_details(self, None)
        return read

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Match):
            return NotImplemented
        mine = (self.rule, self.score, self.hits, self.key)
        return mine == (other.rule, other.score, other.hits, other.key)

    def __hash__(self) -> int:
        return hash((self.rule, self.score, self.hits, self.key))

    def __reduce__(self) -> tuple[Any, ...]:
        return Match, (self.rule, self.score, self.hits, self.key)

    def __repr__(self) -> str:
        return repr(Match(self.rule, self.score, self.hits, self.key))


_lazy_details, _lazy_plan, _lazy_read = (
    LazyMatch.__dict__[name].__set__ for name in ("_details", "_plan", "_read")
)


def lazy_match(plan: Plan, details: Details) -> Match:
    """Return a match whose score, hits and key ``details`` gives when they are first read."""
    match: Match = _new(LazyMatch)
    _lazy_plan(match, plan)
    _lazy_details(match, details)
    return match

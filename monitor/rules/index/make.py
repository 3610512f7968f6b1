"""Matches whose hits and score are worked out when first read, and hits made fast.

A rule set of a hundred thousand rules gives fifty matches a story. Whether a rule holds costs
microseconds; where exactly its terms stand in the text costs ten times that, and not everybody
asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monitor.values import Hit, Match, TextField

_new: Any = object.__new__
# The slots' own setters: they write where ``frozen`` refuses, exactly as the generated __init__
# does.
_term, _field, _start, _end, _text, _entity = (
    getattr(Hit, name).__set__ for name in ("term", "field", "start", "end", "text", "entity")
)
_rule, _key = (getattr(Match, name).__set__ for name in ("rule", "key"))


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


class LazyMatch(Match):
    """A ``Match`` that is equal to the plain one, and works out ``score`` and ``hits`` when
    read."""

    __slots__ = ("_hits", "_score", "_work")

    if TYPE_CHECKING:  # the slots above, for the type checker: annotations would make them fields
        _work: Callable[[], tuple[float, tuple[Hit, ...]]] | None
        _score: float
        _hits: tuple[Hit, ...]

    @property
    def score(self) -> float:
        if self._work is not None:
            self._settle()
        return self._score

    @property
    def hits(self) -> tuple[Hit, ...]:
        if self._work is not None:
            self._settle()
        return self._hits

    def _settle(self) -> None:
        work = self._work
        if work is not None:
            score, hits = work()
            _lazy_score(self, score)
            _lazy_hits(self, hits)
            _lazy_work(self, None)

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


_lazy_work = LazyMatch.__dict__["_work"].__set__
_lazy_score = LazyMatch.__dict__["_score"].__set__
_lazy_hits = LazyMatch.__dict__["_hits"].__set__


def lazy_match(
    rule: str, key: str | None, work: Callable[[], tuple[float, tuple[Hit, ...]]]
) -> Match:
    """Return a match whose score and hits ``work`` gives when they are first read."""
    match: Match = _new(LazyMatch)
    _rule(match, rule)
    _key(match, key)
    _lazy_work(match, work)
    return match

"""Hits and matches made fast: at a hundred thousand rules a story has fifty matches and hundreds of
hits, and a frozen dataclass's own ``__init__`` is the largest cost (measured: three times this)."""

from __future__ import annotations

from typing import Any

from monitor.values import Hit, Match, TextField

_new: Any = object.__new__
# The slots' own setters: they write where ``frozen`` refuses, exactly as the generated __init__ does.
_term, _field, _start, _end, _text, _entity = (
    getattr(Hit, name).__set__ for name in ("term", "field", "start", "end", "text", "entity")
)
_rule, _score, _hits, _key = (
    getattr(Match, name).__set__ for name in ("rule", "score", "hits", "key")
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


def make_match(rule: str, score: float, hits: tuple[Hit, ...], key: str | None) -> Match:
    """Return ``Match(rule, score, hits, key)``."""
    match: Match = _new(Match)
    _rule(match, rule)
    _score(match, score)
    _hits(match, hits)
    _key(match, key)
    return match

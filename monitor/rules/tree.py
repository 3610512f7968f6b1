"""What a rule means: one tree for both spellings (YAML clauses and the query string).

Only values; ``monitor.rules.index`` evaluates them, ``monitor.rules.clauses`` and
``monitor.rules.language`` build them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from monitor.values import TEXT_FIELDS, TextField

Test = tuple[str, str]
"""How one token is tested: (kind, key). Kinds: ``f`` folded spelling, ``p`` singular form, ``e``
exact surface form, ``c`` folded and written with a capital, ``w`` prefix, ``g`` wildcard inside,
``s`` Snowball stem."""

Form = tuple[Test, ...]
"""One way to spell a term: a test for each token in a row."""

BODY: tuple[TextField, ...] = ("summary", "content")
ANYWHERE = TEXT_FIELDS
MetaField = Literal["url", "author", "source", "tag", "category", "language", "country", "feed"]


@dataclass(frozen=True, slots=True)
class Term:
    """A word, phrase, wildcard or exact term; ``forms`` are equal spellings of it.

    ``shouted`` is True when a headline in capitals says nothing about it ("=US", "=WHO").
    """

    text: str
    forms: tuple[Form, ...]
    shouted: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """A named thing: any of its aliases, unless a guard speaks against it.

    A hit inside a hit of ``not_in`` doesn't count. ``needs`` must hold in the document, unless
    ``unless`` does. ``since``/``until`` bound the story's date, both inclusive.
    """

    name: str
    terms: tuple[Term, ...]
    not_in: tuple[Term, ...] = ()
    needs: Node | None = None
    unless: Node | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Regex:
    """An RE2 expression over one field's plain text; ``source`` as written, ``pattern`` for RE2."""

    source: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Meta:
    """A condition on an entry's labels: any of ``values`` (folded token rows or codes)."""

    field: MetaField
    values: tuple[str, ...]
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class AtLeastOf:
    """At least ``n`` of the parts hold."""

    n: int
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """``left`` with at most ``n`` words between it and ``right``, in the same paragraph.

    ``ordered``: left comes first. Overlapping spans are not near each other.
    """

    left: Node
    right: Node
    n: int
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class NotNear:
    """An occurrence of ``left`` that has no ``right`` within ``n`` words."""

    left: Node
    right: Node
    n: int


@dataclass(frozen=True, slots=True)
class Same:
    """Both in one sentence, or in one paragraph."""

    left: Node
    right: Node
    unit: Literal["sentence", "paragraph"]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least ``n`` occurrences."""

    n: int
    part: Node


@dataclass(frozen=True, slots=True)
class First:
    """An occurrence that ends within the first ``n`` words."""

    n: int
    part: Node


@dataclass(frozen=True, slots=True)
class In:
    """``part`` looked for in these fields only."""

    fields: tuple[TextField, ...]
    part: Node


@dataclass(frozen=True, slots=True)
class Lead:
    """``part`` looked for in the lead: the title's first companion, the summary or, without one,
    the first paragraph of the content."""

    part: Node


@dataclass(frozen=True, slots=True)
class UnlessIn:
    """``part``, where hits covered by a hit of ``phrases`` don't count."""

    part: Node
    phrases: tuple[Term, ...]


Node = (
    Term
    | Entity
    | Regex
    | Meta
    | And
    | Or
    | Not
    | AtLeastOf
    | Near
    | NotNear
    | Same
    | AtLeast
    | First
    | In
    | Lead
    | UnlessIn
)
POSITIONAL = (Term, Entity, Regex, Or, Near, NotNear, Same, AtLeast, First, In, Lead, UnlessIn)


def either(parts: Sequence[Node]) -> Node:
    """Return a node that holds when one of ``parts`` does."""
    if len(parts) == 1:
        return parts[0]
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    return Or(tuple(flat))


def fields_of(name: str) -> tuple[TextField, ...]:
    """Return the text fields that a place name stands for."""
    if name == "body":
        return BODY
    if name == "title":
        return ("title",)
    return ("summary",) if name == "summary" else ("content",)

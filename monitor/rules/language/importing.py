"""Queries of other vendors brought over: operators translated, precedence written out.

Vendors disagree on precedence: Factiva binds AND before OR, classic LexisNexis OR before AND,
Meltwater AND before OR (their help pages). Ours has none, so an imported query is given the
parentheses that its vendor leaves out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

from monitor.rules.language.faults import MAX_DEPTH
from monitor.rules.language.vendors import Vendor, spellings, translated

_TOKEN = re.compile(r'"[^"]*"|“[^”]*”|\(|\)|[^\s()"“”]+')
# A name is several words or starts with a capital: `title:` and other fields are small letters.
_NAMED = re.compile(r"([A-Z][^:\"()]{2,60}):\s+")
_OR_FIRST: frozenset[Vendor] = frozenset(["lexis"])


@dataclass(frozen=True, slots=True)
class Imported:
    """One query brought over: ours, and what changed on the way, in plain words. ``name`` is what
    stood
    before it (``NAME: query``), or empty."""

    line: int
    name: str
    source: str
    query: str
    changes: tuple[str, ...]


def import_queries(text: str, vendor: Vendor) -> list[Imported]:
    """Return the queries in ``text`` (one a line; blank lines and ``#`` comments left out)."""
    out: list[Imported] = []
    for number, line in enumerate(text.splitlines(), 1):
        source = line.strip()
        if source and not source.startswith("#"):
            named = _NAMED.match(source)
            query = source[named.end() :] if named else source
            out.append(import_query(query, vendor, number, named[1].strip() if named else ""))
    return out


def import_query(source: str, vendor: Vendor, line: int = 1, name: str = "") -> Imported:
    """Return one query brought over from ``vendor``."""
    changes: list[str] = []
    for each in spellings(source, vendor):
        note = f" ({each.note})" if each.note else ""
        changes.append(f"{each.found} → {each.ours}{note}")
    query = re.sub(r"\bAND\s+NOT\b", "AND NOT", translated(source, vendor))
    grouped = with_parentheses(query, or_first=vendor in _OR_FIRST)
    if grouped != " ".join(query.split()):
        order = "OR before AND" if vendor in _OR_FIRST else "AND before OR"
        changes.append(f"parentheses written out: {vendor} reads {order}")
    return Imported(line, name, source, grouped, tuple(dict.fromkeys(changes)))


def with_parentheses(query: str, *, or_first: bool) -> str:
    """Return ``query`` with parentheses wherever AND and OR stand in one row."""
    tokens = _TOKEN.findall(query)
    open_ = accumulate((token == "(") - (token == ")") for token in tokens)
    if max(open_, default=0) > MAX_DEPTH:
        return " ".join(tokens)  # the parser says so, and where
    text, rest = _row(tokens, or_first)
    return text if not rest else " ".join(tokens)


def _row(tokens: list[str], or_first: bool) -> tuple[str, list[str]]:
    """Read operands and operators up to a closing parenthesis."""
    operands: list[str] = []
    operators: list[str] = []
    current: list[str] = []
    while tokens and tokens[0] != ")":
        token = tokens[0]
        tokens = tokens[1:]
        if token == "(":
            inner, tokens = _row(tokens, or_first)
            tokens = tokens[1:]
            current.append(f"({inner})")
        elif token in ("AND", "OR") and current:
            operands.append(" ".join(current))
            operators.append(token)
            current = []
        else:
            current.append(token)
    operands.append(" ".join(current))
    if len(set(operators)) < 2:
        return _flat(operands, operators), tokens
    tight = "OR" if or_first else "AND"
    groups: list[tuple[list[str], list[str]]] = [([operands[0]], [])]
    outer: list[str] = []
    for operator, operand in zip(operators, operands[1:], strict=True):
        if operator == tight:
            groups[-1][0].append(operand)
            groups[-1][1].append(operator)
        else:
            outer.append(operator)
            groups.append(([operand], []))
    shown = [f"({_flat(*group)})" if len(group[0]) > 1 else group[0][0] for group in groups]
    return _flat(shown, outer), tokens


def _flat(operands: list[str], operators: list[str]) -> str:
    out = operands[:1]
    for operator, operand in zip(operators, operands[1:], strict=True):
        out += [operator, operand]
    return " ".join(out)

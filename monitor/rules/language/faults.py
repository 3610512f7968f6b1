"""What is wrong with a query before it has a meaning: quotes, parentheses, other vendors'
spellings, and what the grammar does not expect. Each with its place and a fix.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from monitor.rules.language.vendors import spellings, translated

MAX_LENGTH = 20_000
MAX_DEPTH = 60
_COUNTED = re.compile(r"(SENT|PARA)/\S*")
_NUMBERLESS = re.compile(r"(O?NEAR|ATLEAST|FIRST)(?:/(?!\d+$).*)?")
_CLOSING = {'"': '"', "“": "”", "„": "“”", "«": "»"}


class Fault(NamedTuple):
    """What is wrong at ``offset`` of a query, and the fix."""

    offset: int
    message: str
    hint: str


def first_fault(query: str) -> Fault | None:
    """Return what keeps ``query`` from being read, as far as can be told without the grammar."""
    if not query.strip():
        return Fault(0, "empty query", "write a term, e.g. sanction* AND entity:Russia")
    if len(query) > MAX_LENGTH:
        return Fault(0, f"query of {len(query)} characters", f"keep it under {MAX_LENGTH}")
    return _unbalanced(query) or _foreign(query) or _numberless(query)


def excerpt(query: str, offset: int) -> str:
    """Return the query's line at ``offset`` with a caret line beneath it."""
    offset = min(max(offset, 0), len(query))
    low = query.rfind("\n", 0, offset) + 1
    high = query.find("\n", offset)
    line = query[low : high if high >= 0 else len(query)]
    column = offset - low
    if len(line) > 120:
        cut = max(column - 60, 0)
        line, column = line[cut : cut + 120], column - cut
    return f"{line}\n{' ' * column}^"


def unexpected(query: str, error: UnexpectedInput) -> Fault:
    """Return what the grammar stumbled over."""
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        return Fault(at, f"unexpected {query[at]!r}", "remove it or put it in quotes")
    if not isinstance(error, UnexpectedToken):
        return Fault(0, "the query can't be read", "write terms joined by AND or OR")
    token = error.token
    if token.type == "$END":
        last = query.split()[-1]
        return Fault(len(query.rstrip()), f"the query ends after `{last}`", "add a term")
    at = token.start_pos or 0
    if token.type in ("AND", "OR", "NEAR", "ONEAR", "NOT_NEAR", "SENT", "PARA"):
        hint = f'add a term, or quote the word: "{token}"'
        return Fault(at, f"`{token}` needs a term before it", hint)
    if token.type == "NOT":
        hint = "write a NOT NEAR/5 b, or (a NEAR/5 b) AND NOT c"
        return Fault(at, "`NOT` can't stand behind NEAR, SENT or PARA", hint)
    if token.type == "RPAR":
        return Fault(at, "a term is missing before the parenthesis", "add a term")
    return Fault(at, f"unexpected `{token}`", "write AND or OR between terms")


def _unbalanced(query: str) -> Fault | None:
    opened: list[int] = []
    at = 0
    while at < len(query):
        char = query[at]
        if char in _CLOSING:
            ends = [query.find(each, at + 1) for each in _CLOSING[char]]
            end = min((each for each in ends if each > 0), default=-1)
            if end < 0:
                return Fault(at, "unbalanced quotation mark", f"close it with {_CLOSING[char][-1]}")
            if not query[at + 1 : end].strip():
                return Fault(at, "empty phrase", "write a word between the quotation marks")
            at = end + 1
            continue
        if (
            char == "/"
            and (at == 0 or query[at - 1] in " \t\n(")
            and (end := _regex_end(query, at))
        ):
            at = end
            continue
        if char == "(":
            opened.append(at)
            if len(opened) > MAX_DEPTH:
                return Fault(at, "parentheses nested too deeply", "split the rule in two")
        elif char == ")":
            if not opened:
                message = "closing parenthesis without an opening one"
                return Fault(at, message, "remove it or add ( before")
            start = opened.pop()
            if not query[start + 1 : at].strip():
                return Fault(start, "empty parentheses", "remove them or write a term")
        at += 1
    if opened:
        return Fault(opened[-1], "opening parenthesis is never closed", "add ) after the group")
    return None


def _foreign(query: str) -> Fault | None:
    """Return the first spelling of another vendor, with the translation of the whole query."""
    for each in spellings(query):
        owner = f"{each.vendor}'" if each.vendor.endswith("s") else f"{each.vendor}'s"
        what = f"`{each.found}` is {owner} spelling"
        if each.vendor == "lower case":
            what = f"operators are in capitals: `{each.found}`"
        note = f" ({each.note})" if each.note else ""
        fix = f"write {each.ours}" if each.ours else "leave it out"
        return Fault(each.start, what, f"{fix}{note}; the query: {translated(query)}")
    return None


def _numberless(query: str) -> Fault | None:
    """Return the first operator that lacks its number, or has one that means nothing."""
    for word in re.finditer(r'"[^"]*"|[^\s()"]+', query):
        if found := _COUNTED.fullmatch(word[0]):
            return Fault(word.start(), f"`{found[1]}` takes no number", f"write {found[1]}")
        if found := _NUMBERLESS.fullmatch(word[0]):
            example = f"{found[1]}/{2 if found[1] == 'ATLEAST' else 5}"
            return Fault(
                word.start(), f"`{word[0]}` needs a whole number", f"write {example}, for example"
            )
    return None


def _regex_end(query: str, at: int) -> int:
    """Return the end of the regular expression that starts at a slash, or 0 if none does."""
    end = at + 1
    while end < len(query) and query[end] != "\n":
        if query[end] == "\\":
            end += 2
            continue
        if query[end] == "/":
            after = query[end + 1 : end + 2]
            return end + 1 if end > at + 1 and (not after or after in " \t\n)") else 0
        end += 1
    return 0

"""Miniflux's keep and block rules.

Read from its API's JSON (``GET /v1/feeds``, ``GET /v1/me``), or from a text with the lines of one
field, under ``[keep]`` or ``[block]`` headings (``[keep: Feed title]`` for one feed; without a
heading they are keep rules). A line is ``EntryTitle=expression`` and the like, or an expression
alone: the older fields, which look at URL, title, author and tags. Meaning (its ``filter.go``):
an entry that a block rule matches is left out; where there are keep rules, one must match.
Expressions are RE2 and mind capitals unless they start with ``(?i)``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.importers.brought import SWITCHED_OFF, Brought, BroughtRule, Names, distinct
from monitor.importers.patterns import of_pattern, texts_of, whole_words
from monitor.rules.patterns import PatternError

_LINE = re.compile(r"(Entry\w+)\s*=\s*(.*)")
_HEADING = re.compile(r"\[(keep|block)(?::\s*(.*))?\]", re.I)
_TEXTS = {"EntryTitle": "title", "EntryContent": "body"}
_LABELS = {"EntryAuthor": "author", "EntryTag": "category", "EntryURL": "url"}
_AGE = re.compile(r"max-age:(\d*)(d|h|m|s)")


@dataclass
class _Scope:
    """The rules of the user (``feed`` empty) or of one feed."""

    feed: str = ""
    url: str = ""
    tag: str = ""
    keep: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)
    keep_any: list[str] = field(default_factory=list)
    block_any: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """Conditions by place (title, body, url, author, category), and what became of the rest."""

    places: dict[str, list[str]] = field(default_factory=dict)
    max_age: str = ""
    sources: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def read_miniflux(text: str) -> Brought:
    """Return keep rules as rules, block rules as what they leave out (the user's as ``ignore``).

    Raises ``ValueError`` where the text is JSON that can't be read.
    """
    scopes = list(_scopes(text))
    blocks = [_read(scope.block, scope.block_any, keep=False) for scope in scopes]
    everywhere = [block for scope, block in zip(scopes, blocks, strict=True) if not scope.feed]
    ignore: dict[str, list[str]] = {}
    for block in everywhere:
        for place, terms in block.places.items():
            ignore.setdefault(place, []).extend(terms)
    general = _General(
        keeps=any(scope.keep for scope in scopes if not scope.feed),
        max_age=next((block.max_age for block in everywhere if block.max_age), ""),
        blocks=[(s.feed, b) for s, b in zip(scopes, blocks, strict=True) if s.feed and b.places],
    )
    names = Names()
    lost = [each for block in everywhere for each in block.lost]
    rules: list[BroughtRule] = []
    for scope, block in zip(scopes, blocks, strict=True):
        found = _rule(scope, block, general, names)
        if found is not None and found.rule:
            rules.append(found)
        else:
            lost += found.lost if found is not None else block.lost if scope.feed else ()
    if general.max_age and not rules:
        lost.append(f"EntryDate=max-age:{general.max_age}: write `max_age` on your rules")
    feeds = [
        {"url": scope.url, "name": scope.feed, **({"tags": [scope.tag]} if scope.tag else {})}
        for scope in scopes
        if scope.url
    ]
    notes = ["the user's block rules are `ignore` here: they hold for every rule"] if ignore else []
    return Brought(
        tuple(rules),
        ignore={place: distinct(terms) for place, terms in ignore.items()},
        feeds=tuple(feeds),
        notes=tuple(notes),
        lost=tuple(lost),
    )


@dataclass
class _General:
    """What of the user's rules bears on feeds', and of the feeds' blocks on the user's."""

    keeps: bool
    max_age: str
    blocks: list[tuple[str, _Read]]


def _rule(scope: _Scope, block: _Read, general: _General, names: Names) -> BroughtRule | None:
    """Return the rule of one scope; one without clauses only tells what was lost."""
    wants = bool(scope.keep or scope.keep_any)
    blocked = bool(scope.feed and (block.places or block.max_age))
    if not wants and (not blocked or general.keeps):
        return None
    keep = _read(scope.keep, scope.keep_any, keep=True)
    if scope.keep_any and (scope.keep or general.keeps):
        # Its own order: the older field is asked only where there is no rule of the new kind.
        keep = _read(scope.keep, (), keep=True)
        keep.lost += [
            f"{each!r}: Miniflux doesn't ask it beside newer rules" for each in scope.keep_any
        ]
    own = [keep, block] if scope.feed else [keep]
    lost = [each for read in own for each in read.lost]
    if not keep.places and (not blocked or general.keeps):
        return BroughtRule({}, "", "", lost=tuple(lost))
    rule: dict[str, Any] = {
        "name": names.take(f"Miniflux: {scope.feed}" if scope.feed else "Miniflux")
    }
    if keep.places:
        rule |= _clauses(keep.places)
        if scope.feed:
            rule["where"] = {"feed": [scope.feed]}
    else:
        rule["match"] = f'feed:"{_bare(scope.feed)}"'
    if scope.feed and block.places:
        rule["none"] = dict(block.places)
    elif not scope.feed and general.blocks:
        rule["none"] = [_veto(feed, each) for feed, each in general.blocks]
    if age := block.max_age or general.max_age:
        rule["max_age"] = age
    if not keep.places:
        rule["enabled"] = False
        lost.append(f"it alerts on everything of the feed that isn't blocked: {SWITCHED_OFF}")
    return BroughtRule(
        rule,
        f"feed {scope.feed!r}" if scope.feed else "for all feeds",
        " | ".join(each for read in own for each in read.sources),
        (
            *whole_words(each for read in own for each in read.loose),
            *distinct(each for read in own for each in read.changes),
        ),
        distinct(lost),
    )


def _clauses(places: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the clauses of "any of these, each in its place"."""
    if list(places) in (["title"], ["body"]):
        place = next(iter(places))
        return {"any": list(places[place]), "in": place}
    if len(places) == 1:
        return _clause(*next(iter(places.items())))
    return {"any": [_clause(place, terms) for place, terms in places.items()]}


def _clause(place: str, terms: Sequence[str]) -> dict[str, Any]:
    if place in ("title", "body"):
        return {"any": list(terms), "in": place}
    return {"match": " OR ".join(f'{place}:"{term}"' for term in terms)}


def _veto(feed: str, block: _Read) -> dict[str, Any]:
    """Return the clause of "in this feed, any of these"."""
    return {"all": [{"match": f'feed:"{_bare(feed)}"'}, _clauses(block.places)]}


def _bare(text: str) -> str:
    return " ".join(text.replace('"', " ").split())


def _read(lines: Sequence[str], old: Sequence[str], *, keep: bool) -> _Read:
    out = _Read()
    for line in lines:
        found = _LINE.fullmatch(line.strip())
        if found is None:
            out.lost.append(f"{line!r}: not of the form Field=expression, Miniflux ignores it too")
            continue
        out.sources.append(line.strip())
        _condition(found[1], found[2].strip(), out, keep=keep)
    for expression in old:
        out.sources.append(expression)
        _condition("EntryTitle", expression, out, keep=keep)
        texts = texts_of(expression)
        for kind in ("EntryURL", "EntryAuthor", "EntryTag") if texts else ():
            _condition(kind, expression, out, keep=keep)
        if not texts:
            out.changes.append(f"{expression!r} looked at URL, author and tags too: titles only")
    return out


def _condition(kind: str, value: str, out: _Read, *, keep: bool) -> None:
    if kind in _TEXTS:
        try:
            terms = of_pattern(value, folded=False)
        except PatternError as error:
            out.lost.append(f"{kind}={value}: {error}")
            return
        out.places.setdefault(_TEXTS[kind], []).extend(terms.terms)
        out.loose += terms.loose
    elif kind in _LABELS:
        texts = texts_of(value)
        if texts is None:
            out.lost.append(f"{kind}={value}: a label can be asked for a text, not an expression")
            return
        out.places.setdefault(_LABELS[kind], []).extend(map(_bare, texts))
        if kind != "EntryURL":
            out.loose += texts
    elif kind == "EntryDate" and not keep and (age := _AGE.fullmatch(value)):
        out.max_age = f"{age[1] or 0}{age[2]}"
    else:
        out.lost.append(f"{kind}={value}: there is no such condition here")


def _scopes(text: str) -> Iterator[_Scope]:
    body = text.removeprefix("\ufeff").strip()
    if body[:1] in ("{", "[") and not _HEADING.match(body):
        try:
            data = json.loads(body)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
        yield from _of_json(data)
        return
    scopes: dict[str, _Scope] = {}
    kind, scope = "keep", _Scope()
    for line in body.splitlines():
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        heading = _HEADING.fullmatch(row)
        if heading:
            kind = heading[1].lower()
            feed = (heading[2] or "").strip()
            scope = scopes.setdefault(feed, _Scope(feed))
            continue
        scopes.setdefault(scope.feed, scope)
        new = _LINE.fullmatch(row) is not None
        {
            ("keep", True): scope.keep,
            ("keep", False): scope.keep_any,
            ("block", True): scope.block,
            ("block", False): scope.block_any,
        }[kind, new].append(row)
    yield from scopes.values()


def _of_json(data: Any) -> Iterator[_Scope]:
    if isinstance(data, list):
        for each in data:
            yield from _of_json(each)
        return
    if not isinstance(data, Mapping):
        return
    if isinstance(data.get("feeds"), list):
        yield from _of_json(data["feeds"])
        return
    category = data.get("category")
    tag = str(category.get("title", "")) if isinstance(category, Mapping) else ""
    scope = _Scope(
        str(data.get("title") or "") if data.get("feed_url") else "",
        str(data.get("feed_url") or ""),
        "" if tag == "All" else tag,
        _rows(data.get("keep_filter_entry_rules")),
        _rows(data.get("block_filter_entry_rules")),
        _rows(data.get("keeplist_rules")),
        _rows(data.get("blocklist_rules")),
    )
    if scope.url or scope.keep or scope.block:
        yield scope


def _rows(value: Any) -> list[str]:
    if not isinstance(value, str):
        return []
    return [row.strip() for row in value.replace("\r", "").split("\n") if row.strip()]

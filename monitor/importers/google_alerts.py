"""Google Alerts: queries as rules, and their feeds.

A line is a query, a feed's address, or both with a tab between; an OPML list of alert feeds works
too (their titles carry the query). Google reads a blank as AND, OR before AND, ``-`` as NOT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monitor.errors import ParseError
from monitor.importers.brought import Brought, BroughtRule, Names, distinct
from monitor.sources.opml import read_opml

_ADDRESS = re.compile(r"https?://\S+")
_TITLE = re.compile(r"^google alerts?\s*[-–—:]\s*", re.I)
_TOKEN = re.compile(r'-?[a-z]+:"[^"]*"|-?"[^"]*"|\(|\)|\||[^\s()|]+')
_PLACE = {
    "intitle": "title", "allintitle": "title", "inurl": "url", "allinurl": "url", "site": "url",
    "intext": "body", "allintext": "body",
}  # fmt: skip
_GAP = 5  # words that a `*` inside a phrase may stand for
_PLAIN = re.compile(r"[\w'’.&-]*\w[\w'’.&-]*")
_RESERVED = frozenset(["AND", "OR", "NOT", "NEAR", "ONEAR", "SENT", "PARA", "ATLEAST", "FIRST"])


def read_google_alerts(text: str) -> Brought:
    """Return a rule for each query and a feed for each address."""
    names = Names()
    rules: list[BroughtRule] = []
    feeds: list[dict[str, Any]] = []
    lost: list[str] = []
    for place, query, address in _lines(text):
        if address:
            name = f"Google Alerts: {query}" if query else ""
            feeds.append(
                {
                    "url": address,
                    **({"name": name[:200]} if name else {}),
                    "tags": ["google-alerts"],
                }
            )
        if not query:
            continue
        try:
            ours, changes = translated(query)
        except ValueError as error:
            lost.append(f"{place}: {query!r}: {error}")
            continue
        rules.append(BroughtRule({"name": names.take(query), "match": ours}, place, query, changes))
    notes = (
        "Google also finds synonyms and other forms of a word; here only plurals, possessives and "
        "spellings fold: add what you miss with OR, or an entity with aliases",
        "a rule looks at all your feeds, not at what Google finds",
    )
    return Brought(tuple(rules), feeds=tuple(feeds), notes=notes if rules else (), lost=tuple(lost))


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (place, query, address) of each alert; the last two may be empty."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        try:
            listed = read_opml(text.encode())
        except ParseError as error:
            raise ValueError(str(error)) from None
        for feed in listed.feeds:
            yield feed.url, _TITLE.sub("", feed.name).strip(), feed.url
        return
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        body = line.strip()
        if not body or body.startswith("#"):
            continue
        found = _ADDRESS.search(body)
        address = found[0] if found and "google." in found[0] else ""
        rest = body.replace(address, " ") if address else body
        query = _TITLE.sub("", rest.strip(" \t,;")).strip()
        yield f"line {number}", query, address


def translated(query: str) -> tuple[str, tuple[str, ...]]:
    """Return a Google query in our language and what changed; raises ``ValueError``."""
    tokens = _TOKEN.findall(query)
    changes: list[str] = []
    ours, rest = _row(tokens, changes)
    if rest:
        raise ValueError("the parentheses don't match")
    if not ours:
        raise ValueError("it has no word to look for")
    return ours, distinct(changes)


def _row(tokens: list[str], changes: list[str]) -> tuple[str, list[str]]:
    """Read units up to a closing parenthesis: groups of OR, joined by AND."""
    groups: list[list[str]] = []
    joined = near = ""
    while tokens and tokens[0] != ")":
        token, tokens = tokens[0], tokens[1:]
        if token in ("OR", "|"):
            joined = "OR"
            continue
        if token in ("AND", "&", "+"):
            continue
        if token == "AROUND" and tokens[:1] == ["("] and tokens[1:2] and tokens[1].isdigit():
            near = f"NEAR/{min(int(tokens[1]), 100)}"
            changes.append(f"AROUND({tokens[1]}) → {near}")
            tokens = tokens[3:]
            continue
        if token in ("(", "-("):
            inner, tokens = _row(tokens, changes)
            if not tokens:
                raise ValueError("the parentheses don't match")
            tokens = tokens[1:]
            unit = f"({inner})" if inner else ""
        elif token == "-" and tokens[:1] == ["("]:
            inner, tokens = _row(tokens[1:], changes)
            tokens = tokens[1:]
            unit = f"NOT ({inner})"
        else:
            unit = _unit(token, changes)
        if not unit:
            continue
        if near and groups:
            groups[-1][-1] = f"{groups[-1][-1]} {near} {unit}"
        elif joined and groups and not unit.startswith("NOT "):
            groups[-1].append(unit)
        else:
            groups.append([unit])
        joined = near = ""
    if groups and all(group[0].startswith("NOT ") for group in groups):
        raise ValueError("it only leaves things out")
    parts = [" OR ".join(group) for group in groups]
    if len(groups) > 1:
        parts = [f"({part})" if len(group) > 1 else part
                 for part, group in zip(parts, groups, strict=True)]  # fmt: skip
    return " AND ".join(parts), tokens


def _unit(token: str, changes: list[str]) -> str:
    if token.startswith("-") and len(token) > 1:
        inner = _unit(token[1:], changes)
        return f"NOT {inner}" if inner else ""
    name, colon, value = token.partition(":")
    if colon and name.lower() in _PLACE and value:
        place = _PLACE[name.lower()]
        bare = value.strip('"')
        if name.lower() == "site":
            changes.append(f'{token} → url:"{bare}" (any address that contains it)')
        return f'{place}:"{bare}"'
    if colon and name.lower() in (
        "location",
        "source",
        "lang",
        "filetype",
        "ext",
        "before",
        "after",
    ):
        changes.append(f"{token} left out: no such condition on a story")
        return ""
    if re.fullmatch(r"[\d$€£.]+\.\.[\d$€£.]+", token):
        changes.append(f"{token} left out: ranges of numbers can't be asked for")
        return ""
    body = token.strip('"')
    if "*" in body:
        words = [f'"{part.strip()}"' for part in body.split("*") if re.search(r"\w", part)]
        changes.append(f"{token}: `*` stood for any words, here for five at most")
        return f" ONEAR/{_GAP} ".join(words)
    if not re.search(r"\w", body):
        return ""
    if token.startswith('"'):
        return f'"{body}"'
    return body if _PLAIN.fullmatch(body) and body not in _RESERVED else f'"{body}"'

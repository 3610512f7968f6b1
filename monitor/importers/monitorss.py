"""MonitoRSS filters: JSON expression trees.

Read from a filter's ``expression``, a connection, a feed with its connections, or a list of such
(its API, or a dump of its database). ``LOGICAL`` nodes are AND or OR over children;
``RELATIONAL`` ones compare a field of the article with a text: ``EQ`` to the letter, ``CONTAINS``
anywhere and without regard to capitals, ``MATCHES`` a JavaScript expression without regard to
capitals; ``not`` turns one around.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.importers.brought import SWITCHED_OFF, Brought, BroughtRule, Names, distinct
from monitor.importers.patterns import Terms, of_pattern, of_text, texts_of, whole_words
from monitor.rules.patterns import PatternError

_PLACES = {
    "title": "title", "description": "body", "summary": "body", "content": "body",
    "author": "author", "link": "url", "url": "url",
}  # fmt: skip
_DEEPEST = 12  # MonitoRSS refuses more than nine levels


@dataclass
class _Found:
    """A filter somewhere in the file."""

    path: str
    name: str
    feed: str
    expression: Mapping[str, Any]


@dataclass
class _Notes:
    changes: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wider: bool = False


def read_monitorss(text: str) -> Brought:
    """Return each filter as a rule, on its feed where the file says which."""
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    names = Names()
    rules: list[BroughtRule] = []
    lost: list[str] = []
    feeds: list[dict[str, Any]] = []
    for found in _filters(data, "$", "", "", feeds, 0):
        notes = _Notes()
        clause = _clause(found.expression, notes)
        if clause is None:
            lost += [f"{found.path}: {each}" for each in notes.lost or ["an empty filter"]]
            continue
        rule = {"name": names.take(found.name or "MonitoRSS filter"), **_top(clause)}
        if found.feed:
            rule["where"] = {"feed": [found.feed]}
        if notes.wider:
            rule["enabled"] = False
            notes.lost.append(f"without that it would fire on more: {SWITCHED_OFF}")
        elif not _asks(clause):
            rule["enabled"] = False
            notes.lost.append(f"it only leaves things out, so it fires on all else: {SWITCHED_OFF}")
        rules.append(
            BroughtRule(
                rule,
                found.path,
                _words(found.expression),
                (*whole_words(notes.loose), *distinct(notes.changes)),
                distinct(notes.lost),
            )
        )
    if not rules and not lost and not feeds:
        raise ValueError('no filter in it: a filter is an object with "type": "LOGICAL"')
    return Brought(tuple(rules), feeds=tuple(feeds), lost=tuple(lost))


def _filters(
    data: Any, path: str, name: str, feed: str, feeds: list[dict[str, Any]], depth: int
) -> Iterator[_Found]:
    if depth > _DEEPEST:
        return
    if isinstance(data, list):
        for number, each in enumerate(data):
            yield from _filters(each, f"{path}[{number}]", name, feed, feeds, depth + 1)
        return
    if not isinstance(data, Mapping):
        return
    if data.get("type") in ("LOGICAL", "RELATIONAL"):
        yield _Found(path, name, feed, data)
        return
    title = data.get("title") or data.get("name")
    if isinstance(data.get("url"), str) and re.match(r"https?://", data["url"]):
        feed = title if isinstance(title, str) else ""
        feeds.append({"url": data["url"], **({"name": feed} if feed else {})})
    if isinstance(title, str):
        name = title if not feed or title == feed else f"{feed}: {title}"
    for key, value in data.items():
        if isinstance(value, Mapping | list):
            yield from _filters(value, f"{path}.{key}", name, feed, feeds, depth + 1)


def _clause(node: Any, notes: _Notes) -> Any:
    """Return our clause for a node, or None where nothing of it can be meant."""
    if not isinstance(node, Mapping):
        return None
    if node.get("type") == "LOGICAL":
        return _logical(node, notes)
    left, right = node.get("left"), node.get("right")
    name = str(left.get("value", "")) if isinstance(left, Mapping) else ""
    value = str(right.get("value", "")) if isinstance(right, Mapping) else ""
    operator, turned = _operator(node)
    place = _place(name)
    shown = _words(node)
    if place is None or not value.strip():
        notes.lost.append(f"{shown}: " + ("no such field here" if value.strip() else "no text"))
        return None
    try:
        found = _compared(operator, place, value, notes)
    except (PatternError, ValueError) as error:
        notes.lost.append(f"{shown}: {error}")
        return None
    if place in ("title", "body"):
        clause: Any = {"any": list(found.terms), "in": place}
    else:
        clause = {"match": " OR ".join(f'{place}:"{term}"' for term in found.terms)}
    notes.loose += found.loose
    return {"none": [clause]} if turned else clause


def _logical(node: Mapping[str, Any], notes: _Notes) -> Any:
    conjunction = node.get("op") == "AND"
    children = node.get("children")
    parts = []
    for child in children if isinstance(children, list) else []:
        part = _clause(child, notes)
        if part is None:
            # Less to ask for makes an AND wider; less to choose from makes an OR narrower.
            notes.wider = notes.wider or conjunction
        else:
            parts.append(part)
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    if conjunction:
        return {"all": parts}
    return {"any": _merged(parts)}


def _merged(parts: list[Any]) -> list[Any]:
    """Join alternatives that look in the same place: one clause with all their terms."""
    out: list[Any] = []
    for part in parts:
        last = out[-1] if out else None
        if (
            isinstance(last, dict)
            and set(part) == set(last) == {"any", "in"}
            and part["in"] == last["in"]
        ):
            out[-1] = {"any": [*last["any"], *part["any"]], "in": last["in"]}
        else:
            out.append(part)
    return out


def _place(name: str) -> str | None:
    plain = re.split(r"__|::", name)
    if plain[0] in ("raw", "processed") and len(plain) > 1:
        plain = plain[1:]
    if plain[0] in ("categories", "category", "tags"):
        return "category"
    return _PLACES.get(plain[0]) if len(plain) == 1 else None


def _operator(node: Mapping[str, Any]) -> tuple[str, bool]:
    """Return EQ, CONTAINS or MATCHES, and whether it is turned around (``not``, or NOT_CONTAIN and
    NOT_EQ as its web client writes them)."""
    name = str(node.get("op"))
    bare = name.removeprefix("NOT_")
    return {"CONTAIN": "CONTAINS"}.get(bare, bare), bool(node.get("not")) or bare != name


def _compared(operator: str, place: str, value: str, notes: _Notes) -> Terms:
    text = place in ("title", "body")
    if operator == "CONTAINS":
        return of_text(value) if text else Terms((value.replace('"', " ").strip(),))
    if operator == "MATCHES":
        if text:
            return of_pattern(value, folded=True)
        texts = texts_of(value)
        if texts is None:
            raise ValueError("a label can be asked for a text, not an expression")
        return Terms(texts)
    if operator == "EQ":
        if text:
            return of_pattern(f"^{_escaped(value)}$", folded=False)
        notes.changes.append(f"{place} must contain {value!r} now, not be it")
        return Terms((value.replace('"', " ").strip(),))
    raise ValueError(f"unknown operator {operator}")


def _escaped(text: str) -> str:
    return re.sub(r"([.+*?()\[\]{}|^$\\/])", r"\\\1", text)


def _top(clause: Any) -> dict[str, Any]:
    """Return a clause as the keys of a rule."""
    if set(clause) <= {"any", "all", "match"} or (
        set(clause) == {"any", "in"} and clause["in"] in ("title", "body")
    ):
        return dict(clause)
    return {"all": [clause]}


def _asks(clause: Any) -> bool:
    """Tell whether a clause asks for something rather than only leaving things out."""
    if "none" in clause:
        return False
    if "all" in clause:
        return any(_asks(part) for part in clause["all"])
    return all(_asks(part) for part in clause.get("any", ()) if isinstance(part, dict))


def _words(node: Any) -> str:
    """Return a filter in one line: title contains 'x' AND NOT (…)."""
    if not isinstance(node, Mapping):
        return "?"
    if node.get("type") == "LOGICAL":
        children = node.get("children")
        parts = [_words(each) for each in children] if isinstance(children, list) else []
        return f" {node.get('op')} ".join(
            f"({p})" if " OR " in p or " AND " in p else p for p in parts
        )
    left, right = node.get("left"), node.get("right")
    name = left.get("value") if isinstance(left, Mapping) else "?"
    value = right.get("value") if isinstance(right, Mapping) else "?"
    operator, turned = _operator(node)
    verb = {"EQ": "is", "CONTAINS": "contains", "MATCHES": "matches"}.get(operator, "?")
    return f"{'NOT ' if turned else ''}{name} {verb} {value!r}"

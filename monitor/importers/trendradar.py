"""TrendRadar's ``frequency_words.txt``: groups of words between blank lines.

The grammar (its own loader, v6): ``word`` any of the group's, ``+word`` each of them, ``!word``
leaves a title out, ``@n`` at most n titles a report, ``/expression/``, ``… => shown name``,
``[name]`` as a group's first line, ``[GLOBAL_FILTER]`` and ``[WORD_GROUPS]`` sections, ``#``
comments. Words are looked for in titles only, anywhere in them, without regard to capitals; a
``!word`` of one group leaves titles out of every group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from monitor.importers.brought import SWITCHED_OFF, Brought, BroughtRule, Names, distinct
from monitor.importers.patterns import Terms, of_pattern, of_text, whole_words
from monitor.rules.patterns import PatternError

FILTER_LIST = "trendradar filter"
_SECTIONS = ("GLOBAL_FILTER", "WORD_GROUPS")
_EXPRESSION = re.compile(r"/(.+)/[a-z]*")


@dataclass
class _Group:
    """One group as it stands in the file."""

    line: int
    alias: str = ""
    any: list[str] = field(default_factory=list)
    all: list[tuple[str, ...]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    most: int = 0
    source: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wider: bool = False


def read_frequency_words(text: str) -> Brought:
    """Return the groups as rules on titles, and all filter words as one list they leave out."""
    names = Names()
    filters: list[str] = []
    lost: list[str] = []
    groups: list[_Group] = []
    section = "WORD_GROUPS"
    for line, rows in _blocks(text):
        if rows[0].startswith("[") and rows[0].endswith("]"):
            heading = rows[0][1:-1].strip()
            if heading.upper() in _SECTIONS:
                section, rows = heading.upper(), rows[1:]
        if section == "GLOBAL_FILTER":
            for row in rows:
                if row.startswith(("!", "+", "@")):
                    lost.append(f"{row!r} in [GLOBAL_FILTER]: TrendRadar reads no marks there")
                    continue
                _filter(row, filters, lost)
            continue
        group = _group(line, rows, filters, lost)
        if group.any or group.all:
            groups.append(group)
        else:
            lost += group.lost
    rules = tuple(_rule(group, names, filtered=bool(filters)) for group in groups)
    notes = ["titles only, as in TrendRadar: remove `in: title` to look at summaries and texts too"]
    if filters:
        notes.append(
            "every `!word` and [GLOBAL_FILTER] word leaves titles out of every group, as in "
            f"TrendRadar: they are the list {FILTER_LIST!r}"
        )
    lists = {FILTER_LIST: distinct(filters)} if filters else {}
    return Brought(rules, lists, notes=tuple(notes) if rules else (), lost=tuple(lost))


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each group's first line number and its lines without comments."""
    number = 1
    for block in text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n\n"):
        rows = [(number + at, row.strip()) for at, row in enumerate(block.split("\n"))]
        rows = [(at, row) for at, row in rows if row and not row.startswith("#")]
        if rows:
            yield rows[0][0], [row for _, row in rows]
        number += block.count("\n") + 2


def _group(line: int, rows: list[str], filters: list[str], lost: list[str]) -> _Group:
    group = _Group(line)
    if rows and rows[0].startswith("[") and rows[0].endswith("]"):
        group.alias, rows = rows[0][1:-1].strip(), rows[1:]
    for row in rows:
        group.source.append(row)
        if row.startswith("@"):
            if row[1:].strip().isdigit():
                group.most = int(row[1:])
        elif row.startswith("!"):
            _filter(row[1:], filters, lost)
        else:
            _word(row, group)
    return group


def _word(row: str, group: _Group) -> None:
    required = row.startswith("+")
    body, _, shown = row.removeprefix("+").partition("=>")
    try:
        found = _terms(body.strip())
    except PatternError as error:
        hint = f" ({error.hint})" if error.hint else ""
        group.lost.append(f"{row!r}: {error}{hint}")
        group.wider = group.wider or required
        return
    if required:
        group.all.append(found.terms)
    else:
        group.any += found.terms
    group.shown.append(shown.strip() or body.strip().strip("/"))
    group.loose += found.loose


def _filter(row: str, filters: list[str], lost: list[str]) -> None:
    body = row.partition("=>")[0].strip()
    try:
        filters += _terms(body).terms
    except PatternError as error:
        lost.append(f"filter {body!r}: {error}")


def _terms(word: str) -> Terms:
    expression = _EXPRESSION.fullmatch(word)
    return of_pattern(expression[1], folded=True) if expression else of_text(word)


def _rule(group: _Group, names: Names, *, filtered: bool) -> BroughtRule:
    rule: dict[str, Any] = {"name": names.take(group.alias or " / ".join(group.shown)[:80])}
    if group.any:
        rule["any"] = list(distinct(group.any))
    if group.all:
        rule["all"] = [{"any": list(each)} if len(each) > 1 else each[0] for each in group.all]
    rule["in"] = "title"
    if filtered:
        rule["none"] = [f"list:{FILTER_LIST}"]
    lost = list(group.lost)
    if group.most:
        lost.append(
            f"@{group.most} (at most {group.most} titles a report): the nearest is "
            f"`throttle: {group.most} per day`, which brings the rest as a digest"
        )
    if group.wider:
        rule["enabled"] = False
        lost.append(f"without that word it would fire on more: {SWITCHED_OFF}")
    return BroughtRule(
        rule, f"line {group.line}", " | ".join(group.source), whole_words(group.loose), tuple(lost)
    )

"""Many things added to a configuration at once: rules with comments, feeds, lists, `ignore`.

Gives the new text only; what is shown or written is the caller's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from monitor.config.edit import dumped, round_trip, styled, with_items, with_lines
from monitor.config.positions import Source


@dataclass(frozen=True, slots=True)
class Additions:
    """What is to be added. ``comments`` are lines above each of ``rules``; an address that is there
    already must not be among ``feeds``, nor a name among ``rules``."""

    rules: Sequence[Mapping[str, Any]] = ()
    comments: Sequence[Sequence[str]] = ()
    feeds: Sequence[Mapping[str, Any]] = ()
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ignore: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rules or self.feeds or self.lists or self.ignore)


def with_additions(path: Path, text: str, additions: Additions) -> str:
    """Return ``text``, the content of ``path``, with everything added; raises ``ConfigError``."""
    if additions.feeds:
        text = with_items(path, text, "feeds", additions.feeds)
    for section, named in (("lists", additions.lists), ("ignore", additions.ignore)):
        if named:
            text = _with_keys(path, text, section, named)
    if additions.rules:
        text = with_items(path, text, "rules", additions.rules, additions.comments)
    return text


def _with_keys(path: Path, text: str, section: str, named: Mapping[str, Sequence[str]]) -> str:
    """Return ``text`` with lists added to the mapping ``section``; a name that is there gets what
    it lacks."""
    entries = styled({name: list(items) for name, items in named.items()})
    newline = "\r\n" if "\r\n" in text else "\n"
    root = Source(str(path), text).root
    there = root.keys.get(section) if root is not None and root.keys is not None else None
    if there is None and (root is None or not text.startswith("{", root.start)):
        head = text if not text or text.endswith("\n") else text + newline
        blank = newline if text.strip() else ""
        return head + blank + dumped({section: entries}).replace("\n", newline)
    if there is not None and there[2].keys and not text.startswith("{", there[2].start):
        spot = there[2]
        if not spot.keys or not set(spot.keys) & set(named):
            lines = text.splitlines(keepends=True)
            indent = " " * spot.column
            added = [indent + line for line in dumped(entries).splitlines()]
            return with_lines(lines, _end_of_block(lines, spot.line, spot.column), added, newline)
    data = round_trip(path, text)
    known = data.get(section)
    if not isinstance(known, CommentedMap):
        data[section] = entries
    else:
        for name, items in entries.items():
            old = known.get(name)
            if isinstance(old, CommentedSeq):
                old.extend(item for item in items if item not in old)
            else:
                known[name] = items
    return dumped(data).replace("\n", newline)


def _end_of_block(lines: Sequence[str], start: int, indent: int) -> int:
    """Return the number of the first line after the block whose first key is on line ``start``."""
    end = start + 1
    for number in range(start + 1, len(lines)):
        bare = lines[number].strip()
        if not bare:
            continue
        if len(lines[number]) - len(lines[number].lstrip(" ")) < indent:
            break
        end = number + 1
    return end

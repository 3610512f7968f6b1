"""Where each setting stands: places of values, keys, and characters inside a text.

The tree of places is made when the first place is asked for: a configuration without findings
never pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from monitor.config.yaml import Path
from monitor.errors import Place


@dataclass(slots=True)
class Spot:
    """A value's place: 0-based ``line`` and ``column``, ``start`` and ``end`` in characters."""

    line: int
    column: int
    start: int
    end: int
    style: str | None = None
    value: str = ""
    items: list[Spot] | None = None
    keys: dict[str, tuple[int, int, Spot]] | None = None


@dataclass(frozen=True)
class Source:
    """One file's text as it was read, and its tree of places."""

    file: str
    text: str = field(repr=False)

    @cached_property
    def root(self) -> Spot | None:
        try:
            events = yaml.parse(self.text, Loader=yaml.CSafeLoader)
            for event in events:
                if isinstance(event, yaml.NodeEvent):
                    return _spot(event, events, {})
        except yaml.YAMLError:
            return None
        return None


def _spot(event: Any, events: Iterator[Any], anchors: dict[str, Spot]) -> Spot:
    start, end = event.start_mark, event.end_mark
    spot = Spot(start.line, start.column, start.index, end.index)
    if isinstance(event, yaml.AliasEvent):
        known = anchors.get(event.anchor or "")
        if known is not None:
            spot.value, spot.items, spot.keys = known.value, known.items, known.keys
            spot.style = "*"
        return spot
    if event.anchor is not None:
        anchors[event.anchor] = spot
        # The mark of an anchored value stands on the `&`; good enough to find it.
    if isinstance(event, yaml.ScalarEvent):
        spot.style, spot.value = event.style or "", event.value
        if event.anchor is not None:
            spot.style = "*"
    elif isinstance(event, yaml.SequenceStartEvent):
        spot.items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            spot.items.append(_spot(event, events, anchors))
    elif isinstance(event, yaml.MappingStartEvent):
        spot.keys = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _spot(event, events, anchors)
            value = _spot(next(events), events, anchors)
            spot.keys.setdefault(key.value, (key.line, key.column, value))
    return spot


@dataclass(frozen=True)
class Positions:
    """Places by path: ``("rules", 3, "match")``.

    ``segments`` says which file an item of a merged list comes from: per section, the sources in
    order with their number of items; ``owners`` which source a key of a merged mapping comes from.
    """

    sources: Sequence[Source]
    segments: Mapping[str, Sequence[tuple[Source, int]]] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], Source] = field(default_factory=dict)

    def place(self, path: Sequence[str | int]) -> Place | None:
        """Return where the value at ``path`` starts, or the nearest value above it."""
        return self._find(tuple(path), key=False)

    def key_place(self, path: Sequence[str | int]) -> Place | None:
        """Return where the key of ``path`` starts (for a list item: the item)."""
        return self._find(tuple(path), key=True)

    def in_scalar(self, path: Sequence[str | int], offset: int) -> Place | None:
        """Return where the character ``offset`` of the text at ``path`` stands in its file.

        None where there is no text at that path.
        """
        source, local = self._localised(tuple(path))
        spot: Spot | None = source.root if source else None
        for step in local:
            if spot is None:
                return None
            if isinstance(step, int):
                if step == 0 and spot.items is None and spot.keys is None:
                    continue  # a single text where a list may stand
                spot = spot.items[step] if spot.items and step < len(spot.items) else None
            else:
                entry = (spot.keys or {}).get(step)
                spot = entry[2] if entry else None
        if source is None or spot is None or spot.items is not None or spot.keys is not None:
            return None
        if spot.style == "*":  # behind an alias or an anchor: the start is what can be said
            return Place(source.file, spot.line + 1, spot.column + 1)
        index = _source_index(source.text[spot.start : spot.end], spot, offset)
        before = source.text[spot.start : spot.start + index]
        if "\n" not in before:
            return Place(source.file, spot.line + 1, spot.column + len(before) + 1)
        lines = before.count("\n")
        return Place(source.file, spot.line + lines + 1, len(before) - before.rfind("\n"))

    def _localised(self, path: Path) -> tuple[Source | None, Path]:
        """Return the file that holds ``path`` and the path inside that file."""
        main = self.sources[0] if self.sources else None
        if len(path) < 2:
            return main, path
        section, step = path[0], path[1]
        if isinstance(step, int) and isinstance(section, str):
            base = 0
            for source, count in self.segments.get(section, ()):
                if step < base + count:
                    return source, (section, step - base, *path[2:])
                base += count
        elif isinstance(step, str) and isinstance(section, str):
            return self.owners.get((section, step), main), path
        return main, path

    def _find(self, path: Path, *, key: bool) -> Place | None:
        source, local = self._localised(path)
        if source is None:
            return None
        spot = source.root
        if spot is None:
            return Place(source.file, 1, 1)
        line, column = spot.line, spot.column
        for depth, step in enumerate(local):
            if isinstance(step, int) and spot.items and step < len(spot.items):
                spot = spot.items[step]
                line, column = spot.line, spot.column
            elif isinstance(step, str) and spot.keys and step in spot.keys:
                key_line, key_column, spot = spot.keys[step]
                if key and depth == len(local) - 1:
                    line, column = key_line, key_column
                elif spot.items is None and spot.keys is None:
                    line, column = spot.line, spot.column
                else:
                    line, column = spot.line, spot.column
            else:
                break
        return Place(source.file, line + 1, column + 1)


# Escapes of a double-quoted text that take digits (YAML 1.1, 5.7).
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def _source_index(raw: str, spot: Spot, offset: int) -> int:
    """Return the index in ``raw`` (as written) of the character ``offset`` of its value."""
    value, style = spot.value, spot.style
    offset = min(offset, len(value))
    block = style in ("|", ">")
    at = (raw.find("\n") + 1) if block else (1 if style in ("'", '"') else 0)
    indent = _indent(raw, at) if block else 0
    if block:
        at += indent
    done = 0
    while done < offset and at < len(raw):
        letter = raw[at]
        if style == '"' and letter == "\\":
            follow = raw[at + 1 : at + 2]
            if follow in ("\n", "\r"):
                at = _skip_blank(raw, at + 1)
                continue
            at += 2 + _ESCAPE_DIGITS.get(follow, 0)
            done += 1
        elif style == "'" and raw.startswith("''", at):
            at, done = at + 2, done + 1
        elif _breaks(raw, at):
            if style == "|":
                at = raw.index("\n", at) + 1
                done += 1
                rest = raw[at : at + indent]
                at += len(rest) - len(rest.lstrip(" "))
                continue
            run = 1 if value[done] == " " else len(value[done:]) - len(value[done:].lstrip("\n"))
            if done + max(run, 1) > offset:
                return at
            at, done = _skip_blank(raw, at), done + max(run, 1)
        else:
            at, done = at + 1, done + 1
    return at


def _indent(raw: str, at: int) -> int:
    for line in raw[at:].split("\n"):
        if line.strip():
            return len(line) - len(line.lstrip(" "))
    return 0


def _skip_blank(raw: str, at: int) -> int:
    while at < len(raw) and raw[at] in " \t\r\n":
        at += 1
    return at


def _breaks(raw: str, at: int) -> bool:
    """Tell whether a line ends at ``at``, blanks before its end included."""
    if raw[at] not in " \t\r\n":
        return False
    end = at
    while end < len(raw) and raw[end] in " \t\r":
        end += 1
    return end < len(raw) and raw[end] == "\n"

"""Changing one item of a list in a file that people wrote: the item's lines change, no other line.

Contains no writing (``monitor.config.edit`` does that) and no opinion on whether the result loads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.config.edit import dumped, preview, round_trip
from monitor.config.loaded import Loaded
from monitor.config.positions import Source


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a block list: its lines (half-open, from 0) and the column of its dash."""

    start: int
    end: int
    column: int


def place_of(loaded: Loaded, section: str, index: int) -> tuple[Path, int]:
    """Return the file in which item ``index`` of a merged list stands, and its number there."""
    base = 0
    for source, count in loaded.positions.segments.get(section, ()):
        if index < base + count:
            return Path(source.file), index - base
        base += count
    return loaded.path, index


def item_text(text: str, section: str, index: int) -> str:
    """Return an item as it stands in the file, comments included, without its indentation and
    dash; "" where the list is no block list."""
    item = _item(text, section, index)
    if item is None:
        return ""
    lines = text.splitlines()[item.start : item.end]
    inside = item.column + 2
    first = " " * inside + lines[0][inside:]
    return "\n".join(line[min(inside, _depth(line)) :] for line in [first, *lines[1:]]) + "\n"


def with_item(text: str, section: str, index: int, new: str) -> str:
    """Return ``text`` with the item replaced by ``new``, written as ``item_text`` gives it.

    Raises ``ValueError`` where the list is no block list.
    """
    item = _item(text, section, index)
    if item is None:
        raise ValueError(f"`{section}` is not written with a line for each item")
    newline = "\r\n" if "\r\n" in text else "\n"
    inside = " " * (item.column + 2)
    wanted = [
        inside + line if line.strip() else "" for line in new.strip("\n").rstrip().splitlines()
    ]
    at = next(n for n, line in enumerate(wanted) if line and not line.lstrip().startswith("#"))
    wanted[at] = " " * item.column + "- " + wanted[at][len(inside) :]
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: item.start], *(line + newline for line in wanted), *lines[item.end :]])


def with_appended(path: Path, section: str, data: Any, new: str) -> str:
    """Return the text of ``path`` with an item more at the end of ``section``: ``data`` written as
    ``new`` where the list is a block list."""
    text = preview(path, section, data)
    root = Source(str(path), text).root
    there = root.keys[section][2].items if root is not None and root.keys is not None else None
    try:
        return with_item(text, section, len(there or ()) - 1, new)
    except ValueError:
        return text


def with_change(
    text: str, section: str, index: int, change: Callable[[dict[str, Any]], None]
) -> str:
    """Return ``text`` with an item as ``change`` makes it; what it leaves stays as written.

    The short form of a feed, its URL alone, is written out first.
    """
    alone = item_text(text, section, index)
    if not alone:
        data = round_trip(Path(section), text)
        item = data[section][index]
        data[section][index] = item = {"url": item} if isinstance(item, str) else item
        change(item)
        written = dumped(data)
        return written.replace("\n", "\r\n") if "\r\n" in text else written
    if isinstance(_read(section, alone), str):
        alone = f"url: {alone.lstrip()}"
    data = _read_whole(section, alone)
    change(data[section][0])
    return with_item(text, section, index, item_text(dumped(data), section, 0))


def _read_whole(section: str, alone: str) -> Any:
    # As deep as it is written again: comments stay in their columns.
    return round_trip(Path(section), with_item(f"{section}:\n  - x\n", section, 0, alone))


def _read(section: str, alone: str) -> Any:
    return _read_whole(section, alone)[section][0]


def _item(text: str, section: str, index: int) -> Item | None:
    root = Source("", text).root
    if root is None or root.keys is None or section not in root.keys:
        return None
    there = root.keys[section][2]
    if not there.items or index >= len(there.items) or not text.startswith("-", there.start):
        return None
    lines = text.splitlines()
    start = there.items[index].line
    while start > there.line and not lines[start].lstrip().startswith("-"):
        start -= 1  # a dash on a line of its own
    last = len(lines)
    if index + 1 < len(there.items):
        last = there.items[index + 1].line
    end = start + 1
    for number in range(start + 1, last):
        line = lines[number]
        if not line.strip():
            continue
        if _depth(line) <= there.column:
            break
        end = number + 1
    return Item(start, end, there.column)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

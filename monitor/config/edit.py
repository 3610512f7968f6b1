"""Adding rules and feeds to a file that people wrote: comments, order and layout stay.

A change is made on the text, and the whole configuration loaded as it would be with it; only then
is the file replaced (temporary file, rename; the mode is kept).
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from monitor.config.load import load
from monitor.config.positions import Source
from monitor.config.secrets import is_unset
from monitor.config.yaml import YamlError, decode
from monitor.config.yaml import parse as parse_strictly
from monitor.errors import ConfigError, Place, Problem


def append_rule(
    path: Path,
    rule: Mapping[str, Any],
    *,
    main: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Add ``rule`` at the end of ``rules:`` in ``path`` and return the file's new text.

    ``main`` is the configuration that includes ``path`` (default: ``path`` is it); an included file
    need not exist yet. ``env`` holds the variables the configuration uses; without it, unset ones
    are let pass. Raises ``ConfigError``, and writes nothing, where the whole would not load, the
    file can't be edited, or it has a rule of that name.
    """
    return _append(path, "rules", [dict(rule)], "name", main, env)


def append_feed(
    path: Path, feed: str | Mapping[str, Any], *, env: Mapping[str, str] | None = None
) -> str:
    """Add ``feed`` (its URL, or a mapping with ``url``) to ``feeds:`` and return the new text.

    ``path`` is the main file: feeds stand there only. Raises ``ConfigError`` as ``append_rule``
    does, and where that URL is listed already.
    """
    return append_feeds(path, [feed], env=env)


def append_feeds(
    path: Path,
    feeds: Sequence[str | Mapping[str, Any]],
    *,
    env: Mapping[str, str] | None = None,
) -> str:
    """Add many feeds at once, as ``append_feed`` does one: all of them, or none and an error."""
    items = [feed if isinstance(feed, str) else dict(feed) for feed in feeds]
    return _append(path, "feeds", items, "url", None, env)


def append_rules(
    path: Path,
    rules: Sequence[Mapping[str, Any]],
    *,
    main: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Add many rules at once, as ``append_rule`` does one: all of them, or none and an error."""
    return _append(path, "rules", [dict(rule) for rule in rules], "name", main, env)


def preview(path: Path, section: str, item: Any) -> str:
    """Return the text of ``path`` with ``item`` at the end of ``section``; writes nothing."""
    return with_items(path, text_of(path), section, [item])


def _append(
    path: Path,
    section: str,
    items: Sequence[Any],
    key: str,
    main: Path | None,
    env: Mapping[str, str] | None,
) -> str:
    text = text_of(path)
    _refuse_double(path, text, section, key, items)
    edited = with_items(path, text, section, items)
    validate(path, edited, main or path, env)
    write(path, edited)
    return edited


def validate(path: Path, text: str, main: Path, env: Mapping[str, str] | None) -> None:
    """Load ``main`` as it would be with ``text`` in ``path``; raises ``ConfigError``."""
    overlay = {path.resolve(): text.encode()}
    try:
        files = {file.resolve() for file in load(main, env or {}, overlay=overlay).files}
    except ConfigError as error:
        left = [each for each in error.problems if env is not None or not is_unset(each)]
        if any(each.level == "error" for each in left):
            raise ConfigError(left) from None
        return
    if path.resolve() not in files:
        raise ConfigError(
            [
                Problem(
                    f"{path.name} is not included by {main.name}",
                    _top(path),
                    f"add `include: {path.parent.name}/*.yaml` to {main.name}",
                )
            ]
        )


def text_of(path: Path) -> str:
    """Return the file's text, empty where there is none; raises ``ConfigError``."""
    try:
        return decode(path.read_bytes(), str(path))
    except FileNotFoundError:
        return ""
    except YamlError as error:
        raise ConfigError([error.problem]) from None
    except OSError as error:
        raise ConfigError([Problem(f"can't be read: {error.strerror}", _top(path))]) from None


def _refuse_double(path: Path, text: str, section: str, key: str, items: Sequence[Any]) -> None:
    """An item of the same name, or of the same address, is refused before anything is written."""
    try:
        data = parse_strictly(text, str(path)).data
    except YamlError as error:
        raise ConfigError([error.problem]) from None
    there = data.get(section) if isinstance(data, dict) else None
    known = {_name(item, key) for item in there} if isinstance(there, list) else set()
    for item in items:
        name = _name(item, key)
        if name is not None and name in known:
            raise ConfigError(
                [Problem(f"`{name}` is in `{section}` already", _top(path), "change it there")]
            )
        known.add(name)


def _name(item: Any, key: str) -> str | None:
    name = item.get(key) if isinstance(item, Mapping) else item
    return name if isinstance(name, str) else None


def with_items(
    path: Path,
    text: str,
    section: str,
    items: Sequence[Any],
    comments: Sequence[Sequence[str]] = (),
) -> str:
    """Return ``text`` with ``items`` at the end of the list ``section``.

    A block list grows by lines, a missing section is added below: no other line is touched. Other
    shapes (``feeds: [a, b]``) are written anew by ruamel.yaml, which keeps comments. ``comments``
    are lines to stand above each item.
    """
    entries = [styled(item) for item in items]
    newline = "\r\n" if "\r\n" in text else "\n"
    root = Source(str(path), text).root
    if root is None or (root.keys is not None and section not in root.keys):
        if root is None or not text.startswith("{", root.start):
            head = text if not text or text.endswith("\n") else text + newline
            lines = [f"{section}:", *_item_lines(entries, comments, "  ", spaced=bool(comments))]
            lines = ["", *lines] if text.strip() else lines
            return head + "".join(line + newline for line in lines)
    elif root.keys is not None:
        there = root.keys[section][2]
        if there.items and text.startswith("-", there.start):
            lines = text.splitlines(keepends=True)
            end = _end_of_list(lines, there.line, there.column)
            blank = any(not line.strip() for line in lines[there.line : end])
            spaced = bool(comments) or (section == "rules" and blank)
            added = _item_lines(entries, comments, " " * there.column, spaced=spaced, first=spaced)
            return with_lines(lines, end, added, newline)
    return _rewritten(path, text, section, entries).replace("\n", newline)


def _rewritten(path: Path, text: str, section: str, entries: list[Any]) -> str:
    data = round_trip(path, text)
    there = data.get(section)
    if there is None or (isinstance(there, CommentedSeq) and not there):
        data[section] = CommentedSeq(entries)
    elif isinstance(there, CommentedSeq):
        there.extend(entries)
    else:
        raise ConfigError([Problem(f"`{section}` is not a list", _top(path))])
    return dumped(data)


def round_trip(path: Path, text: str) -> CommentedMap:
    """Return the file's data as ruamel.yaml keeps it; raises ``ConfigError``."""
    try:
        data = _round_trip().load(text)
    except YAMLError as error:
        raise ConfigError([Problem(f"can't be edited: {error}", _top(path))]) from None
    if not isinstance(data, CommentedMap):
        raise ConfigError([Problem("not a mapping of sections", _top(path))])
    return data


def dumped(data: Any) -> str:
    """Return the text of what ``round_trip`` gave, with ``\\n`` at line ends."""
    return _dumped(_round_trip(), data).replace("\r\n", "\n")


def with_lines(lines: list[str], end: int, added: Sequence[str], newline: str) -> str:
    """Return ``lines`` with ``added`` before the line of number ``end``."""
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += newline
    return "".join([*lines[:end], *(line + newline for line in added), *lines[end:]])


def _item_lines(
    entries: Sequence[Any],
    comments: Sequence[Sequence[str]],
    indent: str,
    *,
    spaced: bool,
    first: bool = False,
) -> list[str]:
    """Return the lines of list items; ``spaced``: a blank line before each, before the ``first``
    too."""
    yaml = _round_trip()
    yaml.indent(mapping=2, sequence=2, offset=0)
    out: list[str] = []
    for number, entry in enumerate(entries):
        out += [""] if spaced and (first or number) else []
        out += [f"{indent}# {line}" for line in (comments[number] if comments else ())]
        out += [indent + line if line else "" for line in _dumped(yaml, [entry]).splitlines()]
    return out


def _end_of_list(lines: list[str], start: int, indent: int) -> int:
    """Return the number of the first line after the list whose first item is on line ``start``."""
    end = start + 1
    for number in range(start + 1, len(lines)):
        line = lines[number]
        bare = line.strip()
        if not bare:
            continue
        depth = len(line) - len(line.lstrip(" "))
        if depth < indent:
            break
        if depth == indent and bare != "-" and not bare.startswith(("- ", "#")):
            break
        if bare.startswith("#") and depth <= indent and not _list_goes_on(lines, number, indent):
            break
        end = number + 1
    return end


def _list_goes_on(lines: list[str], start: int, indent: int) -> bool:
    """Tell whether an item of the list follows the comment on line ``start``."""
    for line in lines[start:]:
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip(" "))
        return depth > indent or (depth == indent and bare.startswith("-"))
    return False


def styled(item: Any) -> Any:
    """Return ``item`` with texts quoted where YAML could take them for something else."""
    if isinstance(item, Mapping):
        made = CommentedMap()
        for key, value in item.items():
            made[key] = styled(value)
        return made
    if isinstance(item, list | tuple):
        items = CommentedSeq([styled(each) for each in item])
        if all(isinstance(each, str | int | float) for each in item) and _short(item):
            items.fa.set_flow_style()
        return items
    if isinstance(item, str) and _needs_quotes(item):
        if '"' in item and "'" not in item and item.isprintable():
            return SingleQuotedScalarString(item)  # no backslashes to read past
        return DoubleQuotedScalarString(item)
    return item


def _short(items: Sequence[Any]) -> bool:
    """Tell whether a list reads well on one line."""
    return sum(len(str(each)) + 2 for each in items) <= 90


# Signs that mean something to YAML at a start, or `: ` and ` #` anywhere; and words and numbers
# that YAML 1.1 readers take for other than text.
_STARTS = tuple("-?:,[]{}#&*!|>'\"%@`=~<")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def _needs_quotes(text: str) -> bool:
    return (
        not text
        or text.startswith(_STARTS)
        or text != text.strip()
        or any(sign in text for sign in (":", " #", "\n", "\t", ",", "[", "]", "{", "}", '"'))
        or text.lower() in _WORDS
        or text[0].isdigit()
        or text[0] in "+."
        or not text.isprintable()
    ) and not _plain_url(text)


def _plain_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not any(
        sign in text for sign in ("#", ",", "[", "]", "{", "}", '"', " ", "\n", ": ")
    )


def _round_trip() -> YAML:
    yaml = YAML()  # round-trip: comments, order and quotes stay
    yaml.preserve_quotes = True
    yaml.width = 4_096  # never fold a line a person wrote
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(yaml: YAML, data: Any) -> str:
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def write(path: Path, text: str) -> None:
    """Put ``text`` in place of ``path`` at once, keeping the file's mode and following links.

    Raises ``ConfigError`` where the folder can't be written.
    """
    temporary: Path | None = None
    try:
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".newswatch-", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        raise ConfigError([Problem(f"can't be written: {error.strerror}", _top(path))]) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _top(path: Path) -> Place:
    return Place(str(path), 1, 1)

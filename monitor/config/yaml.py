"""YAML as plain text, lists and mappings: nothing is guessed, nothing is silently changed.

Built on libyaml's events instead of PyYAML's constructor, which reads ``no`` as False, ``12:30`` as
750 and ``0123`` as 83, and keeps the last of two equal keys without a word. Here every scalar stays
the text that stands in the file; numbers and booleans are read where the schema wants them
(``monitor.config.types``). Aliases work within bounds; merge keys (``<<``), tags, further documents
and keys that aren't text are refused.

Contains no schema and no file access.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitor.errors import Place, Problem

Path = tuple[str | int, ...]

MAX_BYTES = 16 * 1024 * 1024  # ten thousand long rules are about 3 MB
# A file above 1 MB must be that large because of what it says, not of padding.
FREE_BYTES, BYTES_PER_SCALAR = 1_000_000, 200
MAX_DEPTH = 40  # a rule nests about ten deep; 5,000 brackets must not reach the stack
MAX_ALIASED = 10_000  # nodes that aliases may add in one file: billion laughs adds 10^9
MAX_FINDINGS = 1_000  # a file of nothing but repeats must not fill the memory
MAX_SCALARS = 1_000_000  # ten thousand rules have about 100,000
MAX_SCALAR = 65_536  # characters of one text

# U+0085, U+2028 and U+2029 are line breaks to YAML 1.1, which folds them away.
_LONE_RETURN = re.compile(r"\r(?!\n)")
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
# Where `null` and `~` are words like others; elsewhere they mean that a key is absent.
TEXT_SECTIONS = frozenset({"rules", "entities", "lists", "ignore"})
_NULLS = ("null", "~")
_STRINGS = (None, "tag:yaml.org,2002:str")
_SWALLOWED = re.compile(r"(?<=[\[{,:\s])#([\w-]+)")
_SECRET_LINE = re.compile(r"token|password|secret|xox|xapp|://[^/\s]*@|hooks\.", re.IGNORECASE)
_COMMENT = re.compile(r"#(\w[\w-]*)")


class YamlError(Exception):
    """The file can't be read on: carries the one problem that stopped it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Empty:
    """A key or item with nothing after it. ``commented`` is what a ``#`` swallowed, if anything."""

    path: Path
    place: Place
    commented: str | None


@dataclass(slots=True)
class Parsed:
    """A file's data, with what was found on the way.

    Values are ``str``, ``list``, ``dict`` and, for an empty list item, ``None``; a key with an
    empty value is left out and listed in ``empties``.
    """

    data: Any
    problems: list[Problem] = field(default_factory=list)
    empties: list[Empty] = field(default_factory=list)


def decode(raw: bytes, file: str) -> str:
    """Return a file's text; raises ``YamlError`` for what is not clean UTF-8."""
    if len(raw) > MAX_BYTES:
        raise YamlError(
            Problem(
                f"the file has {len(raw) / 1e6:.1f} MB, the limit is {MAX_BYTES // 2**20} MB",
                Place(file, 1, 1),
                "split it with `include`, or check that this is the right file",
            )
        )
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[:4] == b"\x00\x00\xfe\xff":
        raise YamlError(
            Problem("the file is saved as UTF-16 or UTF-32", Place(file, 1, 1), "save it as UTF-8")
        )
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        raise YamlError(
            Problem(
                f"byte 0x{raw[error.start]:02x} is not UTF-8",
                _place(before, len(before), file),
                "save the file as UTF-8",
            )
        ) from None
    unsafe = _UNSAFE.search(text)
    if unsafe:
        name = "a NUL byte" if unsafe[0] == "\x00" else f"a control character ({unsafe[0]!r})"
        raise YamlError(Problem(f"{name} in the file", _place(text, unsafe.start(), file)))
    # A lone carriage return ends a line too (YAML 1.1, section 4.1.4): here all are counted alike.
    return _LONE_RETURN.sub("\n", text)


def _place(text: str, index: int, file: str) -> Place:
    line = text.count("\n", 0, index)
    return Place(file, line + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def parse(text: str, file: str) -> Parsed:
    """Return the data of one YAML document; raises ``YamlError`` where its syntax is broken."""
    reader = _Reader(text, file)
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as error:
        raise YamlError(_syntax_problem(error, text, file)) from None
    except yaml.YAMLError as error:
        raise YamlError(Problem(f"not YAML: {error}", Place(file, 1, 1))) from None
    size = len(text.encode())
    if size > FREE_BYTES + BYTES_PER_SCALAR * reader.scalars:
        raise YamlError(
            Problem(
                f"the file has {size / 1e6:.1f} MB, hardly any of it settings",
                Place(file, 1, 1),
                "check that this is the right file",
            )
        )
    return Parsed(data, reader.problems, reader.empties)


class _Reader:
    """Builds the data from one pass over the events."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._text = text
        self._lines: list[str] | None = None
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._path: list[str | int] = []
        self._depth = 0
        self._anchors: dict[str, tuple[Any, int, int] | None] = {}
        self._aliased = 0
        self.nodes = 0
        self.scalars = 0
        self.problems: list[Problem] = []
        self.empties: list[Empty] = []

    def document(self) -> Any:
        events = self._events
        next(events)  # the stream's start
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        data = self._node(next(events))
        next(events)  # the document's end
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._stop("a second document (`---`)", event.start_mark, "keep one per file")
        return data

    def _place(self, mark: Any) -> Place:
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _stop(self, message: str, mark: Any, hint: str = "") -> YamlError:
        return YamlError(Problem(message, self._place(mark), hint))

    def _node(self, event: Any) -> Any:
        """Return the value that starts with ``event``; an empty plain scalar is None."""
        kind = type(event)
        self.nodes += 1
        if kind is yaml.AliasEvent:
            return self._alias(event)
        if event.tag is not None and (event.tag not in _STRINGS or kind is not yaml.ScalarEvent):
            raise self._stop(
                f"the tag {_shown(event.tag)} is not allowed",
                event.start_mark,
                "quote the text if it starts with `!`",
            )
        if kind is yaml.ScalarEvent:
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, 1, 0)
            return value
        start = self.nodes
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._stop(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        data = self._list() if kind is yaml.SequenceStartEvent else self._mapping()
        self._depth -= 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (data, self.nodes - start + 1, _depth(data))
        return data

    def _scalar(self, event: Any) -> str | None:
        self.scalars += 1
        if self.scalars > MAX_SCALARS:
            raise self._stop(f"more than {MAX_SCALARS:,} values", event.start_mark)
        value: str = event.value
        if not value and not event.style:
            return None
        if len(value) > MAX_SCALAR:
            raise self._stop(
                f"a text of {len(value):,} characters; the limit is {MAX_SCALAR:,}",
                event.start_mark,
                "is a closing quote missing?",
            )
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._stop(
                f"`*{event.anchor}` refers to an anchor that isn't there",
                event.start_mark,
                f'a text that starts with `*` is quoted: "*{event.anchor}"',
            )
        known = self._anchors[event.anchor]
        if known is None:
            raise self._stop(f"`*{event.anchor}` contains itself", event.start_mark)
        data, size, depth = known
        self._aliased += size
        self.nodes += size
        if self._aliased > MAX_ALIASED or self._depth + depth > MAX_DEPTH:
            raise self._stop(f"aliases repeat more than {MAX_ALIASED:,} values", event.start_mark)
        # A copy: what is later replaced in one place must not change the other.
        return deepcopy(data)

    def _list(self) -> list[Any]:
        items: list[Any] = []
        events, path = self._events, self._path
        while True:
            event = next(events)
            if type(event) is yaml.SequenceEndEvent:
                return items
            path.append(len(items))
            item = self._node(event)
            if item is None:
                self._note_empty(event.start_mark)
            items.append(item)
            path.pop()

    def _mapping(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        places: dict[str, Any] = {}
        events, path = self._events, self._path
        while True:
            event = next(events)
            if type(event) is yaml.MappingEndEvent:
                return data
            key = self._key(event)
            path.append(key)
            event_of_value = next(events)
            value = self._node(event_of_value)
            if key in places:
                self._count_finding(event.start_mark)
                first = self._place(places[key])
                self.problems.append(
                    Problem(
                        f"`{_shown(key)}` stands here twice, first at line {first.line}",
                        self._place(event.start_mark),
                        f"first: {first}; keep one of them",
                    )
                )
            elif value is None:
                self._note_empty(event.end_mark)
            elif value in _NULLS and path[0] not in TEXT_SECTIONS and _is_plain(event_of_value):
                pass  # said to be absent
            else:
                data[key] = value
            places.setdefault(key, event.start_mark)
            path.pop()

    def _key(self, event: Any) -> str:
        if type(event) is not yaml.ScalarEvent or event.tag not in _STRINGS:
            raise self._stop("a key must be a plain text", event.start_mark, "quote it")
        self.scalars += 1
        key: str = event.value
        if key == "<<" and not event.style:
            raise self._stop(
                "merge keys (`<<`) are not supported",
                event.start_mark,
                "write the keys out, or use an alias for a whole value",
            )
        if not key:
            raise self._stop("a key is empty", event.start_mark)
        return key

    def _count_finding(self, mark: Any) -> None:
        if len(self.problems) + len(self.empties) >= MAX_FINDINGS:
            raise self._stop(f"more than {MAX_FINDINGS:,} repeated keys and empty values", mark)

    def _note_empty(self, mark: Any) -> None:
        self._count_finding(mark)
        if self._lines is None:
            self._lines = self._text.split("\n")
        line = self._lines[mark.line] if mark.line < len(self._lines) else ""
        comment = _COMMENT.search(line, mark.column)
        self.empties.append(
            Empty(tuple(self._path), self._place(mark), comment[1] if comment else None)
        )


def _is_plain(event: Any) -> bool:
    return type(event) is yaml.ScalarEvent and not event.style


def _depth(data: Any) -> int:
    if isinstance(data, dict):
        return 1 + max(map(_depth, data.values()), default=0)
    if isinstance(data, list):
        return 1 + max(map(_depth, data), default=0)
    return 0


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """Say a libyaml error in the words of someone who writes rules."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.split("\n")
    source = lines[line].rstrip("\r") if line < len(lines) else ""
    if "scanning a tag" in (error.context or "") and error.context_mark is not None:
        column = error.context_mark.column
        source = lines[error.context_mark.line].rstrip("\r")
    message, hint = _plain_words(error, source, column)
    opened = error.context_mark.line if error.context_mark else line
    if "flow" in (error.context or "") and not _swallowed(source):
        # `[#arms, x]` breaks a line or more after the `#`: show the line that opened the bracket.
        for number in range(opened, line):
            swallowed = _swallowed(lines[number])
            if swallowed is not None:
                place = Place(file, number + 1, swallowed.start() + 1)
                return Problem(
                    f"`{lines[number][swallowed.start() :].strip()[:40]}` is read as a comment",
                    place,
                    f'quote it: "#{swallowed[1]}"; or, for a list of terms, list:{swallowed[1]}',
                    excerpt=_excerpt(lines[number], swallowed.start()),
                )
    if error.context and error.context_mark and error.context_mark.line != line:
        message += f" ({error.context}, line {error.context_mark.line + 1})"
    return Problem(
        message, Place(file, line + 1, column + 1), hint, excerpt=_excerpt(source, column)
    )


def _excerpt(source: str, column: int) -> str:
    """Return the line with a caret beneath the column; nothing where a secret may stand in it."""
    if not source or len(source) > 200 or _SECRET_LINE.search(source):
        return ""
    caret = "".join("\t" if letter == "\t" else " " for letter in source[:column])
    return f"{source}\n{caret}^"


def _swallowed(source: str) -> re.Match[str] | None:
    """Find the `#` that made a term a comment: right after a bracket, a comma or a colon."""
    return _SWALLOWED.search(source)


def _plain_words(error: yaml.MarkedYAMLError, source: str, column: int) -> tuple[str, str]:
    """Return libyaml's message in plain words, and what to do."""
    problem = f"{error.context or ''}: {error.problem or ''}"
    if "\t" in source[: column + 1] and (
        "cannot start any token" in problem or not source[:column].strip()
    ):
        return "a tab can't be used to indent", "use blanks"
    if "cannot start any token" in problem or "scanning a tag" in problem:
        sign = source[column : column + 1]
        return f"a text can't start with `{sign}`", f'quote it: "{_word(source[column:])}"'
    if "mapping values are not allowed" in problem:
        return "a `:` where no key can stand", "quote the text that contains it"
    if "undefined alias" in problem or "did not find expected alphabetic" in problem:
        return "`*` or `&` at the start of a text", 'quote it: "*text"'
    if "while scanning a quoted scalar" in problem or "unexpected end of stream" in problem:
        return "a quote is opened and never closed", "add the closing quote"
    if "unexpected document" in problem:
        return "a quote is opened and never closed", "add the closing quote"
    hint = ""
    if "#" in source:
        hint = "`#` starts a comment in YAML: quote it or write list:name"
    elif "expected" in problem:
        hint = "check the indentation, brackets and quotes here and in the line before"
    return f"not YAML: {error.problem}", hint


def _word(text: str) -> str:
    found = re.match(r"[^,\]}\s]+", text)
    return found[0] if found else text[:1]

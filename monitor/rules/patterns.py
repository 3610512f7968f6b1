"""Regular expressions by RE2: linear time, bounded size, Unicode-aware ``\\b \\w \\d``.

RE2's own classes are ASCII only (measured: plain RE2 does not find ``\\bсирия\\b``), so they are
rewritten to Unicode classes. ``\\b`` has no Unicode spelling in RE2: at an edge of the expression
it is checked outside, in between it becomes an ASCII-or-Unicode letter test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

MAX_MEMORY = 8 << 20
"""RE2's default bound on a compiled expression, in bytes (re2.h kDefaultMaxMem)."""
MAX_LENGTH = 500
MAX_TEXT = 20_000
"""Characters of a field that expressions are run on; bounds RE2's slow path (captures)."""
MAX_HITS = 100
"""Occurrences reported per field and expression."""

_WORD = r"\p{L}\p{N}\p{M}_"
_CLASSES = {
    "w": f"[{_WORD}]",
    "W": f"[^{_WORD}]",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": r"[\s\p{Z}]",
    "S": r"[^\s\p{Z}]",
}
_NAMED = re.compile(r"\(\?P?<\w+>")
_IN_CLASS = {"w": _WORD, "d": r"\p{Nd}", "s": r"\s\p{Z}", "D": r"\P{Nd}"}


class PatternError(ValueError):
    """An expression that RE2 can't or mustn't run."""

    def __init__(self, message: str, hint: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.offset = offset


def compile_pattern(source: str) -> str:
    """Return ``source`` rewritten for RE2 and known to compile; raises ``PatternError``."""
    if not source:
        raise PatternError("empty regular expression", "write something between the slashes")
    if len(source) > MAX_LENGTH:
        raise PatternError(
            f"regular expression of {len(source)} characters", f"keep it under {MAX_LENGTH}"
        )
    _refuse(source)
    pattern = rewrite(source)
    _engine(pattern)
    return pattern


def find(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the first ``MAX_HITS`` non-empty matches of a compiled pattern."""
    count = 0
    for found in _engine(pattern).finditer(text[:MAX_TEXT]):
        spans = (found.span(number) for number in range(1, found.re.groups + 1))
        start, end = next((span for span in spans if span[0] >= 0), (0, 0))
        if start == end:
            continue
        yield start, end
        count += 1
        if count >= MAX_HITS:
            return


def rewrite(source: str) -> str:
    """Return ``source`` with Unicode classes and case folded; each alternative is one group,
    and there are no others."""
    return "(?i)" + "|".join(_rewritten(each) for each in _alternatives(source))


def _alternatives(source: str) -> list[str]:
    """Cut at the bars that stand in no parentheses and no class."""
    out: list[str] = []
    depth = start = at = 0
    in_class = False
    while at < len(source):
        char = source[at]
        if char == "\\":
            at += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += source.startswith(("[]", "[^]"), at) + source.startswith("[^]", at)
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and not depth:
            out.append(source[start:at])
            start = at + 1
        at += 1
    return [*out, source[start:]]


def _rewritten(source: str) -> str:
    out: list[str] = []
    at = 0
    in_class = False
    while at < len(source):
        char = source[at]
        if char == "\\" and at + 1 < len(source):
            name = source[at + 1]
            if in_class:
                out.append(_IN_CLASS.get(name, char + name))
            elif name == "b":
                out.append(_boundary(source, at))
            else:
                out.append(_CLASSES.get(name, char + name))
            at += 2
            continue
        if char == "[" and not in_class:
            in_class = True
            out.append(char)
            if source[at + 1 : at + 2] == "^":
                out.append("^")
                at += 1
            if source[at + 1 : at + 2] == "]":
                out.append("\\]")
                at += 1
        elif char == "]" and in_class:
            in_class = False
            out.append(char)
        elif char == "[" and in_class and source[at + 1 : at + 2] != ":":
            out.append("\\[")
        elif char == "(" and not in_class:
            named = _NAMED.match(source, at)
            out.append(char if not named and source[at + 1 : at + 2] == "?" else "(?:")
            at += len(named[0]) - 1 if named else 0
        else:
            out.append(char)
        at += 1
    return _wrapped("".join(out))


_START = "\ue000"
_END = "\ue001"
_MIDDLE = "\ue002"


def _boundary(source: str, at: int) -> str:
    if at == 0:
        return _START
    if at + 2 == len(source):
        return _END
    return _MIDDLE


def _wrapped(body: str) -> str:
    lead = rf"(?:^|[^{_WORD}])" if body.startswith(_START) else ""
    trail = rf"(?:[^{_WORD}]|$)" if body.endswith(_END) else ""
    inner = body.removeprefix(_START).removesuffix(_END).replace(_MIDDLE, r"\b")
    return f"{lead}({inner}){trail}"


def _refuse(source: str) -> None:
    at = 0
    while at < len(source):
        if source[at] == "\\" and at + 1 < len(source):
            if source[at + 1] in "123456789":
                raise PatternError(
                    f"back-reference \\{source[at + 1]} is not supported by RE2",
                    "list the alternatives: (aa|bb)",
                    at + 1,
                )
            at += 2
            continue
        for mark, what in (
            ("(?=", "look-ahead"),
            ("(?!", "negative look-ahead"),
            ("(?<=", "look-behind"),
            ("(?<!", "negative look-behind"),
            ("(?>", "atomic group"),
        ):
            if source.startswith(mark, at):
                raise PatternError(
                    f"{what} {mark}…) is not supported by RE2",
                    "use `none`, NEAR or `unless_in` for what must not stand beside it",
                    at + 1,
                )
        at += 1


@lru_cache(maxsize=4096)
def _engine(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        said = error.args[0] if error.args else "invalid"
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        hint = "make it smaller" if "large" in text else "see the syntax of RE2"
        raise PatternError(f"regular expression refused: {text}", hint) from None

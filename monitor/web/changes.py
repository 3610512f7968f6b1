"""Changes of the configuration: shown as a difference first, written only when asked.

What was shown is what is written: a change is kept as the file's whole new text, and refused when
the file is no longer the one it was made of.
"""

from __future__ import annotations

import difflib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.config.edit import text_of, validate, write
from monitor.errors import ConfigError, Problem

KEPT = 20  # changes that wait to be written
SHOWN = 2_000  # lines of a difference


@dataclass(frozen=True, slots=True)
class Change:
    """A file's text as it is and as it would be; ``main`` is the configuration it belongs to."""

    file: Path
    before: str
    after: str
    main: Path

    @classmethod
    def of(cls, file: Path, after: str, main: Path, env: Mapping[str, str]) -> Change:
        """Return the change to ``after``; raises ``ConfigError`` where it would not load."""
        validate(file, after, main, env)
        return cls(file, text_of(file), after, main)

    def lines(self) -> Sequence[str]:
        """Return the unified difference, without the lines' ends."""
        name = self.file.name
        found = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, name, lineterm=""
        )
        lines = list(found)
        if len(lines) > SHOWN:
            more = len(lines) - SHOWN
            lines[SHOWN:] = [f"… and {more} lines more"]
        return lines


class Changes:
    """Keeps what was shown until it is written, the last ``KEPT`` of them."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Change, str]] = {}

    def keep(self, change: Change, then: str) -> str:
        """Return the name under which ``change`` waits; ``then`` is what is said once it is
        written."""
        name = secrets.token_urlsafe(12)
        self._waiting[name] = (change, then)
        while len(self._waiting) > KEPT:
            del self._waiting[next(iter(self._waiting))]
        return name

    def write(self, name: str, env: Mapping[str, str]) -> str:
        """Write a change that waits and return what to say; raises ``ConfigError`` where there is
        none (any more), the file has changed since, or the whole would no longer load."""
        change, then = self._waiting.get(name, (None, ""))
        if change is None:
            raise _refused("this change is no longer at hand: make it again")
        if digest(text_of(change.file)) != digest(change.before):
            raise _refused("the file has changed since: look at the change again")
        validate(change.file, change.after, change.main, env)
        write(change.file, change.after)
        del self._waiting[name]
        return then


def digest(text: str) -> bytes:
    """Return what says whether a file is still as it was."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _refused(message: str) -> ConfigError:
    return ConfigError([Problem(message)])

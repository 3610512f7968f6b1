"""The exception tree.

::

    NewswatchError
    ├── ConfigError          the configuration (or another input file) can't be used; has Problems
    ├── UsageError           a command was called with words it can't use
    ├── StateError           the state directory or database can't be used
    │   ├── AlreadyRunning   another process holds the lock of this state directory (exit 75)
    │   ├── OutOfReach       the database's server doesn't answer now (exit 75)
    │   ├── NewerSchema      the database was written by a newer version
    │   └── CorruptState     the database is damaged; never recreated silently
    ├── FetchError           a feed couldn't be fetched; has a plain-words reason
    │   ├── RefusedAddress   the guard refused to dial an address
    │   └── BodyRefused      too large, cut short, or not decodable
    └── ParseError           a body was fetched but is not a feed

Every message says what was wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_TEMPFAIL = 75  # sysexits.h EX_TEMPFAIL: try again later


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; ``line`` and ``column`` start at 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about an input: what is wrong, where, and the fix.

    ``excerpt`` is an optional source line with a caret line beneath it.
    """

    message: str
    place: Place | None = None
    hint: str = ""
    level: Literal["error", "warning", "note"] = "error"
    excerpt: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        fix = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.level}: {self.message}{fix}"


class NewswatchError(Exception):
    """The root: anything this program raises on purpose."""

    exit_code = EXIT_USAGE


class ConfigError(NewswatchError):
    """The configuration can't be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(NewswatchError):
    """A command was called with words it can't use."""


class StateError(NewswatchError):
    """The state directory or database can't be used."""


class AlreadyRunning(StateError):
    """Another process holds the lock of this state directory."""

    exit_code = EXIT_TEMPFAIL


class OutOfReach(StateError):
    """The database's server can't be reached, or takes nothing now: it may later."""

    exit_code = EXIT_TEMPFAIL


class NewerSchema(StateError):
    """The database was written by a newer version of this program."""


class CorruptState(StateError):
    """The database is damaged."""


class FetchError(NewswatchError):
    """A feed couldn't be fetched.

    ``reason`` is a short slug for counters ("timeout", "dns", "tls", "http_500").
    """

    def __init__(self, message: str, reason: str = "error") -> None:
        super().__init__(message)
        self.reason = reason


class RefusedAddress(FetchError):
    """The guard refused to dial an address."""


class BodyRefused(FetchError):
    """The body is too large, cut short, or can't be decoded."""


class ParseError(NewswatchError):
    """A body was fetched but is not a feed."""

    def __init__(self, message: str, reason: str = "not_a_feed") -> None:
        super().__init__(message)
        self.reason = reason

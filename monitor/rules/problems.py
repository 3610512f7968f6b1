"""What the compiler has to say about a configuration's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]
Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One finding: what is wrong, where in the configuration, and the fix.

    ``path`` leads to the value ("rules", 3, "match"); ``offset`` is a code-point offset inside that
    scalar, and ``excerpt`` the query with a caret line beneath, where they apply. ``never`` marks
    an error that says only that the rule can't fire (nothing but ``none``).
    """

    path: Path
    message: str
    hint: str = ""
    level: Level = "error"
    offset: int | None = None
    excerpt: str = ""
    never: bool = False


class RuleError(Exception):
    """Raised while compiling one clause; carries the problem."""

    def __init__(self, problem: RuleProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def fail(
    path: Sequence[str | int], message: str, hint: str = "", offset: int | None = None
) -> RuleError:
    """Return the exception for an error at ``path``."""
    return RuleError(RuleProblem(tuple(path), message, hint, "error", offset))

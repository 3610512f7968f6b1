"""What a chaos run came to, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ledger:
    """What a run came to."""

    seed: int
    seconds: float = 0.0
    kills: int = 0
    planted: int = 0
    lost: list[str] = field(default_factory=list)
    copies: dict[str, int] = field(default_factory=dict)  # stories told more than once
    false: list[str] = field(default_factory=list)
    early: int = 0
    refused: int = 0
    lost_answers: int = 0
    late: list[float] = field(default_factory=list)  # seconds from publishing to Slack
    points: dict[str, int] = field(default_factory=dict)  # kills at each failpoint
    feed_faults: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)  # what else happened, how often
    check: str = ""
    log: str = ""
    evidence: list[str] = field(default_factory=list)  # how each double came about

    @property
    def doubles(self) -> int:
        return sum(count - 1 for count in self.copies.values())

    @property
    def sound(self) -> bool:
        """Tell whether nothing was lost, doubled or made up, and the database is whole."""
        return not (self.lost or self.copies or self.false) and self.check == "ok"

    def rows(self) -> list[tuple[str, str]]:
        """Return the table's lines."""
        late = sorted(self.late) or [0.0]
        return [
            ("seed", str(self.seed)),
            ("seconds", f"{self.seconds:.0f}"),
            ("kill -9 cycles", str(self.kills)),
            ("stories that must be told", str(self.planted)),
            ("lost", str(len(self.lost))),
            ("doubles", str(self.doubles)),
            ("false alerts", str(len(self.false))),
            ("requests before Retry-After", str(self.early)),
            ("messages Slack refused", str(self.refused)),
            ("messages whose answer was lost", str(self.lost_answers)),
            ("told after, s (median, 95 %, most)", _quantiles(late)),
            ("kills at each point, at least", str(min(self.points.values(), default=0))),
            *((f"  {name}", str(count)) for name, count in self.points.items()),
            *((f"feed answers: {name}", str(n)) for name, n in sorted(self.feed_faults.items())),
            *((f"event: {name}", str(n)) for name, n in sorted(self.events.items())),
            ("database check", self.check),
        ]


def _quantiles(late: Sequence[float]) -> str:
    return ", ".join(f"{late[min(len(late) - 1, int(len(late) * q))]:.1f}" for q in (0.5, 0.95, 1))


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Return ``rows`` as aligned lines."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

"""The ways a call can go wrong, drawn from a seed or set one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from random import Random


class Fault(Enum):
    """What happens to one call. ``stores``: the message is kept all the same."""

    RATE_LIMITED = "429 although the bucket has room"
    ERROR_BEFORE = "500, nothing stored"
    ERROR_AFTER = "500 although stored"
    RESET_BEFORE = "connection reset, nothing stored"
    RESET_AFTER = "connection reset after storing"
    LATE = "stored at once, the answer comes too late"
    GARBAGE = "stored, but the answer is HTML"
    PORTAL = "200 with HTML, nothing stored"
    FATAL = "stored, answered fatal_error"
    CUT = "stored, the answer is cut off"

    @property
    def stores(self) -> bool:
        return self in (
            Fault.ERROR_AFTER,
            Fault.RESET_AFTER,
            Fault.LATE,
            Fault.GARBAGE,
            Fault.FATAL,
            Fault.CUT,
        )


UNCLEAR = tuple(fault for fault in Fault if fault is not Fault.RATE_LIMITED)


@dataclass(slots=True)
class Faults:
    """Draws faults for posts: ``unclear`` and ``limited`` are probabilities (0-1).

    ``late`` is how long a LATE answer takes, in seconds; ``script`` is used up first, one entry a
    post (None: no fault).
    """

    seed: int = 1
    unclear: float = 0.0
    limited: float = 0.0
    late: float = 5.0
    kinds: tuple[Fault, ...] = UNCLEAR
    script: list[Fault | None] = field(default_factory=list)
    lost_answers: int = 0  # messages stored without the sender being told
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def draw(self) -> Fault | None:
        """Return what befalls the next post, or None."""
        fault = self._next()
        self.lost_answers += fault is not None and fault.stores
        return fault

    def _next(self) -> Fault | None:
        if self.script:
            return self.script.pop(0)
        chance = self._random.random()
        if chance < self.limited:
            return Fault.RATE_LIMITED
        if chance < self.limited + self.unclear:
            return self._random.choice(self.kinds)
        return None

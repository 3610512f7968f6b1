"""When something may be sent: token buckets, back-off and the circuit breaker.

Pure arithmetic over monotonic seconds; nothing here sleeps or reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

BACKOFF_FIRST = 1.0
BACKOFF_CAP = 900.0  # 15 minutes: a channel that was down for hours is still found again soon
BREAKER_AFTER = 5
PROBE_FIRST = 30.0
PROBE_CAP = 300.0


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens a second, at most ``burst`` saved up; a rate of 0 means no limit."""

    rate: float
    burst: int = 1
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def _refill(self, now: float) -> None:
        if now > self._at:
            if self._at > float("-inf"):
                self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now

    def available(self, now: float, most: int) -> int:
        """Return how many may go at ``now`` (monotonic seconds), at most ``most``."""
        if self.rate <= 0:
            return most
        self._refill(now)
        # 1e-9: a refill of exactly one token must count as one despite rounding.
        return min(most, int(self._tokens + 1e-9))

    def take(self, now: float, count: int = 1) -> None:
        """Use up ``count`` tokens; the debt of a late count is paid before the next."""
        if self.rate > 0:
            self._refill(now)
            self._tokens -= count

    def restart(self, now: float) -> None:
        """Count the next token from ``now``: for a channel that measures from answer to call."""
        if self.rate > 0:
            self._refill(now)
            # What was saved up before stays saved; a token that grew meanwhile doesn't count.
            self._tokens = max(0.0, float(int(self._tokens + 1e-9)) if self.burst > 1 else 0.0)

    def ready_at(self, now: float) -> float:
        """Return the monotonic second at which one token will be there."""
        if self.rate <= 0:
            return now
        self._refill(now)
        return now + max(0.0, (1.0 - self._tokens) / self.rate)


def backoff(failures: int, random: Random) -> float:
    """Return seconds to wait after ``failures`` (>= 1) in a row: full jitter, so that many
    channels that failed together don't come back together."""
    bound = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(failures - 1, 20))
    return random.uniform(min(BACKOFF_FIRST, bound) / 2, bound)


@dataclass(slots=True)
class Breaker:
    """Opens after ``BREAKER_AFTER`` failures in a row; while open, one probe at a time, each
    twice as late as the one before (30 s to 5 min)."""

    failures: int = 0
    probes: int = 0
    open_until: float | None = None
    opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    def failed(self, now: float) -> bool:
        """Count a failure; returns True when this one opened the breaker."""
        self.failures += 1
        if self.open_until is not None or self.failures < BREAKER_AFTER:
            return False
        self.open_until = now + PROBE_FIRST
        self.opened_at = now
        return True

    def probe_failed(self, now: float) -> None:
        self.probes += 1
        self.open_until = now + min(PROBE_CAP, PROBE_FIRST * 2.0**self.probes)

    def worked(self) -> bool:
        """Count a success; returns True when this one closed the breaker."""
        was_open = self.is_open
        self.failures = self.probes = 0
        self.open_until = self.opened_at = None
        return was_open

"""How many alerts went where lately: the memory behind throttles, groups and inhibition. Pure.

A ``Ledger`` remembers only what a limit asks for, so it stays small: for each key the newest
``limit`` times. It is stored with the polls that changed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.config.types import Throttle

GROUP_MEMORY = timedelta(days=8)  # longer than any sensible group_interval


@dataclass(slots=True)
class Sends:
    """The newest alerts under one key: seconds since the epoch, oldest first; ``per`` in
    seconds is how long one counts."""

    per: float
    times: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """Counts alerts by key ("channel/news", "rule/Banks/news", "feed/Wire/news"). ``groups`` has
    the last time of each group's message."""

    sends: dict[str, Sends] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)

    def full_until(self, key: str, throttle: Throttle, now: datetime) -> datetime | None:
        """Return when ``key`` has room again, None when it has room now.

        Times ahead of ``now`` (the clock was set back) don't count: they would block for as long.
        """
        sends = self.sends.get(key)
        if sends is None:
            return None
        end, per = now.timestamp(), throttle.per.total_seconds()
        recent = [each for each in sends.times if end - per < each <= end]
        if len(recent) < throttle.limit:
            return None
        return datetime.fromtimestamp(recent[-throttle.limit] + per, now.tzinfo)

    def note(self, key: str, throttle: Throttle, now: datetime) -> None:
        """Count one alert under ``key``."""
        per = throttle.per.total_seconds()
        sends = self.sends.setdefault(key, Sends(per))
        sends.per = per
        sends.times = [*sends.times, now.timestamp()][-throttle.limit :]

    def forget_old(self, now: datetime) -> None:
        """Drop the keys and groups that no longer count."""
        end = now.timestamp()
        for key in [k for k, s in self.sends.items() if not s.times or s.times[-1] + s.per < end]:
            del self.sends[key]
        old = end - GROUP_MEMORY.total_seconds()
        for key in [k for k, at in self.groups.items() if at < old]:
            del self.groups[key]

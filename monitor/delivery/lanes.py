"""Lanes: what shares one message rate, and how each fares. No calls and no store here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.delivery.pacing import Breaker, TokenBucket
from monitor.delivery.sender import Sender

Blocked = Literal["", "backoff", "paused", "parked"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages may go: Slack allows one a second in a channel, and not much more in a
    workspace (docs.slack.dev/apis/web-api/rate-limits). A rate of 0 means no limit.

    ``channel_burst`` is how many a channel may save up, ``batch`` how many rows of one channel are
    stored in one transaction when the rate allows it.
    """

    channel_burst: int = 1
    service_rate: float = 5.0
    service_burst: int = 5
    batch: int = 20


@dataclass(slots=True)
class Service:
    """What fails and is probed as one (a workspace)."""

    key: str
    bucket: TokenBucket
    breaker: Breaker = field(default_factory=Breaker)
    history_after: float = float("-inf")  # monotonic second before which no history is read
    tasks: dict[str, asyncio.Task[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Lane:
    """Channels that share one rate. Times are monotonic seconds.

    ``unsettled``: a round broke off, so rows may be left as ``sending``.
    """

    key: str
    service: Service
    bucket: TokenBucket
    senders: dict[str, Sender] = field(default_factory=dict)
    blocked: Blocked = ""
    blocked_until: float = float("-inf")
    why: str = ""
    failures: int = 0
    backlog: bool = False
    unsettled: bool = False
    served_at: float = float("-inf")
    task: asyncio.Task[int] | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()

    def block(self, kind: Blocked, until: float, why: str) -> None:
        self.blocked, self.blocked_until, self.why = kind, until, why
        self.backlog = True

    def clear(self) -> None:
        self.blocked, self.blocked_until, self.why, self.failures = "", float("-inf"), "", 0

    def may_go(self, now: float) -> bool:
        return (
            self.blocked_until <= now
            and not self.service.breaker.is_open
            and self.bucket.available(now, 1) > 0
            and self.service.bucket.available(now, 1) > 0
        )

    def ready_at(self, now: float) -> float:
        """Return when the lane may send next, as far as is known."""
        return max(
            self.blocked_until,
            self.bucket.ready_at(now),
            self.service.bucket.ready_at(now),
            self.service.breaker.open_until or now,
        )

    def state(self, now: float) -> str:
        if self.blocked == "parked":
            return "parked"
        if self.service.breaker.is_open:
            return "unreachable"
        return "waiting" if self.blocked_until > now else "ok"


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel fares: "ok", "waiting", "unreachable" or "parked", and why."""

    channel: str
    state: str
    reason: str = ""


class Lanes:
    """The lanes and services of the configured channels."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.services: dict[str, Service] = {}
        self.by_key: dict[str, Lane] = {}
        self.by_channel: dict[str, Lane] = {}

    def adopt(self, senders: Mapping[str, Sender]) -> None:
        """Make lanes for ``senders``, keeping what is known of those that stay; parked ones are
        tried at once (the configuration may have been the cure)."""
        old_lanes, old_services = self.by_key, self.services
        self.by_key, self.services, self.by_channel = {}, {}, {}
        for channel, sender in senders.items():
            service = self.services.get(sender.service) or old_services.get(sender.service)
            if service is None:
                # Only what has a rate of its own shares one with its neighbours.
                rate = self._pace.service_rate if sender.interval > 0 else 0.0
                bucket = TokenBucket(rate, self._pace.service_burst)
                service = Service(sender.service, bucket)
            self.services[sender.service] = service
            lane = self.by_key.get(sender.lane)
            if lane is None:
                lane = old_lanes.get(sender.lane)
                if lane is None:
                    rate = 1.0 / sender.interval if sender.interval > 0 else 0.0
                    lane = Lane(sender.lane, service, TokenBucket(rate, self._pace.channel_burst))
                elif lane.blocked == "parked":
                    lane.clear()
                lane.service, lane.senders = service, {}
                self.by_key[sender.lane] = lane
            lane.senders[channel] = sender
            self.by_channel[channel] = lane
        for key, lane in old_lanes.items():
            if key not in self.by_key and lane.busy:
                lane.senders = {}
                self.by_key[key] = lane  # until what is in flight has ended

    def fair(self) -> list[Lane]:
        """Return the lanes, the one that waited longest first: a flood starves nobody."""
        return sorted(self.by_key.values(), key=lambda lane: lane.served_at)

    def health(self, now: float) -> tuple[ChannelHealth, ...]:
        """Return how each channel fares at ``now`` (monotonic seconds)."""
        out = []
        for channel, lane in self.by_channel.items():
            state = lane.state(now)
            out.append(ChannelHealth(channel, state, lane.why if state != "ok" else ""))
        return tuple(out)

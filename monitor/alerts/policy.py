"""What a channel does with its alerts: its own policy, overridden by the routes that chose it.

Pure: settings in, a frozen ``Policy`` out. When an alert may go is said here for what needs only
the time; what needs a memory (throttles, groups) is in ``throttle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor.alerts.calendar import Calendar, next_time
from monitor.alerts.route import CONSOLE, Destination, default_channel
from monitor.config.hours import Hours, Schedule, Window
from monitor.config.models import (
    ChannelSettings,
    QuietHours,
    RouteSettings,
    Settings,
    UnansweredSettings,
)
from monitor.config.types import Throttle

# Alertmanager's defaults for group_wait and group_interval (prometheus.io/docs/alerting).
GROUP_WAIT = timedelta(seconds=30)
GROUP_INTERVAL = timedelta(minutes=5)
# A feed that brings more than this in an hour is broken or was reset (one article came 33 times,
# Olshansk/rss-feeds#15; 300 messages in 4 days, yiiframework.com#308): the rest comes as a digest.
PER_FEED = Throttle.parse("500 per hour")


# Changes between quiet and closed times that are looked through: some weeks of the busiest plan.
MOST_TURNS = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """How one alert is treated in one channel. ``route`` is the position of the route whose
    throttle it is, None for the channel's own."""

    zone: ZoneInfo
    live: bool = True
    digest: Schedule | None = None
    throttle: Throttle | None = None
    route: int | None = None
    per_feed: Throttle = PER_FEED
    quiet_hours: QuietHours | None = None
    hours: Hours | None = None
    group_by: tuple[str, ...] = ()
    group_wait: timedelta = GROUP_WAIT
    group_interval: timedelta = GROUP_INTERVAL
    unanswered: UnansweredSettings | None = None

    @property
    def digest_only(self) -> bool:
        """Whether alerts appear in digests alone."""
        return self.digest is not None and not self.live

    def quiet(self) -> Calendar:
        """Return the times in which nothing but the critical is posted."""
        quiet = self.quiet_hours
        if quiet is None:
            return Calendar(self.zone, ())
        window = Window(quiet.days, quiet.from_, quiet.to)
        return Calendar(self.zone, (window,), frozenset(quiet.except_))

    def active(self) -> Calendar | None:
        """Return the times in which alerts are posted; None: always."""
        if self.hours is None or not self.hours.windows:
            return None
        return Calendar(self.zone, self.hours.windows)


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when an alert is held, and why, in plain words."""

    until: datetime
    why: str


def policy_of(destination: Destination, settings: Settings) -> Policy:
    """Return the policy for an alert that goes to ``destination``.

    What a route says counts before what the channel says; of several routes the first that says
    something.
    """
    return merged_policy(
        settings.channels.get(destination.channel),
        [(position, settings.routes[position]) for position in destination.routes],
        settings,
    )


def channel_policy(channel: str, settings: Settings) -> Policy:
    """Return a channel's own policy."""
    return merged_policy(settings.channels.get(channel), (), settings)


def merged_policy(
    channel: ChannelSettings | None,
    routes: Sequence[tuple[int, RouteSettings]],
    settings: Settings,
) -> Policy:
    """Return the policy that ``channel`` and ``routes`` make together."""

    def said(name: str) -> tuple[Any, int | None]:
        for position, route in routes:
            if name in route.model_fields_set:
                return getattr(route, name), position
        return getattr(channel, name, None), None

    digest, digest_route = said("digest")
    throttle, throttle_route = said("throttle")
    group_wait, group_interval = said("group_wait")[0], said("group_interval")[0]
    return Policy(
        zone=ZoneInfo(settings.defaults.timezone),
        # A route that names a digest means: collect these.
        live=(channel is None or channel.live) and digest_route is None,
        digest=digest,
        throttle=throttle,
        route=throttle_route,
        per_feed=(channel.per_feed if channel else None) or PER_FEED,
        quiet_hours=said("quiet_hours")[0],
        hours=said("hours")[0],
        group_by=tuple(said("group_by")[0] or ()),
        group_wait=GROUP_WAIT if group_wait is None else group_wait,
        group_interval=GROUP_INTERVAL if group_interval is None else group_interval,
        unanswered=said("unanswered")[0],
    )


def held_by_time(policy: Policy, now: datetime) -> Wait | None:
    """Return until when the time of day holds an alert that came ``now``; None: it may go.

    Quiet and inactive times may follow each other: the wait ends when both are over. One that
    would never end is not kept: the alert goes out at once, and ``findings`` tells.
    """
    moment, why = now, ""
    quiet, active = policy.quiet(), policy.active()
    for _ in range(MOST_TURNS):
        if quiet.covers(moment):
            following, why = quiet.next_free(moment), why or "quiet hours"
        elif active is not None and not active.covers(moment):
            following, why = active.next_covered(moment), why or "outside active hours"
        else:
            return Wait(moment, why) if moment > now else None
        if following is None:
            return None
        moment = following
    return None


def held_for_digest(policy: Policy, now: datetime) -> Wait | None:
    """Return the wait for the next digest of a channel that posts digests alone."""
    if policy.digest is None or not policy.digest_only:
        return None
    until = next_time(policy.digest, policy.zone, now)
    return Wait(until, f"digest {policy.digest}") if until is not None else None


# What `check` says -------------------------------------------------------------------------------


def findings(settings: Settings) -> tuple[str, ...]:
    """Return what can't work as it is written in the channels' policies, in plain words, for
    ``check`` (what is unused and wakes nobody is ``config.lint``'s matter)."""
    out = []
    some_day = datetime(2026, 1, 1, tzinfo=UTC)
    for name, channel in settings.channels.items():
        policy = merged_policy(channel, (), settings)
        active = policy.active()
        if policy.quiet().next_free(some_day) is None:
            out.append(f"channel `{name}`: its quiet hours never end, so they are not kept")
        elif active is not None and active.next_covered(some_day) is None:
            out.append(f"channel `{name}`: its hours never come, so they are not kept")
        elif policy.quiet_hours is not None and not _opens(policy, some_day):
            out.append(f"channel `{name}`: quiet in all its active hours, so neither is kept")
        if channel.digest is None and not channel.live:
            out.append(f"channel `{name}`: `live: false` does nothing without a digest")
        if channel.digest is None and channel.heartbeat:
            out.append(f"channel `{name}`: `heartbeat` does nothing without a digest")
    routed = any(route.enabled and not route.when for route in settings.routes)
    unrouted = not routed and any(rule.enabled and not rule.to for rule in settings.rules)
    if unrouted and len(settings.channels) > 1 and default_channel(settings) == CONSOLE:
        out.append(
            "what no rule and no route sends anywhere goes to the console: name a channel as "
            "defaults.channel"
        )
    return tuple(out)


def _opens(policy: Policy, moment: datetime) -> bool:
    """Tell whether a channel is ever neither quiet nor closed."""
    quiet, active = policy.quiet(), policy.active()
    shut = quiet.covers(moment) or (active is not None and not active.covers(moment))
    return not shut or held_by_time(policy, moment) is not None

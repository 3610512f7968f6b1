"""Whether an alert is held, until when, and why: everything but `critical` and escalations asks.

Pure. The reasons in the order in which they are named: a silence that keeps, inhibition, a
throttle, a group that waits, the time of day, a channel that posts digests alone. The alert waits
for the last of them to end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.alerts.inhibit import Recent, inhibited_until
from monitor.alerts.policy import Policy, Wait, held_by_time, held_for_digest
from monitor.alerts.route import Destination, Labels, label_values
from monitor.alerts.silence import Silence
from monitor.alerts.throttle import Ledger
from monitor.config.models import InhibitSettings, RuleSettings
from monitor.config.types import Throttle

EACH = "each:"  # the group of what is released as a message of its own


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when, why, and with what an alert is released (``group``; "" is the channel's next
    digest). ``groups`` are the times of groups' next messages, to be remembered. An ``until`` that
    is not ahead means: now."""

    until: datetime
    why: str
    group: str = ""
    groups: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """One alert counts under ``key``."""

    key: str
    throttle: Throttle


def hold(
    labels: Labels,
    destination: Destination,
    policy: Policy,
    rules: Mapping[str, RuleSettings],
    inhibit: Sequence[InhibitSettings],
    ledger: Ledger,
    recent: Sequence[Recent],
    now: datetime,
    silence: Silence | None = None,
) -> Hold | None:
    """Return the hold for an alert, or None when it may go now."""
    waits: list[tuple[datetime, str]] = []
    if silence is not None:
        waits.append((silence.until, f"silenced: {silence.words()}"))
    inhibited = inhibited_until(labels, inhibit, recent, now)
    if inhibited is not None:
        waits.append(inhibited)
    if not policy.digest_only:  # digests can't flood: nothing to throttle
        waits.extend(_throttled(labels, destination, policy, rules, ledger, now))
    group = ""
    groups: tuple[tuple[str, datetime], ...] = ()
    by_group: datetime | None = None
    if policy.group_by and not waits and not policy.digest_only:
        group = group_of(labels, destination, policy)
        key = f"{destination.channel}/{group}"
        by_group = _next_message(key, policy, ledger, now)
        groups = ((key, by_group),)
        waits.append((by_group, f"grouped by {', '.join(policy.group_by)}"))
    moment = max((until for until, _ in waits), default=now)
    by_time = _by_time(policy, moment)
    if by_time is not None:
        moment = by_time.until
        # What waits for the morning comes in one message, whatever its group.
        group = f"{EACH}{labels.story}" if _one_by_one(policy, waits, by_group) else ""
    if moment <= now and not groups:
        return None
    why = waits[0][1] if waits and waits[0][0] > now else by_time.why if by_time else ""
    return Hold(moment, why, group, groups)


def _by_time(policy: Policy, moment: datetime) -> Wait | None:
    """Return the wait for the time of day, or for the next digest and, should that fall into
    quiet hours, for their end."""
    if not policy.digest_only:
        return held_by_time(policy, moment)
    digest = held_for_digest(policy, moment)
    if digest is None:
        return held_by_time(policy, moment)
    quiet = held_by_time(policy, digest.until)
    return Wait(quiet.until, digest.why) if quiet else digest


def _one_by_one(
    policy: Policy, waits: Sequence[tuple[datetime, str]], by_group: datetime | None
) -> bool:
    """Tell whether quiet hours end with each alert by itself: so configured, and nothing else
    held it."""
    quiet = policy.quiet_hours
    alone = not waits or by_group is not None
    return alone and quiet is not None and quiet.release == "each" and not policy.digest_only


# Throttles ---------------------------------------------------------------------------------------


def _throttled(
    labels: Labels,
    destination: Destination,
    policy: Policy,
    rules: Mapping[str, RuleSettings],
    ledger: Ledger,
    now: datetime,
) -> list[tuple[datetime, str]]:
    out = []
    if policy.throttle is not None:
        until = ledger.full_until(_throttle_key(destination, policy), policy.throttle, now)
        if until is not None:
            out.append((until, f"throttle {policy.throttle}"))
    until = ledger.full_until(_feed_key(labels, destination), policy.per_feed, now)
    if until is not None:
        out.append((until, f"more than {policy.per_feed} from {labels.feed}"))
    # A rule's throttle holds an alert only when every rule that brought it here is over its own.
    throttles = _rule_throttles(destination, rules)
    full = [
        (ledger.full_until(_rule_key(rule, destination), throttle, now), f"throttle {throttle}")
        if throttle
        else (None, "")
        for rule, throttle in throttles
    ]
    found = [(until, why) for until, why in full if until is not None]
    if found and len(found) == len(throttles):
        out.append(min(found))
    return out


def counts_of(
    labels: Labels, destination: Destination, policy: Policy, rules: Mapping[str, RuleSettings]
) -> tuple[Count, ...]:
    """Return what an alert that goes out now counts for."""
    out = [Count(_feed_key(labels, destination), policy.per_feed)]
    if policy.throttle is not None:
        out.append(Count(_throttle_key(destination, policy), policy.throttle))
    out.extend(
        Count(_rule_key(rule, destination), throttle)
        for rule, throttle in _rule_throttles(destination, rules)
        if throttle is not None
    )
    return tuple(out)


def _rule_throttles(
    destination: Destination, rules: Mapping[str, RuleSettings]
) -> list[tuple[str, Throttle | None]]:
    return [(rule, rules[rule].throttle if rule in rules else None) for rule in destination.rules]


def _throttle_key(destination: Destination, policy: Policy) -> str:
    of = "channel" if policy.route is None else f"route {policy.route + 1}"
    return f"{of}/{destination.channel}"


def _feed_key(labels: Labels, destination: Destination) -> str:
    return f"feed/{labels.feed}/{destination.channel}"


def _rule_key(rule: str, destination: Destination) -> str:
    return f"rule/{rule}/{destination.channel}"


# Groups ------------------------------------------------------------------------------------------


def group_of(labels: Labels, destination: Destination, policy: Policy) -> str:
    """Return the name of the group an alert belongs to: the values of the labels grouped by."""
    parts = []
    for name in policy.group_by:
        values = {value for rule in destination.rules for value in label_values(name, labels, rule)}
        parts.append(f"{name}={','.join(sorted(values))}")
    return "; ".join(parts)


def _next_message(key: str, policy: Policy, ledger: Ledger, now: datetime) -> datetime:
    """Return when the group's next message goes: soon after its first alert, then at intervals
    (Alertmanager's group_wait and group_interval)."""
    longest = max(policy.group_wait, policy.group_interval)
    last = ledger.groups.get(key)
    at = datetime.fromtimestamp(last, now.tzinfo) if last is not None else None
    if at is None or at + policy.group_interval <= now or at - now > longest:
        return now + policy.group_wait
    return at if at > now else at + policy.group_interval

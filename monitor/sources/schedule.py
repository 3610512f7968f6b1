"""When to ask a feed again, and what to remember of it. Pure: no clock, no network, no store.

One function turns a feed's state and what one poll brought into the feed's whole new state. The
poll times follow the feed's own rhythm: an entry is seen soonest, on the average over all feeds,
when each feed is polled in proportion to the square root of its rate (see ``interval_for``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from monitor.config.models import PollingSettings
from monitor.sources.fetch import FetchOutcome
from monitor.store.port import FeedState, Validators
from monitor.values import Feed, ParsedFeed

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
JITTER = 0.1  # a tenth of the interval, added: polls are never closer than the interval says
GONE_ANSWERS = 3  # 410 answers, over at least GONE_SPAN, until a feed is disabled
GONE_SPAN = timedelta(hours=24)
MOVED_ANSWERS = 3  # equal permanent redirects until the new address is adopted
FORBIDDEN_WAIT = timedelta(hours=4)  # for 401, 403 and 429 (what Unread Cloud waits, 2024-08)
MISSING_NOTICE = timedelta(days=3)  # of 404 until it is called an alarm
CACHE_MAX = timedelta(hours=12)  # a wrong max-age must not silence a feed for longer
RATE_SPAN = 7.0  # days: the memory of the estimated rate
PRIOR_RATE, PRIOR_DAYS = 5.0, 1.0  # median posts a day of synthetic and real lists; its weight
MIN_RATE = 0.01  # entries a day; keeps the arithmetic finite
PRIOR_INTERVAL = timedelta(minutes=30)  # for a feed of PRIOR_RATE


def rate_of(state: FeedState) -> float:
    """Return the feed's estimated rate, in new entries a day (never 0)."""
    return max(_number(state.extra, "rate", PRIOR_RATE), MIN_RATE)


def interval_for(rate: float, polling: PollingSettings) -> timedelta:
    """Return how long to wait for a feed of ``rate`` new entries a day.

    With polls every T, an entry waits T/2 on the average; minimising the sum of rate·T/2 over all
    feeds under a budget of Σ 1/T polls gives T ∝ 1/√rate (after Sia & Cho, "Efficient Monitoring
    Algorithm for Fast News Alerts", 2007).
    """
    interval = PRIOR_INTERVAL * math.sqrt(PRIOR_RATE / rate)
    return min(max(interval, polling.min), polling.max)


def after_poll(
    state: FeedState,
    feed: Feed,
    outcome: FetchOutcome,
    parsed: ParsedFeed | None,
    new_entries: int,
    now: datetime,
    polling: PollingSettings,
    random: Random,
    parse_error: str = "",
) -> FeedState:
    """Return the feed's whole new state after one poll.

    ``parsed`` is the body's feed (None when there was no new body or it couldn't be parsed, then
    ``parse_error`` says why), ``new_entries`` how many of its entries were not known. Validators
    are taken over only after a clean parse.
    """
    extra = dict(state.extra)
    _remember_hold(extra, outcome, now)
    if outcome.status == "failed" or (outcome.status == "ok" and parsed is None):
        return _after_failure(state, feed, outcome, now, polling, random, parse_error, extra)

    first = state.baselined_at is None
    if outcome.status == "not_modified" or parsed is None:
        words = "ok: unchanged"
        validators = outcome.validators
    else:
        words = f"ok: {len(parsed.entries)} entries, {new_entries} new"
        validators = outcome.validators
        extra["entries"] = len(parsed.entries)
        _remember_hints(extra, parsed)
    for name in ("failing_since", "gone", "gone_since", "reason"):
        extra.pop(name, None)
    moved_to = _moved(state, feed, outcome, extra)
    rate = max(_new_rate(state, parsed, new_entries, now, first), MIN_RATE)
    extra["rate"] = rate
    if outcome.url != feed.url and outcome.url != moved_to:
        extra["final_url"] = outcome.url
    elif "final_url" in extra:
        del extra["final_url"]
    elsewhere = state.extra.get("final_url") != extra.get("final_url")
    if elsewhere and state.moved_to == moved_to and outcome.status == "not_modified":
        # The redirect leads elsewhere now: these validators belong to another document.
        validators = Validators()
    interval = feed.every or interval_for(rate, polling)
    next_at = _next(now, interval, feed, outcome, extra, polling, random)
    return replace(
        state,
        next_at=next_at,
        baselined_at=state.baselined_at or (now if parsed is not None else None),
        validators=validators,
        last_poll_at=now,
        last_ok_at=now,
        last_new_at=now if new_entries else state.last_new_at,
        last_status=words,
        failures=0,
        entries_seen=state.entries_seen + new_entries,
        moved_to=moved_to,
        disabled_reason=None,
        title=(parsed.title or state.title) if parsed else state.title,
        extra=extra,
    )


def held_until(state: FeedState) -> datetime | None:
    """Return until when the server itself asked not to be polled (Retry-After, 429, 403), or
    None: what also a poll out of turn (`once`) obeys."""
    return _moment(state.extra, "held_until")


def _remember_hold(extra: dict[str, object], outcome: FetchOutcome, now: datetime) -> None:
    extra.pop("held_until", None)
    if outcome.retry_after is not None:
        extra["held_until"] = outcome.retry_after.isoformat()
    elif outcome.http_status in (401, 403, 429):
        extra["held_until"] = (now + FORBIDDEN_WAIT).isoformat()


def _after_failure(
    state: FeedState,
    feed: Feed,
    outcome: FetchOutcome,
    now: datetime,
    polling: PollingSettings,
    random: Random,
    parse_error: str,
    extra: dict[str, object],
) -> FeedState:
    failures = state.failures + 1
    extra.setdefault("failing_since", now.isoformat())
    reason = outcome.reason or "not_a_feed"
    extra["reason"] = reason
    words = outcome.message or parse_error or "not a feed"
    moved_to, validators, disabled = state.moved_to, state.validators, state.disabled_reason

    interval = feed.every or interval_for(rate_of(state), polling)
    wait = min(interval * 2 ** min(failures - 1, 10), DAY)
    if outcome.http_status in (401, 403, 429) and outcome.retry_after is None:
        wait = min(max(wait, FORBIDDEN_WAIT), DAY)
    if outcome.gone:
        count = int(_number(extra, "gone", 0)) + 1
        extra["gone"] = count
        extra.setdefault("gone_since", now.isoformat())
        since = _moment(extra, "gone_since") or now
        if disabled or (count >= GONE_ANSWERS and now - since >= GONE_SPAN):
            disabled = "gone: the publisher has taken the feed down (HTTP 410)"
            wait = WEEK
        else:
            wait = max(wait, timedelta(hours=8))
    else:
        extra.pop("gone", None)
        extra.pop("gone_since", None)
    if moved_to is not None and failures >= MOVED_ANSWERS:
        # The adopted address fails: go back to the configured one, which may lead elsewhere.
        moved_to, validators = None, Validators()
    if reason == "http_304":
        validators = Validators()
    next_at = now + wait + wait * JITTER * random.random()
    if outcome.retry_after is not None:
        next_at = max(next_at, outcome.retry_after + interval * JITTER * random.random())
    return replace(
        state,
        next_at=next_at,
        last_poll_at=now,
        last_status=words,
        failures=failures,
        moved_to=moved_to,
        validators=validators,
        disabled_reason=disabled,
        extra=extra,
    )


def _next(
    now: datetime,
    interval: timedelta,
    feed: Feed,
    outcome: FetchOutcome,
    extra: Mapping[str, object],
    polling: PollingSettings,
    random: Random,
) -> datetime:
    """Return the next poll: the interval, not before what the publisher asks for, with jitter."""
    earliest = now + interval
    if outcome.fresh_until is not None:
        earliest = max(earliest, min(outcome.fresh_until, now + min(CACHE_MAX, polling.max)))
    ttl = _number(extra, "ttl", 0.0)
    if ttl > 0:
        earliest = max(earliest, now + min(timedelta(minutes=min(ttl, 1e6)), CACHE_MAX))
    if outcome.retry_after is not None:
        earliest = max(earliest, outcome.retry_after)
    earliest += (earliest - now) * JITTER * random.random()
    return _past_skipped(earliest, extra)


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _past_skipped(moment: datetime, extra: Mapping[str, object]) -> datetime:
    """Move a poll out of the hours and days the feed asks readers to skip (RSS 2.0)."""
    hours = {hour for hour in _list(extra, "skip_hours") if isinstance(hour, int)}
    days = {day for day in _list(extra, "skip_days") if isinstance(day, str)}
    if len(hours) >= 24 or len(days) >= 7:
        return moment  # it asks never to be read: a mistake
    for _ in range(24 * 8):
        utc = moment.astimezone(UTC)
        if utc.hour not in hours and _WEEKDAYS[utc.weekday()] not in days:
            return moment
        top = utc.replace(minute=0, second=0, microsecond=0)
        moment = top + timedelta(hours=1, minutes=utc.minute * 0.5)
    return moment


def _remember_hints(extra: dict[str, object], parsed: ParsedFeed) -> None:
    hints: dict[str, object] = {
        "ttl": parsed.ttl,
        "skip_hours": sorted(parsed.skip_hours),
        "skip_days": sorted(parsed.skip_days),
        "hubs": list(parsed.hubs),
    }
    for name, value in hints.items():
        if value:
            extra[name] = value
        else:
            extra.pop(name, None)


def _moved(
    state: FeedState, feed: Feed, outcome: FetchOutcome, extra: dict[str, object]
) -> str | None:
    """Adopt a permanent redirect that three good polls in a row have confirmed."""
    target = outcome.permanent_redirect
    if target is None or target == feed.url:
        extra.pop("redirect", None)
        extra.pop("redirects", None)
        return state.moved_to
    count = int(_number(extra, "redirects", 0)) + 1 if extra.get("redirect") == target else 1
    if count >= MOVED_ANSWERS:
        extra.pop("redirect", None)
        extra.pop("redirects", None)
        return target
    extra["redirect"], extra["redirects"] = target, count
    return state.moved_to


def _new_rate(
    state: FeedState, parsed: ParsedFeed | None, new_entries: int, now: datetime, first: bool
) -> float:
    """Return the estimated rate in entries a day: an average that forgets over RATE_SPAN.

    The first poll has no interval to count over; the entries' own dates stand in for it.
    """
    if first and parsed is not None:
        return _rate_from_dates(parsed, now)
    old = rate_of(state)
    if state.last_ok_at is None:
        return old
    days = max((now - state.last_ok_at) / DAY, 1e-6)
    keep = math.exp(-days / RATE_SPAN)
    return old * keep + new_entries / days * (1 - keep)


def _rate_from_dates(parsed: ParsedFeed, now: datetime) -> float:
    dates = sorted(
        entry.published for entry in parsed.entries if entry.published and entry.published <= now
    )
    recent = [date for date in dates if now - date <= timedelta(days=RATE_SPAN)]
    if len(recent) < len(dates):
        return (len(recent) + PRIOR_RATE * PRIOR_DAYS) / (RATE_SPAN + PRIOR_DAYS)
    if not recent:
        return PRIOR_RATE
    span = max((now - recent[0]) / DAY, 0.02)
    return (len(recent) + PRIOR_RATE * PRIOR_DAYS) / (span + PRIOR_DAYS)


def alarm(state: FeedState, feed: Feed, now: datetime) -> str | None:
    """Say in plain words that a feed has fallen silent, or None.

    ``alarm_if_silent`` sets the time without a new entry; otherwise it is learned from the feed's
    rate. A feed that has failed for three days is named as well.
    """
    if state.disabled_reason:
        return f"{feed.name}: {state.disabled_reason}"
    since = _moment(state.extra, "failing_since")
    if since is not None and now - since >= (feed.alarm_if_silent or MISSING_NOTICE):
        return f"{feed.name}: failing for {_span(now - since)} ({state.last_status})"
    last = state.last_new_at or state.baselined_at
    if last is None:
        return None
    quiet = now - last
    limit = feed.alarm_if_silent or max(DAY * 2, timedelta(days=min(12 / rate_of(state), 60)))
    if quiet >= limit:
        return f"{feed.name}: no new entry for {_span(quiet)}"
    return None


def _span(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    if hours < 1:
        return f"{length / timedelta(minutes=1):.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _number(extra: Mapping[str, object], name: str, default: float) -> float:
    value = extra.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else default


def _list(extra: Mapping[str, object], name: str) -> list[object]:
    value = extra.get(name)
    return list(value) if isinstance(value, (list, tuple)) else []


def _moment(extra: Mapping[str, object], name: str) -> datetime | None:
    value = extra.get(name)
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None

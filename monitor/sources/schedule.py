"""When to ask a feed again, and what to remember of it. Pure: no clock, no network, no store.

One function turns a feed's state and what one poll brought into the feed's whole new state. The
wait follows the feed's own rhythm (``monitor.sources.rhythm``), is never shorter than the publisher
asks for, and grows with failures (``monitor.sources.backoff``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from monitor.config.models import PollingSettings
from monitor.sources import rhythm
from monitor.sources.answers import link_rels
from monitor.sources.backoff import after_failure
from monitor.sources.notes import moment, number, values
from monitor.sources.outcome import FetchOutcome
from monitor.sources.rhythm import DAY, DEFAULT_PACE
from monitor.store.port import FeedState, Validators
from monitor.values import Feed, ParsedFeed

JITTER = 0.05  # of the wait, added: polls are never closer than the interval says
MOVED_ANSWERS = 3  # equal permanent redirects in a row until the new address is adopted
HINT_MAX = timedelta(hours=12)  # a wrong max-age or ttl must not silence a feed for longer
# Every WordPress feed declares this period, whatever its rhythm: it says nothing.
UNMEANT_PERIOD = timedelta(hours=1)
EMPTIED_FROM = 5  # entries; a feed of so many that is empty all at once is likely broken
EMPTIED_POLLS = 3  # until it is believed
PUSHED_WAIT = timedelta(hours=1)  # at least, while a WebSub hub sends us what is new
PUSHED_FACTOR = 4.0
REFRESH = timedelta(days=30)  # how rarely the store is told of entries that stay in their feed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_STEP = timedelta(minutes=1)  # by which the clock may be corrected unnoticed
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


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
    pace: float = DEFAULT_PACE,
) -> FeedState:
    """Return the feed's whole new state after one poll.

    ``parsed`` is the body's feed (None when there was no new body or it couldn't be parsed; then
    ``parse_error`` says why), ``new_entries`` how many of its entries were not known. ``pace`` is
    what ``common_pace`` makes of the poll budget. Validators are taken over only after a
    clean parse; the caller stores them with the entries, in one transaction.
    """
    extra = _count(state, outcome)
    wait = _wait(state, feed, state.extra, now, polling, pace)
    if outcome.status == "failed" or (outcome.status == "ok" and parsed is None):
        words = outcome.message or parse_error or "not a feed"
        return after_failure(state, outcome, words, wait, now, JITTER * random.random(), extra)
    emptied = _emptied(state, outcome, parsed, extra)
    if emptied:
        gone = replace(outcome, reason="emptied")
        return after_failure(state, gone, emptied, wait, now, JITTER * random.random(), extra)

    for name in ("failing_since", "gone", "gone_since", "reason", "emptied"):
        extra.pop(name, None)
    words, validators = "ok: unchanged", outcome.validators
    if parsed is not None:
        words = f"ok: {parsed.count} entries, {new_entries} new"
        if outcome.http_status != 226:  # a delta tells nothing of the whole
            extra["entries"] = parsed.count
            if not parsed.known and outcome.pushed_until is None:
                extra["refreshed"] = (now - EPOCH).days
        _remember(extra, parsed, outcome, now)
    extra["rhythm"] = rhythm.to_text(_observe(state, parsed, new_entries, now))
    moved_to = state.moved_to
    if outcome.pushed_until is not None:
        words = f"ok: pushed, {new_entries} new"
    else:
        moved_to = _moved(state, feed, outcome, extra)
        if _led_elsewhere(state, feed, outcome, moved_to, extra):
            validators = Validators()
    wait = _wait(state, feed, extra, now, polling, pace)
    return replace(
        state,
        next_at=_next(now, wait, feed, outcome, extra, polling, random),
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
        title=(parsed.title or state.title) if parsed is not None else state.title,
        extra=extra,
    )


def common_pace(
    states: Iterable[FeedState], feeds: Mapping[str, Feed], polling: PollingSettings
) -> float:
    """Return the pace at which all feeds together keep ``polling.budget_per_day``.

    Without a budget it is the default pace. Worth computing anew every hour or so, and whenever
    the feeds change.
    """
    if polling.budget_per_day is None:
        return DEFAULT_PACE
    roots, fixed = [], 0.0
    for state in states:
        every = feeds[state.key].every if state.key in feeds else None
        if every is not None:
            fixed += DAY / every
        else:
            roots.append(rhythm.share_of_root(rhythm.from_text(state.extra.get("rhythm"))))
    budget = polling.budget_per_day * (1 + JITTER / 2)  # jitter makes every wait a little longer
    return rhythm.pace_for(roots, fixed, budget, polling.min, polling.max)


def to_refresh(state: FeedState, now: datetime) -> bool:
    """Tell whether the feed is to be read whole, with what is known of it to the letter, so that
    the store learns that those entries are in the feed still."""
    return number(state.extra, "refreshed") <= ((now - EPOCH) - REFRESH).days


# What is remembered ----------------------------------------------------------------------------


def _count(state: FeedState, outcome: FetchOutcome) -> dict[str, object]:
    """Return the state's notes with the poll counted, and the bytes it took or spared."""
    extra = dict(state.extra)
    extra["polls"] = int(number(extra, "polls")) + 1
    extra["received"] = int(number(extra, "received")) + outcome.wire_bytes
    extra["elapsed"] = round(outcome.elapsed, 3)
    if outcome.status == "ok" and outcome.http_status != 226:
        extra["size"] = outcome.wire_bytes
    elif outcome.status == "not_modified" or outcome.http_status == 226:
        spared = int(number(extra, "size")) - outcome.wire_bytes
        extra["spared"] = int(number(extra, "spared")) + max(spared, 0)
    return extra


def _remember(
    extra: dict[str, object], parsed: ParsedFeed, outcome: FetchOutcome, now: datetime
) -> None:
    if outcome.pushed_until is not None:
        # A hub's push holds entries alone: the feed's own hints stand as the last poll gave them.
        extra["pushed_until"] = outcome.pushed_until.isoformat()
        return
    links = link_rels(outcome.headers.get("link", ""), outcome.url)
    period = parsed.update_period
    dates = [e.published for e in parsed.entries if e.published and e.published <= now + DAY]
    known = moment(extra, "newest") if parsed.known else None
    newest = max([*dates, known] if known else dates, default=None)
    hints: dict[str, object] = {
        "ttl": parsed.ttl,
        "skip_hours": sorted(parsed.skip_hours),
        "skip_days": sorted(parsed.skip_days),
        "hubs": links.get("hub") or list(parsed.hubs),
        "self": (links.get("self") or [parsed.url or outcome.url])[0],
        "period": period.total_seconds() if period and period != UNMEANT_PERIOD else None,
        "newest": newest.isoformat() if newest else extra.get("newest"),
    }
    for name, value in hints.items():
        if value:
            extra[name] = value
        else:
            extra.pop(name, None)


def _observe(
    state: FeedState, parsed: ParsedFeed | None, new_entries: int, now: datetime
) -> rhythm.Rhythm:
    """Count what came since the last good poll. The first poll has no interval to count over: the
    entries' own dates stand in for it."""
    if state.baselined_at is None and parsed is not None:
        return rhythm.from_dates([e.published for e in parsed.entries if e.published], now)
    known = rhythm.from_text(state.extra.get("rhythm"))
    if state.last_ok_at is None:
        return known
    return rhythm.observed(known, new_entries, state.last_ok_at, now)


def _emptied(
    state: FeedState, outcome: FetchOutcome, parsed: ParsedFeed | None, extra: dict[str, object]
) -> str:
    """Say that a feed has no entries where it had many; "" when it may be believed."""
    before = int(number(state.extra, "entries"))
    if parsed is None or parsed.count or before < EMPTIED_FROM or outcome.http_status == 226:
        return ""
    seen = int(number(extra, "emptied")) + 1
    extra["emptied"] = seen
    if seen >= EMPTIED_POLLS:
        return ""
    return f"no entries where there were {before}; look at the address in a browser"


def _moved(
    state: FeedState, feed: Feed, outcome: FetchOutcome, extra: dict[str, object]
) -> str | None:
    """Adopt a permanent redirect that three good polls in a row have confirmed."""
    target = outcome.permanent_redirect
    count = int(number(extra, "redirects")) + 1 if extra.get("redirect") == target else 1
    extra.pop("redirect", None)
    extra.pop("redirects", None)
    if target is None or target == feed.url:
        return state.moved_to if target is None else None
    if count >= MOVED_ANSWERS:
        return target
    extra["redirect"], extra["redirects"] = target, count
    return state.moved_to


def _led_elsewhere(
    state: FeedState,
    feed: Feed,
    outcome: FetchOutcome,
    moved_to: str | None,
    extra: dict[str, object],
) -> bool:
    """Note where redirects led; True when a 304 came from another address than the validators."""
    extra.pop("final_url", None)
    if outcome.url not in (feed.url, moved_to):
        extra["final_url"] = outcome.url
    before = state.extra.get("final_url") or state.moved_to or feed.url
    return outcome.status == "not_modified" and outcome.url != before


# When ------------------------------------------------------------------------------------------


def _wait(
    state: FeedState,
    feed: Feed,
    extra: Mapping[str, object],
    now: datetime,
    polling: PollingSettings,
    pace: float,
) -> timedelta:
    """Return the feed's own interval at this time of day."""
    if feed.every is not None:
        return feed.every
    known = rhythm.from_text(extra.get("rhythm"))
    wait = rhythm.wait_for(known, now, pace, polling.min, polling.max)
    pushed = moment(extra, "pushed_until")
    if pushed is not None and pushed > now:
        wait = min(max(wait * PUSHED_FACTOR, PUSHED_WAIT), polling.max)
    return wait


def _next(
    now: datetime,
    wait: timedelta,
    feed: Feed,
    outcome: FetchOutcome,
    extra: Mapping[str, object],
    polling: PollingSettings,
    random: Random,
) -> datetime:
    """Return the next poll: after the wait, not before what the publisher asks for, with jitter.

    ``every`` is the operator's word and goes before a publisher's hints, though not before a
    Retry-After.
    """
    if feed.every is None:
        cap = min(HINT_MAX, polling.max)
        ttl = timedelta(minutes=min(number(extra, "ttl"), 1e6))
        period = timedelta(seconds=min(number(extra, "period"), 1e8))
        fresh = outcome.fresh_until - now if outcome.fresh_until is not None else timedelta(0)
        wait = max(wait, min(max(ttl, period, fresh), cap))
    if outcome.retry_after is not None:
        wait = max(wait, outcome.retry_after - now)
    at = now + wait * (1 + JITTER * random.random())
    return at if feed.every is not None else _past_skipped(at, extra)


def _past_skipped(at: datetime, extra: Mapping[str, object]) -> datetime:
    """Move a poll out of the hours and days the feed asks readers to skip (RSS 2.0: GMT)."""
    hours = {hour for hour in values(extra, "skip_hours") if isinstance(hour, int)}
    days = {day for day in values(extra, "skip_days") if isinstance(day, str)}
    if not (hours or days) or len(hours) >= 24 or len(days) >= 7:
        return at  # it never wants to be read: a mistake
    utc = at.astimezone(UTC)
    into = utc - utc.replace(minute=0, second=0, microsecond=0)
    for _ in range(24 * 8):
        if utc.hour not in hours and _WEEKDAYS[utc.weekday()] not in days:
            return utc
        # The minutes are kept: feeds that skip the same hours don't all come at once after them.
        utc = utc.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) + into
    return at


def after_set_back(state: FeedState, now: datetime) -> FeedState | None:
    """Return ``state`` for a clock that was set back since its last poll; None if it wasn't.

    The wait is kept, counted from ``now``; steps of less than ``CLOCK_STEP`` change nothing.
    """
    last = state.last_poll_at
    if last is None or last <= now + CLOCK_STEP:
        return None
    wait = max(state.next_at - last, timedelta(0))
    return replace(state, last_poll_at=now, next_at=min(state.next_at, now + wait))


# What people are told --------------------------------------------------------------------------


def alarm(state: FeedState, feed: Feed, now: datetime) -> str | None:
    """Say in plain words that a feed is disabled, failing, or has fallen silent; None if not.

    ``alarm_if_silent`` sets the time without a new entry. Otherwise it is learned: the time in
    which twelve entries were to be expected, between two and sixty days (a feed that brings
    entries at random is silent so long once in 160,000 times). Failing counts after the same
    setting, or three days; a refused login at the third answer.
    """
    if state.disabled_reason:
        return f"{feed.name}: {state.disabled_reason}"
    since = moment(state.extra, "failing_since")
    if since is not None:
        refused = state.extra.get("reason") in ("http_401", "http_403") and state.failures >= 3
        if refused or now - since >= (feed.alarm_if_silent or timedelta(days=3)):
            return f"{feed.name}: failing for {_span(now - since)}: {state.last_status}"
    last = state.last_new_at or state.baselined_at
    if last is None:
        return None
    expected = timedelta(days=12 / rhythm.from_text(state.extra.get("rhythm")).rate)
    limit = feed.alarm_if_silent or min(max(expected, 2 * DAY), 60 * DAY)
    if now - last >= limit:
        return f"{feed.name}: no new entry for {_span(now - last)}"
    return None


def health(state: FeedState, now: datetime) -> dict[str, object]:
    """Return what ``feeds health`` shows of a feed beyond its state, as JSON values.

    ``rate`` in entries a day; ``newest`` an ISO time; ``latency`` (seconds) of the last fetch;
    ``received`` and ``spared`` in bytes; ``pushed`` tells whether a WebSub hub serves it.
    """
    extra = state.extra
    pushed = moment(extra, "pushed_until")
    return {
        "entries": int(number(extra, "entries")),
        "rate": round(rhythm.from_text(extra.get("rhythm")).rate, 2),
        "newest": extra.get("newest"),
        "latency": number(extra, "elapsed"),
        "polls": int(number(extra, "polls")),
        "received": int(number(extra, "received")),
        "spared": int(number(extra, "spared")),
        "pushed": pushed is not None and pushed > now,
        "reason": extra.get("reason"),
    }


def _span(length: timedelta) -> str:
    minutes = length / timedelta(minutes=1)
    if minutes < 60:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{math.floor(hours / 24)} days"

"""What a failed poll does to a feed: how long to leave it alone, and when to give it up. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.sources.notes import moment, number
from monitor.sources.outcome import FetchOutcome
from monitor.store.port import FeedState, Validators

GONE_ANSWERS = 3  # 410 answers, over at least GONE_SPAN, until a feed is disabled
GONE_SPAN = timedelta(hours=24)
GONE_WAIT = timedelta(hours=8)  # between them
GONE_RETRY = timedelta(days=7)
REFUSED_WAIT = timedelta(hours=4)  # after 401, 403 and 429, as Unread's fetcher does (2024-08)
REVERT_AFTER = 3  # failures at an adopted address until the configured one is asked again
# The longest wait, by what is likely to blame. What this machine lacks it has again as soon as
# other polls have ended, and no server is troubled meanwhile; our own connection comes back without
# notice, a server's fault is mended in hours, a wrong address by somebody's hand.
LACKING = frozenset({"descriptors", "parser_unstarted"})
LONGEST_LACKING = timedelta(minutes=1)
OURS = frozenset({"timeout", "dns", "connect", "connection_lost", "truncated", "proxy", "error"})
LONGEST_OURS = timedelta(hours=1)
LONGEST_THEIRS = timedelta(hours=4)
LONGEST = timedelta(hours=24)


def after_failure(
    state: FeedState,
    outcome: FetchOutcome,
    words: str,
    wait: timedelta,
    now: datetime,
    jitter: float,
    extra: dict[str, object],
) -> FeedState:
    """Return the feed's new state after a poll that brought nothing.

    ``words`` say what was wrong; ``wait`` is the feed's own interval, doubled with each failure;
    ``jitter`` is the share of the wait to add. ``extra`` is the new state's notes, to be filled.
    """
    failures = state.failures + 1
    reason = outcome.reason or "not_a_feed"
    extra["reason"] = reason
    extra.setdefault("failing_since", now.isoformat())
    longest = max(_longest(reason), wait)
    wait = min(wait * 2 ** min(failures - 1, 12), longest)
    if outcome.http_status in (401, 403, 429) and outcome.retry_after is None:
        wait = max(wait, REFUSED_WAIT)
    disabled = state.disabled_reason
    if outcome.gone:
        disabled, wait = _gone(disabled, wait, now, extra)
    else:
        extra.pop("gone", None)
        extra.pop("gone_since", None)
    moved_to, validators = state.moved_to, state.validators
    if moved_to is not None and failures >= REVERT_AFTER:
        moved_to, validators = None, Validators()
    if outcome.status == "ok" or reason in ("http_304", "emptied"):
        # What the server sends is no feed: ask for the whole, until it is one again.
        validators = Validators()
    wait += wait * jitter
    if outcome.retry_after is not None:
        wait = max(wait, (outcome.retry_after - now) * (1 + jitter))
    return replace(
        state,
        next_at=now + wait,
        last_poll_at=now,
        last_status=words,
        failures=failures,
        moved_to=moved_to,
        validators=validators,
        disabled_reason=disabled,
        extra=extra,
    )


def _longest(reason: str) -> timedelta:
    if reason in LACKING:
        return LONGEST_LACKING
    if reason in OURS:
        return LONGEST_OURS
    return LONGEST if reason.startswith("http_4") else LONGEST_THEIRS


def _gone(
    disabled: str | None, wait: timedelta, now: datetime, extra: dict[str, object]
) -> tuple[str | None, timedelta]:
    """Count a 410; disable the feed once it has said so often and long enough."""
    count = int(number(extra, "gone")) + 1
    extra["gone"] = count
    extra.setdefault("gone_since", now.isoformat())
    since = moment(extra, "gone_since") or now
    if disabled or (count >= GONE_ANSWERS and now - since >= GONE_SPAN):
        words = "gone: the publisher has taken the feed down (HTTP 410); tried again weekly"
        return words, GONE_RETRY
    # Three answers must fit a little over a day, so that the third can decide.
    return None, min(max(wait, GONE_WAIT), GONE_SPAN / (GONE_ANSWERS - 1) * 1.01)

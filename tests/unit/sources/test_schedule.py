"""When a feed is asked again, and what is remembered: tables of (what happened, what follows)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from monitor.config.models import PollingSettings
from monitor.sources import rhythm
from monitor.sources.outcome import FetchOutcome
from monitor.sources.schedule import REFRESH, after_poll, alarm, common_pace, health, to_refresh
from monitor.store.port import FeedState, Validators
from monitor.values import Entry, Feed, ParsedFeed

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
URL = "https://example.org/feed"
FEED = Feed(key=URL, url=URL, name="Example Wire")
POLLING = PollingSettings()
OLD = Validators(etag='"old"', body_hash=b"old")
FRESH = Validators(etag='"new"', body_hash=b"new")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def a_state(**changes: object) -> FeedState:
    base = FeedState(
        id=1,
        key=URL,
        added_at=NOW - 30 * DAY,
        next_at=NOW,
        baselined_at=NOW - 30 * DAY,
        validators=OLD,
        last_poll_at=NOW - HOUR,
        last_ok_at=NOW - HOUR,
        last_new_at=NOW - HOUR,
        entries_seen=100,
        extra={"entries": 20},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def an_outcome(status: str = "ok", **changes: object) -> FetchOutcome:
    base = FetchOutcome(
        "ok", URL, validators=FRESH if status == "ok" else OLD, http_status=200, wire_bytes=1000
    )
    return replace(base, status=status, **changes)  # type: ignore[arg-type]


def a_failure(http: int | None = None, reason: str = "", **changes: object) -> FetchOutcome:
    words = {"reason": reason or f"http_{http}", "message": "It failed", "http_status": http}
    return an_outcome("failed", **{**words, "gone": http == 410, **changes})


def parsed(count: int = 20, /, **changes: object) -> ParsedFeed:
    entry = Entry(raw_id="1", url=None, title="x", published=NOW - HOUR)
    return replace(ParsedFeed(title="Wire", entries=(entry,) * count), **changes)  # type: ignore[arg-type]


def after(
    outcome: FetchOutcome,
    found: ParsedFeed | None = None,
    state: FeedState | None = None,
    *,
    feed: Feed = FEED,
    new: int = 0,
    now: datetime = NOW,
    polling: PollingSettings = POLLING,
    error: str = "",
    seed: int = 1,
) -> FeedState:
    return after_poll(
        state or a_state(), feed, outcome, found, new, now, polling, Random(seed), error
    )


def test_a_clean_parse_takes_the_validators_over() -> None:
    state = after(an_outcome(), parsed(), new=2)
    assert state.validators == FRESH
    assert state.last_status == "ok: 20 entries, 2 new"
    assert (state.failures, state.last_ok_at, state.last_new_at) == (0, NOW, NOW)
    assert (state.entries_seen, state.title) == (102, "Wire")


def test_an_unchanged_feed_is_fine() -> None:
    before = a_state(failures=3, extra={"failing_since": (NOW - DAY).isoformat(), "reason": "dns"})
    state = after(an_outcome("not_modified", http_status=304), state=before)
    assert (state.last_status, state.failures, state.last_ok_at) == ("ok: unchanged", 0, NOW)
    assert state.last_new_at == before.last_new_at
    assert "failing_since" not in state.extra


def test_the_first_good_poll_is_the_baseline() -> None:
    fresh = a_state(baselined_at=None, last_ok_at=None, last_new_at=None, extra={})
    assert after(an_outcome("failed", reason="dns"), state=fresh).baselined_at is None
    assert after(an_outcome(), parsed(), fresh, new=20).baselined_at == NOW


# (attack case, outcome, parse error, words of the status, validators kept)
FAILURES = [
    ("POLITE-05 parse failure", an_outcome(), "not a feed: a login page", "login", Validators()),
    ("HTTP-24 html", an_outcome(content_type="text/html"), "not a feed", "not a", Validators()),
    ("HTTP-25 unasked 304", a_failure(304), "", "failed", Validators()),
    ("POLITE-05 truncated", a_failure(200, "truncated"), "", "failed", OLD),
    ("HTTP-27 empty", a_failure(200, "empty"), "", "failed", OLD),
    ("500", a_failure(500), "", "failed", OLD),
]


@pytest.mark.parametrize(
    ("outcome", "error", "words", "kept"), [c[1:] for c in FAILURES], ids=[c[0] for c in FAILURES]
)
def test_a_failure_stores_no_new_validators(
    outcome: FetchOutcome, error: str, words: str, kept: Validators
) -> None:
    state = after(outcome, None, error=error)
    assert state.validators == kept
    assert words in state.last_status
    assert (state.failures, state.last_ok_at) == (1, NOW - HOUR)
    assert state.next_at > NOW


# (attack case, http status, reason, failures before, shortest wait, longest wait)
BACKOFF = [
    ("HTTP-15 first 404", 404, "", 0, 20 * MINUTE, 2 * HOUR),
    ("HTTP-15 many 404", 404, "", 12, 24 * HOUR, 26 * HOUR),
    ("HTTP-16 401", 401, "", 0, 4 * HOUR, 5 * HOUR),
    ("HTTP-16 403", 403, "", 0, 4 * HOUR, 5 * HOUR),
    ("HTTP-16 many 403", 403, "", 12, 24 * HOUR, 26 * HOUR),
    ("429 without Retry-After", 429, "", 0, 4 * HOUR, 5 * HOUR),
    ("first 500", 500, "", 0, 20 * MINUTE, 2 * HOUR),
    ("many 500", 500, "", 12, 4 * HOUR, 5 * HOUR),
    ("many time-outs", None, "timeout", 12, HOUR, 2 * HOUR),
    ("no network", None, "dns", 12, HOUR, 2 * HOUR),
    # Nobody is troubled when that is tried again: no longer than the feed's own interval.
    ("no descriptors", None, "descriptors", 12, 20 * MINUTE, HOUR),
    ("no parser", None, "parser_unstarted", 12, 20 * MINUTE, HOUR),
    ("refused address", None, "refused_address", 12, 4 * HOUR, 5 * HOUR),
    ("truncated", 200, "truncated", 0, 20 * MINUTE, 2 * HOUR),
]


@pytest.mark.parametrize(
    ("http", "reason", "before", "low", "high"),
    [c[1:] for c in BACKOFF],
    ids=[c[0] for c in BACKOFF],
)
def test_failures_back_off(
    http: int | None, reason: str, before: int, low: timedelta, high: timedelta
) -> None:
    state = after(a_failure(http, reason), state=a_state(failures=before))
    assert low <= state.next_at - NOW <= high
    assert state.failures == before + 1


# (attack case, outcome, earliest, latest)
LATER = [
    ("HTTP-17", a_failure(429, retry_after=NOW + HOUR), HOUR, 2 * HOUR),
    ("HTTP-18", a_failure(503, retry_after=NOW + 6 * HOUR), 6 * HOUR, 7 * HOUR),
    ("HTTP-17 short", a_failure(429, retry_after=NOW + MINUTE), 20 * MINUTE, 2 * HOUR),
    ("HTTP-20", an_outcome("not_modified", fresh_until=NOW + 12 * HOUR), 12 * HOUR, 13 * HOUR),
    ("HTTP-21", an_outcome("not_modified", fresh_until=NOW + 30 * DAY), 12 * HOUR, 13 * HOUR),
    ("no hint", an_outcome("not_modified"), 5 * MINUTE, 2 * HOUR),
]


@pytest.mark.parametrize(
    ("outcome", "low", "high"), [c[1:] for c in LATER], ids=[c[0] for c in LATER]
)
def test_what_the_server_asks_for_is_kept(
    outcome: FetchOutcome, low: timedelta, high: timedelta
) -> None:
    assert low <= after(outcome).next_at - NOW <= high


# (case, what the feed says, earliest next poll)
HINTS = [
    ("ttl", {"ttl": 180}, NOW + 3 * HOUR),
    ("absurd ttl", {"ttl": 10**9}, NOW + 12 * HOUR),
    ("period", {"update_period": DAY}, NOW + 12 * HOUR),
    ("skip hours", {"skip_hours": tuple(range(12, 20))}, NOW + 8 * HOUR),
    ("skip days", {"skip_days": ("tuesday", "wednesday")}, NOW + 36 * HOUR),
]


@pytest.mark.parametrize(("hints", "earliest"), [c[1:] for c in HINTS], ids=[c[0] for c in HINTS])
def test_polite_12_what_the_feed_asks_for_is_kept(
    hints: dict[str, object], earliest: datetime
) -> None:
    state = after(an_outcome(), parsed(**hints))
    assert earliest <= state.next_at <= earliest + 2 * HOUR
    # and it is remembered for polls that bring no body
    again = after(an_outcome("not_modified"), state=state)
    assert again.next_at >= earliest


WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@pytest.mark.parametrize("hints", [{"skip_hours": tuple(range(24))}, {"skip_days": WEEK}])
def test_a_feed_that_never_wants_to_be_read_is_read(hints: dict[str, object]) -> None:
    assert after(an_outcome(), parsed(**hints)).next_at - NOW < 2 * HOUR


def test_the_wordpress_default_period_says_nothing() -> None:
    often = a_state(extra={"rhythm": rhythm.to_text(rhythm.Rhythm(700.0, 7.0, (29.0,) * 24))})
    state = after(an_outcome(), parsed(update_period=HOUR), often)
    assert state.next_at - NOW < 10 * MINUTE


def test_a_fixed_interval_is_the_operators_word() -> None:
    feed = replace(FEED, every=30 * timedelta(seconds=1))
    hinted = an_outcome(fresh_until=NOW + 12 * HOUR)
    state = after(hinted, parsed(ttl=600, skip_hours=tuple(range(23))), feed=feed)
    assert timedelta(seconds=30) <= state.next_at - NOW <= timedelta(seconds=32)
    refused = after(a_failure(429, retry_after=NOW + HOUR), feed=feed)
    assert refused.next_at >= NOW + HOUR


def test_polite_06_polls_are_never_closer_than_the_interval() -> None:
    feed = replace(FEED, every=10 * MINUTE)
    waits = {
        after(an_outcome("not_modified"), feed=feed, seed=seed).next_at - NOW for seed in range(99)
    }
    assert min(waits) >= 10 * MINUTE
    assert max(waits) <= 10.5 * MINUTE
    assert len(waits) > 50  # spread, so that feeds added together drift apart


@pytest.mark.parametrize("entries", [0.0, 0.1, 5.0, 100.0, 1e6])
def test_the_interval_keeps_to_its_bounds(entries: float) -> None:
    known = {"rhythm": rhythm.to_text(rhythm.Rhythm(entries, 7.0, (entries / 24,) * 24))}
    state = after(an_outcome("not_modified"), state=a_state(extra=known))
    assert POLLING.min <= state.next_at - NOW <= POLLING.max * 1.05


def test_busier_feeds_are_asked_more_often() -> None:
    waits = []
    for entries in (1.0, 10.0, 100.0, 1000.0):
        known = {"rhythm": rhythm.to_text(rhythm.Rhythm(entries, 7.0, (entries / 24,) * 24))}
        waits.append(after(an_outcome("not_modified"), state=a_state(extra=known)).next_at)
    assert waits == sorted(waits, reverse=True)
    assert len(set(waits)) == 4


def test_http_14_gone_is_believed_after_three_answers_and_a_day() -> None:
    state, now, asked = a_state(), NOW, 0
    while state.disabled_reason is None:
        state = after(a_failure(410), state=state, now=now)
        asked += 1
        now = state.next_at
        assert asked < 10
    assert asked >= 3
    assert (state.last_poll_at or NOW) - NOW >= DAY
    assert "410" in state.disabled_reason
    assert state.next_at - (state.last_poll_at or NOW) >= 7 * DAY  # tried again weekly
    assert "410" in (alarm(state, FEED, now) or "")
    back = after(an_outcome(), parsed(), state, now=now)
    assert (back.disabled_reason, back.last_status) == (None, "ok: 20 entries, 0 new")


def test_gone_answers_must_be_in_a_row() -> None:
    state = a_state()
    for hours in range(0, 120, 9):
        http = 410 if hours % 2 else 500
        state = after(a_failure(http), state=state, now=NOW + hours * HOUR)
    assert state.disabled_reason is None


def test_http_11_a_move_is_adopted_after_three_confirmations() -> None:
    target = "https://example.org/new"
    state = a_state()
    moved = an_outcome(url=target, permanent_redirect=target)
    for _ in range(2):
        state = after(moved, parsed(), state)
        assert state.moved_to is None
    state = after(moved, parsed(), state)
    assert state.moved_to == target
    assert after(an_outcome(url=target), parsed(), state).moved_to == target


def test_http_11_differing_moves_are_not_adopted() -> None:
    state = a_state()
    for n in range(6):
        target = f"https://example.org/{n % 2}"
        state = after(an_outcome(url=target, permanent_redirect=target), parsed(), state)
        assert state.moved_to is None


def test_an_adopted_address_that_fails_is_left_again() -> None:
    state = a_state(moved_to="https://example.org/new")
    for _ in range(3):
        state = after(a_failure(404), state=state)
    assert (state.moved_to, state.validators) == (None, Validators())


def test_http_12_a_304_from_elsewhere_is_not_believed_twice() -> None:
    first = after(an_outcome(url="https://a.example/x"), parsed())
    same = after(an_outcome("not_modified", url="https://a.example/x"), state=first)
    assert same.validators == OLD
    elsewhere = after(an_outcome("not_modified", url="https://b.example/x"), state=first)
    assert elsewhere.validators == Validators()


def test_an_emptied_feed_is_believed_only_when_it_stays_so() -> None:
    state = a_state()
    for _ in range(2):
        state = after(an_outcome(), parsed(0), state)
        assert "no entries where there were 20" in state.last_status
        assert (state.failures > 0, state.validators) == (True, Validators())
    state = after(an_outcome(), parsed(0), state)
    assert (state.failures, state.last_status) == (0, "ok: 0 entries, 0 new")


def test_a_delta_is_not_taken_for_the_whole() -> None:
    state = after(an_outcome(http_status=226), parsed(1), new=1)
    assert state.extra["entries"] == 20
    assert after(an_outcome(http_status=226), parsed(0)).failures == 0


# (case, state, alarm_if_silent, words or None)
BUSY = {"rhythm": rhythm.to_text(rhythm.Rhythm(700.0, 7.0, (29.0,) * 24))}
RARE = {"rhythm": rhythm.to_text(rhythm.Rhythm(1.0, 7.0, (0.0,) * 24))}
ALARMS = [
    ("fine", a_state(extra=BUSY), None, None),
    ("silent", a_state(extra=BUSY, last_new_at=NOW - 3 * DAY), None, "no new entry for 3 days"),
    ("rare", a_state(extra=RARE, last_new_at=NOW - 9 * DAY), None, None),
    ("set", a_state(extra=BUSY, last_new_at=NOW - 3 * HOUR), 2 * HOUR, "no new entry for 3 h"),
    ("set, not yet", a_state(extra=BUSY, last_new_at=NOW - HOUR), 2 * HOUR, None),
    (
        "HTTP-15",
        a_state(
            failures=9, last_status="HTTP 404", extra={"failing_since": (NOW - 4 * DAY).isoformat()}
        ),
        None,
        "failing for 4 days: HTTP 404",
    ),
    (
        "failing an hour",
        a_state(failures=2, extra={"failing_since": (NOW - HOUR).isoformat()}),
        None,
        None,
    ),
    (
        "HTTP-16",
        a_state(
            failures=3,
            last_status="HTTP 403",
            extra={"failing_since": (NOW - 12 * HOUR).isoformat(), "reason": "http_403"},
        ),
        None,
        "HTTP 403",
    ),
    ("never polled", FeedState(1, URL, NOW - 9 * DAY, NOW), None, None),
]


@pytest.mark.parametrize(
    ("state", "silent", "words"), [c[1:] for c in ALARMS], ids=[c[0] for c in ALARMS]
)
def test_alarms(state: FeedState, silent: timedelta | None, words: str | None) -> None:
    found = alarm(state, replace(FEED, alarm_if_silent=silent), NOW)
    if words is None:
        assert found is None
    else:
        assert words in (found or "")
        assert "Example Wire" in (found or "")


def test_bytes_are_counted() -> None:
    state = after(an_outcome(), parsed(), a_state(extra={}))
    state = after(an_outcome("not_modified", wire_bytes=0), state=state)
    shown = health(state, NOW)
    assert (shown["polls"], shown["received"], shown["spared"]) == (2, 1000, 1000)
    assert shown["newest"] == (NOW - HOUR).isoformat()


def test_notes_are_json_and_survive_any_that_are_not_ours() -> None:
    odd = {
        "rhythm": [1],
        "ttl": "x",
        "skip_hours": 3,
        "redirects": float("nan"),
        "entries": None,
        "failing_since": "never",
        "polls": -1,
        "pushed_until": 7,
    }
    state = after(an_outcome(), parsed(), a_state(extra=odd), new=1)
    assert json.loads(json.dumps(state.extra, allow_nan=False))["polls"] == 1
    assert after(a_failure(410), state=a_state(extra=odd)).failures == 1
    assert alarm(a_state(extra=odd), FEED, NOW) is None
    assert health(a_state(extra=odd), NOW)["polls"] == 0


def test_the_budget_is_kept() -> None:
    polling = PollingSettings(min=MINUTE, budget_per_day=4800)
    dice = Random(5)
    feeds = {str(n): replace(FEED, key=str(n)) for n in range(50)}
    states = [
        a_state(
            key=key,
            extra={
                "rhythm": rhythm.to_text(
                    rhythm.Rhythm(dice.lognormvariate(3, 1.5), 7.0, (1.0,) * 24)
                )
            },
        )
        for key in feeds
    ]
    pace = common_pace(states, feeds, polling)
    polls = 0.0
    for state in states:
        known = rhythm.from_text(state.extra["rhythm"])
        polls += DAY / rhythm.wait_for(known, NOW, pace, polling.min, polling.max)
    assert 4800 * 0.95 < polls < 4800 * 1.08
    half = common_pace(states, feeds, PollingSettings(min=MINUTE, budget_per_day=2400))
    assert half > pace * 1.5


def test_fixed_intervals_count_against_the_budget() -> None:
    polling = PollingSettings(budget_per_day=200)
    feeds = {"a": replace(FEED, key="a", every=10 * MINUTE), "b": replace(FEED, key="b")}
    states = [a_state(key="a"), a_state(key="b")]
    alone = common_pace(states[1:], feeds, polling)
    assert common_pace(states, feeds, polling) > alone


class TestRhythm:
    """Rates are learned, and forgotten."""

    def test_a_steady_feed_is_learned_within_a_week(self) -> None:
        known, at = rhythm.Rhythm(), NOW
        for _ in range(14 * 48):
            known = rhythm.observed(known, 1, at, at + 30 * MINUTE)
            at += 30 * MINUTE
        assert known.rate == pytest.approx(48, rel=0.05)

    def test_a_feed_that_stops_is_forgotten(self) -> None:
        known = rhythm.Rhythm(336.0, 7.0, (14.0,) * 24)
        rates = []
        for _ in range(4):
            known = rhythm.observed(known, 0, NOW, NOW + 7 * DAY)
            rates.append(known.rate)
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 2

    def test_busy_hours_are_polled_more(self) -> None:
        hours = tuple(40.0 if 8 <= hour < 16 else 0.0 for hour in range(24))
        known = rhythm.Rhythm(320.0, 7.0, hours)
        noon = rhythm.wait_for(known, NOW, 60.0, MINUTE, DAY)
        night = rhythm.wait_for(known, NOW + 13 * HOUR, 60.0, MINUTE, DAY)
        assert noon < night
        assert sum(known.by_hour()) == pytest.approx(24)

    def test_the_first_guess_comes_from_the_entries_dates(self) -> None:
        busy = [NOW - n * 30 * MINUTE for n in range(40)]
        rare = [NOW - n * 5 * DAY for n in range(20)]
        assert rhythm.from_dates(busy, NOW).rate > 20
        assert rhythm.from_dates(rare, NOW).rate < 1.5
        assert rhythm.from_dates([], NOW).rate == rhythm.PRIOR_RATE
        assert rhythm.from_dates([NOW - 400 * DAY], NOW).rate < 1


def test_entries_known_to_the_letter_count_and_keep_the_newest() -> None:
    state = after(an_outcome(), parsed())
    later = after(an_outcome(), replace(parsed(0), known=20), state, now=NOW + HOUR)
    assert later.last_status == "ok: 20 entries, 0 new"
    assert health(later, NOW)["newest"] == (NOW - HOUR).isoformat()


def test_a_feed_is_read_whole_now_and_then() -> None:
    some = replace(parsed(1), known=19)
    state = after(an_outcome(), parsed())
    assert not to_refresh(state, NOW + REFRESH - DAY)
    assert to_refresh(state, NOW + REFRESH)
    assert to_refresh(after(an_outcome(), some, state, now=NOW + REFRESH), NOW + REFRESH)
    assert not to_refresh(after(an_outcome(), parsed(), state, now=NOW + REFRESH), NOW + REFRESH)
    part = an_outcome(http_status=226)  # a delta: the others may be in the feed still
    assert to_refresh(after(part, parsed(), state, now=NOW + REFRESH), NOW + REFRESH)

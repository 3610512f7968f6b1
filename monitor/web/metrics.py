"""What is counted, for Prometheus. Fed by the daemon; states are read when they are asked for.

Labels come from the configuration or from fixed sets, never from feeds' texts, so that no feed
can make series without end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from monitor import __version__
from monitor.clock import Clock
from monitor.codec import alert_from_json
from monitor.pipeline.polls import Committed, Polled
from monitor.store.port import FeedState, OutboxRow, OutboxState, PollCommit
from monitor.values import Feed

OUTBOX_STATES: tuple[OutboxState, ...] = get_args(OutboxState)

RULES = 1_000  # with a series of their own; ten thousand rules would be ten thousand series
# Seconds. News comes minutes to hours after it is dated; a poll every 5 minutes is the fastest.
_AGE = (10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
_POSTED = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 43_200)
_PARSE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FETCH = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)


class Metrics:
    """Counts what it is told (an ``Observer``) and writes it in Prometheus' text format."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rules: set[str] = set()
        self._registry = registry = CollectorRegistry()
        Gauge("newswatch_info", "The running version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        self._polls = Counter(
            "newswatch_polls", "Polls stored, by outcome.", ["outcome"], registry=registry
        )
        self._failures = Counter(
            "newswatch_fetch_failures", "Fetches that failed.", ["reason"], registry=registry
        )
        self._fetched = Counter(
            "newswatch_fetched_bytes", "Bytes of bodies as they travelled.", registry=registry
        )
        self._fetch_seconds = Histogram(
            "newswatch_fetch_seconds", "Time of one fetch.", buckets=_FETCH, registry=registry
        )
        self._parse_seconds = Histogram(
            "newswatch_parse_seconds",
            "Time of one parse, with the wait for a worker.",
            buckets=_PARSE,
            registry=registry,
        )
        self._entries = Counter(
            "newswatch_entries", "New entries; old ones are of a first poll.", ["age"],
            registry=registry,
        )  # fmt: skip
        self._matches = Counter(
            "newswatch_matches", "New entries that a rule matched.", ["rule"], registry=registry
        )
        self._decisions = Counter(
            "newswatch_story_decisions",
            "What new entries were for their stories.",
            ["kind"],
            registry=registry,
        )
        self._queued = Counter(
            "newswatch_alerts", "Alerts queued, by channel and kind.", ["channel", "kind"],
            registry=registry,
        )  # fmt: skip
        self._deliveries = Counter(
            "newswatch_deliveries",
            "Calls to channels, by the state they left the message in.",
            ["channel", "state"],
            registry=registry,
        )
        self._seen_after = Histogram(
            "newswatch_publish_to_seen_seconds",
            "From an entry's own date to our first sight of it.",
            buckets=_AGE,
            registry=registry,
        )
        self._posted_after = Histogram(
            "newswatch_seen_to_posted_seconds",
            "From first sight to the channel's receipt, first alerts of stories.",
            buckets=_POSTED,
            registry=registry,
        )
        self._whole = Histogram(
            "newswatch_publish_to_posted_seconds",
            "From an entry's own date to the channel's receipt, first alerts of stories.",
            buckets=_AGE,
            registry=registry,
        )
        self._outbox = Gauge(
            "newswatch_outbox", "Messages in the outbox, by state.", ["state"], registry=registry
        )
        self._feeds = Gauge(
            "newswatch_feeds", "Feeds, by how they fare.", ["state"], registry=registry
        )
        self._due = Gauge(
            "newswatch_feeds_overdue_seconds",
            "How long the longest overdue feed has been waiting.",
            registry=registry,
        )

    # Observer -----------------------------------------------------------------------------------

    def committed(self, batch: Sequence[Polled], done: Committed) -> None:
        """Count polls that are stored, with what they came to."""
        for polled, state in zip(batch, done.states, strict=True):
            self._count_poll(polled, state)
        for commit in done.commits:
            self._count_commit(commit)

    def settled(self, rows: Sequence[OutboxRow]) -> None:
        """Count what became of messages; latency for those posted."""
        for row in rows:
            self._deliveries.labels(row.channel, row.state).inc()
            if row.state == "sent" and row.kind == "alert":
                self._time(row)

    def _count_poll(self, polled: Polled, state: FeedState) -> None:
        outcome = polled.outcome
        failed = state.failures > 0 and outcome.status != "failed"
        self._polls.labels("unreadable" if failed else outcome.status).inc()
        if outcome.status == "failed":
            self._failures.labels(outcome.reason or "other").inc()
        self._fetched.inc(outcome.wire_bytes)
        self._fetch_seconds.observe(outcome.elapsed)
        if polled.parse_seconds is not None:
            self._parse_seconds.observe(polled.parse_seconds)

    def _count_commit(self, commit: PollCommit) -> None:
        for stored in commit.entries:
            self._entries.labels("old" if stored.baseline else "new").inc()
            if stored.baseline:
                continue
            self._decisions.labels(stored.story_kind).inc()
            if stored.published is not None:
                age = (stored.first_seen - stored.published).total_seconds()
                self._seen_after.observe(max(0.0, age))
        for match in commit.matches:
            self._matches.labels(self.rule_label(match.match.rule)).inc()
        for row in commit.outbox:
            self._queued.labels(row.channel, row.kind).inc()

    def rule_label(self, rule: str) -> str:
        """Return the label for a rule: its name, or one for all that come after the first 1,000."""
        if rule in self._rules or len(self._rules) < RULES:
            self._rules.add(rule)
            return rule
        return "(others)"

    def _time(self, row: OutboxRow) -> None:
        try:
            alert = alert_from_json(row.payload)
        except ValueError:
            return
        now = self._clock.now()
        seen = alert.first_seen or row.created_at
        self._posted_after.observe(max(0.0, (now - seen).total_seconds()))
        if alert.published is not None:
            self._whole.observe(max(0.0, (now - alert.published).total_seconds()))

    # Text ---------------------------------------------------------------------------------------

    def text(
        self,
        feeds: Mapping[str, Feed],
        states: Mapping[str, FeedState],
        outbox: Mapping[OutboxState, int],
        now: datetime,
    ) -> bytes:
        """Return everything in Prometheus' text format, with the states given."""
        for name in OUTBOX_STATES:
            self._outbox.labels(name).set(outbox.get(name, 0))
        counts = dict.fromkeys(("ok", "new", "failing", "stopped"), 0)
        for key in feeds:
            counts[fares(states.get(key))] += 1
        for state, count in counts.items():
            self._feeds.labels(state).set(count)
        waits = ((now - s.next_at).total_seconds() for k, s in states.items() if k in feeds)
        self._due.set(max(0.0, max(waits, default=0.0)))
        return generate_latest(self._registry)


def fares(state: FeedState | None) -> str:
    """Return how a feed fares, in one word: ok, new, failing, stopped."""
    if state is None or state.last_poll_at is None:
        return "new"
    if state.disabled_reason:
        return "stopped"
    return "failing" if state.failures else "ok"

"""What became of alerts, rule by rule: how many, how fast, and what people said of them. Pure.

Contains no matching: what a new `none` term would change is ``monitor.review.proposals``'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from monitor.alerts.rows import ROOT_KINDS, STORY_KINDS
from monitor.codec import alert_from_json
from monitor.store.port import FoundEntry, OutboxRow
from monitor.values import Alert

SAYINGS = ("read", "not_relevant", "follow")
SHARES = (0.5, 0.9, 0.99)  # percentiles shown
WEEK = timedelta(days=7)
_BARS = "▁▂▃▄▅▆▇█"
_UNJUDGED = "·"


@dataclass(frozen=True, slots=True)
class Told:
    """A row that its channel has acknowledged, with its alert; ``at`` is when it was posted."""

    row: OutboxRow
    alert: Alert
    at: datetime

    @property
    def is_root(self) -> bool:
        return self.row.kind in ROOT_KINDS


@dataclass(frozen=True, slots=True)
class Feedback:
    """What people said of one delivery: the last word of each, and when the last was said."""

    delivery: str
    story: str
    rules: tuple[str, ...]
    said: Mapping[str, str]
    at: datetime

    @property
    def rejected(self) -> bool:
        """Whether at least half of those who spoke said that it isn't relevant."""
        return 2 * sum(word == "not_relevant" for word in self.said.values()) >= len(self.said)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds at each of ``SHARES``, over ``count`` alerts."""

    count: int
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Latencies:
    """From publication to our first sight, and from there to the channel; None: not known."""

    published_to_seen: Percentiles | None
    seen_to_posted: Percentiles | None


@dataclass(frozen=True, slots=True)
class Week:
    """One week's alerts, and those of them that people judged; ``starts`` is its Monday (UTC)."""

    starts: date
    alerts: int = 0
    accepted: int = 0
    rejected: int = 0

    @property
    def precision(self) -> float | None:
        return precision(self.accepted, self.rejected)


@dataclass(frozen=True, slots=True)
class RuleStats:
    """One rule's figures over a period.

    ``alerts`` are messages with a story's news (the first, and escalations), ``updates`` its edits
    and replies. ``entries`` matched; ``repeats`` of them came in stories that had one already:
    messages that were not sent. ``said`` counts people's words, ``accepted`` and ``rejected``
    deliveries.
    """

    rule: str
    alerts: int
    updates: int
    stories: int
    entries: int
    repeats: int
    said: Mapping[str, int]
    accepted: int
    rejected: int
    weeks: tuple[Week, ...]
    latencies: Latencies

    @property
    def precision(self) -> float | None:
        return precision(self.accepted, self.rejected)


def precision(accepted: int, rejected: int) -> float | None:
    """Return the share of judged alerts that were accepted, None where nobody judged."""
    judged = accepted + rejected
    return accepted / judged if judged else None


# Reading what is stored --------------------------------------------------------------------------


def told(rows: Iterable[OutboxRow], since: datetime) -> tuple[Told, ...]:
    """Return the stories' rows sent since then, oldest first; unreadable ones are left out."""
    out = []
    for row in rows:
        at = _posted_at(row)
        if row.state != "sent" or row.kind not in STORY_KINDS or at < since:
            continue
        try:
            alert = alert_from_json(row.payload)
        except ValueError:
            continue
        out.append(Told(row, alert, at))
    return tuple(sorted(out, key=lambda each: (each.at, each.row.id)))


def read_feedback(
    blob: bytes | None, rows: Iterable[OutboxRow], since: datetime
) -> tuple[Feedback, ...]:
    """Return the feedback on alerts of the period.

    It belongs to the time of its alert, not of the button; where the store has no such alert (any
    more), to the time of the last word.

    Args:
        blob: JSON as ``monitor.daemon.reactions`` keeps it: by delivery id its rules, its story,
            and by user the word with its time.
        rows: what was sent, of any time.
        since: where the period begins.
    """
    stored: Mapping[str, Any] = json.loads(blob) if blob else {}
    posted = {row.id: _posted_at(row) for row in rows}
    out = []
    for delivery, of_row in stored.items():
        words = {user: word for user, (word, _) in of_row["said"].items() if word in SAYINGS}
        if not words:
            continue
        last = max(datetime.fromisoformat(at) for _, at in of_row["said"].values())
        at = posted.get(delivery, last)
        if at >= since:
            rules = tuple(of_row["rules"])
            out.append(Feedback(delivery, of_row["story"], rules, words, at))
    return tuple(sorted(out, key=lambda each: (each.at, each.delivery)))


def _posted_at(row: OutboxRow) -> datetime:
    return row.last_try or row.created_at  # a row in a digest was never tried by itself


# Figures -----------------------------------------------------------------------------------------


def rule_stats(
    rules: Iterable[str],
    sent: Sequence[Told],
    feedback: Sequence[Feedback],
    entries: Sequence[FoundEntry],
    since: datetime,
    now: datetime,
) -> tuple[RuleStats, ...]:
    """Return the figures of each rule, most alerts first.

    Args:
        rules: the configured ones; rules that only the history knows come along.
        sent: see ``told``.
        feedback: see ``read_feedback``.
        entries: those first seen in the period, with the rules that matched them.
        since: where the period begins.
        now: where it ends.
    """
    by_rule: dict[str, tuple[list[Told], list[Feedback], list[FoundEntry]]] = {}
    for name in rules:
        by_rule[name] = ([], [], [])
    for each in sent:
        for name in each.alert.rules:
            by_rule.setdefault(name, ([], [], []))[0].append(each)
    for word in feedback:
        for name in word.rules:
            by_rule.setdefault(name, ([], [], []))[1].append(word)
    for found in entries:
        for name in () if found.entry.baseline else found.rules:
            by_rule.setdefault(name, ([], [], []))[2].append(found)
    out = [_of_rule(name, *facts, since, now) for name, facts in by_rule.items()]
    return tuple(sorted(out, key=lambda each: (-each.alerts, -each.entries)))


def _of_rule(
    name: str,
    sent: Sequence[Told],
    feedback: Sequence[Feedback],
    entries: Sequence[FoundEntry],
    since: datetime,
    now: datetime,
) -> RuleStats:
    roots = [each for each in sent if each.is_root]
    words = [word for each in feedback for word in each.said.values()]
    rejected = sum(each.rejected for each in feedback)
    return RuleStats(
        rule=name,
        alerts=len(roots),
        updates=len(sent) - len(roots),
        stories=len(stories_of(sent, entries)),
        entries=len(entries),
        repeats=repeats(entries),
        said={word: words.count(word) for word in SAYINGS},
        accepted=len(feedback) - rejected,
        rejected=rejected,
        weeks=weeks(roots, feedback, since, now),
        latencies=latencies(roots),
    )


def stories_of(sent: Iterable[Told], entries: Iterable[FoundEntry]) -> frozenset[str]:
    """Return the ids of the stories that were told or matched."""
    matched = {each.entry.story_id for each in entries}
    return frozenset(matched | {each.alert.story_id for each in sent})


def repeats(entries: Collection[FoundEntry]) -> int:
    """Return how many of the entries came in a story that had one of them already."""
    return len(entries) - len({each.entry.story_id for each in entries})


def weeks(
    roots: Iterable[Told], feedback: Iterable[Feedback], since: datetime, now: datetime
) -> tuple[Week, ...]:
    """Return every week that the period touches, oldest first."""
    counts: dict[date, list[int]] = {}
    monday = _monday(since)
    while monday <= _monday(now):
        counts[monday] = [0, 0, 0]
        monday += WEEK
    for each in roots:
        counts.setdefault(_monday(each.at), [0, 0, 0])[0] += 1
    for word in feedback:
        counts.setdefault(_monday(word.at), [0, 0, 0])[2 if word.rejected else 1] += 1
    return tuple(Week(starts, *counts[starts]) for starts in sorted(counts))


def _monday(moment: datetime) -> date:
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def sparkline(shares: Iterable[float | None]) -> str:
    """Return one character for each share (0-1); a dot where there is none."""
    top = len(_BARS) - 1
    return "".join(_UNJUDGED if each is None else _BARS[round(each * top)] for each in shares)


def latencies(roots: Iterable[Told]) -> Latencies:
    """Return how long alerts took. What a digest or a catch-up message told counts only for the
    way to our first sight: it was posted late on purpose."""
    seen: list[float] = []
    posted: list[float] = []
    for each in roots:
        alert, row = each.alert, each.row
        if alert.first_seen is None:
            continue
        if alert.published is not None:
            seen.append((alert.first_seen - alert.published).total_seconds())
        in_another = row.receipt is None and row.error  # its note says in which message
        if row.last_try is not None and not in_another:
            posted.append((row.last_try - alert.first_seen).total_seconds())
    return Latencies(percentiles(seen), percentiles(posted))


def percentiles(values: Collection[float]) -> Percentiles | None:
    """Return the nearest-rank percentiles; what clocks made negative counts as 0."""
    if not values:
        return None
    ranked = sorted(max(0.0, each) for each in values)
    last = len(ranked) - 1
    return Percentiles(
        len(ranked), tuple(ranked[min(last, int(share * len(ranked)))] for share in SHARES)
    )


# Candidates for `none` ---------------------------------------------------------------------------

ENOUGH = 2  # rejected stories that a rule needs, and a term must occur in: one may be chance
MOST_CANDIDATES = 40  # each is measured


def verdicts(feedback: Iterable[Feedback], rule: str) -> dict[str, bool]:
    """Return, by story, whether what ``rule`` told of it was rejected in at least half of its
    deliveries."""
    votes: dict[str, list[bool]] = {}
    for each in feedback:
        if rule in each.rules:
            votes.setdefault(each.story, []).append(each.rejected)
    return {story: 2 * sum(said) >= len(said) for story, said in votes.items()}


def phrases(
    texts: Iterable[str], tokens: Callable[[str], Sequence[str]], skip: Collection[str]
) -> frozenset[str]:
    """Return the words, and pairs of neighbouring words, that could tell a text from others.

    What may be a plural is there without its `s` too: as a keyword it matches both.

    Args:
        texts: one story's texts; pairs don't cross from one to the next.
        tokens: cuts a text into normalised words.
        skip: words that say nothing, or that the rule itself looks for.
    """
    out: set[str] = set()
    for text in texts:
        before = ""
        for token in tokens(text):
            good = len(token) > 2 and not token.isdigit() and token not in skip
            if good:
                plural = len(token) > 4 and token.endswith("s") and not token.endswith("ss")
                for form in (token, token[:-1]) if plural else (token,):
                    out.add(form)
                    if before:
                        out.add(f"{before} {form}")
            before = token if good else ""
    return frozenset(out)


def candidates(
    rejected: Sequence[Collection[str]], accepted: Iterable[Collection[str]]
) -> tuple[str, ...]:
    """Return the phrases of at least ``ENOUGH`` rejected stories and of no accepted one: those of
    most stories first, pairs before single words (they take less away by accident)."""
    good = set().union(*accepted)
    counts: dict[str, int] = {}
    for story in rejected:
        for phrase in story:
            if phrase not in good:
                counts[phrase] = counts.get(phrase, 0) + 1
    often = [phrase for phrase, count in counts.items() if count >= ENOUGH]
    often.sort(key=lambda each: (-counts[each], -each.count(" "), each))
    return tuple(often[:MOST_CANDIDATES])

"""What became of alerts: tables of stored facts and the figures they make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from monitor.alerts.route import Destination, Labels
from monitor.alerts.rows import outbox_row, story_alert
from monitor.alerts.stats import (
    Told,
    Week,
    candidates,
    latencies,
    percentiles,
    phrases,
    read_feedback,
    repeats,
    rule_stats,
    sparkline,
    told,
    verdicts,
    weeks,
)
from monitor.config.models import RuleSettings, Settings
from monitor.review.proposals import Proposal, propose
from monitor.store.port import FoundEntry, OutboxRow, StoredEntry
from monitor.values import AlertKind, Document, Entry, Receipt, Severity
from tests.unit.alerts.build import NOW, matched

SINCE = NOW - timedelta(days=30)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def row(
    *rules: str,
    story: str = "s1",
    at: datetime = NOW,
    kind: AlertKind = "alert",
    published: datetime | None = None,
    **facts: Any,
) -> OutboxRow:
    """Return a row that was seen a minute before it was posted at ``at``."""
    entry = matched(*rules, story=story, at=at - MINUTE, published=published)
    labels = Labels(rules=rules, severity=Severity.NORMAL, story=story)
    alert = story_alert(kind, entry, labels, Destination("news"), 0, "first report")
    made = outbox_row(alert, at - MINUTE)
    receipt = Receipt("1.0", "C1")
    return replace(made, **{"state": "sent", "last_try": at, "receipt": receipt, **facts})


def said(
    delivery: OutboxRow | str,
    *words: str,
    at: datetime = NOW,
    rules: Sequence[str] = ("A",),
    story: str = "s1",
) -> dict[str, Any]:
    """Return what `monitor.daemon.reactions` keeps of the words of users U0, U1, ..."""
    name = delivery if isinstance(delivery, str) else delivery.id
    users = {f"U{number}": [word, at.isoformat()] for number, word in enumerate(words)}
    return {name: {"rules": list(rules), "story": story, "said": users}}


def found(number: int, story: str, *rules: str, baseline: bool = False) -> FoundEntry:
    stored = StoredEntry(
        f"E{number}", 1, Entry(None, None, f"Title {number}"), NOW, NOW, story, baseline=baseline
    )
    return FoundEntry(stored, "feed", rules)


def test_only_what_was_sent_in_the_period_counts() -> None:
    rows = [
        row("A", story="late", at=NOW),
        row("A", story="early", at=NOW - DAY),
        row("A", story="before", at=SINCE - DAY),
        row("A", story="dead", state="dead"),
        row("A", story="queued", state="queued", last_try=None),
        row("A", story="digest", kind="digest"),
        row("A", story="broken", payload="{"),
        row("A", story="in digest", last_try=None, receipt=None, error="in digest X"),
    ]
    assert [each.alert.story_id for each in told(rows, SINCE)] == ["early", "in digest", "late"]


@pytest.mark.parametrize(
    ("words", "rejected"),
    [
        (("read",), False),
        (("follow",), False),
        (("not_relevant",), True),
        (("not_relevant", "read"), True),
        (("not_relevant", "read", "follow"), False),
    ],
)
def test_half_of_the_words_reject_a_delivery(words: tuple[str, ...], rejected: bool) -> None:
    (feedback,) = read_feedback(json.dumps(said("D", *words)).encode(), [], SINCE)
    assert feedback.rejected is rejected


def test_feedback_belongs_to_the_time_of_its_alert() -> None:
    old, new = row("A", at=SINCE - DAY), row("A", at=NOW - DAY)
    blob = json.dumps(
        said(old, "read") | said(new, "read") | said("gone", "read")
        | said("long gone", "read", at=SINCE - DAY) | said("other", "why")
    ).encode()  # fmt: skip
    got = {each.delivery: each.at for each in read_feedback(blob, [old, new], SINCE)}
    assert got == {new.id: NOW - DAY, "gone": NOW}
    assert read_feedback(None, [old], SINCE) == ()


def test_a_story_is_rejected_by_half_of_its_deliveries() -> None:
    blob = json.dumps(
        said("1", "not_relevant", story="s1") | said("2", "read", story="s1")
        | said("3", "read", story="s2") | said("4", "not_relevant", story="s3", rules=["B"])
    ).encode()  # fmt: skip
    feedback = read_feedback(blob, [], SINCE)
    assert verdicts(feedback, "A") == {"s1": True, "s2": False}
    assert verdicts(feedback, "B") == {"s3": True}


def test_the_figures_of_each_rule() -> None:
    first, second = row("A", "B", story="s1"), row("A", story="s2", at=NOW - 7 * DAY)
    rows = [first, second, row("A", story="s1", kind="update"), row("Old", story="s9")]
    blob = json.dumps(
        said(first, "not_relevant", rules=["A", "B"]) | said(second, "read", "follow", story="s2")
    ).encode()
    entries = [
        found(1, "s1", "A", "B"), found(2, "s1", "A"), found(3, "s2", "A"),
        found(4, "s3", "A"), found(5, "s4", "A", baseline=True), found(6, "s5"),
    ]  # fmt: skip
    feedback = read_feedback(blob, rows, SINCE)
    made = rule_stats(["A", "B", "Idle"], told(rows, SINCE), feedback, entries, SINCE, NOW)
    by_name = {each.rule: each for each in made}
    assert [each.rule for each in made] == ["A", "B", "Old", "Idle"]
    a, b, idle = by_name["A"], by_name["B"], by_name["Idle"]
    assert (a.alerts, a.updates, a.stories, a.entries, a.repeats) == (2, 1, 3, 4, 1)
    assert a.said == {"read": 1, "not_relevant": 1, "follow": 1}
    assert (a.accepted, a.rejected, a.precision) == (1, 1, 0.5)
    assert (b.alerts, b.precision) == (1, 0.0)
    assert (idle.alerts, idle.entries, idle.precision) == (0, 0, None)
    assert sum(week.alerts for week in a.weeks) == 2


def test_weeks_begin_on_monday_and_none_is_left_out() -> None:
    since = NOW - 15 * DAY
    roots = told([row("A", at=NOW), row("A", at=NOW - DAY)], since)  # Monday, Sunday
    blob = json.dumps(said(roots[0].row, "read") | said(roots[1].row, "not_relevant")).encode()
    feedback = read_feedback(blob, [each.row for each in roots], since)
    assert weeks(roots, feedback, since, NOW) == (
        Week(date(2026, 2, 9)),
        Week(date(2026, 2, 16)),
        Week(date(2026, 2, 23), alerts=1, accepted=1),
        Week(date(2026, 3, 2), alerts=1, rejected=1),
    )


@pytest.mark.parametrize(
    ("shares", "line"),
    [([], ""), ([0.0, 0.5, 1.0], "▁▅█"), ([None, 0.99, None], "·█·")],
)
def test_sparkline(shares: list[float | None], line: str) -> None:
    assert sparkline(shares) == line


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([-3.0], (1, (0.0, 0.0, 0.0))),
        ([float(number) for number in reversed(range(100))], (100, (50.0, 90.0, 99.0))),
    ],
)
def test_percentiles(values: list[float], expected: tuple[int, tuple[float, ...]] | None) -> None:
    got = percentiles(values)
    assert (None if got is None else (got.count, got.seconds)) == expected


def test_a_digest_says_nothing_of_the_way_to_the_channel() -> None:
    published = NOW - 3 * MINUTE
    alone = row("A", published=published)
    digested = row("A", published=published, receipt=None, error="in digest X")
    printed = row("A", published=published, receipt=None)  # the console gives no receipt
    undated = row("A")

    def counts(rows: list[OutboxRow]) -> tuple[float | None, float | None]:
        way = latencies(told(rows, datetime(2026, 1, 1, tzinfo=UTC)))
        seen, posted = way.published_to_seen, way.seen_to_posted
        return (seen.seconds[0] if seen else None, posted.seconds[0] if posted else None)

    assert counts([alone]) == (120.0, 60.0)
    assert counts([digested]) == (120.0, None)
    assert counts([printed]) == (120.0, 60.0)
    assert counts([undated]) == (None, 60.0)


def test_repeats() -> None:
    assert repeats([]) == 0
    assert repeats([found(1, "s1"), found(2, "s1"), found(3, "s2")]) == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["new video games"], {"video", "video game", "video games", "game", "games"}),
        (["arms 2026 video", "game"], {"video", "game"}),  # skipped, a number, another text
        (["class an up"], {"class"}),
    ],
)
def test_phrases(texts: list[str], expected: set[str]) -> None:
    assert phrases(texts, str.split, {"new", "arms"}) == expected


def test_candidates_are_of_several_rejected_stories_and_no_accepted_one() -> None:
    rejected = [{"game", "video game", "pc", "syria"}, {"game", "video game", "syria"}, {"game"}]
    assert candidates(rejected, [{"syria"}]) == ("game", "video game")
    assert candidates(rejected[:1], []) == ()


STORIES = {
    "bad 1": [Document("1", "Arms deal in a new video game", "Out now")],
    "bad 2": [Document("2", "Arms deals: video games reviewed")],
    "good": [Document("3", "Arms deal with Syria", "Government confirms")],
    "other": [Document("4", "The video game with an arms deal")],
    "more": [Document("5", "Arms deal in a video game"), Document("6", "Arms deal signed")],
    "gone": [Document("7", "No longer matched: a video game")],
}
VERDICTS = {"bad 1": True, "bad 2": True, "gone": True, "good": False, "never stored": True}


@pytest.mark.parametrize("none", [None, ["opera"], {"title": ["opera"]}])
def test_a_proposal_with_its_measured_effect(none: Any) -> None:
    rule = RuleSettings.model_validate({"name": "Arms", "any": ["arms deal"]})
    rule = rule if none is None else rule.model_copy(update={"none": none})
    # "more" has an entry that would still match, so its alert would still come.
    assert propose(Settings(rules=[rule]), rule, VERDICTS, STORIES) == (
        Proposal("video game", 2, 2, 0, 1, 1, 2),
    )


@pytest.mark.parametrize(
    "verdicts",
    [
        {},
        {"bad 1": True, "good": False},  # one may be chance
        {"bad 1": True, "gone": True},  # the rule has been mended meanwhile
        {"bad 1": True, "bad 2": True, "other": False, "more": False},  # people want those
    ],
)
def test_no_proposal(verdicts: dict[str, bool]) -> None:
    rule = RuleSettings.model_validate({"name": "Arms", "any": ["arms deal"]})
    assert propose(Settings(rules=[rule]), rule, verdicts, STORIES) == ()


def test_what_the_rule_looks_for_is_not_proposed() -> None:
    rule = RuleSettings.model_validate({"name": "Banks", "any": ["bank", "vault"]})
    stories = {f"s{n}": [Document(f"{n}", f"Vault {n} opened")] for n in range(2)}
    stories["good"] = [Document("9", "Bank closed")]
    got = propose(Settings(rules=[rule]), rule, {"s0": True, "s1": True, "good": False}, stories)
    assert [each.term for each in got] == ["opened"]


def test_an_alert_of_several_rules_counts_for_each() -> None:
    sent: tuple[Told, ...] = told([row("A", "B")], SINCE)
    made = rule_stats([], sent, [], [], SINCE, NOW)
    assert [(each.rule, each.alerts) for each in made] == [("A", 1), ("B", 1)]

"""What a matched entry owes to which channels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.alerts.plan import Plan, baseline_alert, plan, preview_alert
from monitor.alerts.route import Router
from monitor.codec import alert_from_json
from monitor.config.models import Settings
from monitor.store.port import OutboxRow, OutboxState
from monitor.values import AlertItem, EntityMention, Hit, Mark, Severity
from tests.unit.alerts.build import NOW, matched, settings


def planned(
    given: Settings, *args: object, prior: tuple[OutboxRow, ...] = (), **kw: object
) -> Plan:
    return plan(matched(*args, **kw), prior, Router(given), given, NOW)  # type: ignore[arg-type]


def test_a_first_match_is_one_queued_row_for_each_channel() -> None:
    given = settings(rules={"A": {"severity": "low"}, "B": {"severity": "high", "to": ["syria"]}})
    made = planned(given, "A", "B")
    assert [(row.channel, row.kind, row.state, row.severity) for row in made.rows] == [
        ("news", "alert", "queued", Severity.HIGH),
        ("syria", "alert", "queued", Severity.HIGH),
    ]
    assert all(row.story_id == "story-1" and row.not_before == NOW for row in made.rows)
    assert len({row.id for row in made.rows}) == 2
    assert made.outcome == "alert to news (default channel); alert to syria (rule 'B' to: syria)"


def test_the_alert_carries_what_is_shown() -> None:
    hits = (
        Hit("arms deal", "title", 0, 9, "Arms deal"),
        Hit("Syria", "title", 15, 20, "Syria", entity="Syria"),
        Hit("deal", "title", 5, 9, "deal"),
    )
    made = planned(
        settings(), "A", hits=hits, entities=(EntityMention("Syria", "SY", "country"),), sources=()
    )
    alert = alert_from_json(made.rows[0].payload)
    assert alert.title_marks == (Mark(0, 9), Mark(15, 20))
    assert alert.terms == ("arms deal", "Syria", "deal")
    assert alert.entities == ("Syria",)
    assert alert.sources == ("Example Wire",)
    assert (alert.reason, alert.rules, alert.revision) == ("first report", ("A",), 0)
    assert alert.first_seen == NOW


@pytest.mark.parametrize(
    ("state", "alerts_again"),
    [
        ("queued", False),
        ("held", False),
        ("sending", False),
        ("sent", False),
        ("unknown", False),
        ("dead", True),  # only what was really posted, or is going to be, suppresses
    ],
)
def test_one_alert_a_story_and_channel(state: OutboxState, alerts_again: bool) -> None:
    first = planned(settings(), "A").rows[0]
    again = planned(settings(), "A", entries=2, prior=(replace(first, state=state),))
    assert any(row.kind == "alert" for row in again.rows) is alerts_again
    if alerts_again:
        assert again.rows[0].revision == 1


def test_another_channel_of_the_same_story_still_alerts() -> None:
    first = planned(settings(), "A").rows
    again = planned(settings(rules={"B": {"to": ["syria"]}}), "B", entries=2, prior=first)
    assert [(row.channel, row.kind) for row in again.rows] == [("syria", "alert")]


def test_a_first_match_alerts_though_the_story_is_known() -> None:
    made = planned(settings(), "A", kind="duplicate", entries=3)
    assert [row.kind for row in made.rows] == ["alert"]
    assert alert_from_json(made.rows[0].payload).reason == "first match in a story of 3 reports"


def test_a_key_keeps_apart_what_clustering_merged() -> None:
    first = planned(settings(), "A", key="CVE-2026-1000")
    other = planned(settings(), "A", key="CVE-2026-2000", entries=2, prior=first.rows)
    same = planned(settings(), "A", key="CVE-2026-1000", entries=3, prior=first.rows)
    assert [(row.kind, row.revision) for row in other.rows] == [("alert", 1)]
    assert not [row for row in same.rows if row.kind == "alert"]


def test_no_match_is_no_alert() -> None:
    assert planned(settings()) == Plan((), "no rule matched")


ITEMS = tuple(AlertItem(f"Story {number}", None, "Wire", "A") for number in range(7))


def test_a_baseline_is_one_message_with_up_to_five_examples() -> None:
    row = baseline_alert("1", {"Wire": 340, "Herald": 1}, 7, ITEMS, settings(), NOW)
    assert row is not None
    alert = alert_from_json(row.payload)
    assert (row.channel, row.kind, row.state) == ("news", "baseline", "queued")
    assert alert.title == "Now watching 2 feeds"
    assert alert.items == ITEMS[:5]
    assert [f"{value} {name}" for name, value in alert.totals] == [
        "2 feeds",
        "341 entries already there",
        "7 would have matched",
    ]
    assert baseline_alert("1", {}, 0, (), settings(), NOW) is None


def test_new_rules_are_one_message() -> None:
    row = preview_alert("ab", ["A"], 1, ITEMS[:1], settings(), NOW)
    assert row is not None
    alert = alert_from_json(row.payload)
    assert (alert.title, alert.story_id) == ("New or edited rule: A", "rules:ab")
    assert preview_alert("ab", [], 0, (), settings(), NOW) is None

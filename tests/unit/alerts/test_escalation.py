"""What a story that grows owes to a channel that knows it: edits, notes, escalations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.alerts.plan import plan
from monitor.alerts.route import Router
from monitor.codec import alert_from_json
from monitor.store.port import OutboxRow, OutboxState
from monitor.values import Severity
from tests.unit.alerts.build import NOW, matched, settings

RULES = {
    "Low": {"severity": "low"},
    "Also low": {"severity": "low"},
    "High": {"severity": "high"},
    "Critical": {"severity": "critical"},
}
GIVEN = settings(rules=RULES)


def told(*entries: tuple[str, dict[str, Any]], state: OutboxState = "sent") -> list[OutboxRow]:
    """Return the rows of one story's entries, one after the other."""
    rows: list[OutboxRow] = []
    for number, (rule, about) in enumerate(entries, 1):
        entry = matched(rule, **{"entries": number, **about})
        made = plan(entry, rows, Router(GIVEN), GIVEN, NOW)
        rows = [row for row in rows if row.id not in made.forget]
        rows += [replace(row, state=state) for row in made.rows]
    return rows


WIRE: dict[str, Any] = {"sources": ("Wire",)}
HERALD: dict[str, Any] = {"sources": ("Wire", "Herald")}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        # The same source again, nothing new.
        ([("Low", WIRE), ("Low", {**WIRE, "kind": "duplicate"})], ["alert"]),
        # Another source: the message is brought up to date, silently.
        ([("Low", WIRE), ("Low", {**HERALD, "kind": "duplicate"})], ["alert", "edit"]),
        # A development: a note in the thread.
        ([("Low", WIRE), ("Low", {**WIRE, "kind": "update"})], ["alert", "note"]),
        # A second rule of no higher severity: a note.
        ([("Low", WIRE), ("Also low", {**WIRE, "kind": "duplicate"})], ["alert", "note"]),
        # Higher severity: a new notification, at most one for each severity.
        ([("Low", WIRE), ("High", {**HERALD, "kind": "duplicate"})], ["alert", "escalation"]),
        (
            [("Low", WIRE), ("High", WIRE), ("High", {**HERALD, "kind": "duplicate"})],
            ["alert", "escalation", "edit"],
        ),
        (
            [("Low", WIRE), ("High", WIRE), ("Critical", WIRE), ("Critical", WIRE)],
            ["alert", "escalation", "escalation"],
        ),
        # Back to a lower severity is no escalation.
        ([("High", WIRE), ("Low", {**WIRE, "kind": "duplicate"})], ["alert", "note"]),
    ],
)
def test_a_growing_story(entries: list[tuple[str, dict[str, Any]]], expected: list[str]) -> None:
    found = []
    for row in told(*entries):
        silent = row.kind == "update" and alert_from_json(row.payload).summary is None
        found.append({"update": "edit" if silent else "note"}.get(row.kind, row.kind))
    assert found == expected


def test_an_escalation_says_why() -> None:
    _, row = told(("Low", WIRE), ("High", {"sources": ("Wire", "Reuters")}))
    alert = alert_from_json(row.payload)
    assert alert.reason == "escalated low → high: Reuters"
    assert (row.severity, row.state, row.revision) == (Severity.HIGH, "sent", 1)
    assert alert.sources == ("Wire", "Reuters")


def test_revisions_are_unique() -> None:
    rows = told(*[("Low", {"sources": tuple(f"S{n}" for n in range(k))}) for k in range(1, 6)])
    assert [row.revision for row in rows] == [0, 1, 2, 3, 4]


def test_a_mentioning_rule_escalates_once() -> None:
    given = settings(rules={"A": {}, "B": {"mention": ["U7"]}, "C": {"mention": ["U8"]}})
    rows: list[OutboxRow] = []
    kinds = []
    for number, rule in enumerate(("A", "B", "B", "C"), 1):
        made = plan(matched(rule, entries=number), rows, Router(given), given, NOW)
        kinds.append([row.kind for row in made.rows])
        rows += made.rows
    # C mentions too, but a second escalation of the same severity would be noise: a note does.
    assert kinds == [["alert"], ["escalation"], [], ["update"]]
    assert alert_from_json(rows[1].payload).mention == ("U7",)
    assert "B" in alert_from_json(rows[1].payload).reason
    assert alert_from_json(rows[2].payload).mention == ("U8",)


QUIET = {"news": {"quiet_hours": {"from": "08:00", "to": "20:00"}}}


def test_a_held_story_that_escalates_is_told_at_once_and_not_again() -> None:
    given = settings(channels=QUIET, rules=RULES)
    first = plan(matched("Low"), (), Router(given), given, NOW)
    assert [row.state for row in first.rows] == ["held"]
    second = plan(matched("High", entries=2), first.rows, Router(given), given, NOW)
    assert [(row.kind, row.state) for row in second.rows] == [("escalation", "queued")]
    assert second.forget == (first.rows[0].id,)


def test_a_digested_story_that_escalates_is_told_anew() -> None:
    given = settings(channels={"news": {"digest": "daily 18:00", "live": False}}, rules=RULES)
    first = plan(matched("Low"), (), Router(given), given, NOW)
    digested = replace(first.rows[0], state="sent", error="in digest X")
    second = plan(matched("High", entries=2), [digested], Router(given), given, NOW)
    assert [(row.kind, row.state) for row in second.rows] == [("escalation", "queued")]
    assert second.forget == ()


def test_updates_of_a_held_story_wait_with_it() -> None:
    given = settings(channels=QUIET, rules=RULES)
    first = plan(matched("Low", sources=("Wire",)), (), Router(given), given, NOW)
    second = plan(
        matched("Low", entries=2, sources=("Wire", "Herald")),
        first.rows,
        Router(given),
        given,
        NOW,
    )
    assert [(r.kind, r.state, r.not_before) for r in second.rows] == [
        ("update", "held", first.rows[0].not_before)
    ]


def test_a_silent_edit_disturbs_nobody_in_quiet_hours() -> None:
    given = settings(channels=QUIET, rules=RULES)
    posted = told(("Low", WIRE))
    edit = plan(matched("Low", entries=2, **HERALD), posted, Router(given), given, NOW)
    assert [(row.kind, row.state) for row in edit.rows] == [("update", "queued")]
    note = plan(matched("Low", entries=2, kind="update", **WIRE), posted, Router(given), given, NOW)
    assert [(row.kind, row.state) for row in note.rows] == [("update", "held")]

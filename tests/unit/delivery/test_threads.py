"""One story is one root message: what each later row becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.codec import alert_to_json
from monitor.delivery import queued
from monitor.delivery.threads import (
    AS_EDIT,
    AS_REPLY,
    AS_ROOT,
    Post,
    Skip,
    Wait,
    merged,
    plan,
)
from monitor.store.port import OutboxRow
from monitor.values import Alert, MarkedText, Receipt, Severity, Summary
from tests.unit.delivery.parts import START, story_alert

ROOT = Receipt("1.0", "C1")
NOW = START + timedelta(hours=1)


def stored(alert: Alert, number: int, **changes: object) -> OutboxRow:
    made = queued(alert, START + timedelta(minutes=number))
    values: dict[str, object] = {"id": f"row-{number}", **changes}
    return replace(made, payload=alert_to_json(alert), **values)  # type: ignore[arg-type]


def root(**changes: object) -> OutboxRow:
    sent = {"state": "sent", "receipt": ROOT, "first_try": START, "last_try": START}
    return stored(story_alert(), 0, **{**sent, **changes})


def update(number: int = 1, *, tells: bool = False, **changes: object) -> Alert:
    summary = Summary("", MarkedText("Something new happened.")) if tells else None
    base = story_alert(
        kind="update", revision=number, summary=summary, sources=("Example Wire", "Fourth")
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tells", "roots", "expected"),
    [
        (False, [root()], AS_EDIT),
        (True, [root()], AS_REPLY),
        (False, [], AS_ROOT),
        (True, [], AS_ROOT),
        (True, [root(state="dead", receipt=None)], AS_ROOT),
        (False, [root(state="queued", receipt=None)], Wait),
        (True, [root(state="sending", receipt=None)], Wait),
        (True, [root(state="unknown", receipt=None)], Wait),
        (True, [root(state="held", receipt=None)], Wait),
        (False, [root(receipt=None)], Skip),  # the story went out in a digest
        (True, [root(receipt=None)], AS_ROOT),
        (True, [root(first_try=NOW - timedelta(hours=49))], AS_ROOT),
        (False, [root(first_try=NOW - timedelta(hours=49))], Skip),
        (True, [root(first_try=NOW - timedelta(hours=47))], AS_REPLY),
    ],
)
def test_what_an_update_becomes(tells: bool, roots: list[OutboxRow], expected: object) -> None:
    alert = update(tells=tells)
    decided = plan(stored(alert, 5), alert, roots, NOW, True)
    if isinstance(expected, str):
        assert isinstance(decided, Post)
        assert decided.note == expected
    else:
        assert isinstance(decided, expected)  # type: ignore[arg-type]


def test_an_edit_carries_the_whole_story() -> None:
    alert = update(severity=Severity.HIGH, rules=("Arms deals with Syria",), terms=("Yak-130",))
    decided = plan(stored(alert, 5), alert, [root()], NOW, True)
    assert isinstance(decided, Post)
    message = decided.message
    assert (message.edit, message.root) == (True, ROOT)
    assert message.alert.title == story_alert().title
    assert message.alert.summary == story_alert().summary
    assert message.alert.sources == ("Example Wire", "Second Paper", "Third Agency", "Fourth")
    assert message.alert.severity is Severity.HIGH
    assert "Yak-130" in message.alert.terms
    assert message.alert.revision == 1


def test_a_root_is_edited_at_most_once_in_five_minutes() -> None:
    edited = stored(
        update(1),
        1,
        state="sent",
        receipt=ROOT,
        error=AS_EDIT,
        last_try=NOW - timedelta(minutes=2),
    )
    alert = update(2)
    decided = plan(stored(alert, 5), alert, [root(), edited], NOW, True)
    assert decided == Wait(NOW + timedelta(minutes=3))
    later = plan(stored(alert, 5), alert, [root(), edited], NOW + timedelta(minutes=3), True)
    assert isinstance(later, Post)


def test_of_several_waiting_edits_one_is_made() -> None:
    first, second = update(1), update(2)
    waiting = stored(second, 6)
    assert isinstance(plan(stored(first, 5), first, [root(), waiting], NOW, True), Skip)
    decided = plan(waiting, second, [root(), stored(first, 5)], NOW, True)
    assert isinstance(decided, Post)


def test_a_further_rule_is_told_in_the_thread() -> None:
    alert = update(rules=("Arms deals with Syria", "Naval movements"))
    decided = plan(stored(alert, 5), alert, [root()], NOW, True)
    assert isinstance(decided, Post)
    assert decided.note == AS_REPLY
    assert decided.edit is not None
    assert "Naval movements" in decided.edit.alert.rules


def test_an_escalation_is_a_message_of_its_own_and_the_root_from_then_on() -> None:
    escalated = story_alert(kind="escalation", severity=Severity.HIGH, revision=1)
    decided = plan(stored(escalated, 5), escalated, [root()], NOW, True)
    assert isinstance(decided, Post)
    assert (decided.message.root, decided.message.edit) == (None, False)
    assert decided.message.earlier == ROOT
    newer = stored(escalated, 5, state="sent", receipt=Receipt("9.0", "C1"), first_try=NOW)
    alert = update(2, tells=True)
    answer = plan(stored(alert, 6), alert, [root(), newer], NOW, True)
    assert isinstance(answer, Post)
    assert answer.message.root == Receipt("9.0", "C1")


def test_after_a_new_root_updates_go_there() -> None:
    again = stored(
        update(1, tells=True),
        3,
        state="sent",
        receipt=Receipt("7.0", "C1"),
        error=AS_ROOT,
        first_try=NOW,
    )
    old = root(first_try=NOW - timedelta(hours=60))
    alert = update(2, tells=True)
    decided = plan(stored(alert, 5), alert, [old, again], NOW, True)
    assert isinstance(decided, Post)
    assert decided.message.root == Receipt("7.0", "C1")


def test_a_rules_key_keeps_stories_apart() -> None:
    alert = update(tells=True, key="CVE-2026-1")
    decided = plan(stored(alert, 5), alert, [root()], NOW, True)
    assert isinstance(decided, Post)
    assert decided.note == AS_ROOT


@pytest.mark.parametrize(("tells", "posts"), [(True, True), (False, False)])
def test_a_channel_without_threads_is_told_developments_only(tells: bool, posts: bool) -> None:
    alert = update(tells=tells)
    decided = plan(stored(alert, 5), alert, [root(receipt=None)], NOW, False)
    assert isinstance(decided, Post) is posts


def test_merging_ignores_what_was_before_the_root() -> None:
    older = stored(update(1, sources=("Old",)), -5)
    assert "Old" not in merged(root(), [older]).sources

"""An ops message is edited in place as what it tells of goes on."""

from __future__ import annotations

from dataclasses import replace

from monitor.alerts.ops import ops_row
from monitor.delivery.threads import AS_EDIT, Post, Skip, Wait, plan_notice
from monitor.values import Alert, Receipt
from tests.unit.alerts.build import NOW

TOLD = Alert(kind="ops", channel="ops", story_id="feeds/failing/1", title="Feed A fails")
OVER = replace(TOLD, title="Feed A works again", revision=1)
LATER = replace(TOLD, title="Feed A fails", revision=2)
ROOT = replace(ops_row(TOLD, NOW), state="sent", receipt=Receipt("1.1", "C1"))
EDIT = ops_row(OVER, NOW)


def test_the_message_is_replaced_whole() -> None:
    done = plan_notice(EDIT, OVER, [ROOT], NOW, threads=True)
    assert isinstance(done, Post)
    assert (done.message.alert, done.message.root, done.message.edit) == (OVER, ROOT.receipt, True)
    assert done.note == AS_EDIT


def test_where_nothing_can_be_edited_it_is_a_message() -> None:
    for siblings, threads in (([ROOT], False), ([], True), ([replace(ROOT, state="dead")], True)):
        done = plan_notice(EDIT, OVER, siblings, NOW, threads=threads)
        assert isinstance(done, Post)
        assert done.message.root is None


def test_an_edit_waits_for_its_message_and_gives_way_to_a_later_one() -> None:
    assert isinstance(plan_notice(EDIT, OVER, [replace(ROOT, state="unknown")], NOW, True), Wait)
    later = ops_row(LATER, NOW)
    assert isinstance(plan_notice(EDIT, OVER, [ROOT, later], NOW, True), Skip)

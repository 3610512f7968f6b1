"""A story's life in a channel, and a backlog's end, as they stand in Slack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.delivery import queued
from monitor.delivery.planner import FOLLOWED_BLOB
from monitor.delivery.threads import AS_REPLY
from monitor.values import Alert, AlertItem, MarkedText, Severity, Summary
from tests.fakeslack import Fault
from tests.integration.delivery.test_attack_rows import Scene, play
from tests.unit.delivery.parts import story_alert

STORY = story_alert(story_id="01STORY", sources=("Example Wire",), severity=Severity.LOW)
DEVELOPMENT = Summary("", MarkedText("The convoy carries trainers."))


async def tell(scene: Scene, alert: Alert) -> None:
    """Queue ``alert`` and deliver what is due for a moment."""
    await scene.store.enqueue([queued(alert, datetime.now(UTC))])
    await scene.run(0.4)


def update(revision: int, **changes: object) -> Alert:
    base = replace(STORY, kind="update", revision=revision, summary=None)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_story_is_one_message_edited_and_answered(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        await tell(scene, STORY)
        await tell(scene, update(1, sources=("Example Wire", "Reuters")))
        await tell(scene, update(2, summary=DEVELOPMENT, title="Second shipment arrives"))
        messages = scene.slack.workspace.messages("news-watch")
        assert len(messages) == 2
        root, reply = messages
        assert "2 sources" in root.text
        assert root.edits == 1
        assert "The convoy" not in str(root.body)
        assert reply.thread_ts == root.ts
        assert "Second shipment" in reply.text
        escalated = replace(
            STORY,
            kind="escalation",
            severity=Severity.HIGH,
            revision=3,
            reason="escalated low → high: Reuters",
        )
        await tell(scene, escalated)
        newest = scene.slack.workspace.messages("news-watch")[-1]
        assert newest.thread_ts is None
        assert newest.text.startswith("HIGH")
        assert "escalated low → high" in newest.text
        link = f"/archives/{scene.slack.workspace.channels['news-watch'].id}/p"
        assert link + root.ts.replace(".", "") in str(newest.body)
        await tell(scene, update(4, summary=DEVELOPMENT, title="Third shipment arrives"))
        assert scene.slack.workspace.messages("news-watch")[-1].thread_ts == newest.ts
        assert scene.slack.workspace.refused == []
        assert await scene.states() == {"sent": 5}

    play(life, tmp_path)


def test_edits_are_five_minutes_apart(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        await tell(scene, STORY)
        for revision in (1, 2, 3):
            await tell(scene, update(revision, sources=("Example Wire", f"Source {revision}")))
        (root,) = scene.slack.workspace.messages("news-watch")
        assert root.edits == 1
        assert (await scene.states())["queued"] >= 1

    play(life, tmp_path)


def test_a_deleted_root_is_followed_by_a_new_one(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        await tell(scene, STORY)
        channel = scene.slack.workspace.channels["news-watch"]
        channel.messages.clear()
        await tell(scene, update(1, summary=DEVELOPMENT, title="It goes on"))
        (fresh,) = channel.messages
        assert fresh.thread_ts is None
        await tell(scene, update(2, summary=DEVELOPMENT, title="And on"))
        assert channel.messages[-1].thread_ts == fresh.ts

    play(life, tmp_path)


def test_an_answer_that_was_lost_is_found_where_it_stands(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        await tell(scene, STORY)
        scene.slack.faults.script = [Fault.RESET_AFTER]
        await tell(scene, update(1, summary=DEVELOPMENT, title="It goes on"))
        await scene.run(2)
        root, reply = scene.slack.workspace.messages("news-watch")
        assert reply.thread_ts == root.ts
        (row,) = [each for each in await scene.store.outbox_rows() if each.kind == "update"]
        assert (row.state, row.error) == ("sent", AS_REPLY)
        assert row.receipt is not None
        assert row.receipt.ts == reply.ts

    play(life, tmp_path)


def test_a_dead_token_makes_no_double(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        scene.slack.faults.script = [Fault.RESET_AFTER]
        await scene.store.enqueue([queued(STORY, datetime.now(UTC))])
        await scene.run(1, lambda: scene.posted() == 1)
        scene.slack.workspace.token_error = "token_revoked"
        await scene.run(1.5)
        assert (await scene.states())["unknown"] == 1
        scene.slack.workspace.token_error = ""
        await scene.run(1.5)
        assert len(scene.slack.workspace.messages("news-watch")) == 1
        assert (await scene.states())["sent"] == 1

    play(life, tmp_path)


def test_a_followed_story_s_developments_are_told_in_the_channel_too(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        await tell(scene, STORY)
        await scene.store.put_blobs({FOLLOWED_BLOB: b'{"01STORY": "2026-11-23"}'})
        await tell(scene, update(1, summary=DEVELOPMENT))
        assert scene.slack.workspace.messages("news-watch")[-1].body["reply_broadcast"] is True

    play(life, tmp_path)


def test_a_digest_that_is_too_long_goes_on_in_its_thread(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        items = tuple(
            AlertItem(f"Story number {n}", f"https://news.example/{n}", "Wire", "A rule")
            for n in range(90)
        )
        digest = Alert("digest", "news", "digest/1", "Morning digest", items=items)
        await tell(scene, digest)
        await scene.run(2)
        root, *pages = scene.slack.workspace.messages("news-watch")
        assert pages
        assert {page.thread_ts for page in pages} == {root.ts}
        everything = str([message.body for message in (root, *pages)])
        assert all(f"Story number {n}'" in everything for n in range(90))
        assert scene.slack.workspace.refused == []

    play(life, tmp_path)


def test_a_three_hour_backlog_is_three_messages_and_a_thread(tmp_path: Path) -> None:
    async def life(scene: Scene) -> None:
        now = datetime.now(UTC)
        rows = []
        for n in range(300):
            at = now - timedelta(minutes=180 - n / 2)
            alert = story_alert(
                story_id=f"story-{n}",
                title=f"Story number {n}",
                severity=Severity.CRITICAL if n in (250, 251, 252) else Severity.NORMAL,
            )
            rows.append(queued(alert, at))
        await scene.store.enqueue(rows)
        await scene.run(10, lambda: scene.posted() >= 8)
        await scene.run(2)
        top = scene.slack.workspace.messages("news-watch", threads=False)
        assert len(top) == 3
        assert [message.text.split(" ")[0] for message in top[:2]] == ["CRITICAL", "CRITICAL"]
        everything = str([message.body for message in scene.slack.workspace.messages()])
        assert all(f"Story number {n}'" in everything for n in range(300))
        assert await scene.states() == {"sent": 300 + 1 + (scene.posted() - 3)}
        assert scene.slack.workspace.refused == []

    play(life, tmp_path)

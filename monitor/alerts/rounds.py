"""The regular rounds: release what was held, post digests, ask again where nobody answered.

The thin shell of the alerts stage: reads the store, calls the pure functions, writes. A daemon
calls ``run`` every few seconds; a missed round is made up for by the next.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.alerts.calendar import last_time
from monitor.alerts.desk import Desk
from monitor.alerts.digest import (
    Bucket,
    carrier,
    carrier_id,
    digest_title,
    due_buckets,
    fill,
    heartbeat,
    is_carrier,
    posted_since,
    singly,
    stories_in,
)
from monitor.alerts.plan import Ask
from monitor.alerts.policy import Policy, channel_policy, held_by_time
from monitor.alerts.rows import ROOT_KINDS, outbox_row
from monitor.codec import alert_from_json
from monitor.config.models import Settings
from monitor.store.port import OutboxRow, Store

log = logging.getLogger(__name__)

DIGESTS_BLOB = "alerts/digests"  # the last digest time of each channel that was taken care of
ANSWERS_BLOB = "alerts/answers"  # reactions by delivery id, written by the channels' buttons


class Rounds:
    """Makes the rounds over one store."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk

    async def run(self, settings: Settings, now: datetime) -> int:
        """Do everything that is due; returns how many rows were queued.

        Raises ``StateError``; what was not done is done in the next round.
        """
        await self._desk.refresh_silences(self._store)
        held = [row for row in await self._store.outbox_rows(states=["held"]) if _mine(row)]
        queued = await self._digests(settings, held, now)
        if queued:
            held = [row for row in await self._store.outbox_rows(states=["held"]) if _mine(row)]
        for bucket in due_buckets(held, now):
            queued += await self._release(bucket, held, settings, now)
        queued += await self._ask(now)
        return queued

    # Held rows ---------------------------------------------------------------------------------

    async def _release(
        self, bucket: Bucket, held: Sequence[OutboxRow], settings: Settings, now: datetime
    ) -> int:
        policy = channel_policy(bucket.channel, settings)
        if bucket.group == "" and policy.digest_only and await self._slot_due(bucket, policy, now):
            return 0
        rooted = await self._rooted(bucket.rows)
        own, rest = singly(bucket, now, digest_only=policy.digest_only, rooted=rooted)
        if own:
            await self._store.outbox_put(own)
        if not rest.rows:
            return len(own)
        empty = await self._carrier(bucket.channel, bucket.group, now, held, now)
        title = digest_title(stories_in(rest.rows), now, policy.zone, bucket.group)
        await self._store.outbox_put(fill(empty, rest.rows, now, title=title))
        log.info(
            "released",
            extra={"channel": bucket.channel, "alone": len(own), "in_digest": len(rest.rows)},
        )
        return len(own) + 1

    async def _slot_due(self, bucket: Bucket, policy: Policy, now: datetime) -> bool:
        """Tell whether the channel's scheduled digest is about to take these rows itself."""
        handled = (await self._handled()).get(bucket.channel)
        slot = _slot(policy, now)
        return slot is not None and (handled is None or handled < slot)

    async def _rooted(self, rows: Sequence[OutboxRow]) -> frozenset[str]:
        """Return the ids of updates whose story has a message in their channel."""
        out = set()
        here = {(row.channel, row.story_id) for row in rows if row.kind in ROOT_KINDS}
        for row in rows:
            if row.kind != "update" or (row.channel, row.story_id) in here:
                continue
            family = await self._store.outbox_rows(channel=row.channel, story_id=row.story_id)
            if any(each.receipt is not None for each in family):
                out.add(row.id)
        return frozenset(out)

    async def _carrier(
        self,
        channel: str,
        group: str,
        at: datetime,
        held: Sequence[OutboxRow],
        now: datetime,
    ) -> OutboxRow:
        """Return an empty digest row that is stored: one left over from a crash, or a new one."""
        ident = carrier_id(channel, group)
        for row in held:
            if is_carrier(row) and row.channel == channel and row.story_id == ident:
                return row
        made = carrier(channel, group, at, now)
        await self._store.enqueue([made])
        return made

    # Scheduled digests -------------------------------------------------------------------------

    async def _handled(self) -> dict[str, datetime]:
        stored = await self._store.blob(DIGESTS_BLOB)
        times: dict[str, str] = json.loads(stored) if stored else {}
        return {channel: datetime.fromisoformat(at) for channel, at in times.items()}

    async def _digests(self, settings: Settings, held: Sequence[OutboxRow], now: datetime) -> int:
        policies = {
            name: channel_policy(name, settings)
            for name, channel in settings.channels.items()
            if channel.digest is not None and channel.enabled
        }
        if not policies:
            return 0
        before = await self._handled()
        after = {name: at for name, at in before.items() if name in policies}
        queued = 0
        for name, policy in policies.items():
            slot = _slot(policy, now)
            if slot is None or (name in before and before[name] >= slot):
                continue
            if name not in before:  # a channel that is new to us has no past to sum up
                after[name] = slot
                continue
            if held_by_time(policy, now) is not None:
                continue  # its quiet hours end soon enough
            rows = [
                row
                for bucket in due_buckets(held, now)
                if bucket.channel == name and bucket.group == ""
                for row in bucket.rows
            ]
            beat = settings.channels[name].heartbeat
            queued += await self._digest(name, policy, rows, held, before[name], slot, now, beat)
            after[name] = slot
        if after != before:
            times = {name: at.isoformat() for name, at in after.items()}
            await self._store.put_blobs({DIGESTS_BLOB: json.dumps(times).encode()})
        return queued

    async def _digest(
        self,
        channel: str,
        policy: Policy,
        due: Sequence[OutboxRow],
        held: Sequence[OutboxRow],
        since: datetime,
        slot: datetime,
        now: datetime,
        beat: bool,
    ) -> int:
        rooted = await self._rooted(due)
        own = [replace(r, state="queued", not_before=now, error="") for r in due if r.id in rooted]
        if own:
            await self._store.outbox_put(own)
        rows = [row for row in due if row.id not in rooted]
        live: Sequence[OutboxRow] = ()
        if policy.live:
            live = posted_since(await self._store.outbox_rows(channel=channel), since)
        title = digest_title(0, slot, policy.zone)
        if not rows and not live:
            if beat:
                return await self._store.enqueue([heartbeat(channel, since, slot, title)])
            return len(own)
        already = await self._store.outbox_rows(channel=channel, story_id=carrier_id(channel, ""))
        if any(r.revision == int(slot.timestamp()) and r.state != "held" for r in already):
            return len(own)  # posted before a crash; what came since is released by itself
        empty = await self._carrier(channel, "", slot, held, now)
        await self._store.outbox_put(fill(empty, rows, now, title=title, live=live))
        log.info("digest", extra={"channel": channel, "stories": stories_in([*live, *rows])})
        return len(own) + 1

    # Unanswered --------------------------------------------------------------------------------

    async def _ask(self, now: datetime) -> int:
        asks = self._desk.asks_due(now)
        if not asks:
            return 0
        stored = await self._store.blob(ANSWERS_BLOB)
        answers: dict[str, list[str]] = json.loads(stored) if stored else {}
        rows: list[OutboxRow] = []
        for ask in asks:
            family = await self._store.outbox_rows(story_id=ask.story_id)
            rows.extend(unanswered(ask, family, answers.get(ask.row_id, ()), now))
        added = await self._store.enqueue(rows) if rows else 0
        await self._store.put_blobs(dict(self._desk.blobs()))
        return added


def _mine(row: OutboxRow) -> bool:
    """Tell whether a held row is this stage's: others hold rows of unknown outcome."""
    return row.attempts == 0


def _slot(policy: Policy, now: datetime) -> datetime | None:
    """Return when the channel's digest was due last."""
    return last_time(policy.digest, policy.zone, now) if policy.digest is not None else None


def unanswered(
    ask: Ask, family: Sequence[OutboxRow], answers: Collection[str], now: datetime
) -> tuple[OutboxRow, ...]:
    """Return the rows that tell other channels of an alert nobody answered.

    Args:
        ask: the alert and whom to tell.
        family: all rows of its story.
        answers: the reactions to it ("read", "follow").
        now: becomes the rows' time.
    """
    asked = next((row for row in family if row.id == ask.row_id), None)
    if asked is None or asked.state == "dead" or set(answers) & set(ask.unless):
        return ()
    alert = alert_from_json(asked.payload)
    reason = f"unanswered in {ask.channel} for {_minutes(now, asked)}"
    out = []
    for channel in ask.to:
        there = [row for row in family if row.channel == channel]
        if any(
            alert_from_json(row.payload).reason.startswith(f"unanswered in {ask.channel}")
            and row.severity >= asked.severity
            for row in there
        ):
            continue
        revision = 1 + max((row.revision for row in there), default=-1)
        out.append(
            outbox_row(
                replace(
                    alert, kind="escalation", channel=channel, reason=reason, revision=revision
                ),
                now,
            )
        )
    return tuple(out)


def _minutes(now: datetime, asked: OutboxRow) -> str:
    minutes = int((now - asked.created_at).total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"

"""The regular rounds: release what was held, post digests, ask again where nobody answered.

The thin shell of the alerts stage: reads the store, calls the pure functions, writes. A daemon
calls ``run`` every few seconds; a missed round is made up for by the next.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitor.alerts import unanswered
from monitor.alerts.calendar import last_time, next_time
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
    posted_between,
    singly,
    stories_in,
)
from monitor.alerts.policy import Policy, channel_policy, held_by_time
from monitor.alerts.rows import ROOT_KINDS
from monitor.config.models import Settings
from monitor.store.port import OutboxRow, Store

log = logging.getLogger(__name__)

DIGESTS_BLOB = "alerts/digests"  # the last digest time of each channel that was taken care of


class Rounds:
    """Makes the rounds over one store."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk

    async def run(self, settings: Settings, now: datetime) -> int:
        """Do everything that is due; returns how many rows were queued.

        Raises ``StateError``; what was not done is done in the next round.
        """
        if not self._desk.look_is_due(now):
            return 0
        held = [row for row in await self._store.outbox_rows(states=["held"]) if _mine(row)]
        queued = await self._digests(settings, held, now)
        if queued:
            held = [row for row in await self._store.outbox_rows(states=["held"]) if _mine(row)]
        for bucket in due_buckets(held, now):
            queued += await self._release(bucket, held, settings, now)
        queued += await self._ask(held, now)
        self._desk.looked(now, _following(settings, held, now))
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
            recent = await self._store.outbox_rows(channel=channel, since=since)
            live = posted_between(recent, since, slot)
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

    async def _ask(self, held: Sequence[OutboxRow], now: datetime) -> int:
        due = [row for row in held if row.kind == unanswered.KIND and row.not_before <= now]
        if not due:
            return 0
        answers = unanswered.read_answers(await self._store.blob(unanswered.BLOB))
        queued = 0
        for question in due:
            family = await self._store.outbox_rows(story_id=question.story_id)
            told = unanswered.settled(question, family, answers, now)
            if told is None:
                await self._store.outbox_forget([question.id])
            else:
                await self._store.outbox_put([told])
                queued += 1
        return queued


def _mine(row: OutboxRow) -> bool:
    """Tell whether a held row is this stage's: others hold rows of unknown outcome."""
    return row.attempts == 0


def _following(settings: Settings, held: Sequence[OutboxRow], now: datetime) -> datetime | None:
    """Return when the next held row or digest is due."""
    times = [row.not_before for row in held if row.not_before > now]
    for name, channel in settings.channels.items():
        if channel.digest is not None and channel.enabled:
            slot = next_time(channel.digest, channel_policy(name, settings).zone, now)
            times.extend(filter(None, (slot,)))
    return min(times, default=None)


def _slot(policy: Policy, now: datetime) -> datetime | None:
    """Return when the channel's digest was due last."""
    return last_time(policy.digest, policy.zone, now) if policy.digest is not None else None

"""Which of the due rows become calls now: the shell around ``threads``, which decides."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.codec import alert_from_json
from monitor.delivery.notices import queued
from monitor.delivery.sender import Outgoing, Sender
from monitor.delivery.slack.lists import PAGE_PREFIX, pages_of
from monitor.delivery.threads import (
    AS_REPLY,
    Plan,
    Post,
    Skip,
    Wait,
    page_root,
    plan,
    plan_notice,
    plan_page,
)
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert

log = logging.getLogger(__name__)

FOLLOWED_BLOB = "delivery/followed"  # stories whose developments are told in the channel too


class Planner:
    """Reads what a row's story has been told so far, and plans its call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def prepare(
        self, rows: Sequence[OutboxRow], senders: Mapping[str, Sender], now: datetime
    ) -> tuple[list[tuple[OutboxRow, Post]], list[OutboxRow]]:
        """Return (rows to send with their calls, rows settled without a call)."""
        posts: list[tuple[OutboxRow, Post]] = []
        settled: list[OutboxRow] = []
        for row in rows:
            try:
                alert = alert_from_json(row.payload)
            except ValueError as error:
                log.error("unreadable alert", extra={"delivery": row.id})
                settled.append(replace(row, state="dead", error=f"unreadable alert: {error}"[:500]))
                continue
            match await self._plan(row, alert, now, senders[row.channel].threads):
                case Post() as post:
                    posts.append((row, post))
                case Wait(until):
                    settled.append(replace(row, not_before=until))
                case Skip(note):
                    settled.append(replace(row, state="sent", error=note))
        return posts, settled

    async def _plan(self, row: OutboxRow, alert: Alert, now: datetime, threads: bool) -> Plan:
        if row.story_id.startswith(PAGE_PREFIX):
            root_id, story_id = page_root(row.story_id)
            family = await self._store.outbox_rows(channel=row.channel, story_id=story_id)
            first = next((each for each in family if each.id == root_id), None)
            return plan_page(row, alert, first, now)
        if pages := pages_of(alert, row.id):
            await self._store.enqueue([queued(page, now) for page in pages])
        if row.kind not in ("update", "escalation"):
            return Post(Outgoing(row.id, alert))
        family = await self._store.outbox_rows(channel=row.channel, story_id=row.story_id)
        siblings = [each for each in family if each.id != row.id]
        if alert.kind == "ops":
            return plan_notice(row, alert, siblings, now, threads)
        decided = plan(row, alert, siblings, now, threads)
        if isinstance(decided, Post) and decided.note == AS_REPLY and await self._followed(row):
            return replace(decided, message=replace(decided.message, broadcast=True))
        return decided

    async def _followed(self, row: OutboxRow) -> bool:
        blob = await self._store.blob(FOLLOWED_BLOB)
        return blob is not None and row.story_id in json.loads(blob)

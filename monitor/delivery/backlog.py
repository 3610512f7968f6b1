"""What waited through an outage, made into one message: the shell around ``catchup``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from monitor.delivery import catchup
from monitor.delivery.notices import queued
from monitor.failpoints import failpoint
from monitor.store.port import OutboxRow, Store

log = logging.getLogger(__name__)


class Backlog:
    """Collapses what waits in a channel, in two steps of which the second can be made up for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def collapse(
        self, channels: list[str], rows: Sequence[OutboxRow], room: int, now: datetime
    ) -> Sequence[OutboxRow]:
        """Collapse what waited through an outage; returns the rows that are due then."""
        collapsed = False
        for channel in channels:
            due = await self._store.outbox_due(now, catchup.MOST, [channel])
            if (made := catchup.collapse(due, now)) is None:
                continue
            collapsed = True
            await self._store.enqueue([queued(made.alert, now)])
            failpoint("after_catch_up_queued")
            await self._store.outbox_put([catchup.cover(row) for row in made.covered])
            log.warning("catching up", extra={"channel": channel, "messages": len(made.covered)})
        return await self._store.outbox_due(now, room, channels) if collapsed else rows

    async def finish(self) -> None:
        """After a crash between the two steps of ``_catch_up``: take the second one."""
        due = await self._store.outbox_rows(states=["queued"])
        stands_for = {
            each for row in due if row.kind == "catch_up" for each in catchup.covered_ids(row)
        }
        if covered := [catchup.cover(row) for row in due if row.id in stands_for]:
            await self._store.outbox_put(covered)

"""Settling unclear outcomes: what the channel's history shows was sent, the rest is sent again.

Slack has no idempotency key (slackapi/slack-api-specs#10, open since 2018), so each message carries
its delivery id as metadata and the history is asked for it. One read settles all unclear messages
of a channel. Three complete looks without a find queue the message again under the same id; what
was sent again is looked for once more five minutes later, and a double is deleted (the janitor).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitor.clock import Clock
from monitor.delivery.lanes import Lane
from monitor.delivery.sender import CantLook, Look, RateLimited, Seen, Sender
from monitor.delivery.slack.lists import PAGE_PREFIX
from monitor.delivery.threads import AS_REPLY, AS_ROOT, page_root, root_of
from monitor.delivery.transitions import found, missed, resend
from monitor.store.port import OutboxRow, Store
from monitor.values import Receipt

log = logging.getLogger(__name__)

BEFORE_FIRST_TRY = timedelta(minutes=2)  # clocks differ: Slack's timestamps are Slack's
FAR_BACK = timedelta(hours=24)  # to read where a clock that was set hides how far is enough
JANITOR_AFTER = timedelta(minutes=5)
RESENT_BLOB = "delivery/resent"


@dataclass(slots=True)
class Scan:
    """A look under way: it may take several calls (pages, Retry-After).

    Of ``ids`` only those in ``due`` had waited long enough for a miss to count.
    """

    ids: frozenset[str]
    due: frozenset[str]
    since: datetime
    places: list[Receipt | None]
    cursor: str | None = None
    seen: dict[str, list[Receipt]] = field(default_factory=dict)
    in_threads: set[str] = field(default_factory=set)


class Reconciler:
    """Looks for unclear messages. One per deliverer; scans are kept by lane."""

    def __init__(self, store: Store, clock: Clock, waits: tuple[timedelta, ...]) -> None:
        self._store = store
        self._clock = clock
        self._waits = waits
        self._scans: dict[str, Scan] = {}
        self._next: dict[str, datetime] = {}
        self._resent: dict[str, tuple[str, datetime]] = {}  # row id → (channel, when to look)
        self.lasting: dict[str, str] = {}  # channel → why its history can't be read

    async def start(self) -> None:
        """Take up what an earlier process left: unknown rows and messages sent again."""
        for row in await self._store.outbox_rows(states=["unknown"]):
            self.expect(row)
        blob = await self._store.blob(RESENT_BLOB)
        for row_id, (channel, at) in (json.loads(blob) if blob else {}).items():
            self._resent[row_id] = (channel, datetime.fromisoformat(at))

    def expect(self, row: OutboxRow) -> None:
        """Note that ``row`` is unknown and when it is to be looked for."""
        known = self._next.get(row.channel)
        if known is None or row.not_before < known:
            self._next[row.channel] = row.not_before

    async def sent_again(self, row: OutboxRow) -> None:
        """Note that ``row`` was sent after looks found nothing: a late double is possible."""
        self._resent[row.id] = (row.channel, self._clock.now() + JANITOR_AFTER)
        await self._keep_resent()

    def next_at(self, lane: Lane) -> datetime | None:
        """Return when ``lane`` wants to be looked at next."""
        times = [at for channel, at in self._next.items() if channel in lane.senders]
        times += [at for channel, at in self._resent.values() if channel in lane.senders]
        if lane.key in self._scans:
            times.append(self._clock.now())
        return min(times, default=None)

    def due(self, lane: Lane) -> bool:
        """Tell whether there is something to look for in ``lane`` now."""
        at = self.next_at(lane)
        return at is not None and self._is_due(at)

    def _is_due(self, at: datetime) -> bool:
        """Tell whether ``at`` has come, or lies so far ahead that the clock was set back since."""
        now = self._clock.now()
        return at <= now or at - now > max(*self._waits, JANITOR_AFTER)

    async def settle(self, lane: Lane) -> int:
        """Make the calls that a look needs now; returns how many rows changed state."""
        rows = await self._unknown(lane)
        changed = await self._settle_blind(lane, rows)
        rows = [row for row in rows if lane.senders[row.channel].looks]
        scan = self._scans.get(lane.key)
        if scan is None:
            scan = await self._begin(lane, rows)
            if scan is None:
                return changed
            self._scans[lane.key] = scan
        sender = next(each for each in lane.senders.values() if each.looks)
        if not await self._read(lane, sender, scan):
            return changed
        del self._scans[lane.key]
        return changed + await self._conclude(lane, sender, scan)

    async def _unknown(self, lane: Lane) -> list[OutboxRow]:
        """Return the lane's unknown rows and refresh when they are next due."""
        rows: list[OutboxRow] = []
        for channel in lane.senders:
            mine = await self._store.outbox_rows(states=["unknown"], channel=channel)
            self._next.pop(channel, None)
            for row in mine:
                self.expect(row)
            rows += mine
        return rows

    async def _settle_blind(self, lane: Lane, rows: Sequence[OutboxRow]) -> int:
        """Queue again what can't be looked for and has waited its time: at least once."""
        now = self._clock.now()
        again = [
            resend(row, now)
            for row in rows
            if not lane.senders[row.channel].looks and self._is_due(row.not_before)
        ]
        await self._put(lane, again)
        return len(again)

    async def _begin(self, lane: Lane, rows: Sequence[OutboxRow]) -> Scan | None:
        now = self._clock.now()
        late = [row_id for row_id, (channel, at) in self._resent.items() if channel in lane.senders]
        due_late = [row_id for row_id in late if self._is_due(self._resent[row_id][1])]
        due = frozenset(row.id for row in rows if self._is_due(row.not_before))
        if not due_late and not due:
            return None
        tries = [row.first_try for row in rows if row.first_try is not None]
        if due_late:
            tries.append(min(self._resent[each][1] for each in due_late) - 2 * JANITOR_AFTER)
        since = min(tries, default=now) - BEFORE_FIRST_TRY
        if any(at > now for at in tries):  # told by a clock that has been set back since
            since = min(since, now - FAR_BACK)
        places: list[Receipt | None] = [None]
        for row in rows:
            if (root := await self._thread_of(row)) is not None and root not in places:
                places.append(root)
        ids = frozenset([*(row.id for row in rows), *due_late])
        return Scan(ids, due, since, places)

    async def _thread_of(self, row: OutboxRow) -> Receipt | None:
        """Return the root under which ``row`` may have been posted."""
        if row.kind != "update" and not row.story_id.startswith(PAGE_PREFIX):
            return None
        if row.story_id.startswith(PAGE_PREFIX):
            root_id, story_id = page_root(row.story_id)
            family = await self._store.outbox_rows(channel=row.channel, story_id=story_id)
            return next((each.receipt for each in family if each.id == root_id), None)
        family = await self._store.outbox_rows(channel=row.channel, story_id=row.story_id)
        root = root_of(row, family)
        return root.receipt if root is not None else None

    async def _read(self, lane: Lane, sender: Sender, scan: Scan) -> bool:
        """Read pages until the scan is complete (True) or must wait (False)."""
        while scan.places:
            question = Look(
                scan.ids,
                scan.since,
                scan.places[0],
                scan.cursor,
                await self._channel_id(lane),
                self._clock.now(),
            )
            match await sender.look(question):
                case RateLimited(seconds):
                    lane.service.history_after = self._clock.monotonic() + seconds
                    log.info("history paused", extra={"lane": lane.key, "seconds": seconds})
                    return False
                case CantLook(reason, lasting):
                    await self._cant(lane, scan, reason, lasting)
                    return False
                case Seen(receipts, cursor):
                    if scan.places[0] is not None:
                        scan.in_threads |= receipts.keys()
                    for row_id, where in receipts.items():
                        known = scan.seen.setdefault(row_id, [])
                        known += [each for each in where if each not in known]
                    scan.cursor = cursor
                    if cursor is None:
                        scan.places.pop(0)
        return True

    async def _channel_id(self, lane: Lane) -> str | None:
        """Return the channel's ID as an earlier message's receipt has it."""
        for channel in lane.senders:
            for row in await self._store.outbox_rows(states=["sent"], channel=channel, limit=50):
                if row.receipt is not None:
                    return row.receipt.channel_id
        return None

    async def _cant(self, lane: Lane, scan: Scan, reason: str, lasting: bool) -> None:
        """No history: wait and try again, or (missing scope) send again, which may double."""
        self._scans.pop(lane.key, None)
        log.warning("history can't be read", extra={"lane": lane.key, "reason": reason})
        now = self._clock.now()
        if scan.places and scan.places[0] is not None and "thread_not_found" in reason:
            scan.places.pop(0)  # the thread was deleted with all that was in it
            self._scans[lane.key] = scan
            return
        rows = [row for row in await self._unknown(lane) if row.id in scan.ids]
        if not lasting:
            later = now + self._waits[0]
            await self._put(
                lane, [replace(row, not_before=max(row.not_before, later)) for row in rows]
            )
            for row_id in scan.ids & self._resent.keys():
                channel, at = self._resent[row_id]
                self._resent[row_id] = (channel, max(at, later))
            return
        for channel in lane.senders:
            self.lasting[channel] = reason
        await self._put(lane, [resend(row, now) for row in rows if row.not_before <= now])
        await self._forget_resent(scan.ids)

    async def _conclude(self, lane: Lane, sender: Sender, scan: Scan) -> int:
        now = self._clock.now()
        for channel in lane.senders:
            self.lasting.pop(channel, None)
        changed: list[OutboxRow] = []
        for row in await self._unknown(lane):
            if row.id not in scan.ids:
                continue
            if receipts := _oldest_first(scan.seen.get(row.id, ())):
                changed.append(found(row, receipts[0], _note(row, scan)))
                await self._remove(sender, row.id, receipts[1:])
            elif row.id in scan.due:
                changed.append(missed(row, now, self._waits))
        await self._put(lane, changed)
        for row_id in [each for each in scan.ids if each in self._resent]:
            receipts = _oldest_first(scan.seen.get(row_id, ()))
            await self._remove(sender, row_id, receipts[1:])
        await self._forget_resent(scan.ids)
        for row in changed:
            log.debug("looked for", extra={"delivery": row.id, "state": row.state})
        states = [row.state for row in changed]
        log.info(
            "unclear deliveries looked for",
            extra={
                "lane": lane.key,
                "found": states.count("sent"),
                "sent_again": states.count("queued"),
                "left": states.count("unknown"),
            },
        )
        return sum(state != "unknown" for state in states)

    async def _remove(self, sender: Sender, row_id: str, doubles: Iterable[Receipt]) -> None:
        for receipt in doubles:
            log.warning("double deleted", extra={"delivery": row_id, "ts": receipt.ts})
            await sender.remove(receipt)

    async def _put(self, lane: Lane, rows: Sequence[OutboxRow]) -> None:
        if not rows:
            return
        await self._store.outbox_put(rows)
        lane.backlog = lane.backlog or any(row.state == "queued" for row in rows)
        for channel in {row.channel for row in rows}:
            self._next.pop(channel, None)
        for row in await self._store.outbox_rows(states=["unknown"]):
            self.expect(row)

    async def _forget_resent(self, ids: frozenset[str]) -> None:
        before = len(self._resent)
        now = self._clock.now()
        self._resent = {
            row_id: (channel, at)
            for row_id, (channel, at) in self._resent.items()
            if row_id not in ids or at > now
        }
        if len(self._resent) != before:
            await self._keep_resent()

    async def _keep_resent(self) -> None:
        kept: Mapping[str, list[str]] = {
            row_id: [channel, at.isoformat()] for row_id, (channel, at) in self._resent.items()
        }
        await self._store.put_blobs({RESENT_BLOB: json.dumps(kept).encode()})


def _note(row: OutboxRow, scan: Scan) -> str:
    """Return how an update that was found had been delivered: its story's next rows ask."""
    if row.kind != "update":
        return ""
    return AS_REPLY if row.id in scan.in_threads else AS_ROOT


def _oldest_first(receipts: Iterable[Receipt]) -> list[Receipt]:
    return sorted(receipts, key=lambda receipt: receipt.ts)

"""The deliverer: takes outbox rows to their channels, each at least once, practically once.

The thin shell around ``transitions`` (how a row changes), ``threads`` (which call it becomes),
``pacing`` and ``lanes`` (when it may go), ``catchup`` (after an outage) and ``reconcile`` (what
became of unclear ones). A row is stored as ``sending`` before its call is made and settled after
it, so a crash at any point leaves a row that says what may have happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from monitor.clock import Clock
from monitor.delivery import catchup
from monitor.delivery.backlog import Backlog
from monitor.delivery.calls import call
from monitor.delivery.lanes import ChannelHealth, Lane, Lanes, Pace, Service
from monitor.delivery.notices import channel_parked, history_unreadable, queued, unknown_channel
from monitor.delivery.pacing import backoff
from monitor.delivery.pauses import Pauses
from monitor.delivery.planner import Planner
from monitor.delivery.reconcile import Reconciler
from monitor.delivery.sender import (
    ChannelRefused,
    NotReached,
    RateLimited,
    Result,
    Sender,
    Sent,
    Unclear,
)
from monitor.delivery.transitions import (
    LOOKS_AFTER,
    RESEND_AFTER,
    after,
    not_started,
    starting,
    unclear,
)
from monitor.failpoints import failpoint
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert

log = logging.getLogger(__name__)

PARKED_FOR = 300.0  # a channel that refuses everything is tried again every 5 minutes
PATIENCE = 0.5  # seconds that one round waits for slow channels before it leaves them to themselves
OPS = "ops"  # the channel that is told about the others, if it is configured
HIDDEN = 5.0  # a row overdue in a blocked channel hides later ones from `outbox_next`


class Deliverer:
    """Delivers the outbox of ``store`` through ``senders`` (by channel name).

    One call a channel is in flight at a time, so that order holds; channels don't wait for each
    other. ``looks_after`` are the times after an unclear outcome at which history is read,
    ``resend_after`` the time after which a channel without history gets the message again.
    """

    def __init__(
        self,
        store: Store,
        senders: Mapping[str, Sender],
        clock: Clock,
        *,
        random: Random,
        pace: Pace | None = None,
        looks_after: tuple[timedelta, ...] = LOOKS_AFTER,
        resend_after: timedelta = RESEND_AFTER,
    ) -> None:
        self._store = store
        self._senders = dict(senders)
        self._clock = clock
        self._random = random
        self._pace = pace or Pace()
        self._first_look = looks_after[0]
        self._resend_after = resend_after
        self._lanes = Lanes(self._pace)
        self._lanes.adopt(self._senders)
        self._planner = Planner(store)
        self._backlog = Backlog(store)
        self._pauses = Pauses(store, clock)
        self._reconciler = Reconciler(store, clock, looks_after)
        self._retired: list[Sender] = []
        self._stopping = False
        self.on_settled: Callable[[Sequence[OutboxRow]], None] | None = None
        self._latest = clock.now()
        self._wake: datetime | None = self._latest

    # Public face -------------------------------------------------------------------------------

    async def recover(self) -> int:
        """At start: what was being sent when the process died becomes ``unknown`` and is looked
        for; returns how many rows that are. Pauses that channels asked for are taken up again."""
        changed = await self._unsettled(await self._store.outbox_stranded())
        await self._backlog.finish()
        await self._reconciler.start()
        await self._pauses.restore(self._lanes.by_key.values())
        await self._tell_of_unknown_channels()
        return changed

    async def deliver_due(self) -> int:
        """One round: send what is due and may go now, look for unclear messages, probe services
        that are down; returns how many rows changed state.

        A channel that answers slowly is left to itself after half a second; its rows are counted
        in a later round. Raises ``StateError`` when the store can't be used.
        """
        if self._stopping:
            return 0
        changed = self._collect()
        now = self._clock.monotonic()
        for lane in self._lanes.fair():
            if lane.busy or not lane.senders:
                continue
            if lane.may_go(now):
                lane.task = asyncio.create_task(self._serve(lane), name=f"deliver {lane.key}")
                await asyncio.sleep(0)  # it takes its share of the common rate before the next
            elif lane.blocked_until <= now:
                lane.backlog = True  # perhaps: its turn comes with the next token
        for service in self._lanes.services.values():
            self._start_settling(service, now)
        if running := self._running():
            await asyncio.wait(running, timeout=PATIENCE)
            changed += self._collect()
        await self._close_retired()
        await self._plan_wake()
        return changed

    def wake_at(self) -> datetime | None:
        """Return when there is something to do again (None: not before new rows come)."""
        return self._wake

    async def drain(self, deadline: float) -> None:
        """Start nothing new and wait for what is in flight, until ``deadline`` (monotonic
        seconds of the clock). What isn't answered by then stays ``sending`` and is recovered at
        the next start."""
        self._stopping = True
        if running := self._running():
            left = max(0.0, deadline - self._clock.monotonic())
            _, late = await asyncio.wait(running, timeout=left)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def aclose(self) -> None:
        """Close the senders' connections."""
        await self.drain(self._clock.monotonic())
        self._retired += self._senders.values()
        await self._close_retired()

    async def replace_senders(self, senders: Mapping[str, Sender]) -> None:
        """Take a new configuration's channels; parked ones are tried at once. What is in flight
        ends on the old connections, which are closed after it."""
        self._retired += [each for each in self._senders.values() if each not in senders.values()]
        self._senders = dict(senders)
        self._lanes.adopt(self._senders)
        self._wake = self._clock.now()
        await self._close_retired()
        await self._tell_of_unknown_channels()

    def health(self) -> tuple[ChannelHealth, ...]:
        """Return how each channel fares."""
        return self._lanes.health(self._clock.monotonic())

    # Rounds ------------------------------------------------------------------------------------

    def _running(self) -> list[asyncio.Task[int]]:
        tasks = [lane.task for lane in self._lanes.by_key.values() if lane.task is not None]
        for service in self._lanes.services.values():
            tasks += service.tasks.values()
        return tasks

    def _collect(self) -> int:
        """Return what finished tasks changed, and forget them; raises what broke one off."""
        changed = 0
        broken: BaseException | None = None
        for lane in self._lanes.by_key.values():
            if lane.task is not None and lane.task.done():
                task, lane.task = lane.task, None
                if (error := task.exception()) is not None:
                    lane.unsettled = True
                    broken = error
                else:
                    changed += task.result()
        for service in self._lanes.services.values():
            for name in [name for name, task in service.tasks.items() if task.done()]:
                task = service.tasks.pop(name)
                broken = task.exception() or broken
                changed += 0 if task.exception() else task.result()
        if broken is not None:
            raise broken
        return changed

    async def _close_retired(self) -> None:
        if self._retired and all(task.done() for task in self._running()):
            retired, self._retired = self._retired, []
            for sender in {id(each): each for each in retired}.values():
                await sender.aclose()

    async def _plan_wake(self) -> None:
        now, mono = self._clock.now(), self._clock.monotonic()
        waits: list[float] = [0.1] if self._running() else []
        for lane in self._lanes.by_key.values():
            if lane.backlog and not lane.busy:
                waits.append(lane.ready_at(mono) - mono)
            look = self._reconciler.next_at(lane)
            if look is not None and not lane.service.breaker.is_open:
                wait = max((look - now).total_seconds(), lane.service.history_after - mono)
                waits.append(max(0.1, wait))
        probes = (service.breaker.open_until for service in self._lanes.services.values())
        waits += [at - mono for at in probes if at is not None]
        if (due := await self._store.outbox_next()) is not None:
            waits.append((due - now).total_seconds() if due > now else HIDDEN)
        self._wake = now + timedelta(seconds=max(0.0, min(waits))) if waits else None

    # Sending -----------------------------------------------------------------------------------

    async def _serve(self, lane: Lane) -> int:
        """Send what ``lane`` may send now; returns how many rows changed."""
        mono, now = self._clock.monotonic(), self._clock.now()
        senders = dict(lane.senders)
        if lane.unsettled:
            await self._settle_broken(lane)
        room = lane.bucket.available(mono, self._pace.batch)
        room = min(room, lane.service.bucket.available(mono, self._pace.batch))
        if not all(sender.looks for sender in senders.values()):
            room = min(room, 1)  # a crash may double what can't be looked for: one at a time
        lane.service.bucket.take(mono, room)
        # A wall clock set back must not hold up what was due already.
        self._latest = max(self._latest, now)
        rows = await self._store.outbox_due(self._latest, room, list(senders))
        if rows and catchup.worth_a_look(rows, self._latest):
            rows = await self._backlog.collapse(list(senders), rows, room, self._latest)
        posts, settled = await self._planner.prepare(rows, senders, now)
        lane.service.bucket.take(mono, len(posts) - room)  # what wasn't needed goes back
        lane.backlog = len(rows) >= room
        lane.served_at = mono
        if settled:
            await self._store.outbox_put(settled)
        if not posts:
            return len(settled)
        started = [(starting(row, now), post) for row, post in posts]
        failpoint("before_sending")
        await self._store.outbox_put([row for row, _ in started])
        failpoint("after_sending_committed")
        done: list[OutboxRow] = []
        going = True
        for row, post in started:
            if going and not await self._store.outbox_holds(row.id):
                # We stood still, or lost the server: another may have made it unknown, looked for
                # it and sent it. Whoever has it now settles it; what we posted is ours to say.
                log.warning("delivery left to others", extra={"delivery": row.id})
                lane.unsettled = True
                break
            if going:
                sender = senders[row.channel]
                log.debug("delivery begins", extra={"delivery": row.id, "channel": row.channel})
                called = await call(lane, sender, row, post, self._clock)
                wait = self._wait_after(sender)
                changed = after(row, called.result, self._clock.now(), wait)
                done.append(replace(changed, error=called.note or changed.error))
                going = await self._took(lane, row, called.result)
            else:
                done.append(not_started(row))
        failpoint("before_receipt_committed")
        await self._store.outbox_put(done)
        if self.on_settled is not None:
            self.on_settled(done)
        for row in done:
            if row.state == "unknown":
                self._reconciler.expect(row)
            elif row.state == "sent" and row.looks:
                await self._reconciler.sent_again(row)
        return len(settled) + len(done)

    async def _took(self, lane: Lane, row: OutboxRow, result: Result) -> bool:
        """Note what ``result`` says of the lane; returns whether it may go on at once."""
        mono = self._clock.monotonic()
        about = {"delivery": row.id, "channel": row.channel}
        match result:
            case Sent():
                lane.clear()
                lane.service.breaker.worked()
                return True
            case RateLimited(seconds):
                lane.service.breaker.worked()
                await self._pauses.pause(lane, seconds, self._lanes.by_key.values())
            case ChannelRefused(reason, hint):
                lane.service.breaker.worked()
                lane.block("parked", mono + PARKED_FOR, f"{reason}: {hint}" if hint else reason)
                log.error("channel parked", extra={**about, "reason": reason, "hint": hint})
                await self._tell_ops(channel_parked(row.channel, reason, hint, self._clock.now()))
            case NotReached(reason) | Unclear(reason):
                lane.failures += 1
                lane.block("backoff", mono + backoff(lane.failures, self._random), reason)
                kind = "unclear" if isinstance(result, Unclear) else "not reached"
                log.warning(f"delivery {kind}", extra={**about, "reason": reason})
                if lane.service.breaker.failed(mono):
                    log.error("service down", extra={"service": lane.service.key, "reason": reason})
            case _:
                lane.clear()
                lane.service.breaker.worked()
                log.warning("delivery failed", extra={**about, "reason": result.reason})
                return True
        return False

    # Unclear outcomes, outages -----------------------------------------------------------------

    async def _unsettled(self, rows: Sequence[OutboxRow]) -> int:
        """Make ``unknown`` of rows that were left as ``sending``."""
        now = self._clock.now()
        why = "the program stopped while sending"
        changed = []
        for row in rows:
            sender = self._senders.get(row.channel)
            changed.append(unclear(row, now, why, self._wait_after(sender)))
        if changed:
            await self._store.outbox_put(changed)
            log.warning("deliveries left in flight", extra={"count": len(changed)})
        return len(changed)

    def _wait_after(self, sender: Sender | None) -> timedelta:
        return self._first_look if sender is None or sender.looks else self._resend_after

    async def _settle_broken(self, lane: Lane) -> None:
        """After a round of this process broke off (the store failed): as after a crash."""
        await self._unsettled(await self._store.outbox_stranded(list(lane.senders)))
        for channel in lane.senders:
            for row in await self._store.outbox_rows(states=["unknown"], channel=channel):
                self._reconciler.expect(row)
        lane.unsettled = False

    def _start_settling(self, service: Service, now: float) -> None:
        """Start a probe of a service that is down, or a look for its unclear messages."""
        breaker = service.breaker
        lanes = [lane for lane in self._lanes.by_key.values() if lane.service is service]
        if breaker.open_until is not None:
            if breaker.open_until <= now and "probe" not in service.tasks:
                service.tasks["probe"] = asyncio.create_task(self._probe(service, lanes))
        elif "settle" not in service.tasks and service.history_after <= now:
            due = [lane for lane in lanes if lane.senders and self._reconciler.due(lane)]
            if due:
                service.tasks["settle"] = asyncio.create_task(self._settle(due))

    async def _settle(self, lanes: Sequence[Lane]) -> int:
        changed = 0
        for lane in lanes:
            if lane.service.history_after > self._clock.monotonic():
                break
            changed += await self._reconciler.settle(lane)
            for channel in lane.senders:
                if reason := self._reconciler.lasting.get(channel):
                    await self._tell_ops(history_unreadable(channel, reason, self._clock.now()))
        return changed

    async def _probe(self, service: Service, lanes: Sequence[Lane]) -> int:
        sender = next(each for lane in lanes for each in lane.senders.values())
        result = await sender.probe()
        if isinstance(result, NotReached | Unclear):
            service.breaker.probe_failed(self._clock.monotonic())
            return 0
        service.breaker.worked()
        log.info("service is back", extra={"service": service.key})
        for lane in lanes:
            if lane.blocked == "backoff":
                lane.clear()
            lane.backlog = True
        return 0

    # Words to ops ------------------------------------------------------------------------------

    async def _tell_ops(self, alert: Alert) -> None:
        """Queue a message to the ops channel, if there is one; the same one once a day."""
        about_ops = alert.story_id.startswith(f"ops/{OPS}/")
        if OPS in self._senders and not about_ops:
            await self._store.enqueue([queued(alert, self._clock.now())])

    async def _tell_of_unknown_channels(self) -> None:
        counts: dict[str, int] = {}
        for row in await self._store.outbox_rows(states=["queued"]):
            if row.channel not in self._senders:
                counts[row.channel] = counts.get(row.channel, 0) + 1
        for channel, count in counts.items():
            log.error("alerts for a channel that is not configured", extra={"channel": channel})
            await self._tell_ops(unknown_channel(channel, count, self._clock.now()))

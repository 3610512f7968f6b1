"""The deliverer: takes outbox rows to their channels, each at least once, practically once.

The thin shell around ``transitions`` (how a row changes), ``threads`` (which call it becomes) and
``pacing`` (when it may go). A row is stored as ``sending`` before its call is made and settled
after it, so a crash at any point leaves a row that says what may have happened.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from monitor.clock import Clock
from monitor.codec import alert_from_json, alert_to_json
from monitor.delivery.pacing import Breaker, TokenBucket, backoff
from monitor.delivery.sender import (
    FORMS,
    ChannelRefused,
    MessageRefused,
    NotReached,
    Outgoing,
    RateLimited,
    Result,
    RootGone,
    Sender,
    Sent,
    TryLater,
    Unclear,
)
from monitor.delivery.threads import AS_ROOT, Plan, Post, Skip, Wait, plan
from monitor.delivery.transitions import (
    LOOKS_AFTER,
    after,
    not_started,
    starting,
    unclear,
)
from monitor.failpoints import failpoint
from monitor.ids import new_id
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert, Severity

log = logging.getLogger(__name__)

PARKED_FOR = 300.0  # a channel that refuses everything is tried again every 5 minutes
PAUSES_BLOB = "delivery/pauses"
PATIENCE = 0.5  # how long one round waits for slow channels before it leaves them to themselves


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages may go: Slack allows one a second in a channel, and not much more in a
    workspace (docs.slack.dev/apis/web-api/rate-limits). A rate of 0 means no limit."""

    channel_burst: int = 1
    service_rate: float = 5.0
    service_burst: int = 5
    batch: int = 20


@dataclass(slots=True)
class Lane:
    """Channels that share one rate, and how they fare. Times are monotonic seconds."""

    key: str
    service: Service
    bucket: TokenBucket
    channels: list[str] = field(default_factory=list)
    blocked_until: float = float("-inf")
    why: str = ""
    failures: int = 0
    parked: bool = False
    backlog: bool = False
    served_at: float = float("-inf")
    task: asyncio.Task[int] | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass(slots=True)
class Service:
    """What fails and is probed as one (a workspace)."""

    key: str
    bucket: TokenBucket
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel fares, for ``outbox list``, health and ops."""

    channel: str
    state: str
    reason: str = ""


class Deliverer:
    """Delivers the outbox of ``store`` through ``senders`` (by channel name).

    One call a channel is in flight at a time, so that order holds; channels don't wait for each
    other.
    """

    def __init__(
        self,
        store: Store,
        senders: Mapping[str, Sender],
        clock: Clock,
        *,
        random: Random,
        pace: Pace = Pace(),
        looks_after: tuple[timedelta, ...] = LOOKS_AFTER,
    ) -> None:
        self._store = store
        self._senders = dict(senders)
        self._clock = clock
        self._random = random
        self._pace = pace
        self._looks_after = looks_after
        self._services: dict[str, Service] = {}
        self._lanes: dict[str, Lane] = {}
        self._lane_of: dict[str, Lane] = {}
        self._stopping = False
        self._latest = clock.now()
        self._wake: datetime | None = self._latest
        self._adopt()

    def _adopt(self) -> None:
        """Make lanes for the senders there are, keeping what is known of those that stay."""
        old_lanes, old_services = self._lanes, self._services
        self._lanes, self._services, self._lane_of = {}, {}, {}
        for channel, sender in self._senders.items():
            service = self._services.get(sender.service)
            if service is None:
                limited = sender.interval > 0
                service = old_services.get(sender.service) or Service(
                    sender.service,
                    TokenBucket(
                        self._pace.service_rate if limited else 0.0, self._pace.service_burst
                    ),
                )
                self._services[sender.service] = service
            lane = self._lanes.get(sender.lane)
            if lane is None:
                rate = 1.0 / sender.interval if sender.interval > 0 else 0.0
                lane = old_lanes.get(sender.lane) or Lane(
                    sender.lane, service, TokenBucket(rate, self._pace.channel_burst)
                )
                lane.channels = []
                self._lanes[sender.lane] = lane
            lane.channels.append(channel)
            self._lane_of[channel] = lane

    # Public face -------------------------------------------------------------------------------

    async def recover(self) -> int:
        """At start: what was being sent when the process died becomes ``unknown``; returns how
        many rows that are. Pauses that channels asked for are taken up again."""
        now = self._clock.now()
        rows = await self._store.outbox_rows(states=["sending"])
        changed = [
            unclear(row, now, "the program stopped while sending", self._looks(row), self._first)
            for row in rows
        ]
        if changed:
            await self._store.outbox_put(changed)
            log.warning("deliveries left in flight", extra={"count": len(changed)})
        await self._restore_pauses(now)
        return len(changed)

    async def deliver_due(self) -> int:
        """One round: send what is due and may go now; returns how many rows changed state.

        A channel that answers slowly is left to itself after half a second; its rows are counted
        in a later round.
        """
        if self._stopping:
            return 0
        changed = self._collect()
        for lane in sorted(self._lanes.values(), key=lambda each: each.served_at):
            if lane.busy or not self._may_go(lane):
                continue
            lane.task = asyncio.create_task(self._serve(lane), name=f"deliver {lane.key}")
        running = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if running:
            await asyncio.wait(running, timeout=PATIENCE)
            changed += self._collect()
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
        running = [lane.task for lane in self._lanes.values() if lane.busy and lane.task]
        if running:
            left = max(0.0, deadline - self._clock.monotonic())
            _, late = await asyncio.wait(running, timeout=left)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def aclose(self) -> None:
        """Close the senders' connections."""
        await self.drain(self._clock.monotonic())
        for sender in {id(each): each for each in self._senders.values()}.values():
            await sender.aclose()

    async def replace_senders(self, senders: Mapping[str, Sender]) -> None:
        """Take a new configuration's channels; parked ones are tried at once."""
        gone = [each for each in self._senders.values() if each not in senders.values()]
        self._senders = dict(senders)
        for lane in self._lanes.values():
            if lane.parked:
                lane.parked, lane.blocked_until = False, float("-inf")
        self._adopt()
        self._wake = self._clock.now()
        for sender in gone:
            await sender.aclose()

    def health(self) -> tuple[ChannelHealth, ...]:
        """Return how each channel fares."""
        now = self._clock.monotonic()
        out = []
        for channel, lane in self._lane_of.items():
            if lane.parked:
                state = "parked"
            elif lane.service.breaker.is_open:
                state = "unreachable"
            elif lane.blocked_until > now:
                state = "waiting"
            else:
                state = "ok"
            out.append(ChannelHealth(channel, state, lane.why if state != "ok" else ""))
        return tuple(out)

    # Rounds ------------------------------------------------------------------------------------

    @property
    def _first(self) -> timedelta:
        return self._looks_after[0]

    def _looks(self, row: OutboxRow) -> bool:
        sender = self._senders.get(row.channel)
        return sender is not None and sender.looks

    def _collect(self) -> int:
        """Return what finished lanes changed, and forget their tasks."""
        changed = 0
        for lane in self._lanes.values():
            if lane.task is not None and lane.task.done():
                task, lane.task = lane.task, None
                changed += task.result()
        return changed

    def _may_go(self, lane: Lane) -> bool:
        now = self._clock.monotonic()
        return (
            lane.blocked_until <= now
            and not lane.service.breaker.is_open
            and lane.bucket.available(now, 1) > 0
            and lane.service.bucket.available(now, 1) > 0
        )

    async def _plan_wake(self) -> None:
        now, mono = self._clock.now(), self._clock.monotonic()
        due = await self._store.outbox_next()
        waits: list[float] = []
        for lane in self._lanes.values():
            if lane.busy:
                waits.append(0.1)
            elif lane.backlog:
                ready = max(
                    lane.blocked_until,
                    lane.bucket.ready_at(mono),
                    lane.service.bucket.ready_at(mono),
                    lane.service.breaker.open_until or mono,
                )
                waits.append(max(0.0, ready - mono))
        if due is not None:
            # A row overdue in a blocked channel hides later ones of other channels: look again
            # every second while there is such a row.
            waits.append((due - now).total_seconds() if due > now else 1.0)
        self._wake = now + timedelta(seconds=min(waits)) if waits else None

    async def _serve(self, lane: Lane) -> int:
        """Send what ``lane`` may send now; returns how many rows changed."""
        mono, now = self._clock.monotonic(), self._clock.now()
        room = lane.bucket.available(mono, self._pace.batch)
        room = min(room, lane.service.bucket.available(mono, self._pace.batch))
        if not all(self._senders[channel].looks for channel in lane.channels):
            room = min(room, 1)  # a crash may double what can't be looked up: one at a time
        # A wall clock set back must not hold up what was due already.
        self._latest = max(self._latest, now)
        rows = await self._store.outbox_due(self._latest, room, lane.channels)
        lane.backlog = len(rows) >= room
        lane.served_at = mono
        if not rows:
            return 0
        posts, settled = await self._prepare(rows, now)
        if settled:
            await self._store.outbox_put(settled)
        if not posts:
            return len(settled)
        lane.service.bucket.take(mono, len(posts))
        started = [(starting(row, now), post) for row, post in posts]
        failpoint("before_sending")
        await self._store.outbox_put([row for row, _ in started])
        failpoint("after_sending_committed")
        done: list[OutboxRow] = []
        going = True
        for row, post in started:
            if not going:
                done.append(not_started(row))
                continue
            changed, going = await self._send(lane, row, post)
            done.append(changed)
        failpoint("before_receipt_committed")
        await self._store.outbox_put(done)
        return len(settled) + len(done)

    async def _prepare(
        self, rows: Sequence[OutboxRow], now: datetime
    ) -> tuple[list[tuple[OutboxRow, Post]], list[OutboxRow]]:
        """Return (rows to send with their calls, rows settled without a call)."""
        posts: list[tuple[OutboxRow, Post]] = []
        settled: list[OutboxRow] = []
        for row in rows:
            try:
                alert = alert_from_json(row.payload)
            except ValueError as error:
                settled.append(replace(row, state="dead", error=f"unreadable alert: {error}"[:500]))
                continue
            match await self._plan(row, alert, now):
                case Post() as post:
                    posts.append((row, post))
                case Wait(until):
                    settled.append(replace(row, not_before=until))
                case Skip(note):
                    settled.append(replace(row, state="sent", error=note))
        return posts, settled

    async def _plan(self, row: OutboxRow, alert: Alert, now: datetime) -> Plan:
        if alert.kind not in ("update", "escalation"):
            return Post(Outgoing(row.id, alert))
        family = await self._store.outbox_rows(channel=row.channel, story_id=row.story_id)
        siblings = [each for each in family if each.id != row.id]
        return plan(row, alert, siblings, now, self._senders[row.channel].threads)

    async def _send(self, lane: Lane, row: OutboxRow, post: Post) -> tuple[OutboxRow, bool]:
        """Make one row's call; returns the row as it is now and whether the lane may go on."""
        sender = self._senders[row.channel]
        message, note = post.message, post.note
        result: Result = MessageRefused("not tried")
        refused = ""
        for form in FORMS:
            lane.bucket.take(self._clock.monotonic())
            result = await sender.send(replace(message, form=form))
            failpoint("after_post")
            if isinstance(result, RootGone) and message.root is not None:
                # Someone deleted the message: the update becomes a message of its own.
                alert = alert_from_json(row.payload)
                message, note = Outgoing(row.id, alert), AS_ROOT
                await self._pause_between(lane)
                result = await sender.send(replace(message, form=form))
            if not isinstance(result, MessageRefused):
                break
            refused = result.reason
            log.warning(
                "message refused",
                extra={"delivery": row.id, "form": form, "reason": result.reason},
            )
            await self._pause_between(lane)
        now = self._clock.now()
        changed = after(row, result, now, sender.looks, self._first)
        if changed.state == "sent":
            note = f"{note}; sent as {form}: {refused}".lstrip("; ") if refused else note
            changed = replace(changed, error=note)
            if post.edit is not None and note == post.note:
                await sender.send(post.edit)  # cosmetic: the next edit makes up for a failed one
        going = await self._took(lane, row, result)
        return changed, going

    async def _pause_between(self, lane: Lane) -> None:
        wait = lane.bucket.ready_at(self._clock.monotonic()) - self._clock.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _took(self, lane: Lane, row: OutboxRow, result: Result) -> bool:
        """Note what ``result`` says of the lane; returns whether it may go on at once."""
        mono = self._clock.monotonic()
        breaker = lane.service.breaker
        match result:
            case Sent() | MessageRefused() | TryLater() | RootGone():
                lane.failures, lane.parked, lane.why = 0, False, ""
                breaker.worked()
                if isinstance(result, Sent):
                    return True
                level = logging.ERROR if isinstance(result, MessageRefused) else logging.WARNING
                log.log(
                    level,
                    "delivery failed",
                    extra={"delivery": row.id, "channel": row.channel, "reason": result.reason},
                )
                return True
            case RateLimited(seconds):
                await self._pause(lane, seconds, "rate limited")
            case ChannelRefused(reason, hint):
                lane.parked = True
                lane.blocked_until = mono + PARKED_FOR
                lane.why = f"{reason}: {hint}" if hint else reason
                breaker.worked()
                log.error(
                    "channel parked",
                    extra={"channel": row.channel, "reason": reason, "hint": hint},
                )
                await self._tell_ops(row.channel, reason, hint)
            case NotReached(reason) | Unclear(reason):
                lane.failures += 1
                lane.why = reason
                lane.blocked_until = mono + backoff(lane.failures, self._random)
                log.warning(
                    "delivery unclear" if isinstance(result, Unclear) else "channel not reached",
                    extra={"delivery": row.id, "channel": row.channel, "reason": reason},
                )
        lane.backlog = True
        return False

    async def _pause(self, lane: Lane, seconds: float, why: str) -> None:
        """Let ``lane`` rest, and remember it over a restart: going on during a Retry-After can
        get an app disabled."""
        lane.blocked_until = self._clock.monotonic() + seconds
        lane.why = why
        log.info("channel paused", extra={"lane": lane.key, "seconds": seconds})
        now, mono = self._clock.now(), self._clock.monotonic()
        pauses = {
            each.key: [(now + timedelta(seconds=left)).isoformat(), left]
            for each in self._lanes.values()
            if each.why == why and (left := each.blocked_until - mono) > 0
        }
        await self._store.put_blobs({PAUSES_BLOB: json.dumps(pauses).encode()})

    async def _restore_pauses(self, now: datetime) -> None:
        blob = await self._store.blob(PAUSES_BLOB)
        for key, (until, seconds) in (json.loads(blob) if blob else {}).items():
            lane = self._lanes.get(key)
            left = (datetime.fromisoformat(until) - now).total_seconds()
            if lane is not None and left > 0:
                # Never longer than was asked for, whatever the wall clock did meanwhile.
                lane.blocked_until = self._clock.monotonic() + min(left, seconds)
                lane.why, lane.backlog = "rate limited", True

    async def _tell_ops(self, channel: str, reason: str, hint: str) -> None:
        """Queue one message a day and reason to the ops channel, if there is one."""
        if "ops" not in self._senders or channel == "ops":
            return
        now = self._clock.now()
        alert = Alert(
            kind="ops",
            channel="ops",
            story_id=f"ops/{channel}/{reason}",
            title=f"Channel “{channel}” takes no messages: {reason}",
            reason=f"{hint[:1].upper()}{hint[1:]}. Its alerts wait and are sent afterwards."
            if hint
            else "Its alerts wait and are sent afterwards.",
            first_seen=now,
            severity=Severity.HIGH,
            revision=now.toordinal(),
        )
        await self._store.enqueue([queued(alert, now)])


def queued(alert: Alert, now: datetime) -> OutboxRow:
    """Return a new outbox row for ``alert``, due at ``now``."""
    return OutboxRow(
        id=new_id(now),
        channel=alert.channel,
        kind=alert.kind,
        story_id=alert.story_id,
        revision=alert.revision,
        severity=int(alert.severity),
        payload=alert_to_json(alert),
        state="queued",
        created_at=now,
        not_before=now,
    )

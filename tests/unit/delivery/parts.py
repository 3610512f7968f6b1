"""What the delivery tests share: a clock that is set, an outbox in memory, senders on a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.delivery.sender import (
    CantLook,
    Look,
    Outgoing,
    RateLimited,
    Result,
    Seen,
    Sent,
)
from monitor.store.port import OutboxRow, OutboxState
from monitor.values import Alert, Mark, MarkedText, Receipt, Severity, Summary

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self._now = at
        self._mono = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._mono

    def forward(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._mono += seconds

    def step(self, seconds: float) -> None:
        """Move the wall clock alone, as an operator or NTP may."""
        self._now += timedelta(seconds=seconds)


class MemoryOutbox:
    """The outbox part of the Store port, with every version of every row kept in ``log``."""

    def __init__(self, rows: Sequence[OutboxRow] = ()) -> None:
        self.rows: dict[str, OutboxRow] = {}
        self.log: list[OutboxRow] = []
        self.blobs: dict[str, bytes] = {}
        self.lost: set[str] = set()  # rows that somebody else may have taken
        for row in rows:
            self.rows[row.id] = row

    async def enqueue(self, rows: Sequence[OutboxRow]) -> int:
        new = 0
        for row in rows:
            key = (row.story_id, row.channel, row.kind, row.revision)
            if any((r.story_id, r.channel, r.kind, r.revision) == key for r in self.rows.values()):
                continue
            self.rows[row.id] = row
            new += 1
        return new

    async def outbox_due(
        self, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[OutboxRow]:
        due = [
            row
            for row in self.rows.values()
            if row.state == "queued"
            and row.not_before <= now
            and (channels is None or row.channel in channels)
        ]
        return sorted(due, key=lambda row: (-row.severity, row.created_at, row.id))[:limit]

    async def outbox_rows(
        self,
        states: Sequence[OutboxState] | None = None,
        channel: str | None = None,
        story_id: str | None = None,
        limit: int | None = None,
    ) -> Sequence[OutboxRow]:
        rows = [
            row
            for row in self.rows.values()
            if (states is None or row.state in states)
            and (channel is None or row.channel == channel)
            and (story_id is None or row.story_id == story_id)
        ]
        return sorted(rows, key=lambda row: (row.created_at, row.id))[:limit]

    async def outbox_stranded(self, channels: Sequence[str] | None = None) -> Sequence[OutboxRow]:
        return await self.outbox_rows(states=["sending"])

    async def outbox_holds(self, row_id: str) -> bool:
        return row_id not in self.lost

    async def outbox_next(self) -> datetime | None:
        return min((r.not_before for r in self.rows.values() if r.state == "queued"), default=None)

    async def outbox_put(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            assert row.id in self.rows
            self.rows[row.id] = row
            self.log.append(row)

    async def outbox_counts(self) -> Mapping[OutboxState, int]:
        counts: dict[OutboxState, int] = {}
        for row in self.rows.values():
            counts[row.state] = counts.get(row.state, 0) + 1
        return counts

    async def blob(self, name: str) -> bytes | None:
        return self.blobs.get(name)

    async def put_blobs(self, blobs: Mapping[str, bytes | None]) -> None:
        for name, value in blobs.items():
            if value is None:
                self.blobs.pop(name, None)
            else:
                self.blobs[name] = value


class ScriptedSender:
    """Answers each call with the next result of ``script`` (then ``Sent``); remembers calls."""

    def __init__(
        self,
        clock: SetClock,
        *script: Result,
        lane: str = "test:one",
        service: str = "test",
        interval: float = 0.0,
        threads: bool = True,
        looks: bool = True,
    ) -> None:
        self.clock = clock
        self.script = list(script)
        self.lane, self.service, self.interval = lane, service, interval
        self.threads, self.looks = threads, looks
        self.calls: list[tuple[float, Outgoing]] = []
        self.questions: list[Look] = []
        self.pages: list[Seen | RateLimited | CantLook] = []
        self.removed: list[Receipt] = []
        self.probes: list[Result] = []
        self.asked = 0
        self.before: Callable[[Outgoing], None] | None = None

    async def send(self, message: Outgoing) -> Result:
        self.calls.append((self.clock.monotonic(), message))
        if self.before is not None:
            self.before(message)
        result = self.script.pop(0) if self.script else Sent()
        if result == Sent():
            receipt = message.root if message.edit else Receipt(f"{len(self.calls)}.0", "C1")
            return Sent(receipt)
        return result

    async def look(self, question: Look) -> Seen | RateLimited | CantLook:
        self.questions.append(question)
        return self.pages.pop(0) if self.pages else Seen({}, None)

    async def remove(self, receipt: Receipt) -> Result:
        self.removed.append(receipt)
        return Sent(receipt)

    async def probe(self) -> Result:
        self.asked += 1
        return self.probes.pop(0) if self.probes else Sent()

    async def aclose(self) -> None:
        """Nothing to close."""

    @property
    def posted(self) -> list[Outgoing]:
        return [message for _, message in self.calls]


SENTENCE = "Russia has no intention of rethinking its weapons sales to Syria, an official said."


def story_alert(**changes: object) -> Alert:
    """An ordinary alert."""
    base = Alert(
        kind="alert",
        channel="news",
        story_id="01STORY0000000000000000000",
        title="Russia sees no reason to halt weapon support for Syria",
        url="https://news.example/world/russia-syria",
        source="Example Wire",
        published=START - timedelta(minutes=7),
        first_seen=START,
        severity=Severity.NORMAL,
        rules=("Arms deals with Syria",),
        terms=("weapons sale", "Syria"),
        entities=("Syria",),
        summary=Summary(
            lead="Moscow signalled on Monday that its policy stands.",
            quote=MarkedText(SENTENCE, (Mark(42, 55), Mark(59, 64))),
        ),
        sources=("Example Wire", "Second Paper", "Third Agency"),
        reason="first report",
    )
    return replace(base, **changes)  # type: ignore[arg-type]

"""The desk: what the alerts stage remembers between entries, and one door to its decisions.

Holds the memory that ``plan`` needs (what was sent lately, silences, stories that rules wait for,
volumes) and brings it up to date with each plan. It is stored with the
polls that changed it, so a crash loses no more of it than of the polls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from monitor.alerts import silence as silences_of
from monitor.alerts.inhibit import Recent
from monitor.alerts.plan import Plan, Standing, counts_volume, plan
from monitor.alerts.policy import held_by_time, policy_of
from monitor.alerts.route import Destination, Labels, Router
from monitor.alerts.rows import Matched, item_of, labels_of, outbox_row, story_alert
from monitor.alerts.silence import Silence, muted_by, read_silences
from monitor.alerts.throttle import Ledger
from monitor.alerts.volume import Burst, Volume, observe
from monitor.config.models import Settings
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert, Document, Severity, StoryDecision

BLOB = "alerts/desk"
WAIT_MOST = timedelta(hours=72)  # a story gets no more sources after its window (stories stage)
LOOK_EVERY = timedelta(minutes=1)
WAITING_MOST = 5000  # stories that rules may wait for at once; the oldest give way


@dataclass(slots=True)
class Waiting:
    """A story that a rule's `when_story` waits for: the entry that matched, and when each of the
    story's sources was first seen."""

    matched: Matched
    since: datetime
    times: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """What is stored."""

    ledger: Ledger = field(default_factory=Ledger)
    recent: list[Recent] = field(default_factory=list)
    volumes: dict[str, Volume] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)


_MEMORY = TypeAdapter(Memory)


class Desk:
    """Decides what becomes of matched entries, and remembers what decisions need."""

    def __init__(self, memory: Memory | None = None, silences: Iterable[Silence] = ()) -> None:
        self.memory = memory or Memory()
        self.silences = tuple(silences)
        self._changed = False
        self._look_at: datetime | None = None

    @classmethod
    async def load(cls, store: Store) -> Desk:
        """Return the desk as it was last stored; raises ``StateError``."""
        stored = await store.blob(BLOB)
        memory = _MEMORY.validate_json(stored) if stored else None
        return cls(memory, read_silences(await store.blob(silences_of.BLOB)))

    async def refresh_silences(self, store: Store) -> None:
        """Take the silences that the command line, Slack or the web page have set meanwhile."""
        self.silences = read_silences(await store.blob(silences_of.BLOB))

    def blobs(self) -> tuple[tuple[str, bytes], ...]:
        """Return what is to be stored with the poll that was decided last."""
        if not self._changed:
            return ()
        self._changed = False
        return ((BLOB, _MEMORY.dump_json(self.memory)),)

    # Decisions ---------------------------------------------------------------------------------

    def plan(
        self,
        matched: Matched,
        prior: Sequence[OutboxRow],
        router: Router,
        settings: Settings,
        now: datetime,
    ) -> Plan:
        """Decide what each channel is told about ``matched`` (see ``plan.plan``), and remember
        it. Rows of volume alerts that it completes are among the plan's rows."""
        story = matched.decision.story.id
        waiting = self.memory.waiting.get(story)
        if waiting is not None:
            _see(waiting, matched.decision, matched.document.source, now)
            if matched.entry_id == waiting.matched.entry_id:  # taken up again: rules may be gone
                kept = tuple(each for each in matched.matches if each.rule in router.rules)
                matched = replace(matched, matches=kept)
                if not kept:
                    del self.memory.waiting[story]
        times = dict(waiting.times) if waiting is not None else {}
        standing = Standing(self.memory.ledger, self.silences, tuple(self.memory.recent), times)
        made = plan(matched, prior, router, settings, now, standing)
        bursts = self._count_volumes(matched, router, settings, now)
        self._remember(made, matched, settings, now)
        rows = (*made.rows, *bursts)
        held = min((row.not_before for row in rows if row.state == "held"), default=None)
        if held is not None and self._look_at is not None:
            self._look_at = min(self._look_at, held)
        return replace(made, rows=rows)

    def look_is_due(self, now: datetime) -> bool:
        """Tell whether held rows are to be looked at: reading them all every few seconds would
        cost too much after a flood. Others may hold rows too, and a clock may be set back, so
        there is a look each ``LOOK_EVERY`` anyway."""
        at = self._look_at
        return at is None or at <= now or at > now + LOOK_EVERY

    def looked(self, now: datetime, following: datetime | None) -> None:
        """Note that held rows were looked at, and when the next thing is due."""
        latest = now + LOOK_EVERY
        self._look_at = min(following, latest) if following is not None else latest

    def joined(self, decision: StoryDecision, document: Document, now: datetime) -> Matched | None:
        """Tell the desk of an entry that no rule matched but that joined a story.

        Returns the story's matched entry, to be planned anew, when a rule waits for that story to
        grow; else None. Costs one look-up for the other stories.
        """
        waiting = self.memory.waiting.get(decision.story.id)
        if waiting is None:
            return None
        _see(waiting, decision, document.source, now)
        self._changed = True
        # The old entry's own words, the story as it is now.
        old = waiting.matched
        return replace(old, decision=replace(old.decision, story=decision.story))

    # Memory ------------------------------------------------------------------------------------

    def _remember(self, made: Plan, matched: Matched, settings: Settings, now: datetime) -> None:
        memory, story = self.memory, matched.decision.story.id
        for count in made.counts:
            memory.ledger.note(count.key, count.throttle, now)
        for group, at in made.groups:
            memory.ledger.groups[group] = at.timestamp()
        if made.labels is not None:
            longest = max((each.within for each in settings.inhibit), default=timedelta(0))
            memory.recent = [
                *(each for each in memory.recent if now - each.at < longest),
                Recent(made.labels, now),
            ]
        self._remember_waiting(made, matched, story, now)
        if made.counts or made.groups or made.labels is not None:
            memory.ledger.forget_old(now)
            self._changed = True

    def _remember_waiting(self, made: Plan, matched: Matched, story: str, now: datetime) -> None:
        waiting = self.memory.waiting
        known = waiting.get(story)
        if known is not None:
            rules = {match.rule for match in known.matched.matches}
            over = rules & {match.rule for match in matched.matches} - set(made.waiting)
            if over:
                del waiting[story]
            self._changed = True
        elif made.waiting:
            self._changed = True
            # Only what an alert shows is kept: the text itself was looked at already.
            kept = Waiting(
                replace(
                    matched,
                    document=replace(matched.document, summary="", content=""),
                    matches=tuple(m for m in matched.matches if m.rule in made.waiting),
                ),
                now,
            )
            _see(kept, matched.decision, matched.document.source, now)
            waiting[story] = kept
            old = [ident for ident, each in waiting.items() if now - each.since > WAIT_MOST]
            for ident in old + list(waiting)[: max(0, len(waiting) - len(old) - WAITING_MOST)]:
                waiting.pop(ident, None)

    def _count_volumes(
        self, matched: Matched, router: Router, settings: Settings, now: datetime
    ) -> list[OutboxRow]:
        rows: list[OutboxRow] = []
        labels: Labels | None = None
        for match in matched.matches:
            rule = router.rules.get(match.rule)
            if rule is None or rule.volume is None or not counts_volume(rule):
                continue
            labels = labels or labels_of(matched, router.rules)
            if muted_by(self.silences, labels, rule.name, now) is not None:
                continue
            self._changed = True
            alone = replace(labels, rules=(rule.name,), severity=Severity.parse(rule.severity))
            destinations = router.route(alone)
            line = item_of(story_alert("alert", matched, alone, destinations[0], 0, ""))
            volume = self.memory.volumes.setdefault(rule.name, Volume())
            burst = observe(volume, rule.volume, matched.decision.story.id, line, now)
            if burst is None:
                continue
            for destination in destinations:
                alert = volume_alert(rule.name, alone.severity, destination, burst, now)
                wait = held_by_time(policy_of(destination, settings), now)
                if wait is None or alone.severity is Severity.CRITICAL:
                    rows.append(outbox_row(alert, now))
                else:
                    rows.append(outbox_row(alert, now, held_until=wait.until, why=wait.why))
        return rows


def volume_alert(
    rule: str, severity: Severity, destination: Destination, burst: Burst, now: datetime
) -> Alert:
    """Return the message about a rule that matches more stories than usual."""
    return Alert(
        kind="digest",
        channel=destination.channel,
        story_id=f"volume/{rule}",
        title=f"{rule}: {burst.why}",
        first_seen=now,
        severity=severity,
        rules=(rule,),
        mention=destination.mention,
        reason=burst.why,
        revision=int(now.timestamp()),
        items=burst.items,
        totals=(("stories", str(burst.count)),),
    )


def _see(waiting: Waiting, decision: StoryDecision, source: str | None, now: datetime) -> None:
    """Note when each source of a story was first seen: those there before count from the
    story's start."""
    first = not waiting.times
    for name in decision.story.sources:
        new = name == source or not first
        waiting.times.setdefault(name, now if new else decision.story.first_seen)

"""What a matched entry owes to which channels: the decision of the alerts stage.

Pure: from a match, the story's earlier messages, the configuration and what is known of the recent
past to outbox rows. Knows no store and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.alerts.conditions import story_holds, waiting_words
from monitor.alerts.hold import Count, Hold, counts_of, hold
from monitor.alerts.inhibit import Recent, inhibits
from monitor.alerts.notices import baseline_alert, preview_alert
from monitor.alerts.policy import Policy, policy_of
from monitor.alerts.route import Destination, Labels, Router
from monitor.alerts.rows import (
    ROOT_KINDS,
    STORY_KINDS,
    Matched,
    key_of,
    labels_of,
    outbox_row,
    story_alert,
)
from monitor.alerts.silence import Silence, muted_by
from monitor.alerts.throttle import Ledger
from monitor.alerts.unanswered import questions
from monitor.codec import alert_from_json
from monitor.config.models import RuleSettings, Settings
from monitor.store.port import OutboxRow
from monitor.values import Alert, AlertKind, Match, Severity

__all__ = ["Matched", "Plan", "Standing", "baseline_alert", "plan", "preview_alert"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known beyond the story at hand: how much was sent where lately, the silences, the
    alerts that inhibit others, and when this story's sources were first seen."""

    ledger: Ledger = field(default_factory=Ledger)
    silences: tuple[Silence, ...] = ()
    recent: tuple[Recent, ...] = ()
    times: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one entry comes to.

    ``rows`` are to be queued or held, ``forget`` ids of held rows to withdraw, ``outcome`` says in
    plain words what became of the entry (for ``why-not``). The rest is for the memory: sends to
    ``counts``, ``groups`` with their next message's time, ``labels`` of an alert that was told, and
    rules that wait for their story to grow.
    """

    rows: tuple[OutboxRow, ...]
    outcome: str
    forget: tuple[str, ...] = ()
    counts: tuple[Count, ...] = ()
    groups: tuple[tuple[str, datetime], ...] = ()
    labels: Labels | None = None
    waiting: tuple[str, ...] = ()


def plan(
    matched: Matched,
    prior: Sequence[OutboxRow],
    router: Router,
    settings: Settings,
    now: datetime,
    standing: Standing | None = None,
) -> Plan:
    """Decide what each channel is told about ``matched``.

    Args:
        matched: the entry, its story and its matches.
        prior: the story's outbox rows so far, rows planned in the same batch included.
        router: where alerts go.
        settings: the rules' severities, the channels' policies.
        now: becomes the rows' time.
        standing: what happened lately; nothing, if left out.
    """
    standing = standing or Standing()
    told = _tellable(matched, router.rules, standing, now)
    if not told.matches:
        return Plan((), "; ".join(told.said) or "no rule matched", waiting=told.waiting)
    matched = replace(matched, matches=told.matches)
    labels = labels_of(matched, router.rules)
    made = _Made(said=list(told.said))
    for destination in router.route(labels):
        _tell(made, matched, labels, destination, prior, router.rules, settings, now, standing)
    told_anew = any(row.kind in ROOT_KINDS for row in made.rows)
    return Plan(
        tuple(made.rows),
        "; ".join(made.said),
        tuple(made.forget),
        tuple(made.counts),
        tuple(made.groups),
        labels if told_anew and inhibits(labels, settings.inhibit) else None,
        told.waiting,
    )


# Which matches are told at all -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    matches: tuple[Match, ...]
    said: tuple[str, ...]
    waiting: tuple[str, ...]


def _tellable(
    matched: Matched, rules: Mapping[str, RuleSettings], standing: Standing, now: datetime
) -> _Told:
    """Leave out the matches that are silenced, wait for their story, or count for a volume."""
    labels = labels_of(matched, rules)
    story, source = matched.decision.story, matched.document.source or ""
    kept: list[Match] = []
    said: list[str] = []
    waiting: list[str] = []
    for match in matched.matches:
        rule = rules.get(match.rule)
        silence = muted_by(standing.silences, labels, match.rule, now)
        if silence is not None and silence.then == "drop":
            said.append(f"{match.rule}: silenced ({silence.words()}) until {silence.until:%F %R}")
            continue
        if rule is not None and counts_volume(rule):
            said.append(f"{match.rule}: counted for its volume")
            continue
        when = rule.when_story if rule is not None else None
        if when is not None and not story_holds(when, story, source, now, standing.times):
            words = waiting_words(when, story, source, now, standing.times)
            said.append(f"{match.rule}: {words}")
            waiting.append(match.rule)
            continue
        kept.append(match)
    return _Told(tuple(kept), tuple(said), tuple(waiting))


def counts_volume(rule: RuleSettings) -> bool:
    """Tell whether a rule alerts on its volume instead of on each story."""
    volume = rule.volume
    return volume is not None and (volume.more_than is not None or volume.spike is not None)


# What one channel is told ------------------------------------------------------------------------


@dataclass(slots=True)
class _Made:
    rows: list[OutboxRow] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    groups: list[tuple[str, datetime]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Before:
    """What a channel was told, or is going to be told, of this story: its rows and alerts."""

    rows: tuple[OutboxRow, ...]
    alerts: tuple[Alert, ...]
    revision: int

    @property
    def severity(self) -> Severity:
        return Severity(max(row.severity for row in self.rows))

    @property
    def held(self) -> tuple[OutboxRow, ...]:
        return tuple(row for row in self.rows if row.state == "held")

    def union(self, name: str) -> set[str]:
        return {value for alert in self.alerts for value in getattr(alert, name)}


def _before(prior: Sequence[OutboxRow], channel: str, key: str) -> _Before:
    """Only what was really posted or is going to be counts: dead rows don't."""
    there = [row for row in prior if row.channel == channel and row.kind in STORY_KINDS]
    alerts = [(row, alert_from_json(row.payload)) for row in there if row.state != "dead"]
    same = [(row, alert) for row, alert in alerts if alert.key == key]
    return _Before(
        tuple(row for row, _ in same),
        tuple(alert for _, alert in same),
        1 + max((row.revision for row in there), default=-1),
    )


def _tell(
    made: _Made,
    matched: Matched,
    labels: Labels,
    destination: Destination,
    prior: Sequence[OutboxRow],
    rules: Mapping[str, RuleSettings],
    settings: Settings,
    now: datetime,
    standing: Standing,
) -> None:
    channel = destination.channel
    before = _before(prior, channel, key_of(matched.matches))
    kind, reason = _kind(matched, labels, destination, before)
    if kind is None:
        made.said.append(f"already told in {channel}: {reason}")
        return
    alert = story_alert(kind, matched, labels, destination, before.revision, reason)
    if kind == "update" and not _tells(matched, labels, before):
        # Without a summary it is no development: it brings the message up to date, silently.
        alert = replace(alert, summary=None)
    policy = policy_of(destination, settings)
    held = _held(kind, alert, labels, destination, policy, before, rules, settings, now, standing)
    if held is not None:
        made.groups.extend(held.groups)
    if held is not None and held.until > now:
        row = outbox_row(replace(alert, group=held.group), now, held_until=held.until, why=held.why)
        made.said.append(f"{kind} for {channel} held until {held.until:%F %R} UTC ({held.why})")
    else:
        row = outbox_row(alert, now)
        made.said.append(f"{kind} to {channel} ({destination.via})")
        if kind in ROOT_KINDS:
            made.counts.extend(counts_of(labels, destination, policy, rules))
    made.rows.append(row)
    if kind == "escalation":  # said now: not once more in a digest
        made.forget.extend(each.id for each in before.held)
    asks = policy.unanswered
    if asks is not None and row.state == "queued" and kind in ROOT_KINDS:
        made.rows.extend(questions(row, alert, settings, asks, [*prior, *made.rows], now))


def _kind(
    matched: Matched, labels: Labels, destination: Destination, before: _Before
) -> tuple[AlertKind | None, str]:
    """Return what the entry is for a channel, and why."""
    decision, source = matched.decision, matched.document.source or ""
    if not any(row.kind in ROOT_KINDS for row in before.rows):
        if decision.story.entries > 1:
            return "alert", f"first match in a story of {decision.story.entries} reports"
        return "alert", "first report"
    by = f": {source}" if source else ""
    if labels.severity > before.severity:
        return "escalation", (f"escalated {before.severity.label} → {labels.severity.label}{by}")
    new_rules = [rule for rule in labels.rules if rule not in before.union("rules")]
    new_mentions = [who for who in destination.mention if who not in before.union("mention")]
    if new_mentions and not _escalated(before, labels.severity):
        return "escalation", f"now also for others to see ({', '.join(labels.rules)}){by}"
    if new_rules:
        return "update", f"also matches {', '.join(new_rules)}{by}"
    if decision.kind == "update":
        return "update", decision.reason
    new_sources = [name for name in decision.story.sources if name not in before.union("sources")]
    if new_sources:
        return "update", f"also reported by {', '.join(new_sources)}"
    return None, decision.reason


def _tells(matched: Matched, labels: Labels, before: _Before) -> bool:
    """Tell whether an update says something new, rather than counts one more source."""
    return matched.decision.kind == "update" or not set(labels.rules) <= before.union("rules")


def _escalated(before: _Before, severity: Severity) -> bool:
    """At most one escalation for each severity: more would be noise."""
    return any(row.kind == "escalation" and row.severity == severity for row in before.rows)


def _held(
    kind: AlertKind,
    alert: Alert,
    labels: Labels,
    destination: Destination,
    policy: Policy,
    before: _Before,
    rules: Mapping[str, RuleSettings],
    settings: Settings,
    now: datetime,
    standing: Standing,
) -> Hold | None:
    """Return until when the alert is held, or None.

    Never held: `critical`, and an escalation, which a hold would swallow. An update of a message
    that is itself held waits with it; a silent one disturbs nobody and goes at once.
    """
    if labels.severity is Severity.CRITICAL or kind == "escalation":
        return None
    if kind == "update":
        if before.held:
            root = before.held[0]
            return Hold(root.not_before, root.error, alert_from_json(root.payload).group)
        if alert.summary is None:
            return None
    silence = _muted(labels, standing.silences, now)
    return hold(
        labels,
        destination,
        policy,
        rules,
        settings.inhibit,
        standing.ledger,
        standing.recent,
        now,
        silence,
    )


def _muted(labels: Labels, silences: Iterable[Silence], now: datetime) -> Silence | None:
    """Return the silence that holds an alert back, when every rule of it is silenced."""
    found = [muted_by(silences, labels, rule, now) for rule in labels.rules]
    if not found or any(each is None for each in found):
        return None
    return max((each for each in found if each is not None), key=lambda each: each.until)

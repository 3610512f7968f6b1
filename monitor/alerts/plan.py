"""What a matched entry owes to which channels: the decision of the alerts stage.

Pure: from a match, the story's earlier messages and the configuration to outbox rows. Knows no
store and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.alerts.route import Destination, Labels, Router, default_channel
from monitor.codec import alert_from_json, alert_to_json
from monitor.config.models import Settings
from monitor.ids import new_id
from monitor.store.port import OutboxRow
from monitor.values import (
    Alert,
    AlertItem,
    AlertKind,
    Document,
    EntityMention,
    Mark,
    Match,
    Severity,
    StoryDecision,
    Summary,
)

ROOT_KINDS = ("alert", "escalation")  # kinds that stand in a channel by themselves
SHOWN_ITEMS = 5  # of what a baseline or a new rule would have matched (design: first run)


@dataclass(frozen=True, slots=True)
class Matched:
    """An entry that at least one rule holds for, and what the stages before found out about it.

    ``first_seen`` is our clock when the entry was first polled.
    """

    document: Document
    entry_id: str
    first_seen: datetime
    decision: StoryDecision
    matches: tuple[Match, ...]
    entities: tuple[EntityMention, ...]
    summary: Summary


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows to queue, and in plain words what became of the entry (for ``why-not``)."""

    rows: tuple[OutboxRow, ...]
    outcome: str


def plan(
    matched: Matched,
    prior: Sequence[OutboxRow],
    router: Router,
    settings: Settings,
    now: datetime,
) -> Plan:
    """Decide what each channel is told about ``matched``.

    Args:
        matched: the entry, its story and its matches.
        prior: the story's outbox rows so far, rows planned in the same batch included.
        router: where alerts go.
        settings: for the rules' severities.
        now: becomes the rows' time.
    """
    if not matched.matches:
        return Plan((), "no rule matched")
    labels = labels_of(matched, settings)
    key = key_of(matched.matches)
    rows: list[OutboxRow] = []
    said: list[str] = []
    for destination in router.route(labels):
        there = [row for row in prior if row.channel == destination.channel]
        if any(_suppresses(row, key) for row in there):
            said.append(f"already alerted in {destination.channel}: {matched.decision.reason}")
            continue
        alert = story_alert("alert", matched, labels, destination, settings, len(there))
        rows.append(outbox_row(alert, now))
        said.append(f"alert to {destination.channel} ({destination.via})")
    return Plan(tuple(rows), "; ".join(said))


def labels_of(matched: Matched, settings: Settings) -> Labels:
    """Return the labels that routes look at."""
    document = matched.document
    names = [name for each in matched.entities for name in (each.name, each.code)]
    return Labels(
        rules=tuple(dict.fromkeys(match.rule for match in matched.matches)),
        severity=max(_severities(matched.matches, settings), default=Severity.NORMAL),
        entities=tuple(dict.fromkeys(names)),
        tags=document.tags,
        categories=document.categories,
        language=document.language,
        country=document.country,
        feed=document.feed or document.source or "",
    )


def key_of(matches: Sequence[Match]) -> str:
    """Return the `key:` that keeps this story apart, or ""."""
    return next((match.key for match in matches if match.key), "")


def _severities(matches: Sequence[Match], settings: Settings) -> list[Severity]:
    known = {rule.name: Severity.parse(rule.severity) for rule in settings.rules}
    return [known.get(match.rule, Severity.NORMAL) for match in matches]


def _suppresses(row: OutboxRow, key: str) -> bool:
    """Tell whether an earlier row really told (or is going to tell) its channel of the story."""
    if row.kind not in ROOT_KINDS or row.state == "dead":
        return False
    return alert_from_json(row.payload).key == key


# Alerts and rows --------------------------------------------------------------------------------


def story_alert(
    kind: AlertKind,
    matched: Matched,
    labels: Labels,
    destination: Destination,
    settings: Settings,
    revision: int,
    reason: str = "",
) -> Alert:
    """Return the alert about ``matched`` for one channel."""
    document, story = matched.document, matched.decision.story
    hits = [hit for match in matched.matches for hit in match.hits]
    source = document.source or document.feed or ""
    return Alert(
        kind=kind,
        channel=destination.channel,
        story_id=story.id,
        title=document.title,
        url=document.url,
        source=source,
        published=document.published,
        first_seen=matched.first_seen,
        severity=labels.severity,
        rules=labels.rules,
        terms=tuple(dict.fromkeys(hit.term for hit in hits)),
        entities=tuple(dict.fromkeys(each.name for each in matched.entities)),
        summary=matched.summary,
        title_marks=_merged(Mark(hit.start, hit.end) for hit in hits if hit.field == "title"),
        sources=story.sources or ((source,) if source else ()),
        mention=destination.mention,
        reason=reason or _first_reason(matched),
        revision=revision,
        key=key_of(matched.matches),
    )


def _first_reason(matched: Matched) -> str:
    story = matched.decision.story
    if story.entries > 1:
        return f"first match in a story of {story.entries} reports"
    return "first report"


def _merged(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return ``marks`` in order, those that touch or overlap made one."""
    out: list[Mark] = []
    for mark in sorted(marks, key=lambda each: (each.start, each.end)):
        if out and mark.start <= out[-1].end:
            out[-1] = Mark(out[-1].start, max(out[-1].end, mark.end))
        else:
            out.append(mark)
    return tuple(out)


def outbox_row(
    alert: Alert,
    now: datetime,
    not_before: datetime | None = None,
) -> OutboxRow:
    """Return the outbox row that owes ``alert`` to its channel; held until ``not_before``."""
    return OutboxRow(
        id=new_id(now),
        channel=alert.channel,
        kind=alert.kind,
        story_id=alert.story_id,
        revision=alert.revision,
        severity=int(alert.severity),
        payload=alert_to_json(alert),
        state="held" if not_before else "queued",
        created_at=now,
        not_before=not_before or now,
    )


# Messages about the watch itself -----------------------------------------------------------------


def baseline_alert(
    ident: str,
    feeds: Mapping[str, int],
    matching: int,
    items: Sequence[AlertItem],
    settings: Settings,
    now: datetime,
) -> OutboxRow | None:
    """Return the one message about a first run, or None where no feed was baselined.

    Args:
        ident: names this baseline; the same one is queued once.
        feeds: entries that were there, by feed name.
        matching: how many of them a rule would have matched.
        items: some of those.
    """
    if not feeds:
        return None
    entries = sum(feeds.values())
    totals = [(_plural("feed", len(feeds)), str(len(feeds)))]
    totals.append((f"{_plural('entry', entries)} that were there before", str(entries)))
    totals.append(("would have matched", str(matching)))
    return outbox_row(
        Alert(
            kind="baseline",
            channel=default_channel(settings),
            story_id=f"baseline:{ident}",
            title=f"Now watching {_counted('feed', len(feeds))}",
            reason="What was in the feeds before is not alerted; what comes from now on is.",
            severity=Severity.INFO,
            items=tuple(items[:SHOWN_ITEMS]),
            totals=tuple(totals),
        ),
        now,
    )


def preview_alert(
    ident: str,
    rules: Sequence[str],
    matching: int,
    items: Sequence[AlertItem],
    settings: Settings,
    now: datetime,
) -> OutboxRow | None:
    """Return the one message about new and edited rules: what they would have matched lately.

    Args:
        ident: names this version of the rules; the same one is queued once.
        rules: their names.
        matching: how many entries of the last 24 hours they match.
        items: some of those.
    """
    if not rules:
        return None
    names = ", ".join(rules[:SHOWN_ITEMS])
    more = f" and {len(rules) - SHOWN_ITEMS} more" if len(rules) > SHOWN_ITEMS else ""
    return outbox_row(
        Alert(
            kind="baseline",
            channel=default_channel(settings),
            story_id=f"rules:{ident}",
            title=f"New or edited {_plural('rule', len(rules))}: {names}{more}",
            reason="Of the last 24 hours, not alerted; what comes from now on is.",
            severity=Severity.INFO,
            rules=tuple(rules),
            items=tuple(items[:SHOWN_ITEMS]),
            totals=((f"{_plural('entry', matching)} would have matched", str(matching)),),
        ),
        now,
    )


def _counted(noun: str, number: int) -> str:
    return f"{number} {_plural(noun, number)}"


def _plural(noun: str, number: int) -> str:
    if number == 1:
        return noun
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"

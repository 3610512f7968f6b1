"""From a match to an ``Alert`` and from an ``Alert`` to its outbox row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.alerts.route import Destination, Labels
from monitor.codec import alert_to_json
from monitor.config.models import RuleSettings
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

# What a story's rows in a channel can be; `update` edits or answers, the others stand alone.
ROOT_KINDS = ("alert", "escalation")
STORY_KINDS = (*ROOT_KINDS, "update")


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


def labels_of(matched: Matched, rules: Mapping[str, RuleSettings]) -> Labels:
    """Return the labels that routes look at; ``rules`` are the configured ones by name."""
    document = matched.document
    names = [name for each in matched.entities for name in (each.name, each.code)]
    return Labels(
        rules=tuple(dict.fromkeys(match.rule for match in matched.matches)),
        severity=severity_of(matched.matches, rules),
        entities=tuple(dict.fromkeys(names)),
        tags=document.tags,
        categories=document.categories,
        language=document.language,
        country=document.country,
        feed=document.feed or document.source or "",
        source=document.source or "",
        story=matched.decision.story.id,
    )


def severity_of(matches: Sequence[Match], rules: Mapping[str, RuleSettings]) -> Severity:
    """Return the highest severity of the rules that match."""
    found = [
        Severity.parse(rules[match.rule].severity) if match.rule in rules else Severity.NORMAL
        for match in matches
    ]
    return max(found, default=Severity.NORMAL)


def key_of(matches: Sequence[Match]) -> str:
    """Return the `key:` that keeps this story apart, or ""."""
    return next((match.key for match in matches if match.key), "")


def story_alert(
    kind: AlertKind,
    matched: Matched,
    labels: Labels,
    destination: Destination,
    revision: int,
    reason: str,
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
        title_marks=merged_marks(Mark(hit.start, hit.end) for hit in hits if hit.field == "title"),
        sources=story.sources or ((source,) if source else ()),
        mention=destination.mention,
        reason=reason,
        revision=revision,
        key=key_of(matched.matches),
        score=max((match.score for match in matched.matches), default=None),
    )


def item_of(alert: Alert, delivery: str = "") -> AlertItem:
    """Return the line that stands for ``alert`` in a digest; ``delivery`` is its row's id."""
    return AlertItem(
        title=alert.title,
        url=alert.url,
        source=alert.source,
        rule=", ".join(alert.rules),
        published=alert.published or alert.first_seen,
        severity=Severity(alert.severity),
        sources=max(1, len(alert.sources)),
        delivery=delivery,
    )


def outbox_row(
    alert: Alert, now: datetime, *, held_until: datetime | None = None, why: str = ""
) -> OutboxRow:
    """Return the row that owes ``alert`` to its channel.

    With ``held_until`` the row is held till then, with the reason ``why`` where `outbox list`
    shows it.
    """
    return OutboxRow(
        id=new_id(now),
        channel=alert.channel,
        kind=alert.kind,
        story_id=alert.story_id,
        revision=alert.revision,
        severity=int(alert.severity),
        payload=alert_to_json(alert),
        state="held" if held_until else "queued",
        created_at=now,
        not_before=held_until or now,
        error=why if held_until else "",
    )


def merged_marks(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return ``marks`` in order, those that touch or overlap made one."""
    out: list[Mark] = []
    for mark in sorted(marks, key=lambda each: (each.start, each.end)):
        if out and mark.start <= out[-1].end:
            out[-1] = Mark(out[-1].start, max(out[-1].end, mark.end))
        else:
            out.append(mark)
    return tuple(out)

"""Inhibition: while a major alert is recent, the minor ones it explains are held back. Pure.

Alertmanager's idea (prometheus.io/docs/alerting): an alert with the labels `when` mutes those with
the labels `mute` that share the labels `equal`. Here the muted ones are held, not dropped: they
come as one digest when the time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.alerts.route import Labels, label_values, matches
from monitor.config.models import InhibitSettings


@dataclass(frozen=True, slots=True)
class Recent:
    """The labels of an alert that may inhibit others, and when it came."""

    labels: Labels
    at: datetime


def inhibits(labels: Labels, inhibit: Sequence[InhibitSettings]) -> bool:
    """Tell whether an alert is to be remembered because it may inhibit others."""
    return any(_any_rule(each.when, labels) for each in inhibit)


def inhibited_until(
    labels: Labels,
    inhibit: Sequence[InhibitSettings],
    recent: Iterable[Recent],
    now: datetime,
) -> tuple[datetime, str] | None:
    """Return until when an alert is held back and by what, or None.

    Every rule of the alert must be muted; an alert that itself has the labels `when` is not.
    """
    longest: tuple[datetime, str] | None = None
    for each in inhibit:
        if _any_rule(each.when, labels) or not all(
            matches(each.mute, labels, rule) for rule in labels.rules
        ):
            continue
        for source in recent:
            until = source.at + each.within
            if not source.at <= now < until or source.labels.story == labels.story:
                continue
            if _any_rule(each.when, source.labels) and _share(each.equal, source.labels, labels):
                why = f"while {', '.join(source.labels.rules)} is recent"
                if longest is None or until > longest[0]:
                    longest = (until, why)
    return longest


def _any_rule(when: Mapping[Any, Sequence[str]], labels: Labels) -> bool:
    return any(matches(when, labels, rule) for rule in labels.rules)


def _share(equal: Sequence[str], first: Labels, second: Labels) -> bool:
    return all(_values(name, first) & _values(name, second) for name in equal)


def _values(name: str, labels: Labels) -> set[str]:
    spelled = {"entity": "entities", "tag": "tags", "categories": "category"}.get(name, name)
    return {
        value.casefold() for rule in labels.rules for value in label_values(spelled, labels, rule)
    }

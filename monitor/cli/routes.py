"""`routes test`: where an alert would go, when, and why. Reads the configuration alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from monitor.alerts.hold import hold
from monitor.alerts.policy import policy_of
from monitor.alerts.route import Destination, Labels, Router
from monitor.alerts.rows import Matched, labels_of
from monitor.alerts.throttle import Ledger
from monitor.cli.common import Watch, config_option, emit, json_option, load_watch
from monitor.cli.stories import opened, read_stories
from monitor.config.models import Settings
from monitor.config.types import DAY_NAMES
from monitor.delivery.text import clean
from monitor.errors import UsageError
from monitor.rules import plain
from monitor.values import (
    Document,
    EntityMention,
    MarkedText,
    Match,
    Severity,
    Story,
    StoryDecision,
    Summary,
)


@click.group()
def routes() -> None:
    """See which channels alerts go to."""


@routes.command("test")
@click.argument("stories", type=click.Path(path_type=Path), required=False)
@config_option
@json_option
@click.option("--at", "at_text", help="When: 2026-12-25T03:00, 'sat 03:00', 03:00; default: now.")
@click.option("--title", help="A story of this title, instead of a file of stories.")
@click.option("--rule", "rules", multiple=True, help="An alert of this rule (with labels below).")
@click.option("--severity", help="Its severity; default: the rule's.")
@click.option("--entity", "entities", multiple=True, help="An entity in it.")
@click.option("--tag", "tags", multiple=True, help="A tag of its feed.")
@click.option("--category", "categories", multiple=True, help="A category of the publisher's.")
@click.option("--language", help="Its language.")
@click.option("--country", help="Its feed's country.")
@click.option("--feed", default="", help="Its feed's name.")
def test_routes(
    stories: Path | None,
    config_path: Path,
    as_json: bool,
    at_text: str | None,
    title: str | None,
    rules: tuple[str, ...],
    severity: str | None,
    entities: tuple[str, ...],
    tags: tuple[str, ...],
    categories: tuple[str, ...],
    language: str | None,
    country: str | None,
    feed: str,
) -> None:
    """Show where a story would go and why: stories (JSON lines, `-` for stdin), a --title, or an
    alert of some --rule with labels. Throttles are taken to have room."""
    watch = load_watch(config_path)
    settings = watch.loaded.settings
    router = Router(settings)
    now = datetime.now(UTC)
    at = moment(at_text, ZoneInfo(settings.defaults.timezone), now) if at_text else now
    given = Labels(rules, _severity(severity), entities, tags, categories, language, country, feed)
    found = _labels(watch, stories, title, given, severity is not None)
    for ident, labels, error in found:
        report = _failed(ident, error) if labels is None else _report(labels, router, settings, at)
        line = {"id": ident, **report} if ident is not None else report
        if as_json:
            emit(line)
        else:
            _say(line)


def _labels(
    watch: Watch, stories: Path | None, title: str | None, given: Labels, severity_given: bool
) -> Iterator[tuple[object, Labels | None, str]]:
    """Yield (id, labels, error) of each alert that is asked about."""
    rules = {rule.name: rule for rule in watch.loaded.settings.rules}
    if given.rules:
        unknown = [name for name in given.rules if name not in rules]
        if unknown:
            raise UsageError(f"there is no rule {unknown[0]!r} in the configuration")
        highest = max(Severity.parse(rules[name].severity) for name in given.rules)
        severity = given.severity if severity_given else highest
        yield None, _with(given, severity), ""
        return
    if title is not None:
        document = Document(
            "title",
            title,
            tags=given.tags,
            categories=given.categories,
            language=given.language,
            country=given.country,
            feed=given.feed,
        )
        yield None, _document_labels(watch, document), ""
        return
    if stories is None:
        raise UsageError("say what to route: a file of stories, --title TEXT, or --rule NAME")
    with opened(stories) as source:
        for line in read_stories(source):
            labels = _document_labels(watch, line.document) if line.document else None
            yield line.id, labels, line.error


def _with(given: Labels, severity: Severity) -> Labels:
    return Labels(
        given.rules,
        severity,
        given.entities,
        given.tags,
        given.categories,
        given.language,
        given.country,
        given.feed,
    )


def _document_labels(watch: Watch, document: Document) -> Labels:
    ruleset = watch.compiled.ruleset
    document = plain(document)
    matches: tuple[Match, ...] = ruleset.match(document)
    entities: tuple[EntityMention, ...] = ruleset.entities(document)
    now = datetime.now(UTC)
    story = Story(document.id, document.title, now, now)
    matched = Matched(
        document,
        document.id,
        now,
        StoryDecision(story, "new", ""),
        matches,
        entities,
        Summary("", MarkedText("")),
    )
    return labels_of(matched, {rule.name: rule for rule in watch.loaded.settings.rules})


def _report(labels: Labels, router: Router, settings: Settings, at: datetime) -> dict[str, Any]:
    destinations = router.route(labels) if labels.rules else ()
    return {
        "rules": list(labels.rules),
        "severity": labels.severity.label,
        "entities": list(labels.entities),
        "at": _text(at),
        "to": [_destination(each, labels, router, settings, at) for each in destinations],
        "walk": {rule: list(router.walk(labels, rule)) for rule in labels.rules},
    }


def _destination(
    destination: Destination, labels: Labels, router: Router, settings: Settings, at: datetime
) -> dict[str, Any]:
    policy = policy_of(destination, settings)
    wait = None
    if labels.severity is not Severity.CRITICAL:
        wait = hold(labels, destination, policy, router.rules, (), Ledger(), (), at)
    held = wait if wait is not None and wait.until > at else None
    return {
        "channel": destination.channel,
        "via": destination.via,
        "mention": list(destination.mention),
        "when": "held" if held else "now",
        "until": _text(held.until) if held else None,
        "why": held.why if held else "",
    }


def _failed(ident: object, error: str) -> dict[str, Any]:
    return {"error": error} if ident is not None else {"error": error, "input": None}


def _say(line: Mapping[str, Any]) -> None:
    if "error" in line:
        click.echo(f"error: {line['error']}", err=True)
        return
    names = ", ".join(clean(name) for name in line["rules"])
    start = f"{clean(str(line['id']))}: " if "id" in line else ""
    if not line["rules"]:
        click.echo(f"{start}no rule matches: no alert")
        return
    click.echo(f"{start}{names} ({line['severity']}), at {line['at']}")
    for each in line["to"]:
        when = f"held until {each['until']}: {each['why']}" if each["until"] else "now"
        mention = f", mentions {' '.join(each['mention'])}" if each["mention"] else ""
        click.echo(f"  → {each['channel']}  ({each['via']}), {when}{mention}")
    for rule, walk in line["walk"].items():
        for step in walk:
            click.echo(f"    {clean(rule)}: {clean(step)}")


def _severity(text: str | None) -> Severity:
    try:
        return Severity.parse(text) if text else Severity.NORMAL
    except KeyError:
        names = ", ".join(each.label for each in Severity)
        raise UsageError(f"{text!r} is not a severity: write one of {names}") from None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class _Wall:
    day: int | None
    clock: time


_WALL = re.compile(r"(?:([a-z]{3})[a-z]*\s+)?(\d{1,2}):(\d{2})")


def moment(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Read ``2026-12-25T03:00`` (local unless it says otherwise), ``sat 03:00`` (the next
    Saturday, today included) or ``03:00`` (today); raises ``UsageError``."""
    text = text.strip()
    wall = _wall(text.lower())
    if wall is not None:
        day = now.astimezone(zone).date()
        if wall.day is not None:
            day += timedelta(days=(wall.day - day.weekday()) % 7)
        return datetime.combine(day, wall.clock, zone)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: write 2026-12-25T03:00, 'sat 03:00' or 03:00"
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=zone)


def _wall(text: str) -> _Wall | None:
    found = _WALL.fullmatch(text)
    if not found or (found[1] and found[1] not in DAY_NAMES):
        return None
    try:
        clock = time(int(found[2]), int(found[3]))
    except ValueError:
        return None
    return _Wall(DAY_NAMES.index(found[1]) if found[1] else None, clock)

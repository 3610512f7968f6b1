"""`routes test`: where an alert would go, when, and why. Reads the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from monitor.alerts.route import Labels, Router
from monitor.cli.common import Watch, config_option, emit, json_option, load_watch
from monitor.cli.stories import opened, read_stories
from monitor.delivery.text import clean
from monitor.errors import UsageError
from monitor.review.rehearsal import labels_of_text, moment, rehearse
from monitor.values import (
    Document,
    Severity,
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
        report = _failed(ident, error) if labels is None else rehearse(labels, router, settings, at)
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
        yield None, _labels_of(watch, document), ""
        return
    if stories is None:
        raise UsageError("say what to route: a file of stories, --title TEXT, or --rule NAME")
    with opened(stories) as source:
        for line in read_stories(source):
            labels = _labels_of(watch, line.document) if line.document else None
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


def _labels_of(watch: Watch, document: Document) -> Labels:
    ruleset, settings = watch.compiled.ruleset, watch.loaded.settings
    return labels_of_text(document, ruleset, settings, datetime.now(UTC))

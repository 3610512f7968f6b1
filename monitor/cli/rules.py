"""`test`, `try`, `rules add`: rules tried out and added."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.text import Text

from monitor.cli.common import (
    Span,
    Watch,
    config_option,
    emit,
    json_option,
    load_watch,
    opened_store,
    run_async,
    say,
    stdout_console,
)
from monitor.config.edit import append_rule
from monitor.config.load import feeds
from monitor.config.models import RuleSettings, Settings
from monitor.errors import EXIT_FINDINGS, ConfigError, Problem, UsageError
from monitor.pipeline.documents import document_of_stored
from monitor.rules import compile_rules, plain
from monitor.rules.explain import explain as explain_rule
from monitor.values import TEXT_FIELDS, Document, Hit

WEEK = timedelta(days=7)


# ------------------------------------------------------------------------------------------- test
@click.command()
@config_option
@json_option
@click.argument("names", nargs=-1, metavar="[RULE]…")
@click.pass_context
def test(ctx: click.Context, config_path: Path, as_json: bool, names: tuple[str, ...]) -> None:
    """Run the examples that rules carry: each `match` text must fire its rule, each `no_match` must
    not. Exits 1 when one doesn't."""
    watch = load_watch(config_path, lenient=True)
    known = {rule.name for rule in watch.loaded.settings.rules}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"there is no rule {unknown[0]!r}")
    if not as_json:
        say(problem for problem in watch.problems if problem.level == "warning")
    passed = failed = 0
    for rule in watch.loaded.settings.rules:
        if rule.examples is None or (names and rule.name not in names):
            continue
        for text, expected in rule.examples.each():
            why = failing_example(watch.loaded.settings, rule, text, expected)
            failed, passed = failed + bool(why), passed + (not why)
            if as_json:
                emit(
                    {"rule": rule.name, "text": text, "expect": expected, "ok": not why, "why": why}
                )
            elif why:
                verb = "should fire on" if expected else "should not fire on"
                click.echo(f"FAIL {rule.name}: {verb} {text!r}: {why}")
    if not as_json:
        without = [r.name for r in watch.loaded.settings.rules if r.enabled and r.examples is None]
        more = f"; {len(without)} rules have none" if without else ""
        click.echo(f"{passed} examples pass, {failed} fail{more}")
    ctx.exit(EXIT_FINDINGS if failed else 0)


def failing_example(settings: Settings, rule: RuleSettings, text: str, expected: bool) -> str:
    """Return why an example is not as expected; empty when it is.

    An example is only text: conditions on labels don't count, and it may stand in the title or in
    the body.
    """
    free = rule.model_copy(update={"where": None, "enabled": True, "max_age": None})
    alone = settings.model_copy(update={"rules": [free]})
    found = [
        explain_rule(alone, rule.name, plain(document))
        for document in (Document("", text), Document("", "", "", text))
    ]
    if any(each.fires for each in found) is expected:
        return ""
    if expected:
        return found[0].first_failure
    fired = next(each for each in found if each.fires)
    return "it fires on " + ", ".join(dict.fromkeys(repr(hit.text) for hit in fired.hits))


# -------------------------------------------------------------------------------------------- try
@click.command(name="try")
@click.argument("query")
@config_option
@json_option
@click.option("--since", type=Span(), default=WEEK, show_default="7d", help="How far back.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many."
)
def try_(query: str, config_path: Path, as_json: bool, since: timedelta, limit: int) -> None:
    """Show the stored stories that a query would have matched. QUERY is a query string; no rule
    need be
    written. Without a configuration or stored stories only the query itself is checked."""
    watch = load_watch(config_path, tolerant=True) if config_path.exists() else None
    settings = _with_only(watch, query)
    compiled = compile_rules(settings)
    mine = [p for p in compiled.problems if p.path[:2] == ("rules", 0)]
    problems = [Problem(p.message, None, p.hint, p.level, p.excerpt) for p in mine]
    if errors := [problem for problem in problems if problem.level == "error"]:
        raise ConfigError(errors)
    say(problems)
    if watch is None:
        click.echo("the query is fine; there is no configuration here, so no stories to try it on")
        return
    stories = stored_documents(watch, since)
    ruleset = compiled.ruleset
    found = [(document, match) for document in stories for match in ruleset.match(document)]
    if as_json:
        for document, match in found:
            emit({
                "id": document.id, "title": document.title, "url": document.url,
                "published": document.published.isoformat() if document.published else None,
                "source": document.source, "score": match.score,
                "hits": [{"term": h.term, "field": h.field, "text": h.text} for h in match.hits],
            })  # fmt: skip
        return
    console = stdout_console()
    for document, match in found[-limit:]:
        line = marked(document.title, match.hits, "title")
        console.print(Text.assemble((f"{match.score:.2f} ", "cyan"), line))
        body = _snippet(document, match.hits)
        if body is not None:
            console.print(Text("     ") + body)
    span = max(since / timedelta(days=1), 1e-9)
    click.echo(
        f"{len(found)} of {len(stories)} stories in the last {days(since)}: "
        f"{len(found) / span:.1f} a day"
    )


def _with_only(watch: Watch | None, query: str) -> Settings:
    rule = RuleSettings.model_validate({"name": "query", "match": query})
    settings = watch.loaded.settings if watch else Settings.model_validate({})
    return settings.model_copy(update={"rules": [rule]})


def stored_documents(watch: Watch, since: timedelta) -> list[Document]:
    """Return the stories first seen since then, oldest first, with their feeds' labels of now."""
    known = {feed.key: feed for feed in feeds(watch.loaded)}

    async def main() -> list[Document]:
        async with opened_store(watch.loaded) as store:
            found = await store.entries_since(datetime.now(UTC) - since)
        return [document_of_stored(each, known) for each in found]

    return run_async(main)


def days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} d" if hours >= 24 else f"{hours:g} h"


def marked(text: str, hits: Sequence[Hit], field: str) -> Text:
    out = Text(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text))
    for hit in hits:
        if hit.field == field:
            out.stylize("bold yellow", hit.start, hit.end)
    return out


def _snippet(document: Document, hits: Sequence[Hit]) -> Text | None:
    for name in TEXT_FIELDS[1:]:
        here = [hit for hit in hits if hit.field == name]
        if here:
            whole = marked(document.text(name), here, name)
            low = max(here[0].start - 60, 0)
            return whole[low : here[0].end + 80]
    return None


# ------------------------------------------------------------------------------------------ rules
@click.group()
def rules() -> None:
    """Add rules, bring them over from other vendors, see what vetoes took away."""


@rules.command()
@click.argument("query")
@config_option
@click.option("--name", help="The rule's name; default: the query.")
@click.option("--to", multiple=True, help="A channel for its alerts (may be given more than once).")
@click.option(
    "--severity",
    type=click.Choice(["info", "low", "normal", "high", "critical"]),
    help="How much its alerts matter.",
)
def add(
    query: str, config_path: Path, name: str | None, to: tuple[str, ...], severity: str | None
) -> None:
    """Add a rule to the configuration file, correctly quoted. QUERY is a query string, or plain
    words for
    a phrase."""
    rule: dict[str, object] = {"name": name or query.strip()[:80], "match": query}
    if to:
        rule["to"] = list(to)
    if severity:
        rule["severity"] = severity
    settings = load_watch(config_path, tolerant=True).loaded.settings
    mine = RuleSettings.model_validate(rule)
    compiled = compile_rules(settings.model_copy(update={"rules": [mine]}))
    problems = [
        Problem(p.message, None, p.hint, p.level, p.excerpt)
        for p in compiled.problems
        if p.path[:2] == ("rules", 0)
    ]
    if errors := [problem for problem in problems if problem.level == "error"]:
        raise ConfigError(errors)
    say(problems)
    append_rule(config_path, rule, env=os.environ)
    click.echo(f"added rule {rule['name']!r} to {config_path}; a running watch takes it by itself")

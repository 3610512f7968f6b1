"""`init`: three questions, feeds proposed for the topic, and a configuration that works."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor.cli.common import config_option
from monitor.config.edit import write
from monitor.config.load import load
from monitor.config.models import Settings
from monitor.config.schema import SCHEMA_FILE, schema_text
from monitor.config.starter import Section, catalogue, chosen, starter, topics
from monitor.errors import UsageError
from monitor.loading import compiled_watch
from monitor.rules import compile_rules, plain
from monitor.rules.entities import bundled
from monitor.values import Document

AUTO = "auto"


@click.command()
@config_option
@click.option(
    "--topic",
    help='Words and phrases to watch for: "arms deal + Syria, port strike" (+: together).',
)
@click.option("--to", help="Where alerts go: a Slack channel (#news), or console.")
@click.option(
    "--region",
    help="Whose feeds, or on what: world, france, cyber-security …, several with commas; auto: "
    "those proposed for the topic; ? lists them.",
)
@click.option("--language", help="Feeds in this language only (ISO 639-1): fr.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(
    config_path: Path,
    topic: str | None,
    to: str | None,
    region: str | None,
    language: str | None,
    force: bool,
) -> None:
    """Ask three questions and write a commented configuration.

    With --topic, --to, and --region or --language nothing is asked.
    """
    if region == "?":
        click.echo(_listed(()))
        return
    if config_path.exists() and not force:
        raise UsageError(f"{config_path} is there already: --force replaces it")
    try:
        topic = topic or _ask_topic()
        to = to or click.prompt(
            "2. Where do alerts go? A Slack channel (#news), or console",
            default="console",
            err=True,
        )
        if region is None and language is None:
            region = _ask_region(topic)
    except click.Abort:
        raise UsageError("give --topic, --to and --region, or answer the questions") from None
    if region == AUTO:
        region = ", ".join(each.key for each in proposed(topic))
    sections = chosen(region or "", language)
    names = {name.lower(): name for name in _countries().values()}
    text = starter(topic, to, sections, names)
    # What is written must load, as it will stand there.
    overlay = {config_path.resolve(): text.encode()}
    loaded = load(config_path, os.environ, overlay=overlay)
    compiled_watch(loaded)
    write(config_path, text)
    schema = config_path.parent / SCHEMA_FILE.name
    if not schema.exists():
        write(schema, schema_text())
    click.echo(f"Wrote {config_path} with {len(loaded.settings.feeds)} feeds. Next:")
    if to.strip().lower() != "console":
        click.echo("  export SLACK_BOT_TOKEN=…   (and invite the app to the channel)")
    click.echo(f"  newswatch check --live -c {config_path}")
    click.echo(f"  newswatch run -c {config_path}")


def proposed(topic: str) -> tuple[Section, ...]:
    """Return the sections to propose for a topic: the world's, and those about its countries and
    words, in English or in the languages of a region."""
    about = _about(topic)
    return tuple(
        each
        for each in catalogue()
        if each.key == "world" or (each in about and each.language in (None, "en"))
    )


def _about(topic: str) -> tuple[Section, ...]:
    """Return the sections whose countries or words are in the topic; our own engine finds them."""
    rules = [{"name": each.key, "any": list(each.words)} for each in catalogue() if each.words]
    ruleset = compile_rules(Settings.model_validate({"rules": rules})).ruleset
    document = plain(Document("topic", "", "", "\n\n".join(map(" ".join, topics(topic)))))
    found = {match.rule for match in ruleset.match(document)}
    countries = {each.code for each in ruleset.entities(document)}
    return tuple(
        each for each in catalogue() if each.key in found or countries & set(each.countries)
    )


def _countries() -> dict[str, str]:
    """Return the countries' names by code, without the gazetteer's marks."""
    return {code: each.name.lstrip("^=") for code, each in bundled().countries.items()}


def _ask_topic() -> str:
    text: str = click.prompt(
        "1. What do you watch for? Words and phrases with commas; with + those that must come"
        '\n   together: "arms deal + Syria, port strike"',
        err=True,
    )
    topics(text)
    return text


def _ask_region(topic: str) -> str:
    mine = proposed(topic)
    click.echo(_listed(mine), err=True)
    more = [each.key for each in _about(topic) if each not in mine]
    if more:
        click.echo(f"  In other languages: {', '.join(more)}", err=True)
    answer: str = click.prompt(
        "3. Whose feeds to start with? Several with commas",
        default=", ".join(each.key for each in mine),
        err=True,
    )
    return answer.strip().lower()


def _listed(marked: tuple[Section, ...]) -> str:
    width = max(len(each.key) for each in catalogue())
    return "\n".join(
        f"  {'*' if each in marked else ' '} {each.key:{width}}  {each.title}"
        f" ({len(each.feeds)} feeds)"
        for each in catalogue()
    )

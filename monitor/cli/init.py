"""`init`: three questions, and a configuration that works."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor.cli.common import config_option
from monitor.config.edit import write
from monitor.config.load import load
from monitor.config.schema import SCHEMA_FILE, schema_text
from monitor.config.starter import regions, starter, topics
from monitor.errors import UsageError
from monitor.loading import compiled_watch


@click.command()
@config_option
@click.option("--topic", help='Words and phrases to watch for: "Syria, arms deal".')
@click.option("--to", help="Where alerts go: a Slack channel (#news), or console.")
@click.option("--region", help="Whose feeds: world, uk, us, europe, france, …; ? lists them.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(
    config_path: Path, topic: str | None, to: str | None, region: str | None, force: bool
) -> None:
    """Ask three questions and write a commented configuration.

    With --topic, --to and --region nothing is asked.
    """
    if region == "?":
        click.echo(_catalogue())
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
        region = region or _ask_region()
    except click.Abort:
        raise UsageError("give --topic, --to and --region, or answer the questions") from None
    text = starter(topic, to, region)
    # What is written must load, as it will stand there.
    overlay = {config_path.resolve(): text.encode()}
    compiled_watch(load(config_path, os.environ, overlay=overlay))
    write(config_path, text)
    schema = config_path.parent / SCHEMA_FILE.name
    if not schema.exists():
        write(schema, schema_text())
    click.echo(f"Wrote {config_path}. Next:")
    if to.strip().lower() != "console":
        click.echo("  export SLACK_BOT_TOKEN=…   (and invite the app to the channel)")
    click.echo(f"  newswatch check --live -c {config_path}")
    click.echo(f"  newswatch run -c {config_path}")


def _ask_topic() -> str:
    text: str = click.prompt(
        '1. What do you watch for? Words and phrases, "Syria, arms deal"', err=True
    )
    return ", ".join(topics(text))


def _ask_region() -> str:
    click.echo(_catalogue(), err=True)
    answer: str = click.prompt("3. Whose feeds to start with?", default="world", err=True)
    return answer.strip().lower()


def _catalogue() -> str:
    width = max(len(each.key) for each in regions())
    return "\n".join(
        f"  {each.key:{width}}  {each.title} ({len(each.feeds)} feeds)" for each in regions()
    )

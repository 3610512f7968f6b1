"""`matches`: what the rules matched, as a table, as JSON Lines or as an Atom feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.text import Text

from monitor.cli.common import (
    Span,
    config_option,
    emit,
    json_option,
    load_watch,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.config.load import feeds
from monitor.errors import UsageError
from monitor.review.exports import atom_feed, match_rows


@click.command()
@config_option
@click.option("--since", type=Span(), default="7d", show_default=True, help="How far back.")
@click.option("--rule", "rules", multiple=True, help="This rule's only; repeatable.")
@click.option("--atom", is_flag=True, help="An Atom feed of one rule: its newest 50 reports.")
@json_option
def matches(
    config_path: Path, since: timedelta, rules: tuple[str, ...], atom: bool, as_json: bool
) -> None:
    """Show what the rules matched, oldest first; with --json to work on, with --atom to subscribe
    to.

    What is stored counts, so also stories that a silence, quiet hours or a first run kept back.
    """
    loaded = load_watch(config_path, tolerant=True).loaded
    known = [rule.name for rule in loaded.settings.rules]
    if unknown := [name for name in rules if name not in known]:
        raise UsageError(f"there is no rule {unknown[0]!r}")
    if atom and (len(rules) != 1 or as_json):
        raise UsageError("--atom gives the feed of one rule: name it with --rule")
    now = datetime.now(UTC)

    async def main() -> None:
        async with opened_store(loaded) as store:
            if atom:
                named = {feed.key: feed for feed in feeds(loaded)}
                body = await atom_feed(store, rules[0], feeds=named, since=now - since, now=now)
                click.echo(body.decode(), nl=False)
                return
            count = 0
            console = stdout_console()
            async for row in match_rows(store, now - since, rules):
                count += 1
                if as_json:
                    emit(row)
                    continue
                console.print(
                    Text.assemble(
                        (f"{row['first_seen'][:16]} ", "dim"),
                        (f"{row['rule']}: ", "cyan"),
                        " ".join(row["title"].split()),
                        (f" ({row['source']})", "dim"),
                    ),
                    soft_wrap=True,
                )
            if not as_json:
                click.echo(f"{count} matches", err=True)

    run_async(main)

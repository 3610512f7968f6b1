"""`silence add|list|expire`: temporary mutes, while the watch runs or before it starts."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import click
from rich.table import Table

from monitor.alerts.silence import (
    Silence,
    add_silence,
    expire_silence,
    load_silences,
    make_silence,
    parse_matchers,
    silence_json,
)
from monitor.cli.common import (
    Span,
    config_option,
    emit,
    glance,
    json_option,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.config.load import load
from monitor.delivery.text import clean


@click.group()
def silence() -> None:
    """Mute alerts for a time; `critical` ones are never muted."""


@silence.command("add")
@click.argument("matchers", nargs=-1, required=True, metavar="LABEL=VALUE…")
@config_option
@json_option
@click.option("--for", "lasts", type=Span(), required=True, help="How long: 30m, 4h, 2d.")
@click.option("--comment", default="", help="Why.")
@click.option("--by", default=None, help="Who; default: your user name.")
@click.option(
    "--then",
    type=click.Choice(["drop", "digest"]),
    default="drop",
    show_default=True,
    help="What becomes of what was muted: nothing, or one digest at the end.",
)
def add(
    matchers: tuple[str, ...],
    config_path: Path,
    as_json: bool,
    lasts: timedelta,
    comment: str,
    by: str | None,
    then: Literal["drop", "digest"],
) -> None:
    """Mute alerts that have every one of these labels: rule, source, feed, entity, story,
    severity, tag, category, language, country. `*` is a wildcard; a label given twice takes
    either value."""
    when = parse_matchers(matchers)
    now = datetime.now(UTC)
    made = make_silence(when, lasts, now, by=by or _user(), comment=comment, then=then)

    async def main() -> None:
        async with opened_store(load(config_path, os.environ)) as store:
            await add_silence(store, made)

    run_async(main)
    if as_json:
        emit(silence_json(made, now))
    else:
        click.echo(f"{made.id}: {clean(made.words())} muted until {made.until:%F %R} UTC")


@silence.command("list")
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Those that ended lately too.")
def list_silences(config_path: Path, as_json: bool, everything: bool) -> None:
    """List the silences in force."""
    now = datetime.now(UTC)

    async def main() -> tuple[Silence, ...]:
        async with opened_store(load(config_path, os.environ)) as store:
            return await load_silences(store)

    found = [each for each in run_async(main) if everything or each.active(now)]
    if as_json:
        for each in found:
            emit(silence_json(each, now))
        return
    if not found:
        click.echo("No silence is in force.")
        return
    table = Table("id", "mutes", "until", "by", "comment", box=None, pad_edge=False)
    for each in found:
        ends = f"{each.until:%F %R} UTC ({glance(each.until, now)})"
        table.add_row(each.id, clean(each.words()), ends, clean(each.by), clean(each.comment))
    stdout_console().print(table)


@silence.command("expire")
@click.argument("ident", metavar="ID")
@config_option
def expire(ident: str, config_path: Path) -> None:
    """End a silence now; ID may be its beginning or end."""

    async def main() -> Silence:
        async with opened_store(load(config_path, os.environ)) as store:
            return await expire_silence(store, ident, datetime.now(UTC))

    ended = run_async(main)
    click.echo(f"{ended.id}: {clean(ended.words())} is no longer muted")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user id, as in some containers
        return ""

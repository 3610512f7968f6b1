"""`outbox list|retry|drop`: what is owed to the channels, and an operator's say in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click
from rich.table import Table

from monitor.cli.common import (
    config_option,
    emit,
    glance,
    json_option,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.clock import SystemClock
from monitor.codec import alert_from_json
from monitor.config.load import load
from monitor.delivery.text import clean, cut
from monitor.errors import EXIT_FINDINGS, UsageError
from monitor.store.port import OutboxRow, OutboxState, Store

STATES: tuple[OutboxState, ...] = get_args(OutboxState)
OPEN: tuple[OutboxState, ...] = ("queued", "held", "sending", "unknown", "dead")

state_option = click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only rows in this state."
)
channel_option = click.option("--channel", help="Only this channel's rows.")


@click.group()
def outbox() -> None:
    """Show, retry or drop alerts that the channels have not acknowledged."""


@outbox.command("list")
@config_option
@json_option
@state_option
@channel_option
@click.option("--all", "everything", is_flag=True, help="Sent ones too.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
)
def list_rows(
    config_path: Path,
    as_json: bool,
    states: tuple[OutboxState, ...],
    channel: str | None,
    everything: bool,
    limit: int,
) -> None:
    """List what is waiting, unclear or dead."""
    wanted = states or (STATES if everything else OPEN)

    async def main() -> tuple[Sequence[OutboxRow], dict[str, int]]:
        async with _store(config_path) as store:
            rows = await store.outbox_rows(states=wanted, channel=channel, limit=limit)
            return rows, {str(name): n for name, n in (await store.outbox_counts()).items()}

    rows, counts = run_async(main)
    if as_json:
        for row in rows:
            emit(_as_json(row))
        return
    console = stdout_console()
    if rows:
        console.print(_table(rows))
    total = ", ".join(f"{counts[name]} {name}" for name in STATES if counts.get(name))
    console.print(total or "The outbox is empty.")


@outbox.command()
@config_option
@json_option
@state_option
@channel_option
@click.argument("ids", nargs=-1)
def retry(
    config_path: Path,
    as_json: bool,
    states: tuple[OutboxState, ...],
    channel: str | None,
    ids: tuple[str, ...],
) -> None:
    """Queue rows again, at once: by ID, or all with --state or --channel.

    A row whose outcome is unknown may have been posted: queuing it again can make a double.
    """
    chosen = _chosen(config_path, ids, states or ("unknown", "dead"), channel)

    async def main() -> list[OutboxRow]:
        now = SystemClock().now()
        rows = [
            replace(row, state="queued", not_before=now, looks=0, attempts=0, error="")
            for row in chosen
            if row.state in ("queued", "held", "unknown", "dead")
        ]
        async with _store(config_path) as store:
            await store.outbox_put(rows)
        return rows

    _report("queued", run_async(main), chosen, as_json)


@outbox.command()
@config_option
@json_option
@state_option
@channel_option
@click.argument("ids", nargs=-1)
def drop(
    config_path: Path,
    as_json: bool,
    states: tuple[OutboxState, ...],
    channel: str | None,
    ids: tuple[str, ...],
) -> None:
    """Give up rows for good: by ID, or all with --state or --channel."""
    chosen = _chosen(config_path, ids, states or OPEN, channel)
    rows = [row for row in chosen if row.state not in ("sending", "sent")]

    async def main() -> None:
        async with _store(config_path) as store:
            await store.outbox_forget([row.id for row in rows])

    run_async(main)
    _report("dropped", rows, chosen, as_json)


def _store(config_path: Path) -> AbstractAsyncContextManager[Store]:
    return opened_store(load(config_path, os.environ))


def _chosen(
    config_path: Path, ids: tuple[str, ...], states: Sequence[OutboxState], channel: str | None
) -> Sequence[OutboxRow]:
    if not ids and channel is None and set(states) in (set(OPEN), {"unknown", "dead"}):
        raise UsageError("say which: IDs (see `outbox list`), --state or --channel")

    async def main() -> Sequence[OutboxRow]:
        async with _store(config_path) as store:
            if ids:
                return await store.outbox_rows()
            return await store.outbox_rows(states=states, channel=channel)

    rows = run_async(main)
    if not ids:
        return rows
    by_id = {row.id: row for row in rows}
    unknown = [each for each in ids if each.upper() not in by_id]
    if unknown:
        raise UsageError(f"no such row: {', '.join(unknown)} (see `outbox list --all`)")
    return [by_id[each.upper()] for each in ids]


def _report(
    word: str, done: Sequence[OutboxRow], chosen: Sequence[OutboxRow], as_json: bool
) -> None:
    left = [row for row in chosen if row.id not in {each.id for each in done}]
    if as_json:
        for row in done:
            emit({"id": row.id, "result": word})
        for row in left:
            emit({"id": row.id, "result": f"left: {row.state}"})
    else:
        click.echo(f"{len(done)} {word}")
        for state, count in Counter(row.state for row in left).items():
            click.echo(f"{count} left alone: {state}", err=True)
    if left:
        raise SystemExit(EXIT_FINDINGS)


def _as_json(row: OutboxRow) -> dict[str, object]:
    return {
        "id": row.id,
        "state": row.state,
        "channel": row.channel,
        "kind": row.kind,
        "story": row.story_id,
        "title": _title(row),
        "severity": row.severity,
        "attempts": row.attempts,
        "looks": row.looks,
        "created": row.created_at.isoformat(),
        "not_before": row.not_before.isoformat(),
        "last_try": row.last_try.isoformat() if row.last_try else None,
        "receipt": row.receipt.ts if row.receipt else None,
        "note": row.error,
    }


def _title(row: OutboxRow) -> str:
    try:
        return clean(alert_from_json(row.payload).title)
    except ValueError:
        return "(unreadable)"


def _table(rows: Sequence[OutboxRow]) -> Table:
    now = SystemClock().now()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "state", "channel", "kind", "title", "queued", "tries", "note"):
        table.add_column(name, no_wrap=name in ("id", "state", "channel", "kind", "queued"))
    for row in rows:
        note = row.error
        if row.state in ("queued", "held") and row.not_before > now:
            note = f"{glance(row.not_before, now)}; {note}".rstrip("; ")
        table.add_row(
            row.id,
            row.state,
            row.channel,
            row.kind,
            cut(_title(row), 60),
            glance(row.created_at, now),
            str(row.attempts),
            cut(clean(note), 80),
        )
    return table

"""`db backup|restore|check|copy-to`: the store as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from monitor.cli.common import config_option, emit, json_option, run_async, stdout_console
from monitor.config.load import load
from monitor.errors import EXIT_FINDINGS, CorruptState
from monitor.loading import state_target
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.copying import copy_store, restore_database
from monitor.store.transfer import Copied
from monitor.store.transfer import Progress as Report

BACKUPS = "backups"
KEEP = 7


@click.group()
def db() -> None:
    """Back up, restore, check and move what the watch has stored."""


@db.command()
@config_option
@json_option
@click.option("--to", "target", type=click.Path(path_type=Path), help="Write exactly this file.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=KEEP,
    show_default=True,
    help="How many to keep in backups/ (with --to nothing is removed).",
)
def backup(config_path: Path, as_json: bool, target: Path | None, keep: int) -> None:
    """Write a consistent copy while the watch may be running.

    Without --to it goes to backups/ beside the database (with postgresql:// beside the
    configuration), and the oldest are removed."""
    from monitor.store.sqlite.copies import backup_name, rotate

    state = state_target(load(config_path, os.environ))
    now = datetime.now(UTC)
    home = config_path.resolve().parent if "://" in state else Path(state)
    file = target or home / BACKUPS / backup_name("backup", now)

    async def main() -> None:
        store = await open_store(state, now=now, tokenize=search_tokens, check=False)
        try:
            await store.backup(str(file))
        finally:
            await store.close()

    run_async(main)
    removed = [] if target else rotate(home / BACKUPS, "backup", keep)
    size = file.stat().st_size
    if as_json:
        emit({"backup": str(file), "bytes": size, "removed": [str(path) for path in removed]})
    else:
        click.echo(f"{file} ({size / 1e6:.1f} MB)")


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def restore(file: Path, config_path: Path, as_json: bool) -> None:
    """Put the backup FILE in the place of what is stored. The watch must not be running.

    What was stored is kept in backups/ (with postgresql://: back it up first)."""
    from monitor.store.sqlite.restore import restore as put_back
    from monitor.store.sqlite.restore import usable_backup

    state = state_target(load(config_path, os.environ))
    kept: Path | None = None
    if "://" in state:
        usable_backup(file)
        with _progress() as report:
            run_async(
                lambda: restore_database(file, state, tokenize=search_tokens, progress=report)
            )
    else:
        kept = put_back(file, Path(state), datetime.now(UTC))
    if as_json:
        emit({"restored": str(file), "kept": None if kept is None else str(kept)})
        return
    click.echo(f"restored {file}")
    if kept is not None:
        click.echo(f"what was there before is {kept}")


@db.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Look for damage; exit code 1 where there is any."""
    state = state_target(load(config_path, os.environ))

    async def main() -> list[str]:
        now = datetime.now(UTC)
        try:
            store = await open_store(state, now=now, tokenize=search_tokens, check=False)
        except CorruptState as error:
            return [str(error)]
        try:
            return list(await store.check())
        except CorruptState as error:
            return [str(error)]
        finally:
            await store.close()

    findings = run_async(main)
    if as_json:
        emit({"sound": not findings, "findings": findings})
    else:
        for finding in findings:
            click.echo(finding)
        if not findings:
            click.echo("sound")
    if findings:
        raise click.exceptions.Exit(EXIT_FINDINGS)


@db.command("copy-to")
@click.argument("target", metavar="FOLDER|postgresql://…")
@config_option
@json_option
@click.option("--replace", is_flag=True, help="Replace what TARGET holds.")
def copy_to(target: str, config_path: Path, as_json: bool, replace: bool) -> None:
    """Copy everything to another store and compare both, row by row.

    Nothing is kept unless both are equal; a copy may be repeated. The watch must not be running.
    To use the copy, set `state:` to TARGET."""
    source = state_target(load(config_path, os.environ))
    place = target if "://" in target else str(Path(target).resolve())
    with _progress() as report:
        copied = run_async(
            lambda: copy_store(
                source,
                place,
                tokenize=search_tokens,
                now=datetime.now(UTC),
                replace=replace,
                progress=report,
            )
        )
    if as_json:
        emit(_as_json(copied))
        return
    table = Table("", "rows", "digest of both", box=None, pad_edge=False)
    for name, each in copied.sums.items():
        table.add_row(name, f"{each.rows:,}", each.digest)
    stdout_console().print(table)
    click.echo("the target held the very same already" if copied.unchanged else "copied, equal")


def _as_json(copied: Copied) -> dict[str, object]:
    return {
        "unchanged": copied.unchanged,
        "tables": {
            name: {"rows": each.rows, "digest": each.digest} for name, each in copied.sums.items()
        },
    }


@contextmanager
def _progress() -> Iterator[Report]:
    """Show on a terminal what is being done; silent elsewhere."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as p:
        task = p.add_task("looking")

        def report(what: str, rows: int) -> None:
            p.update(task, description=f"{what}: {rows:,} rows")

        yield report

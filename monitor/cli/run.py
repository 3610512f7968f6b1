"""`run` and `once`: the daemon, and one cycle of it for cron.

Alerts alone go to stdout (one flushed line each where it is not a terminal); the rest is the log,
on stderr.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor import failpoints, logs
from monitor.cli.common import config_option
from monitor.daemon.eventloop import run_long, settled
from monitor.daemon.systemd import Notifier
from monitor.errors import EXIT_OK, EXIT_USAGE, UsageError

log_options = [
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="How much to log.",
    ),
    click.option(
        "--log-json/--log-text",
        "log_json",
        default=None,
        help="JSON or readable lines.  [default: readable on a terminal]",
    ),
]


def set_up_logging(log_level: str, log_json: bool | None) -> logs.Redactor:
    """Switch on logging, and failpoints where the environment asks for them."""
    try:
        failpoints.configure(os.environ.get("NEWSWATCH_FAILPOINTS"))
    except ValueError as error:
        raise UsageError(f"NEWSWATCH_FAILPOINTS: {error}") from None
    return logs.setup(log_level, as_json=log_json)


@click.command()
@config_option
@log_options[0]
@log_options[1]
def run(config_path: Path, log_level: str, log_json: bool | None) -> None:
    """Run the watch until it is told to stop (SIGTERM, Ctrl-C); SIGHUP reloads."""
    from monitor.daemon.assembly import assembled

    redactor = set_up_logging(log_level, log_json)

    async def main() -> None:
        async with assembled(config_path, os.environ, redactor=redactor) as daemon:
            daemon.handle_signals()
            daemon.notifier = Notifier(os.environ)
            settled()
            await daemon.run()

    run_long(main)


@click.command()
@config_option
@click.option(
    "--due", "due_only", is_flag=True, help="Only feeds that the watch's own schedule finds due."
)
@log_options[0]
@log_options[1]
def once(config_path: Path, due_only: bool, log_level: str, log_json: bool | None) -> int:
    """Poll every feed once, deliver what matched, and end: for cron.

    A feed that fails is logged and does not change the exit code; a channel that refuses does
    (its alerts are kept for the next call).
    """
    from monitor.daemon.assembly import assembled

    redactor = set_up_logging(log_level, log_json)

    async def main() -> list[str]:
        # Cron calls again; a cycle that waited for others would pile up.
        async with assembled(config_path, os.environ, redactor=redactor, waits=False) as daemon:
            await daemon.once(due_only)
            return daemon.parked_channels()

    parked = run_long(main)
    for line in parked:
        click.echo(f"error: {line}", err=True)
    return EXIT_USAGE if parked else EXIT_OK

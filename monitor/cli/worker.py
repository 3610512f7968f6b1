"""`worker`: one of any number of processes that share a PostgreSQL store."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor.cli.common import config_option
from monitor.cli.run import log_options, set_up_logging
from monitor.daemon.eventloop import run_long, settled
from monitor.daemon.systemd import Notifier
from monitor.errors import UsageError


@click.command()
@config_option
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many shards of hosts to poll at once.",
)
@log_options[0]
@log_options[1]
def worker(config_path: Path, concurrency: int, log_level: str, log_json: bool | None) -> None:
    """Run one worker of a cluster (`state: postgresql://…`); any number may run, anywhere."""
    from monitor.config.load import load
    from monitor.daemon.assembly import assembled
    from monitor.loading import state_target

    redactor = set_up_logging(log_level, log_json)
    if "://" not in state_target(load(config_path, os.environ)):
        raise UsageError(
            "`worker` needs a store that workers can share: set `state: postgresql://…`, or use "
            "`run`"
        )

    async def main() -> None:
        async with assembled(
            config_path, os.environ, redactor=redactor, concurrency=concurrency
        ) as daemon:
            daemon.handle_signals()
            daemon.notifier = Notifier(os.environ)
            settled()
            await daemon.run()

    run_long(main)

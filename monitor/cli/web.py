"""`web`: the status page by itself, beside a daemon or without one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import click

from monitor.cli.common import config_option, load_watch, opened_store, run_async
from monitor.cli.run import log_options, set_up_logging
from monitor.clock import SystemClock
from monitor.config.addresses import is_loopback
from monitor.config.reload import Reloader
from monitor.errors import ConfigError, UsageError
from monitor.loading import recompiled_watch
from monitor.values import Document

RELOAD = 1.0  # seconds between looks at the configuration


@click.command()
@config_option
@click.option("--listen", help="Address and port.  [default: `web.listen`]")
@log_options[0]
@log_options[1]
def web(config_path: Path, listen: str | None, log_level: str, log_json: bool | None) -> None:
    """Serve the status page of this configuration until told to stop; a daemon may run beside it.

    Counts of polls are known to the daemon alone: see `web.enabled` for its own page.
    """
    try:
        from monitor.web.app import web_app
        from monitor.web.serve import serving
        from monitor.web.source import Source
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the status page needs the package {error.name}: pip install 'newswatch[web]'"
        ) from None
    from monitor.watching import watching

    redactor = set_up_logging(log_level, log_json)
    watch = load_watch(config_path, tolerant=True)
    redactor.add(watch.loaded.secrets)
    settings = watch.loaded.settings.web
    address = listen or settings.listen
    if settings.token is None and not is_loopback(address.rpartition(":")[0]):
        raise UsageError(f"{address} is open to others: set `web.token`, or listen on 127.0.0.1")
    current = watching(watch.loaded, watch.compiled)
    reloader = Reloader(config_path, os.environ, loaded=watch.loaded)

    def reload() -> None:
        """Show the configuration as it is now; a broken one is left for the daemon to tell of."""
        nonlocal current
        with contextlib.suppress(ConfigError):
            if (fresh := reloader.check()) is not None:
                redactor.add(fresh.secrets)
                fresh, compiled, _ = recompiled_watch(fresh, current.settings, current.ruleset)
                current = watching(fresh, compiled)

    async def follow() -> None:
        while True:
            await asyncio.sleep(RELOAD)
            await asyncio.to_thread(reload)

    def warm() -> None:
        """Build the gazetteer, which takes a moment: not for the first who asks for routes."""
        current.ruleset.entities(Document("", ""))

    async def main() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stopping.set)
        async with opened_store(watch.loaded) as store:
            source = Source(store, SystemClock(), lambda: current, config_path, os.environ)
            await asyncio.to_thread(warm)
            await source.feed_states()
            async with serving(web_app(source), address) as bound:
                click.echo(f"status page: http://{bound}/", err=True)
                following = asyncio.create_task(follow(), name="configuration")
                await stopping.wait()
                following.cancel()

    run_async(main)

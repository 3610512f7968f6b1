"""`demo`: bundled feeds on loopback, the real daemon, the first alert in seconds, offline."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path

import click
from aiohttp import web

from monitor.cli.common import Span, run_async

_BREAKING_AFTER = 4.0  # seconds until the evening desk's feed has news
_FEEDS = {
    "world.xml": "application/rss+xml",
    "harbour.atom": "application/atom+xml",
    "late.json": "application/feed+json",
}


@asynccontextmanager
async def demo_server(folder: Path) -> AsyncIterator[str]:
    """Serve the bundled feeds on a free loopback port; one of them has news after a while."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def feed(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _FEEDS:
            raise web.HTTPNotFound
        body = (folder / name).read_text(encoding="utf-8")
        if name == "late.json" and loop.time() - start > _BREAKING_AFTER:
            document = json.loads(body)
            news = json.loads((folder / "breaking.json").read_text(encoding="utf-8"))
            document["items"].insert(0, news)
            body = json.dumps(document)
        return web.Response(text=body, content_type=_FEEDS[name])

    app = web.Application()
    app.router.add_get("/{name}", feed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@click.command()
@click.option(
    "--for",
    "duration",
    type=Span(),
    default="10s",
    show_default=True,
    help="How long to run.",
)
def demo(duration: timedelta) -> None:
    """Run the watch on bundled, invented feeds: no internet, no token, nothing kept."""
    from monitor.daemon.assembly import assembled

    async def main() -> None:
        with as_file(files("monitor.demo")) as folder, tempfile.TemporaryDirectory() as place:
            config = Path(place) / "config.yaml"
            shutil.copy(folder / "config.yaml", config)
            async with demo_server(folder) as address:
                environment = {"DEMO_FEEDS": address}
                async with assembled(config, environment) as daemon:
                    asyncio.get_running_loop().call_later(duration.total_seconds(), daemon.stop)
                    daemon.handle_signals()
                    await daemon.run()

    click.echo(
        "Three invented feeds on loopback, polled every 2 s. Watching for: arms deals together "
        "with Syria, port strikes.\n",
        err=True,
    )
    run_async(main)
    click.echo(
        "\nThat was the demo. Next: `newswatch init` writes a config.yaml of your own, "
        "`newswatch check --live` tries its feeds, `newswatch run` starts the watch.",
        err=True,
    )

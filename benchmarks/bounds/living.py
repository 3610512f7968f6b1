"""A watch that lives with one hostile feed, while its status page is looked at."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.bounds.loop import Turns, watched
from benchmarks.bounds.server import Served
from monitor.daemon.assembly import assembled
from monitor.daemon.eventloop import settled
from tests.chaos.world import KEYWORD

PAGES = ("/", "/feeds", "/lab", "/quality", "/routes", "/outbox", "/silences", "/metrics")
PATIENCE = 60.0  # seconds until a poll must have ended
AFTER = 2.0  # seconds in which alerts go out
CONFIG = """\
channels: {{news: {{slack: '#news-watch'}}}}
slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{slack}'}}
defaults: {{channel: news}}
network: {{allow: [127.0.0.0/8]}}
web: {{enabled: true, listen: '127.0.0.1:{port}'}}
feeds: [{{url: '{url}', name: F, first_run: alert}}]
rules:
  - {{name: Words, any: [{keyword}, "harbour*", "=IT", arms deal, "bab*"]}}
  - {{name: Near, match: '(strike OR "peace talks") NEAR/5 (pilots OR harbour)'}}
  - {{name: Pattern, any: ['/CVE-\\d{{4}}-\\d{{4,7}}/', '/(ba|be|bi)+n(an)*$/']}}
  - {{name: Places, entities: {{any: [Syria, France]}}}}
  - {{name: First, match: 'FIRST/20 (court OR glacier*) AND NOT title:football'}}
"""


async def lived(place: Path, name: str, url: str, where: Served) -> tuple[Turns, str]:
    """Run the daemon with this feed until it has been polled; returns its turns and the poll's
    words. What it loads as it starts is not counted."""
    folder = place / re.sub(r"\W+", "-", name)
    folder.mkdir()
    port = await _free_port()
    text = CONFIG.format(slack=where.slack, port=port, url=url, keyword=KEYWORD)
    (folder / "config.yaml").write_text(text)
    env = {"SLACK_BOT_TOKEN": where.token}
    with watched() as turns:
        async with assembled(folder / "config.yaml", env) as daemon:
            settled()
            running = asyncio.create_task(daemon.run())
            await daemon._warm.wait()
            await asyncio.sleep(0)
            turns.forget()
            looking = asyncio.create_task(_look(f"http://127.0.0.1:{port}"))
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                (state,) = daemon.current_states().values()
                if state.last_poll_at is not None or state.failures:
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(AFTER)
            looking.cancel()
            (state,) = daemon.current_states().values()
            with turns.paused():  # what ends isn't looked at
                daemon.stop()
                await running
    return turns, state.last_status


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def _look(url: str) -> None:
    """Ask for every page, again and again; in this very loop, as small as that is."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while True:
            for path in PAGES:
                with suppress(httpx.HTTPError):
                    await client.get(path)
                await asyncio.sleep(0.05)

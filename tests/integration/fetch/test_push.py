"""A hub's push through the whole daemon: from the hub's call to the alert."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from monitor.daemon.assembly import assembled
from tests.feedserver import Answer, FeedServer, rss
from tests.integration.fetch.test_websub import Hub, free_port

CONFIG = """
state: ./state
defaults: {{channel: out}}
channels: {{out: {{console: true}}}}
network: {{allow: [127.0.0.0/8], websub_callback: "http://{listen}/cb", websub_listen: "{listen}"}}
rules: [{{name: Coup, any: [coup]}}]
feeds: [{{url: "{url}", every: 24h}}]
"""


def with_hub(document: str, hub: str, own: str) -> str:
    links = f'<atom:link rel="hub" href="{hub}"/><atom:link rel="self" href="{own}"/>'
    head = '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
    return document.replace('<rss version="2.0"', head).replace("<channel>", f"<channel>{links}")


def test_a_push_becomes_an_alert_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.websub_server.FIRST_ROUND", 0.0)
    monkeypatch.setattr("monitor.sources.websub_server.ROUNDS", 0.2)
    listen = f"127.0.0.1:{free_port()}"

    async def main(server: FeedServer) -> float:
        hub = Hub()
        app = web.Application()
        app.router.add_post("/hub", hub.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        document = with_hub(rss([("1", "Old")]), f"http://{host}:{port}/hub", server.url())
        server.script("/feed", Answer(document, etag='"1"'))
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.format(listen=listen, url=server.url()))
        async with assembled(config, os.environ) as daemon:
            running = asyncio.create_task(daemon.run())
            try:
                await until(lambda: bool(hub.confirmed))
                loop = asyncio.get_running_loop()
                pushed = loop.time()
                await hub.push(hub.asked[0], rss([("2", "A coup in Ruritania")]).encode())
                await until(lambda: "coup in Ruritania" in capsys_text())
                return loop.time() - pushed
            finally:
                daemon.stop()
                await running
                await hub.settled()
                await runner.cleanup()

    seen: list[str] = []

    def capsys_text() -> str:
        seen.append(capsys.readouterr().out)
        return "".join(seen)

    with FeedServer() as server:
        assert asyncio.run(main(server)) < 5.0
        assert len(server.requests) == 1


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it didn't happen within 30 seconds")

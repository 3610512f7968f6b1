"""Every address that changes something takes only our own forms; and the page beside the daemon
shows alerts as they come, on both stores."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from monitor.clock import SystemClock
from monitor.config.load import load
from monitor.loading import compiled_watch
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.watching import watching
from monitor.web.app import WebApp, web_app
from monitor.web.source import Source
from tests.acceptance.process import Process
from tests.contract.databases import fresh_schema
from tests.integration.web.test_outbox_actions import row

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOME = "http://127.0.0.1:1"


def test_no_address_changes_anything_by_get_or_for_others(tmp_path: Path) -> None:
    async def main() -> None:
        config = tmp_path / "config.yaml"
        config.write_text("channels: {news: {console: true}}\n")
        loaded = load(config, {})
        current = watching(loaded, compiled_watch(loaded)[0])
        store = await open_store(str(tmp_path / "state"), now=NOW, tokenize=search_tokens)
        try:
            app = web_app(Source(store, SystemClock(), lambda: current, config, {}))
            await refuses_others(app)
        finally:
            await store.close()

    asyncio.run(main())


async def refuses_others(app: WebApp) -> None:
    paths = [r.path for r in app.asgi.routes if isinstance(r, Route) and r.methods == {"POST"}]
    reading = [
        r.path for r in app.asgi.routes if isinstance(r, Route) and "GET" in (r.methods or ())
    ]
    assert len(paths) >= 15
    transport = httpx.ASGITransport(app.asgi)
    async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
        page = (await client.get("/silences")).text
        token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert token
        for path in paths:
            data = {"form_token": token[1]}
            if path not in reading:
                assert (await client.get(path)).status_code == 405, path
            for headers, form in (
                ({"origin": "https://evil.example"}, data),
                ({"origin": HOME, "sec-fetch-site": "cross-site"}, data),
                ({}, data),
                ({"origin": HOME}, {"form_token": "guessed"}),
                ({"origin": HOME}, {}),
            ):
                answer = await client.post(path, data=form, headers=headers)
                assert answer.status_code == 403, (path, headers, form)


@contextmanager
def target(kind: str, folder: Path) -> Iterator[str]:
    with fresh_schema() if kind == "postgres" else nullcontext(str(folder / "state")) as where:
        yield where


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_page_beside_the_daemon_shows_alerts_as_they_come(tmp_path: Path, kind: str) -> None:
    with target(kind, tmp_path) as where:
        state = where if kind == "postgres" else "state"
        text = f"state: '{state}'\nchannels: {{news: {{console: true}}}}\n"
        (tmp_path / "config.yaml").write_text(text)
        process = Process("web", "--listen", "127.0.0.1:0", cwd=tmp_path)
        try:
            process.wait_for("the page", process.said("status page: "))
            url = next(line for line in process.err if "status page: " in line).split()[-1]
            asyncio.run(alert_arrives(url, where))
            assert httpx.get(url + "quality").status_code == 200
            assert httpx.get(url + "feeds").status_code == 200
        finally:
            assert process.stop() == 0, process.log


async def alert_arrives(url: str, where: str) -> None:
    """Wait for an alert that is queued while a browser watches."""
    store = await open_store(where, now=NOW, tokenize=search_tokens)
    try:
        async with httpx.AsyncClient(timeout=20) as client:
            page = (await client.get(url)).text
            found = re.search(r'data-live="/([^"]+)"', page)
            assert found
            async with client.stream("GET", url + found[1]) as answer:
                lines = answer.aiter_lines()
                assert await anext(lines) == "retry: 3000"
                await store.enqueue([row(1, "dead")])
                async for line in lines:
                    if "Story 1 &lt;script&gt;" in line:
                        return
        raise AssertionError("the stream ended")
    finally:
        await store.close()

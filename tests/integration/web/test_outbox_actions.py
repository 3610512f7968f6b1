"""Sending again and dropping messages, on a store without a daemon."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from monitor.clock import SystemClock
from monitor.codec import alert_to_json
from monitor.config.load import load
from monitor.loading import compiled_watch
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxRow, OutboxState
from monitor.values import Alert
from monitor.watching import watching
from monitor.web.app import web_app
from monitor.web.source import Source

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOME = "http://127.0.0.1:1"


def row(number: int, state: OutboxState) -> OutboxRow:
    alert = Alert("alert", "news", f"S{number}", f"Story {number} <script>alert(1)</script>")
    return OutboxRow(
        id=f"O{number}", channel="news", kind="alert", story_id=f"S{number}", revision=0,
        severity=2, payload=alert_to_json(alert), state=state, created_at=NOW, not_before=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "after_retry", "after_drop"),
    [
        ("queued", "queued", None),
        ("held", "queued", None),
        ("unknown", "queued", None),
        ("dead", "queued", None),
        ("sent", "sent", "sent"),
    ],
)
def test_retry_and_drop(
    tmp_path: Path, state: OutboxState, after_retry: str, after_drop: str | None
) -> None:
    async def main() -> None:
        config = tmp_path / "config.yaml"
        config.write_text("channels: {news: {console: true}}\n")
        loaded = load(config, {})
        current = watching(loaded, compiled_watch(loaded)[0])
        store = await open_store(str(tmp_path / "state"), now=NOW, tokenize=search_tokens)
        try:
            await store.enqueue([row(1, state), row(2, state)])
            app = web_app(Source(store, SystemClock(), lambda: current, config, {}))
            transport = httpx.ASGITransport(app.asgi)
            async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
                page = await client.get(f"/outbox?state={state}")
                assert "<script>alert" not in page.text
                token = (await client.get("/silences")).text.split('form_token" value="')[1]
                form = {"form_token": token.split('"')[0]}
                for path, ident in (("/outbox/retry", "O1"), ("/outbox/drop", "O2")):
                    answer = await client.post(
                        path, data={**form, "id": ident}, headers={"origin": HOME}
                    )
                    assert answer.status_code == 303
            left = {each.id: each.state for each in await store.outbox_rows()}
            assert (left.get("O1"), left.get("O2")) == (after_retry, after_drop)
        finally:
            await store.close()

    asyncio.run(main())

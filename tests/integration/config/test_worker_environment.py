"""What parses hostile bytes gets no secret: not in its environment, not in its arguments."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from monitor.sources.parse import ParsePool

FEED = b"<rss version='2.0'><channel><title>T</title><item><title>x</title></item></channel></rss>"


def children() -> list[str]:
    """Return the environment and the arguments of this process's children."""
    mine = os.getpid()
    found = Path(f"/proc/{mine}/task/{mine}/children").read_text().split()
    return [
        Path(f"/proc/{child}/{name}").read_text(errors="replace")
        for child in found
        for name in ("environ", "cmdline")
    ]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_config_12_the_parse_worker_does_not_know_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary-canary")

    async def look() -> list[str]:
        pool = ParsePool()
        try:
            parsed = await pool.parse(FEED, content_type="text/xml", url="https://a.org/")
            assert len(parsed.entries) == 1
            return children()
        finally:
            await pool.aclose()

    shown = asyncio.run(look())
    assert shown
    assert all("canary" not in text for text in shown)

"""A real Chromium over a running watch whose feed is hostile."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from xml.sax.saxutils import escape

import pytest
from selenium import webdriver

from monitor.clock import SystemClock
from monitor.codec import alert_to_json
from monitor.daemon.reactions import FEEDBACK_BLOB
from monitor.delivery.preflight import WORKSPACE_BLOB
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxRow
from monitor.values import Alert, AlertItem, Mark, MarkedText, Receipt, Summary
from tests.feedserver import FeedServer
from tests.integration.web.site import Site, site

MARKUP = (
    "<script>window.evil=1</script><img src=x onerror='window.evil=1'>"
    "{{ 7*7 }}</textarea></title></style><svg onload='window.evil=1'>"
)
EVIL = escape(escape(MARKUP))
ITEMS = (
    {
        "title": f"Arms deals {EVIL}",
        "guid": "1",
        "link": "javascript:window.evil=1",
        "description": f"Sources say arms deals {EVIL} go on.",
    },
    {
        "title": "Arms deals with Norway are off, ministry says",
        "guid": "2",
        "link": "http://n.example/2?a=&quot;onmouseover=&quot;window.evil=1",
        "description": "x" * 3000,
    },
    {"title": f"Rain in Spain {EVIL}", "guid": "3", "link": "data:text/html,hello"},
)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = "'Wire <script>window.evil=1</script>'"
    with (
        FeedServer() as server,
        site(tmp_path_factory.mktemp("browser"), server, ITEMS, name=name) as running,
    ):
        running.another_feed()
        asyncio.run(_put_evil(running))
        yield running


async def _put_evil(running: Site) -> None:
    """Store messages of nothing but markup, and what people said of them: the parser, which takes
    markup out, is not what the pages may rely on."""
    now = SystemClock().now()
    folder = running.config.parent / "state"
    store = await open_store(str(folder), now=now, tokenize=search_tokens)
    try:
        assert await store.enqueue([evil_row(1), evil_row(2, "sent")]) == 2
        word = {"U1": ["not_relevant", now.isoformat()]}
        said = {"rules": [MARKUP], "story": "S-evil", "said": word}
        await store.put_blobs(
            {
                FEEDBACK_BLOB: json.dumps({evil_row(2).id: said}).encode(),
                WORKSPACE_BLOB: b"https://desk.slack.com/",
            }
        )
    finally:
        await store.close()


def evil_row(number: int, state: str = "dead") -> OutboxRow:
    """Return a message of nothing but markup."""
    now = SystemClock().now()
    summary = Summary(MARKUP, MarkedText(MARKUP, (Mark(3, 20), Mark(30, 31))))
    item = AlertItem(MARKUP, "javascript:window.evil=1", MARKUP, MARKUP)
    alert = Alert(
        "alert", "news", "S-evil", MARKUP, "javascript:window.evil=1", MARKUP, rules=(MARKUP,),
        terms=(MARKUP,), summary=summary, title_marks=(Mark(0, 8),), sources=(MARKUP,),
        reason=MARKUP, items=(item,),
    )  # fmt: skip
    return OutboxRow(
        id=f"01{number:024}".replace("0", "Z", 3), channel=MARKUP, kind="alert",
        story_id="S-evil", revision=number, severity=2, payload=alert_to_json(alert),
        state=state, created_at=now, not_before=now, error=MARKUP,  # type: ignore[arg-type]
        receipt=Receipt("1700000000.000100", "C0NEWS") if state == "sent" else None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a screen; skips where there is none, but not in CI."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium: apt-get install chromium chromium-driver")
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()

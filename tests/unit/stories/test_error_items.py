"""Error pages posted as items are told from news about errors."""

from __future__ import annotations

import pytest

from monitor.stories.error_items import is_error_item
from monitor.values import Entry


@pytest.mark.parametrize(
    "title",
    [
        "Bridge returned error 500! (19700)",
        "Bridge returned error 0! (20412)",
        "404 Not Found",
        "Error 503",
        "HTTP Error 502: Bad Gateway",
        "503 Service Temporarily Unavailable",
        "Attention Required! | Cloudflare",
        "Just a moment...",
        "Access Denied",
        "[Unable to retrieve full-text content]",
        "Your feed has expired",
        "CloudFlareException: Cloudflare protected website",
    ],
)
def test_error_pages_are_told(title: str) -> None:
    reason = is_error_item(Entry("1", "https://bridge.example/", title))
    assert reason is not None
    assert title in reason


@pytest.mark.parametrize(
    "title",
    [
        "",
        "Error 404: how a missing page became a meme",
        "Access denied: reporters kept out of the court",
        "Bridge collapses after error by inspectors",
        "Gateway to Europe: 502 ships a day",
        "Just a moment of silence for the victims",
        "Security check at airports to change",
        "x" * 1_000_000,
    ],
)
def test_news_is_not(title: str) -> None:
    assert is_error_item(Entry("1", None, title)) is None

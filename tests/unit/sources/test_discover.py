"""Feeds that a page names."""

# ruff: noqa: E501 - markup is shown as pages have it
from __future__ import annotations

import pytest

from monitor.sources.discover import FoundFeed, feed_links, usual_feeds

URL = "https://site.example/news/"


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        (
            '<link rel="alternate" type="application/rss+xml" title=" World\n news " href="/rss.xml">',
            [FoundFeed("https://site.example/rss.xml", "World news")],
        ),
        (
            "<LINK REL='Alternate home' TYPE='application/atom+xml; charset=utf-8' HREF='a.xml'>",
            [FoundFeed("https://site.example/news/a.xml")],
        ),
        (
            '<base href="https://cdn.example/x/"><link rel=alternate type="application/feed+json" href=f.json>',
            [FoundFeed("https://cdn.example/x/f.json")],
        ),
        (
            '<a href="/blog/feed/">RSS</a>',
            [FoundFeed("https://site.example/blog/feed/", "RSS", False)],
        ),
        (
            '<a href="?format=rss">x</a>',
            [FoundFeed("https://site.example/news/?format=rss", "x", False)],
        ),
        (
            '<a href="feed://site.example/f.rss">x</a>',
            [FoundFeed("http://site.example/f.rss", "x", False)],
        ),
        ('<link rel="alternate" type="text/html" hreflang="fr" href="/fr">', []),
        ('<link rel="alternate" type="application/rss+xml" href="javascript:x">', []),
        ('<link rel="alternate" type="application/rss+xml" href="file:///etc/passwd">', []),
        ('<a href="/feedback">x</a><a href="/atomic-energy">y</a>', []),
        ("", []),
    ],
)
def test_feed_links(markup: str, found: list[FoundFeed]) -> None:
    assert list(feed_links(markup.encode(), url=URL)) == found


def test_declared_feeds_come_first_and_each_once() -> None:
    page = (
        '<a href="/rss.xml">again</a><a href="/atom.xml">more</a>'
        '<link rel="alternate" type="application/rss+xml" href="/rss.xml">'
    )
    found = feed_links(page.encode(), url=URL)
    assert [each.url for each in found] == [
        "https://site.example/rss.xml",
        "https://site.example/atom.xml",
    ]
    assert [each.declared for each in found] == [True, False]


def test_a_page_of_links_is_bounded() -> None:
    page = "".join(f'<a href="/{number}/feed/">x</a>' for number in range(5_000))
    assert len(feed_links(page.encode(), url=URL)) == 50


def test_usual_feeds() -> None:
    tried = usual_feeds("https://site.example/blog/")
    assert tried[0] == "https://site.example/blog/feed"
    assert "https://site.example/rss.xml" in tried
    assert len(tried) <= 12

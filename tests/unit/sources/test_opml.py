"""OPML in and out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.errors import ParseError
from monitor.sources.opml import OpmlFeed, read_addresses, read_opml, write_opml

LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<opml version="1.0"><head><title>Mine</title></head><body>
 <outline text="World"><outline text="Wire: all" xmlUrl="https://wire.example/rss?a=1&b=2"/>
  <outline title="Middle East"><outline text="Desk" type="rss" XMLURL="https://desk.example/f"
    htmlUrl="https://desk.example/" category="/news/syria,arms"/></outline></outline>
 <outline text="Again" xmlUrl="https://wire.example/rss?a=1&amp;b=2"/>
 <outline text="Copy"><outline text="x" xmlUrl="https://wire.example/rss?a=1&amp;b=2"/></outline>
 <outline text="bad" xmlUrl="javascript:alert(1)"/><outline text="empty folder"/>
</body></opml>"""


def test_read() -> None:
    found = read_opml(LIST)
    assert found.feeds == (
        OpmlFeed("https://wire.example/rss?a=1&b=2", "Wire: all", ("World", "Copy")),
        OpmlFeed(
            "https://desk.example/f",
            "Desk",
            ("World", "Middle East", "syria", "arms"),
            "https://desk.example/",
        ),
    )
    assert found.skipped == ("javascript:alert(1)",)


def test_what_is_written_is_read_back() -> None:
    feeds = (
        OpmlFeed("https://a.example/?x=1&y=2", 'A "quoted" & <odd> \x1bname', ("World", "Arms")),
        OpmlFeed("https://b.example/", "B"),
    )
    text = write_opml(feeds, title="t", now=datetime(2026, 1, 1, tzinfo=UTC))
    read = read_opml(text.encode()).feeds
    assert {feed.url: (feed.name, set(feed.tags)) for feed in read} == {
        "https://a.example/?x=1&y=2": ('A "quoted" & <odd> name', {"World", "Arms"}),
        "https://b.example/": ("B", set()),
    }


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b"<rss/>", b"\x00\xff"])
def test_not_opml(body: bytes) -> None:
    with pytest.raises(ParseError):
        read_opml(body)


def test_entities_and_depth_are_harmless() -> None:
    bomb = b'<!DOCTYPE opml [<!ENTITY a "' + b"x" * 10_000 + b'">]><opml><body>'
    bomb += b'<outline text="&a;">' * 5_000
    assert read_opml(bomb).feeds == ()


def test_a_plain_list_of_addresses() -> None:
    text = (
        "ID: 12 - Title: Wire, URL: https://wire.invalid/rss.\n"
        "<https://chat.invalid/a?x=1&y=2|a link>\n# nothing here\nno address\n"
        "https://wire.invalid/rss\nhttp://old.invalid/feed #note\n"
    )
    assert [feed.url for feed in read_addresses(text).feeds] == [
        "https://wire.invalid/rss",
        "https://chat.invalid/a?x=1&y=2",
        "http://old.invalid/feed",
    ]

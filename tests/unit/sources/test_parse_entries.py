"""What is read of each format, and where it is meant to differ from feedparser."""

# ruff: noqa: E501 - documents are shown as feeds write them
from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from monitor.sources.parse import parse
from monitor.sources.parse.decode import decode
from monitor.sources.parse.draft import finish_feed
from monitor.sources.parse.fast import read_fast
from monitor.sources.parse.reference import read_with_feedparser
from monitor.sources.parse.tree import Fallback
from monitor.values import Entry

URL = "https://news.example/feed.xml"
NOON = datetime(2026, 2, 17, 12, tzinfo=UTC)

RSS2 = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"
  xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"
  xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"
  xmlns:media="http://search.yahoo.com/mrss/">
 <channel>
  <title>Example &amp; Sons</title><link>https://news.example/</link><language>en-GB</language>
  <ttl>15</ttl><skipHours><hour>3</hour><hour>24</hour></skipHours>
  <skipDays><day>Sunday</day></skipDays><sy:updatePeriod>hourly</sy:updatePeriod>
  <sy:updateFrequency>4</sy:updateFrequency>
  <atom:link rel="self" href="https://news.example/feed.xml"/>
  <atom:link rel="hub" href="https://hub.example/"/>
  <item>
   <guid isPermaLink="false">tag:1</guid><title>Q&amp;amp;A: it&amp;#8217;s &lt;b&gt;over&lt;/b&gt;</title>
   <link>https://proxy.example/1</link><feedburner:origLink>https://news.example/1?a=1&amp;b=2</feedburner:origLink>
   <description>Short &lt;i&gt;text&lt;/i&gt;.</description>
   <content:encoded><![CDATA[<p>First.</p><p>Second<br>line.</p><script>no()</script>]]></content:encoded>
   <pubDate>Tue, 17 Feb 2026 13:00:00 +0100</pubDate><dc:creator>Jo Doe</dc:creator>
   <category>World</category><category>Arms</category><category>World</category>
   <source url="https://wire.example/">Wire</source>
  </item>
  <item><media:group><media:title>Media title</media:title>
    <media:description>Seen by all.</media:description></media:group>
    <link>/2</link><author>jo@news.example (Jo Doe)</author></item>
  <item><description>No title here, only a description of some length.</description></item>
 </channel></rss>"""


def test_rss_2_0() -> None:
    feed = parse(RSS2, url=URL)
    assert (feed.title, feed.site_url, feed.language) == (
        "Example & Sons",
        "https://news.example/",
        "en-GB",
    )
    assert (feed.url, feed.ttl, feed.hubs) == (URL, 15, ("https://hub.example/",))
    assert (feed.skip_hours, feed.skip_days) == ((0, 3), ("sunday",))
    assert feed.update_period == timedelta(minutes=15)
    assert feed.notes == ()
    assert len(feed.digests) == len(feed.entries) == 3
    first, second, third = feed.entries
    assert first == Entry(
        raw_id="tag:1",
        url="https://news.example/1?a=1&b=2",
        title="Q&A: it’s over",
        summary="Short text.",
        content="First.\n\nSecond line.",
        published=NOON,
        authors=("Jo Doe",),
        categories=("World", "Arms"),
        source="Wire",
        source_url="https://wire.example/",
    )
    assert (second.title, second.summary) == ("Media title", "Seen by all.")
    assert (second.url, second.authors) == ("https://news.example/2", ("Jo Doe",))
    assert third.title == "No title here, only a description of some length."


ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de" xml:base="https://blog.example/a/">
 <title type="html">Blog &amp;amp; more</title><link rel="self" href="feed.atom"/><link href="./"/>
 <entry><id>urn:1</id><title type="text">Use &lt;b&gt; &amp;amp; co</title>
  <link rel="enclosure" href="x.mp3"/><link hreflang="de" href="one"/><link hreflang="fr" href="un"/>
  <updated>2026-02-17T12:00:00Z</updated><author><name>Ann</name><email>a@b.example</email></author>
  <category term="politik" label="Politik"/>
  <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Eins<br/>zwei</p><p>Drei</p></div></content>
 </entry>
</feed>"""


def test_atom() -> None:
    feed = parse(ATOM, url=URL)
    assert (feed.title, feed.language) == ("Blog & more", "de")
    assert feed.url == "https://blog.example/a/feed.atom"
    assert feed.entries[0] == Entry(
        raw_id="urn:1",
        url="https://blog.example/a/one",
        title="Use <b> & co",
        summary="Eins zwei\n\nDrei",
        content="Eins zwei\n\nDrei",
        published=NOON,
        updated=NOON,
        authors=("Ann",),
        categories=("politik",),
        language="de",
    )


RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
 <channel rdf:about="https://n.example/"><title>RDF</title><link>https://n.example/</link></channel>
 <item rdf:about="https://n.example/1"><title>One</title><link>https://n.example/1</link>
  <dc:date>2026-02-17T12:00:00Z</dc:date><dc:subject>World</dc:subject></item>
</rdf:RDF>"""


def test_rss_1_0() -> None:
    entry = parse(RDF).entries[0]
    assert (entry.raw_id, entry.title, entry.published) == ("https://n.example/1", "One", NOON)
    assert entry.categories == ("World",)


JSON = """{"version": "https://jsonfeed.org/version/1.1", "title": "J", "language": "en",
 "home_page_url": "https://j.example/", "hubs": [{"type": "WebSub", "url": "https://hub.example/"}],
 "items": [{"id": 7, "url": "https://j.example/7", "title": "A < b & c", "content_html": "<p>x</p><p>y</p>",
   "summary": "s", "date_published": "2026-02-17T12:00:00Z", "tags": ["a", "b"],
   "authors": [{"name": "Ann"}]},
  {"id": "8", "content_text": "plain <b>\\n\\nnext", "author": {"name": "Old"}, "url": null}, "junk"]}"""


def test_json_feed() -> None:
    feed = parse(JSON.encode())
    assert (feed.title, feed.site_url, feed.hubs) == (
        "J",
        "https://j.example/",
        ("https://hub.example/",),
    )
    first, second = feed.entries
    assert (first.raw_id, first.title, first.content) == ("7", "A < b & c", "x\n\ny")
    assert (first.published, first.categories, first.authors) == (NOON, ("a", "b"), ("Ann",))
    assert (second.content, second.authors, second.url) == ("plain <b>\n\nnext", ("Old",), None)
    assert second.title == "plain <b>"


def test_a_json_feed_that_is_cut_short_keeps_its_whole_items() -> None:
    feed = parse(JSON[: JSON.index('"plain')].encode())
    assert (feed.title, [entry.raw_id for entry in feed.entries]) == ("J", ["7"])
    assert any("cut short" in note for note in feed.notes)


def item(inner: str) -> bytes:
    return f'<rss version="2.0"><channel><item>{inner}</item></channel></rss>'.encode()


@pytest.mark.parametrize(
    ("inner", "title"),
    [
        ("<title>#include &lt;/etc/shadow&gt;</title>", "#include </etc/shadow>"),
        ("<title><![CDATA[AT&T & <i>co</i>]]></title>", "AT&T & co"),
        ("<title>A &amp;lt; B</title>", "A < B"),
        ("<title>AT&T</title>", "AT&T"),
        ("<title>caf&eacute;&nbsp;au lait</title>", "café au lait"),
        ("<title>  two\n  lines </title>", "two lines"),
        ("<title>x</title><media:title>y</media:title>", "x"),
        ("<media:title>y</media:title><title>x</title>", "x"),
        ("<title/><description>Text &lt;p&gt;of it&lt;/p&gt;</description>", "Text"),
    ],
)
def test_titles(inner: str, title: str) -> None:
    assert parse(item(inner)).entries[0].title == title


def test_google_news_shows_the_story_alone() -> None:
    inner = (
        "<title>Arms deal signed - Reuters</title><link>https://news.google.com/rss/articles/CBM</link>"
        '<description>&lt;ol&gt;&lt;li&gt;&lt;a href="https://news.google.com/x"&gt;Other story&lt;/a&gt;'
        '&lt;font color="#6f6f6f"&gt;AFP&lt;/font&gt;&lt;/li&gt;&lt;/ol&gt;</description>'
        '<source url="https://www.reuters.com">Reuters</source>'
    )
    entry = parse(item(inner)).entries[0]
    assert (entry.title, entry.summary, entry.source) == ("Arms deal signed", "", "Reuters")


def test_google_alerts_links_are_unwrapped() -> None:
    inner = "<title>x</title><link>https://www.google.com/url?rct=j&amp;url=https://n.example/a&amp;ct=ga</link>"
    assert parse(item(inner)).entries[0].url == "https://n.example/a"


def test_the_unfinished_last_entry_of_a_cut_feed_is_left_out() -> None:
    whole = RSS2[: RSS2.index(b"<item><media:group>")] + b"<item><title>Half of a ti"
    feed = parse(whole, url=URL)
    assert [entry.raw_id for entry in feed.entries] == ["tag:1"]
    assert any("cut short" in note for note in feed.notes)


def test_known_entries_are_counted_and_left_out() -> None:
    first = parse(RSS2, url=URL)
    again = parse(RSS2.replace(b"Short", b"Changed"), url=URL, known=frozenset(first.digests))
    assert [entry.summary for entry in again.entries] == ["Changed text."]
    assert (first.known, again.known, again.count) == (0, 2, 3)
    assert again.digests[1:] == first.digests[1:]


def test_page_like_content_is_cleaned_on_request() -> None:
    blocks = ["Skip to content", "Subscribe now", "Home | World | Politics"]
    blocks += [
        f"The minister said on day {n} that the treaty would be signed soon, and that all of its parts stand."
        for n in range(6)
    ]
    blocks += ["Read comments", "Special offer", "Boston marathon runner tells his story today."]
    inner = (
        "<title>x</title><description>"
        + "".join(f"&lt;p&gt;{b}&lt;/p&gt;" for b in blocks)
        + "</description>"
    )
    plain, cleaned = parse(item(inner)).entries[0], parse(item(inner), clean=True).entries[0]
    assert "Boston" in plain.summary
    assert "Boston" not in cleaned.summary
    assert cleaned.summary.count("treaty") == 6


@pytest.mark.parametrize("body", [RSS2, ATOM, RDF])
def test_the_fast_path_reads_what_feedparser_reads(body: bytes) -> None:
    data = decode(body).data
    fast = finish_feed(read_fast(data, URL), URL)
    slow = finish_feed(read_with_feedparser(data, URL), URL)
    for name in (
        "title",
        "url",
        "site_url",
        "language",
        "ttl",
        "hubs",
        "update_period",
    ):
        assert getattr(fast, name) == getattr(slow, name), name
    for one, other in zip(fast.entries, slow.entries, strict=True):
        for each in fields(Entry):
            assert getattr(one, each.name) == getattr(other, each.name), each.name


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (item("<title>x</title><odd><title>y</title></odd>"), "odd nesting"),
        (item("<title>x</title><description>a <em>b</em></description>"), "inline markup"),
        (b'<!DOCTYPE rss [<!ENTITY e "x">]>' + item("<title>x</title>"), "doctype"),
        (b'<feed version="0.3" xmlns="http://purl.org/atom/ns#"/>', "atom 0.3"),
        (b'<rss version="2.0"/>', "not one channel"),
        (item("<title>x</title><item><title>y</title></item>"), "odd nesting"),
    ],
)
def test_what_is_not_understood_goes_to_feedparser(body: bytes, reason: str) -> None:
    with pytest.raises(Fallback, match=reason):
        read_fast(decode(body).data)


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        (item("<title>A & B</title>"), "bare ampersands"),
        (item("<title>x</title><media:thumbnail url='y'/>"), "namespace prefixes"),
        (item("<title>x</title>") + b"<!-- --><p>junk", "cut off"),
        (item("<title>a\x0bb</title>"), "control characters"),
    ],
)
def test_repairs_are_noted(broken: bytes, note: str) -> None:
    feed = parse(broken)
    assert len(feed.entries) == 1
    assert any(note in each for each in feed.notes), feed.notes
    assert not any("feedparser" in each for each in feed.notes)

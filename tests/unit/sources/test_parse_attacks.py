"""Hostile and broken documents, each with the id it has in the list of attacks.

PARSE-29 (a worker that dies) is in tests/integration/parse/test_pool.py, as it needs processes;
so is the wall limit. PARSE-10 and PARSE-11 name libraries: neither nh3 nor html.parser is used.
"""

from __future__ import annotations

import ast
import builtins
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from monitor.errors import ParseError
from monitor.sources import text
from monitor.sources.parse import parse
from monitor.sources.parse.prescan import MAX_ATTRIBUTES, MAX_DEPTH, prescan

URL = "https://news.example/feed.xml"


def rss(*items: str, head: str = "") -> bytes:
    body = "".join(f"<item>{item}</item>" for item in items)
    return f'<rss version="2.0"><channel><title>t</title>{head}{body}</channel></rss>'.encode()


GOOD = "<title>Fine</title><link>https://news.example/1</link><description>Text.</description>"

LAUGHS = (
    '<!DOCTYPE rss [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
).encode() + rss("<title>x &a9;</title>")
QUADRATIC = b'<!DOCTYPE rss [<!ENTITY a "%s">]>' % (b"b" * 200_000) + rss(
    "<title>x " + "&a;" * 2_000 + "</title>"
)


@pytest.mark.parametrize(
    ("attack", "body"),
    [("PARSE-01 billion laughs", LAUGHS), ("PARSE-02 quadratic entity", QUADRATIC)],
)
def test_entities_are_not_expanded(attack: str, body: bytes) -> None:
    tracemalloc.start()
    try:
        feed = parse(body, url=URL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024
    assert len(feed.entries) == 1
    assert "lollol" not in feed.entries[0].title
    assert "bbbb" not in feed.entries[0].title


@pytest.mark.parametrize(
    ("attack", "doctype"),
    [
        ("PARSE-03", '<!DOCTYPE rss [<!ENTITY e SYSTEM "file:///etc/hostname">]>'),
        ("PARSE-04", '<!DOCTYPE rss [<!ENTITY % e SYSTEM "http://127.0.0.1:1/x"> %e;]>'),
        ("PARSE-05", '<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/rss.dtd">'),
        ("PARSE-27", '<?xml-stylesheet href="file:///etc/passwd"?>'),
    ],
)
def test_nothing_outside_the_document_is_opened(
    attack: str, doctype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse(rss(GOOD))  # what imports late has been imported
    opened: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        opened.append(args)
        raise AssertionError(f"opened {args}")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    feed = parse(doctype.encode() + rss("<title>Fine &e;</title>"), url=URL)
    assert opened == []
    assert feed.entries[0].title.startswith("Fine")
    hostname = Path("/etc/hostname")
    if hostname.exists():  # pragma: no branch
        monkeypatch.undo()
        assert hostname.read_text().strip() not in feed.entries[0].title


def test_parse_06_too_many_attributes_are_refused() -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(50_000))
    with pytest.raises(ParseError, match="attributes"):
        parse(b"<rss " + attributes.encode() + rss(GOOD)[4:])


def test_attributes_up_to_the_bound_are_read() -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(MAX_ATTRIBUTES - 10))
    assert len(parse(b"<rss " + attributes.encode() + rss(GOOD)[4:]).entries) == 1


def test_parse_07_comments_in_a_description() -> None:
    feed = parse(rss(f"<title>Fine</title><description>{'&lt;!--' * 50_000}</description>", GOOD))
    assert [entry.title for entry in feed.entries] == ["Fine", "Fine"]


def test_parse_08_deep_nesting_is_refused() -> None:
    with pytest.raises(ParseError, match=f"{MAX_DEPTH} deep"):
        parse(rss("<a>" * 200_000 + "</a>" * 200_000))


@pytest.mark.parametrize(
    ("attack", "markup"),
    [
        ("PARSE-09 deep div", "<div>" * 100_000 + "deep"),
        ("PARSE-10 deep div of 200 kB", "<div>" * 40_000 + "x"),
        ("PARSE-11 unclosed a", "<a " * 66_000),
        ("formatting elements", "<b><i>" * 20_000 + "<p>x" * 5_000),
        ("tables", "<table>" * 14_000),
        ("foreign elements", "<svg><p>" * 12_000),
    ],
)
def test_hostile_markup_keeps_the_entry(attack: str, markup: str) -> None:
    feed = parse(rss(f"<title>Fine</title><description><![CDATA[{markup}]]></description>"))
    assert feed.entries[0].title == "Fine"
    assert len(feed.entries[0].summary) <= text.FIELD_CAP


def test_parse_11_the_standard_html_parser_is_not_used() -> None:
    for path in Path(text.__file__).parent.rglob("*.py"):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        } | {
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert not imported & {"html.parser", "HTMLParser", "nh3"}, path


def test_parse_12_the_newest_entries_are_kept() -> None:
    items = [f"<title>n{n}</title><guid>{n}</guid>" for n in range(50_000)]
    newest = "<title>new</title><pubDate>Tue, 17 Feb 2026 10:00:00 GMT</pubDate>"
    feed = parse(rss(*items, newest), max_entries=1_000)
    assert len(feed.entries) == 1_000
    assert feed.entries[0].title == "n0"
    assert feed.entries[-1].title == "new"
    assert any("only the newest 1,000" in note for note in feed.notes)


@pytest.mark.parametrize(
    ("attack", "body"),
    [
        ("PARSE-13", b"/etc/hostname"),
        ("PARSE-14", b"http://127.0.0.1/"),
        ("PARSE-22", b"<!DOCTYPE html><html><head><title>404</title></head><body>no</body></html>"),
        ("PARSE-23", b'{"error": "not found"}'),
        ("json list", b"[1, 2]"),
        ("json nests", b'{"items":' + b"[" * 100_000),
        ("other xml", b"<note><to>you</to></note>"),
        ("angles", b"<" * 1_000_000),
    ],
)
def test_what_is_no_feed_is_an_error_in_plain_words(attack: str, body: bytes) -> None:
    with pytest.raises(ParseError, match=r"not a(n)? .*feed|JSON|robots") as error:
        parse(body, url=URL)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b'<html><body><form><input type="password"></form></body></html>', "login_page"),
        (b"<html><body><h1>Are you a robot?</h1>captcha</body></html>", "challenge_page"),
        (b'<html><head><meta http-equiv="refresh" content="0;url=/x"></head></html>', "html_page"),
        (b"<!doctype html><p>hello", "html_page"),
    ],
)
def test_reasons(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError) as error:
        parse(body)
    assert error.value.reason == reason


def test_a_page_that_names_its_feed_is_answered_with_it() -> None:
    page = '<!doctype html><link rel="alternate" type="application/rss+xml" href="/rss.xml"><p>x'
    with pytest.raises(ParseError, match=r"use https://news\.example/rss\.xml"):
        parse(page.encode(), url=URL)


@pytest.mark.parametrize(
    ("attack", "broken"),
    [
        ("PARSE-15", "<link>https://x.example/&#XD800;</link>"),
        ("PARSE-16", "<description>a &#x110000; b</description>"),
        ("PARSE-17", "<description>a &#99999999999; b</description>"),
        ("PARSE-18", "<georss:where><gml:Point><gml:pos>x &#XD800;</georss:where>"),
        ("PARSE-18", "<media:group><georss:point>1</media:group>"),
        ("PARSE-30", "<title>bad <b> &#XDFFF; <![CDATA[ ]]></title><media:x"),
    ],
)
def test_a_bad_entry_costs_itself_only(attack: str, broken: str) -> None:
    items = [f"<title>n{n}</title><guid>{n}</guid>" for n in range(50)]
    items[20] += broken
    feed = parse(rss(*items), url=URL)
    titles = {entry.title for entry in feed.entries}
    assert len({f"n{n}" for n in range(50) if n != 20} - titles) <= (attack == "PARSE-30")


@pytest.mark.parametrize("name", ["rot13", "zlib", "utf-7", "utf-32", "undefined", "no-such"])
def test_parse_19_wrong_encoding_names(name: str) -> None:
    body = f'<?xml version="1.0" encoding="{name}"?>'.encode() + rss("<title>Größe</title>")
    assert parse(body).entries[0].title == "Größe"


def test_parse_19_utf_7_is_never_decoded() -> None:
    with pytest.raises(ParseError):
        parse(b'<?xml encoding="utf-7"?>+ADw-rss version="2.0"+AD4-', content_type="charset=utf-7")


@pytest.mark.parametrize(
    "codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
)
def test_parse_20_byte_order_marks(codec: str) -> None:
    body = rss("<title>Größe Ж 字</title>").decode().encode(codec)
    assert parse(body).entries[0].title == "Größe Ж 字"


def test_parse_21_control_characters_go() -> None:
    item = "<title>a\x00b \x1b[31mred</title><description>&amp;#27;[0m\x07 &amp;#1; x</description>"
    entry = parse(rss(item)).entries[0]
    assert entry.title == "ab [31mred"
    assert all(char.isprintable() or char == "\n" for char in entry.title + entry.summary)


@pytest.mark.parametrize(
    ("attack", "item", "url"),
    [
        ("PARSE-24", "<title>x</title><link>javascript:alert(1)</link>", None),
        ("PARSE-24", "<title>x</title><link>data:text/html,x</link>", None),
        ("PARSE-25", "<title>x</title><link>/a/b</link>", "https://news.example/a/b"),
        ("PARSE-25", "<title>x</title><guid>1</guid>", None),
        ("PARSE-25", '<title>x</title><guid isPermaLink="true">abc-1</guid>', None),
        ("", "<title>x</title><guid>https://n.example/1</guid><link/>", "https://n.example/1"),
        ("", "<title>x</title><link>https://n.example/\n a</link>", "https://n.example/a"),
        ("", "<title>x</title><link>http://[::1</link>", None),
        ("", f"<title>x</title><link>https://n.example/{'a' * 9_000}</link>", None),
    ],
)
def test_links(attack: str, item: str, url: str | None) -> None:
    assert parse(rss(item), url=URL).entries[0].url == url


def test_parse_26_endless_numbers() -> None:
    head = f"<ttl>{'9' * 9_999}</ttl><skipHours><hour>{'9' * 9_999}</hour></skipHours>"
    item = f"<pubDate>{'9' * 9_999}</pubDate><itunes:duration>{'9' * 9_999}</itunes:duration>"
    feed = parse(rss(f"<title>x</title>{item}", head=head))
    assert feed.ttl is None
    assert feed.skip_hours == ()
    assert feed.entries[0].published is None


def test_parse_28_an_entry_of_nothing_is_left_out_and_counted() -> None:
    feed = parse(rss("", "<guid/>", GOOD))
    assert [entry.title for entry in feed.entries] == ["Fine"]
    assert "2 empty entries left out" in feed.notes


@pytest.mark.parametrize(
    "make",
    [
        lambda: rss(f"<title>{'word ' * 200_000}</title>"),
        lambda: rss(f"<title>x</title><author>a@{'a.' * 16_000}!</author>"),
        lambda: rss(f"<title>x</title><description>{'word ' * 400_000}</description>"),
        lambda: rss(f"<title>x</title>{'<category>y</category>' * 50_000}"),
        lambda: rss(f"<title>x</title><description>{'&' * 100_000}</description>"),
        lambda: rss(f"<title>x</title>{'<![CDATA[' * 20_000}"),
        lambda: b"<!--x-->" * 50_000 + rss(GOOD),
    ],
)
def test_large_fields_are_bounded(make: Callable[[], bytes]) -> None:
    entry = parse(make()).entries[0]
    assert len(entry.title) <= text.TITLE_CAP + 1
    assert len(entry.summary) <= text.FIELD_CAP
    assert len(entry.categories) <= 100


def test_the_prescan_passes_a_normal_feed() -> None:
    prescan(rss(GOOD))


SCRAPS = (
    *("&#XD800;", "&#x110000;", "<![CDATA[", "]]>", "<!--", "-->", "<", ">", "&", "\x00", "&nbsp;"),
    *("<georss:where>", "<gml:pos>1 2 x</gml:pos>", "<media:group>", "<media:rating>", "<source>"),
    *("<itunes:owner>", "<entry>", "<item>", "</item>", "<textinput>", "<image>", "<svg>", "<a:b>"),
    *('<content type="application/octet-stream">', '<link href="http://[x"/>', "<author><name>"),
    *("<dcterms:valid>a=b;start=x</dcterms:valid>", "<pubDate>Tue, 99 Foo 99999</pubDate>", "{"),
)


def test_mutations_never_raise_anything_else() -> None:
    """Upstream raises a dozen kinds on such documents; here it is a feed or a ``ParseError``."""
    chance = Random(20261124)
    read = 0
    for _ in range(400):
        document = rss(*[f"<title>n{n}</title><guid>{n}</guid>{GOOD}" for n in range(4)]).decode()
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(document))
            cut = chance.choice((0, 0, 1, 30))
            document = document[:at] + chance.choice(SCRAPS) + document[at + cut :]
        try:
            read += bool(parse(document.encode("utf-8", "replace"), url=URL).entries)
        except ParseError:
            continue
    assert read > 350

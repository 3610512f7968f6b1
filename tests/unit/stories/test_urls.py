"""One spelling for all addresses of one article."""

from __future__ import annotations

import base64

import pytest

from monitor.stories.urls import canonical_url, is_root, site

ARTICLE = "//example.com/world/story-1"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/world/story-1",
        "http://example.com/world/story-1",
        "HTTPS://EXAMPLE.COM/World/Story-1",
        "https://www.example.com/world/story-1/",
        "https://example.com:443/world/story-1",
        "http://example.com:80/world/story-1",
        "https://m.example.com/world/story-1",
        "https://mobile.example.com/world/story-1",
        "https://amp.example.com/world/story-1",
        "https://example.com/world/story-1/amp/",
        "https://example.com/amp/world/story-1",
        "https://example.com/world/story-1.amp.html",
        "https://example.com/world/story-1?utm_source=rss&utm_medium=feed",
        "https://example.com/world/story-1?fbclid=IwAR1&gclid=x",
        "https://example.com/world/story-1?at_medium=RSS&at_campaign=KARANGA",
        "https://example.com/world/story-1?xtor=RSS-1",
        "https://example.com/world/story-1#comments",
        "https://example.com/world/story-1#xtor=RSS-1",
        "https://example.com/world/./x/../story-1",
        "https://example.com/world//story-1",
        "https://example.com/world/story%2D1",
        "https://example.com/world/story-1/index.html",
        "https://example.com/world/story-1;jsessionid=8F3A",
        " https://example.com/world/\nstory-1 ",
        "//example.com/world/story-1",
        "https://example.com./world/story-1",
        "https://www.google.com/url?rct=j&sa=t&url=https://example.com/world/story-1&ct=ga",
        "https://www.google.co.uk/url?q=https%3A%2F%2Fexample.com%2Fworld%2Fstory-1&ved=2",
        "https://www-example-com.cdn.ampproject.org/c/s/www.example.com/world/story-1/amp",
        "https://www.google.com/amp/s/www.example.com/world/story-1.amp.html",
        "https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com%2Fworld%2Fstory-1&h=AT1",
        "https://eu.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.com%2Fworld%2Fstory-1",
        "http://www.bing.com/news/apiclick.aspx?ref=FexRss&url=https%3a%2f%2fexample.com%2fworld%2fstory-1",
    ],
)
def test_one_article_has_one_address(url: str) -> None:
    assert canonical_url(url) == ARTICLE


def test_a_google_news_token_is_resolved_where_it_holds_the_address() -> None:
    raw = b'\x08\x13"\x21https://example.com/world/story-1\xd2\x01\x00'
    token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert token.startswith("CB")
    assert canonical_url(f"https://news.google.com/rss/articles/{token}?oc=5") == ARTICLE


def test_an_opaque_google_news_token_stays_what_it_is() -> None:
    url = "https://news.google.com/rss/articles/CBMiAUFVX3lxTE?oc=5&hl=en"
    assert canonical_url(url) == "//news.google.com/rss/articles/cbmiaufvx3lxte"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a?id=1", "https://example.com/a?id=2"),
        ("https://example.com/a", "https://example.org/a"),
        ("https://example.com/a", "https://example.com/b"),
        ("https://news.example.com/a", "https://example.com/a"),
        ("https://example.com:8080/a", "https://example.com/a"),
        ("https://example.com/watch?v=AbC", "https://example.com/watch?v=abc"),
        ("https://m.com/a", "https://com/a"),
    ],
)
def test_what_may_differ_stays_apart(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


def test_the_order_of_parameters_says_nothing() -> None:
    assert canonical_url("https://e.org/?b=2&a=1") == canonical_url("https://e.org/?a=1&b=2")


@pytest.mark.parametrize(
    "url",
    [None, "", "javascript:alert(1)", "mailto:a@b.c", "http://[bad", "http://", "tag:x,2020:1",
     "http://h:99999/x", "/relative", "\x00"],
)  # fmt: skip
def test_what_is_no_web_address_has_none(url: str | None) -> None:
    assert canonical_url(url) is None


def test_a_huge_address_takes_bounded_work() -> None:
    assert canonical_url("https://example.com/?" + "a=1&" * 300_000) is not None


def test_front_pages_are_told() -> None:
    assert is_root(canonical_url("https://www.example.com") or "")
    assert is_root(canonical_url("https://example.com/index.html?utm_source=rss") or "")
    assert not is_root(canonical_url("https://example.com/?p=1") or "")
    assert not is_root(ARTICLE)


def test_site_is_the_host() -> None:
    assert site("https://www.Reuters.com/x") == "reuters.com"
    assert site("nonsense") is None

"""The article of a page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.errors import ParseError
from monitor.sources.extract import extract, from_plain_text
from tests.unit.sources.test_text import ARTICLE, BYLINE, HEAD, TAIL


def page(*parts: str, head: str = "", lang: str = "en") -> bytes:
    body = "".join(parts)
    return (
        f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{body}</body></html>'.encode()
    )


def paragraphs(parts: list[str]) -> str:
    return "".join(f"<p>{part}</p>" for part in parts)


def test_an_html_page() -> None:
    body = page(
        "<nav><a href='/'>Home</a><a href='/w'>World</a></nav>",
        f"<article><h1>Grain exports rise</h1>{paragraphs(ARTICLE)}</article>",
        "<aside><h3>Most popular</h3><a href='/b'>Boston marathon</a></aside>",
        head="<title>Grain exports rise - Example News</title>"
        '<meta property="article:published_time" content="2026-03-12T08:30:00+01:00">'
        '<meta property="og:site_name" content="Example News">',
    )
    article = extract(body, url="https://news.example/grain")
    assert article.title.startswith("Grain exports rise")
    assert article.published == datetime(2026, 3, 12, 7, 30, tzinfo=UTC)
    assert (article.language, article.site) == ("en", "Example News")
    assert all(part in article.text for part in ARTICLE)
    assert "Boston" not in article.text


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_page_without_structure(wrapped: bool) -> None:
    parts = [*HEAD, *BYLINE, *ARTICLE, *TAIL]
    body = page(paragraphs(parts)) if wrapped else "\n\n".join(parts).encode()
    article = extract(body)
    assert article.title == BYLINE[0]
    assert all(part in article.text for part in ARTICLE)
    assert "Boston" not in article.text
    assert "Subscribe" not in article.text
    if not wrapped:
        assert article.published == datetime(2026, 3, 12, tzinfo=UTC)


def test_plain_text_that_is_no_page_keeps_all_of_it() -> None:
    article = from_plain_text("\n\n".join(["A headline", *ARTICLE[:2]]))
    assert article.title == "A headline"
    assert article.text == "\n\n".join(ARTICLE[:2])


def test_dates_inside_prose_are_not_the_page_date() -> None:
    told = [part + " It began on 1 May 1999." for part in ARTICLE]
    assert from_plain_text("\n\n".join([*HEAD, *told, *TAIL])).published is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"", "empty"), (b"  \n", "empty"), (page("<script>x()</script>"), "no_text")],
)
def test_pages_without_text(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError) as error:
        extract(body)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("nested 50,000 deep", page("<div>" * 50_000, paragraphs(ARTICLE), "</div>" * 50_000)),
        ("inline elements, unclosed", page("<b>" * 50_000, paragraphs(ARTICLE))),
        ("a script of 10 MB", page(f"<script>{'x=1;' * 2_500_000}</script>", paragraphs(ARTICLE))),
        ("100,000 attributes", page(f"<div {'a=1 ' * 100_000}>", paragraphs(ARTICLE))),
        ("a title of 1 MB", page(paragraphs(ARTICLE), head=f"<title>{'x' * 1_000_000}</title>")),
    ],
)
def test_hostile_pages_keep_the_article(kind: str, body: bytes) -> None:
    article = extract(body)
    assert ARTICLE[3] in article.text
    assert len(article.title) <= 1_001

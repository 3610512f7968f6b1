"""HTML to plain text, and plain text without a page's furniture."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.furniture import blank_furniture, clean_content
from monitor.sources.text import FIELD_CAP, clean_text, html_to_text, plain_paragraphs, title_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<P>One</P><DIV>Two</DIV>", "One\n\nTwo"),
        ("One<br>two<br/>three", "One two three"),
        ("One<br><br>Two", "One\n\nTwo"),
        ("One<br></br>two", "One two"),
        ("<ul><li>a<li>b</ul>c", "a\n\nb\n\nc"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a\n\nb"),
        ("x<script>evil()</script>y<style>p{}</style>z", "xyz"),
        ("x<!-- not <b>this</b> -->y", "xy"),
        ("<h2>Head</h2>text <em>of</em> it", "Head\n\ntext of it"),
        ("one <b>two</b>\n\nthree", "one two\n\nthree"),
        ("<p>one\n\n two</p>", "one two"),
        ("a&nbsp;b  c", "a b c"),
        ("&#146;quoted&#148; &#x1b;[0m", "’quoted” [0m"),
        ('<a href="x>y">link</a> end', "link end"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("unclosed <b", "unclosed"),
        ("line one\nline two\n\nnew", "line one line two\n\nnew"),
        ("<p>שלום עולם</p><p>مرحبا</p>", "שלום עולם\n\nمرحبا"),
    ],
)
def test_html_to_text(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


@pytest.mark.parametrize(
    ("value", "is_html", "title"),
    [
        ("A <b>bold</b> claim", True, "A bold claim"),
        ("A <b> tag", False, "A <b> tag"),
        ("Q&amp;A", False, "Q&A"),
        ("it&#8217;s", False, "it’s"),
        ("  much \n space ", False, "much space"),
        ("AT&T", True, "AT&T"),
        ("x" * 2_000, False, "x" * 1_000 + "…"),
    ],
)
def test_title_text(value: str, is_html: bool, title: str) -> None:
    assert title_text(value, is_html=is_html) == title


def test_plain_paragraphs() -> None:
    assert plain_paragraphs("a\r\nb\r\n\r\n  c \n \n d") == "a b\n\nc\n\nd"


@given(st.text(alphabet="<>/pbrdiv &;#x1a\n\"'=!-", max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_markup_gives_clean_text(markup: str) -> None:
    text = html_to_text(markup)
    assert clean_text(text) == text
    assert "\n\n\n" not in text
    assert text == text.strip()


def sentence(topic: str, number: int) -> str:
    return (
        f"In part {number} of its report the commission said that {topic} had risen again, "
        "and that its members would meet next week to agree on what is to be done about it."
    )


ARTICLE = [sentence("grain exports", number) for number in range(8)]
HEAD = ["Skip to main content", "Home | World | Politics | Sport", "Sign in", "Subscribe"]
BYLINE = ["Grain exports rise for the third month", "By Ann Author", "12 March 2026"]
TAIL = [
    "Read comments (12)",
    "Most popular",
    "Marathon runner wins in Boston after a long and difficult race",
    sentence("the price of running shoes", 1),
    "Follow us on Twitter",
    "© 2026 Example News",
]


@pytest.mark.parametrize("join", ["\n\n", "\n"])
@pytest.mark.parametrize("clean", [clean_content, blank_furniture])
def test_furniture_goes_and_the_article_stays(join: str, clean: object) -> None:
    assert callable(clean)
    page = join.join([*HEAD, *BYLINE, *ARTICLE, *TAIL])
    text = clean(page)
    assert all(part in text for part in ARTICLE)
    for junk in ("Skip to", "Politics", "Boston", "running shoes", "Follow us", "©"):
        assert junk not in text


def test_buttons_and_related_headlines_inside_an_article_go() -> None:
    inside = [
        *ARTICLE[:4],
        "Advertisement",
        "Related stories",
        "Boston hosts marathon",
        *ARTICLE[4:],
    ]
    text = clean_content("\n\n".join([*HEAD, *inside, *TAIL]))
    assert all(part in text for part in ARTICLE)
    assert "Boston" not in text


def test_comments_above_an_article_are_no_end_of_it() -> None:
    top = ["Share this", sentence("the summary", 0), "Comments (3)"]
    text = clean_content("\n\n".join([*HEAD, *top, *ARTICLE]))
    assert all(part in text for part in ARTICLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One line.",
        "\n\n".join(ARTICLE),  # an article without furniture
        "\n\n".join([*HEAD, *TAIL[:2]]),  # furniture without an article
        "\n\n".join([*HEAD, ARTICLE[0]]),  # too few blocks to tell
        "\n\n".join(f"{number}. A short item of a list" for number in range(30)),
        "\n\n".join([f"10:{number} {part}" for number, part in enumerate(ARTICLE)]),
    ],
)
def test_what_is_not_clearly_a_page_is_left_alone(text: str) -> None:
    assert clean_content(text) == text
    assert blank_furniture(text) == text


def test_blanking_keeps_every_offset() -> None:
    page = "\n\n".join([*HEAD, *ARTICLE, *TAIL])
    blanked = blank_furniture(page)
    assert len(blanked) == len(page)
    assert blanked.index(ARTICLE[3]) == page.index(ARTICLE[3])


@pytest.mark.parametrize(
    "hostile",
    [
        " " * 2_000_000,
        "\n" * 2_000_000,
        " \n" * 500_000,
        "Skip to x.\n\n" * 200_000,
        "a | " * 500_000,
    ],
)
def test_hostile_text_is_read_in_linear_time(hostile: str) -> None:
    # no clock is asked: a quadratic scan of any of these takes hours
    assert clean_content(hostile) == hostile
    assert len(html_to_text(hostile)) <= FIELD_CAP

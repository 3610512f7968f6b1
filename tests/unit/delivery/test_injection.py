"""Hostile feed text stays text. Ids are those of the attack cases."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codec import alert_from_json, alert_to_json
from monitor.delivery.console import lines
from monitor.delivery.slack.limits import over_limits
from monitor.delivery.slack.render import render
from monitor.delivery.text import clean, cut, escape_cut, shown, units, vet_link
from monitor.values import Alert, Mark, MarkedText, Summary
from tests.fakeslack.limits import problems
from tests.unit.delivery.messages import shapes
from tests.unit.delivery.parts import story_alert

APPLE = "xn--80ak6aa92e.com"  # five Cyrillic letters
LITERAL = [
    ("SLACK-INJECT-01", "<!channel>"),
    ("SLACK-INJECT-02", "<!here|x>"),
    ("SLACK-INJECT-03", "<!everyone>"),
    ("SLACK-INJECT-04", "<@U123>"),
    ("SLACK-INJECT-05", "<#C1>"),
    ("SLACK-INJECT-06", "<!subteam^S1>"),
    ("SLACK-INJECT-07", "<!date^1^{date}|x>"),
    ("SLACK-INJECT-08", "<https://evil|https://good>"),
    ("SLACK-INJECT-09", "&lt;!channel&gt;"),
    ("SLACK-INJECT-10", "&amp;lt;!channel&amp;gt;"),
    ("SLACK-INJECT-11", "@channel"),
    ("SLACK-INJECT-12", "*bold* _i_ ~s~ `c`"),
    ("SLACK-INJECT-13", "> quote at line start"),
    ("SLACK-INJECT-14", "a ``` block ```"),
    ("SLACK-INJECT-15", "left | right"),
    ("SLACK-INJECT-16", "http://x/|y><!channel>"),
    ("SLACK-INJECT-17", "<script>alert(1)</script>"),
    ("SLACK-INJECT-18", "<img src=x onerror=1>"),
    ("SLACK-INJECT-30", "=cmd|' /C calc'!A0"),
    ("SLACK-INJECT-31", "{{7*7}} {0.__class__} ${jndi:ldap://x}"),
]


def leaves(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a message."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)


def assert_safe(body: dict[str, Any]) -> None:
    """Fail if anything in ``body`` is alive that we didn't make ourselves."""
    assert problems(body) == []
    assert over_limits(body) == []
    assert "<" not in body["text"]
    assert ">" not in body["text"]
    assert not body.get("link_names")
    assert body.get("parse") in (None, "none")
    assert body["unfurl_links"] is False
    assert body["unfurl_media"] is False
    for leaf in leaves(body.get("blocks", [])):
        match leaf.get("type"):
            case "user" | "usergroup" | "broadcast" | "channel" | "markdown" | "image":
                pytest.fail(f"alive: {leaf}")
            case "mrkdwn":
                assert leaf["text"].startswith("<!date^")
                assert leaf["text"].count("<") == 1
            case "link":
                assert leaf["url"].startswith(("http://", "https://"))
                assert not set(leaf["url"]) & set('<>|" \\`')
            case "plain_text":
                assert leaf.get("emoji") is False
    json.dumps(body).encode("ascii")


def everywhere(text: str) -> Alert:
    """An alert that has ``text`` in every place a feed can write to."""
    return story_alert(
        title=text,
        url=text,
        source=text,
        rules=("A rule",),
        sources=(text, "Second"),
        summary=Summary(text, MarkedText(f"x {text} y", (Mark(0, 3),))),
        reason=f"escalated low → high: {text}",
    )


@pytest.mark.parametrize(("case", "text"), LITERAL)
def test_markup_is_shown_to_the_letter(case: str, text: str) -> None:
    body = render(everywhere(text), delivery_id="d", buttons=True)
    assert_safe(body)
    title = body["blocks"][0]["elements"][1]["elements"][0]
    assert title["text"] == text
    source = body["blocks"][1]["elements"][0]["text"]
    assert text in source


def test_SLACK_INJECT_16_a_link_cannot_break_out_of_slacks_own_syntax() -> None:
    link = vet_link("http://x/|y><!channel>")
    assert link is not None
    assert link.url == "http://x/%7Cy%3E%3C!channel%3E"


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("SLACK-INJECT-19", "safe\u202egpj.exe", "safegpj.exe"),
        ("SLACK-INJECT-20", "a\u200bb\ufeffc\u2060d", "abcd"),
        ("SLACK-INJECT-20", "می\u200cخواهم", "می\u200cخواهم"),
        ("SLACK-INJECT-20", "क\u094d\u200dष", "क\u094d\u200dष"),
        ("SLACK-INJECT-20", "👩\u200d🚀", "👩\u200d🚀"),
        ("SLACK-INJECT-20", "pay\u200dpal \u200cx", "paypal x"),
        ("SLACK-INJECT-21", "flag\U000e0041\U000e007f", "flag"),
        ("SLACK-INJECT-22", "A" + "\u0300" * 50, "A" + "\u0300" * 4),
        ("SLACK-INJECT-23", "a\ud800b", "a\ufffdb"),
        ("control", "a\x07\x1b[31mb\x00", "a[31mb"),
        ("spaces", " a\u00a0\t b\u2028c ", "a b c"),
        ("private use", "a\ue000b\ufdd0\uffff", "ab"),
        ("fillers", "a\u3164\u2800b", "ab"),
    ],
)
def test_what_cannot_be_seen_is_removed(case: str, text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("case", "url", "expected", "host"),
    [
        (
            "SLACK-INJECT-24",
            "https://аррӏе.com/x",
            "https://xn--80ak6aa92e.com/x",
            "xn--80ak6aa92e.com",
        ),
        (
            "SLACK-INJECT-24",
            "https://xn--80ak6aa92e.com/",
            "https://xn--80ak6aa92e.com/",
            "xn--80ak6aa92e.com",
        ),
        ("SLACK-INJECT-25", "http://bank.com@evil/", None, ""),
        ("SLACK-INJECT-25", "http://user:pw@evil/", None, ""),
        ("SLACK-INJECT-26", "HTTP://X", "http://x", ""),
        ("SLACK-INJECT-26", "HTTPS://Example.ORG/A", "https://example.org/A", ""),
        ("scheme", "javascript:alert(1)", None, ""),
        ("scheme", "data:text/html,x", None, ""),
        ("scheme", "file:///etc/passwd", None, ""),
        ("scheme", "slack://x", None, ""),
        ("backslash", "http://good.example\\@evil/", None, ""),
        ("no host", "http:///x", None, ""),
        ("broken port", "http://x:99999999/", None, ""),
        ("relative", "/story/1", None, ""),
        ("too long", "https://x/" + "a" * 3000, None, ""),
        ("blank", " https://x/a b?c=d e ", "https://x/a%20b?c=d%20e", ""),
        (
            "kept",
            "https://x.org:8443/a%20b/?q=1&r=%3C#f",
            "https://x.org:8443/a%20b/?q=1&r=%3C#f",
            "",
        ),
        ("IPv6", "http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80/x", ""),
        ("surrogate", "http://x/\ud800", None, ""),
    ],
)
def test_links(case: str, url: str, expected: str | None, host: str) -> None:
    link = vet_link(url)
    assert (link.url if link else None) == expected
    assert (link.shown_host if link else "") == host


def test_SLACK_INJECT_24_the_true_host_stands_beside_the_link() -> None:
    body = render(story_alert(url="https://аррӏе.com/x"), delivery_id="d")
    line = body["blocks"][0]["elements"][1]["elements"]
    assert line[1]["text"] == " (xn--80ak6aa92e.com)"


def test_SLACK_INJECT_27_a_title_of_200_kb_is_cut() -> None:
    body = render(story_alert(title="word " * 40_000), delivery_id="d")
    title = body["blocks"][0]["elements"][1]["elements"][0]["text"]
    assert len(title) <= 250
    assert title.endswith("…")


def test_SLACK_INJECT_28_a_long_summary_is_cut_around_its_mark() -> None:
    text = "before " * 2000 + "KEY " + "after " * 2000
    at = text.index("KEY")
    alert = story_alert(summary=Summary("", MarkedText(text, (Mark(at, at + 3),))))
    body = render(alert, delivery_id="d")
    assert_safe(body)
    quote = body["blocks"][0]["elements"][2]["elements"]
    assert sum(len(each["text"]) for each in quote) <= 400
    assert [each["text"] for each in quote if each.get("style")] == ["KEY"]
    assert len(body["text"]) <= 4000


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("👍👍👍", 5, "👍👍…"),
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("a👩\u200d🚀", 5, "a…"),
        ("x🇫🇷🇩🇪", 8, "x🇫🇷…"),
        ("漢字漢字漢字", 4, "漢字漢…"),
        ("one two three", 10, "one two…"),
    ],
)
def test_SLACK_INJECT_29_a_cut_splits_no_character(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected


@given(st.text(alphabet="&<>a🇫é\u0301", max_size=60), st.integers(8, 40))
def test_SLACK_INJECT_29_a_cut_splits_no_entity(text: str, most: int) -> None:
    escaped = escape_cut(text, most)
    assert units(escaped) <= most
    rest = escaped.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not set(rest) & set("&<>")


@given(st.text(), st.integers(1, 300))
def test_whatever_a_feed_writes_is_shown_within_its_room(text: str, most: int) -> None:
    result = shown(text, most)
    assert units(result) <= most
    assert result == clean(result)


@given(
    st.text(max_size=80),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=4),
)
def test_any_text_with_any_marks_makes_a_safe_message(
    text: str, ranges: list[tuple[int, int]]
) -> None:
    marks = tuple(Mark(min(pair), max(pair)) for pair in sorted(ranges))
    alert = story_alert(title=text, source=text, summary=Summary(text, MarkedText(text, marks)))
    assert_safe(render(alert, delivery_id="d"))
    for line in lines(alert):
        assert "\n" not in line
        assert not {unicodedata.category(char) for char in line} & {"Cc", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("form", ["full", "short", "plain"])
@pytest.mark.parametrize("name", sorted(shapes()))
def test_every_kind_in_every_shape_is_safe_and_within_limits(name: str, form: str) -> None:
    assert_safe(render(shapes()[name], delivery_id="d", form=form, buttons=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(shapes()))
def test_every_shape_survives_the_outbox_and_the_console(name: str) -> None:
    alert = shapes()[name]
    if "\ud800" not in alert.title:
        assert alert_from_json(alert_to_json(alert)) == alert
    for line in lines(alert):
        assert "\n" not in line

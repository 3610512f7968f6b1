"""DEDUP-14: a feed that changes its site, its script or its language is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from monitor.sources.character import BECAME, script, with_character
from monitor.store.port import FeedState
from monitor.stories.urls import site
from monitor.values import Entry, ParsedFeed

NOW = datetime(2026, 3, 10, tzinfo=UTC)
START = FeedState(1, "k", NOW, NOW)
ENGLISH = "Harbour pilots end their strike"
SPAM = "线上赌场 最新优惠"


def entries(host: str, title: str = ENGLISH, count: int = 5) -> list[Entry]:
    return [Entry(str(n), f"https://{host}/{n}", f"{title} {n}") for n in range(count)]


def after(*polls: tuple[Sequence[Entry], str | None]) -> list[str]:
    """Return what was noted after each poll; "" for nothing new."""
    state, said = START, []
    for fresh, language in polls:
        parsed = ParsedFeed(title="Wire", entries=tuple(fresh), language=language)
        before = state.extra.get(BECAME)
        state = with_character(state, parsed, fresh, site, NOW)
        note = state.extra.get(BECAME)
        said.append("" if note is before or note is None else note["words"])  # type: ignore[index]
    return said


def test_dedup_14_a_domain_that_was_bought() -> None:
    told = after(
        (entries("wire.example"), "en-GB"), (entries("wire.example", count=2), "en"),
        (entries("casino.test", SPAM), "zh-CN"), (entries("casino.test", SPAM), "zh-CN"),
    )  # fmt: skip
    assert told[:2] == ["", ""]
    assert told[2] == (
        "its entries lie on casino.test now, not wire.example; "
        "its entries are in the script Han now, not Latin; "
        "it says that its language is zh now, not en"
    )
    assert told[3] == ""


def test_a_change_is_told_when_five_in_a_row_show_it() -> None:
    one = entries("new.example", count=1)
    told = after((entries("wire.example", count=20), None), *[(one, None)] * 6)
    assert [bool(each) for each in told] == [False] * 5 + [True, False]


@pytest.mark.parametrize(
    "fresh",
    [
        entries("www.wire.example"),
        entries("live.wire.example"),
        entries("guest.example", count=4),
        [*entries("a.example", count=3), *entries("b.example", count=3)],
        [],
        [Entry("1", None, ENGLISH)] * 6,
        entries("wire.example", "123 456"),
    ],
    ids=["www", "subdomain", "too few", "several", "none", "no links", "no letters"],
)
def test_what_is_no_change(fresh: Sequence[Entry]) -> None:
    assert after((entries("wire.example"), None), (fresh, None)) == ["", ""]


def test_a_collector_of_many_sites_has_no_character() -> None:
    many = [entry for n in range(6) for entry in entries(f"s{n}.example", count=1)]
    assert after((many, None), (entries("other.example", count=9), None)) == ["", ""]


def test_short_country_domains_keep_three_labels() -> None:
    told = after((entries("www.bbc.co.uk"), None), (entries("www.itv.co.uk"), None))
    assert told[1] == "its entries lie on itv.co.uk now, not bbc.co.uk"


def test_a_slow_feed_is_known_after_five() -> None:
    one = entries("wire.example", count=1)
    other = entries("casino.test", count=5)
    assert after(*[(one, None)] * 5, (other, None))[5].startswith("its entries lie on casino.test")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ENGLISH, "Latin"), ("Что такое сирия", "Cyrillic"), ("港湾のストライキ", "Han"),
        ("파업이 끝났다", "Hangul"), ("الإضراب", "Arabic"), ("שביתה", "Hebrew"),
        ("Απεργία", "Greek"), ("हड़ताल", "Indic"), ("การประท้วง", "Thai"), ("2026: 12 %", ""),
    ],
)  # fmt: skip
def test_scripts(text: str, name: str) -> None:
    assert script(text) == name


def test_notes_of_another_version_do_no_harm() -> None:
    state = FeedState(1, "k", NOW, NOW, extra={"character": {"recent": 7, "site": 3}})
    parsed = ParsedFeed(title="Wire", entries=())
    assert with_character(state, parsed, entries("wire.example"), site, NOW).extra

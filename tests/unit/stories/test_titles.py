"""Titles without what outlets hang on them."""

from __future__ import annotations

import pytest

from monitor.stories.titles import bare_title, normal_title


@pytest.mark.parametrize(
    "title",
    [
        "Oil falls as Saudi Arabia boosts output",
        "OIL FALLS AS SAUDI ARABIA BOOSTS OUTPUT",
        "Oil falls as Saudi Arabia boosts output - Reuters",
        "Oil falls as Saudi Arabia boosts output | BBC News",
        "Oil falls as Saudi Arabia boosts output – The New York Times",
        "Oil falls as Saudi Arabia boosts output - example.com",
        "UPDATE 2-Oil falls as Saudi Arabia boosts output",
        "BREAKING: Oil falls as Saudi Arabia boosts output",
        "LIVE: Oil falls as Saudi Arabia boosts output",
        "Live updates: Oil falls as Saudi Arabia boosts output",
        "EXCLUSIVE-Oil falls as Saudi Arabia boosts output",
        "BREAKING: UPDATE 1-Oil falls as Saudi Arabia boosts output - Reuters",
        "[VIDEO] Oil falls as Saudi Arabia boosts output",
        "Oil falls as Saudi Arabia boosts output (Reuters)",
        "  Oil falls as\u00a0Saudi Arabia\u200b boosts output  ",
        "Oil falls, as “Saudi Arabia” boosts output!",
    ],
)
def test_one_headline_has_one_form(title: str) -> None:
    assert normal_title(title) == "oil falls as saudi arabia boosts output"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Morning briefing - Monday", "morning briefing monday"),
        ("Watch-dog says no to merger", "watch dog says no to merger"),
        ("Media-savvy senator wins", "media savvy senator wins"),
        ("Storm hits coast - 12 dead", "storm hits coast 12 dead"),
        (
            "Storm hits the coast - twelve dead in Wales",
            "storm hits the coast twelve dead in wales",
        ),
        ("LIVE", "live"),
        ("- Reuters", "reuters"),
        ("", ""),
        ("🔥🔥", ""),
        ("Москва: новости дня", "москва новости дня"),
        ("速報：東京で地震", "東 京 で 地 震"),
        ("Café's owner", "cafe owner"),
    ],
)
def test_what_belongs_to_the_headline_stays(title: str, expected: str) -> None:
    assert normal_title(title) == expected


def test_a_known_source_goes_at_any_length() -> None:
    source = "The Very Long Name of a Small Town Newspaper"
    assert bare_title(f"Cat found - {source}", source) == "Cat found"


def test_a_title_of_a_megabyte_takes_bounded_work() -> None:
    assert len(normal_title("word - | " * 120_000)) < 4_000

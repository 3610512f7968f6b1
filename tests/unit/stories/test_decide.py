"""What an entry means for its story."""

from __future__ import annotations

import pytest

from monitor.stories.decide import Told, decide
from monitor.stories.terms import Features, features_of, hashed

EARLIER = "Ferry sinks off Malta, 40 people rescued by the coastguard"


def told(*titles: str, last: str = "") -> Told:
    words: set[int] = set()
    numbers: set[int] = set()
    for title in titles:
        features = features_of(title, "")
        words |= {hashed(word) for word in (*features.headline, *features.names)}
        numbers |= features.numbers
    last_title = features_of(last, "").title if last else frozenset()
    return Told(words, numbers, bool(numbers), last_title)


def features(title: str, text: str = "") -> Features:
    return features_of(title, text)


def test_the_first_report_is_new() -> None:
    assert decide(EARLIER, features(EARLIER), None) == ("new", "first report")


@pytest.mark.parametrize(
    ("title", "kind", "reason"),
    [
        ("Ferry sinks off Malta, 40 rescued", "duplicate", "the same event, reported by AFP"),
        ("Ferry sinks off Malta, 55 people rescued", "update", "new number: 55"),
        ("Operator denies ferry was overloaded off Malta", "update", "denial: “denies”"),
        ("CORRECTED-Ferry sinks off Malta, people rescued", "update", "correction"),
        ("Ferry off Malta was built by Fincantieri for Tirrenia", "update",
         "new names: Fincantieri, Tirrenia"),
        ("Ferry sinks off Malta in 2026", "duplicate", "the same event, reported by AFP"),
    ],
)  # fmt: skip
def test_another_source(title: str, kind: str, reason: str) -> None:
    found = decide(title, features(title), told(EARLIER), source="AFP", new_source=True)
    assert found == (kind, reason)


def test_a_small_number_counts_once_headlines_have_had_numbers() -> None:
    title = "Five take-aways: 5 things to know of the ferry"
    assert decide(title, features(title), told("Ferry sinks off Malta"))[0] == "none"
    title = "Ferry toll rises to 5 off Malta"
    assert decide(title, features(title), told("Ferry sinks off Malta, 3 dead"))[0] == "update"


def test_a_copy_under_another_headline_is_a_duplicate() -> None:
    title = "Drama at sea for Tirrenia and Fincantieri"
    kind, reason = decide(title, features(title), told(EARLIER), repeats="e1", new_source=True)
    assert (kind, reason) == ("duplicate", "repeats the text of e1")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (EARLIER, ("none", "edited, nothing material")),
        ("Ferry sinks off Malta, 40 people rescued by coastguards",
         ("none", "edited, nothing material")),
        ("Captain arrested on board", ("update", "headline changed")),
    ],
)  # fmt: skip
def test_an_edited_entry(title: str, expected: tuple[str, str]) -> None:
    found = decide(title, features(title), told(EARLIER, last=EARLIER), revised=True)
    assert found == expected


def test_a_sentence_for_a_title_is_not_searched_for_names() -> None:
    title = " ".join(f"Name{number} met" for number in range(20))
    assert decide(title, features(title), told(EARLIER), source="A", new_source=True)[0] == (
        "duplicate"
    )

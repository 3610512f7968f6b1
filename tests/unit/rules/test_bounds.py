"""What a story may cost is bounded by counts: tokens read, words worked out, hits given."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from monitor.config.models import Settings
from monitor.rules import compile_rules, plain
from monitor.rules.index import evaluate
from monitor.rules.index.document import MAX_FIELD, Slots
from monitor.rules.index.reading import MAX_FRESH, MAX_TOKENS
from monitor.rules.index.run import MAX_HITS
from monitor.rules.index.trie import MAX_OCCURRENCES, Trie
from monitor.rules.text.plain import MAX_MARKUP
from monitor.values import TEXT_FIELDS, Document
from tests.oracle.matcher import Reading, judge

TODAY = date(2026, 3, 1)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _long(pattern: str) -> str:
    return (pattern * (MAX_FIELD // len(pattern) + 1))[:MAX_FIELD]


def _distinct(shape: str) -> str:
    words = (shape.format(a, b, c) for a in LETTERS for b in LETTERS for c in LETTERS)
    return " ".join(words)[:MAX_FIELD]


HOSTILE = {
    "one word": _long("deal "),
    "phrases": _long("arms deal Syria. "),
    "letters": _long("a "),
    "paragraphs": _long("deal\n\nSyria\n\n"),
    "empty paragraphs": _long("-\n\n"),
    "punctuation": _long("- . "),
    "distinct words": _distinct("{}{}{}"),
    "distinct hyphenated": _distinct("{}-{}-{}"),
    "distinct accented": _distinct("{}é{}{}"),
    "one chain of hyphens": _long("deal-"),
    "one Chinese sentence": "".join(map(chr, range(0x4E00, 0x9FFF))) + _long("武器交易")[:25_000],
    "Chinese words": _long("武器 交易 "),
    "entities": _long("&amp;deal "),
    "no blank": _long("deal,"),
    "one word without end": _long("a"),
}
RULES: list[dict[str, Any]] = [
    {"any": ["deal", "a", "武器", "arms deal"]},
    {"match": "deal NEAR/5 Syria"},
    {"match": "deal SENT Syria"},
    {"match": "(deal NEAR/5 Syria) OR (ATLEAST/3 arms)"},
    {"any": ["/d[a-z]+l/"]},
]


@pytest.mark.parametrize("layout", ["content", "every field"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_tokens_words_and_hits_are_bounded(kind: str, layout: str) -> None:
    text = HOSTILE[kind]
    document = Document("1", *(text, text, text) if layout == "every field" else ("", "", text))
    rules = [{"name": str(number), **rule} for number, rule in enumerate(RULES)]
    ruleset = compile_rules(Settings.model_validate({"rules": rules}), TODAY).ruleset
    trie = ruleset._index.trie
    slots = Slots(document)
    found = trie.find(slots)
    for (low, high), limit in zip(slots.fields, MAX_TOKENS, strict=True):
        assert high - low <= limit + 100  # the last chunk is read to its end
    words = {chunk for row in slots.rows for chunk in row.chunks}
    assert len(words) <= MAX_FRESH
    assert sum(len(memo) for memo in trie._memos.values()) <= MAX_FRESH + 1
    assert all(len(spans) <= MAX_OCCURRENCES for spans in found.values())
    for match in ruleset.match(document):
        assert 0 < len(match.hits) <= MAX_HITS
        for hit in match.hits:
            assert document.text(hit.field)[hit.start : hit.end] == hit.text


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_reference_reads_as_far(kind: str) -> None:
    text = HOSTILE[kind]
    document = Document("1", text, text, text)
    slots = Slots(document)
    Trie().find(slots)
    read = [slots.field_of(slot) for slot, (at, _) in enumerate(slots.offsets) if at >= 0]
    tokens = [token.field for token in Reading(document, TODAY).tokens]
    known = [(name, read.count(name)) for name in TEXT_FIELDS]
    wanted = [(name, tokens.count(name)) for name in TEXT_FIELDS]
    for (_, have), (_, expected) in zip(known, wanted, strict=True):
        assert abs(have - expected) <= 100


def test_a_field_of_blanks_has_no_sentences() -> None:
    query = '("arms deal" OR ("arms deal" SENT party))'
    settings = Settings.model_validate(
        {"rules": [{"name": "a", "any": ["arms deal"]}, {"name": "b", "match": query}]}
    )
    ruleset = compile_rules(settings, TODAY).ruleset
    assert ruleset.match(Document("1", "", "party", "\n\n")) == ()


def test_an_article_of_ordinary_length_is_read_to_its_end() -> None:
    words = [f"{a}{b}{c}" for a in LETTERS for b in LETTERS[:4] for c in LETTERS[:20]]
    article = " ".join(words[number % len(words)] for number in range(7_900)) + " arms deal"
    settings = Settings.model_validate({"rules": [{"name": "Arms", "any": ["arms deal"]}]})
    document = Document("1", "A headline", "", article)
    (match,) = compile_rules(settings, TODAY).ruleset.match(document)
    assert [hit.text for hit in match.hits] == ["arms deal"]
    assert {hit[:3] for hit in judge(settings, document, TODAY)["Arms"]} == {
        ("content", len(article) - 9, len(article))
    }


def test_what_is_read_does_not_depend_on_earlier_stories() -> None:
    settings = Settings.model_validate({"rules": [{"name": "All", "any": ["a*", "zzz"]}]})
    document = Document("1", "", "", HOSTILE["distinct words"])
    fresh = compile_rules(settings, TODAY).ruleset
    first = fresh.match(document)
    assert fresh.match(document) == first


def test_only_the_beginning_of_a_long_text_with_markup_is_read() -> None:
    long = plain(Document("1", "", "", "<b>arms</b> deal " * 200_000))
    assert long.content.startswith("arms deal arms deal")
    assert 1_000 < len(long.content) <= MAX_MARKUP
    bare = "arms deal " * 200_000
    assert plain(Document("1", "", "", bare)).content == bare
    assert len(plain(Document("1", "<b>" * 100_000)).title) <= MAX_MARKUP


def test_an_undated_story_is_of_the_day_on_which_it_is_matched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A watch runs for months: the day on which its rules were compiled says nothing."""
    term = {"from": "2026-01-01", "to": "2026-03-31"}
    settings = Settings.model_validate(
        {
            "entities": {"Minister": {"aliases": ["Ann Holder"], "valid": term}},
            "rules": [{"name": "R", "entities": ["Minister"]}],
        }
    )
    ruleset = compile_rules(settings).ruleset
    story = Document("", "Ann Holder resigns")
    monkeypatch.setattr(evaluate, "current_day", lambda: date(2026, 3, 31))
    assert [match.rule for match in ruleset.match(story)] == ["R"]
    monkeypatch.setattr(evaluate, "current_day", lambda: date(2026, 4, 1))
    assert ruleset.match(story) == ()

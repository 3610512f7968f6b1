"""What an alert shows of a story."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stories.summary import BUDGET, LEAD_BUDGET, summarise
from monitor.values import Document, Hit, Summary

LEAD = "The foreign ministry in Moscow gave its first comment on Tuesday."
BOTH = "Russia will fulfil several existing arms deals with Syria, Mr. Lavrov said."
FILLER = "Nothing else of note was said at the meeting, which lasted an hour."


def hits(doc: Document, *terms: str, entity: str | None = None) -> list[Hit]:
    found = []
    for term in terms:
        for field in ("title", "summary", "content"):
            start = doc.text(field).find(term)
            if start >= 0:
                end = start + len(term)
                name = term if entity == term else None
                found.append(Hit(term, field, start, end, term, name))
                break
    return found


def marked(summary: Summary) -> list[str]:
    return [summary.quote.text[mark.start : mark.end] for mark in summary.quote.marks]


def test_the_sentence_that_carries_both_is_quoted() -> None:
    doc = Document("1", "Moscow comments", f"{LEAD} {FILLER} {BOTH} {FILLER}")
    summary = summarise(doc, hits(doc, "arms deals", "Syria", entity="Syria"))
    assert summary.lead == LEAD
    assert summary.quote.text == BOTH
    assert marked(summary) == ["arms deals", "Syria"]


def test_a_sentence_with_both_beats_two_with_one_each() -> None:
    text = f"Old arms deals are many. Syria is far. {FILLER} {BOTH}"
    doc = Document("1", "t", text)
    found = [
        Hit(term, "summary", at, at + len(term), term)
        for term in ("arms deals", "Syria")
        for at in (text.index(term), text.rindex(term))
    ]
    assert summarise(doc, found).quote.text == BOTH


def test_sentences_that_share_the_work_are_joined_in_reading_order() -> None:
    doc = Document("1", "t", f"Syria is far away. {FILLER} The arms deals are old.")
    summary = summarise(doc, hits(doc, "arms deals", "Syria"))
    assert summary.quote.text == "Syria is far away. … The arms deals are old."
    assert marked(summary) == ["Syria", "arms deals"]


def test_neighbours_are_joined_as_they_stand() -> None:
    doc = Document("1", "t", f"{FILLER} Syria is far away. The arms deals are old.")
    summary = summarise(doc, hits(doc, "arms deals", "Syria"))
    assert summary.quote.text == "Syria is far away. The arms deals are old."


def test_a_long_sentence_is_cut_around_its_hits_at_words() -> None:
    text = f"{'before ' * 60}arms deals {'between ' * 3}Syria {'after ' * 60}end."
    doc = Document("1", "t", text)
    summary = summarise(doc, hits(doc, "arms deals", "Syria"), budget=120)
    quote = summary.quote.text
    assert len(quote) <= 120
    assert quote.startswith("…before ")
    assert quote.endswith(" after…")
    assert marked(summary) == ["arms deals", "Syria"]


def test_hits_far_apart_in_one_sentence_are_both_shown() -> None:
    text = f"The arms deals {'and so on ' * 80}reached Syria."
    doc = Document("1", "t", text)
    summary = summarise(doc, hits(doc, "arms deals", "Syria"))
    assert len(summary.quote.text) <= BUDGET
    assert marked(summary) == ["arms deals", "Syria"]


def test_content_is_read_where_the_summary_says_nothing() -> None:
    doc = Document("1", "t", LEAD, f"{FILLER} {BOTH}")
    summary = summarise(doc, hits(doc, "arms deals", "Syria"))
    assert (summary.lead, summary.quote.text) == (LEAD, BOTH)


def test_a_title_that_carries_all_needs_no_quote() -> None:
    doc = Document("1", "Arms deals with Syria", LEAD)
    summary = summarise(doc, hits(doc, "Arms deals", "Syria"))
    assert (summary.lead, summary.quote.text) == (LEAD, "")


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        ("", ""),
        ("   \n\n ", ""),
        (LEAD, LEAD),
        (f"LONDON. {LEAD} {FILLER}", f"LONDON. {LEAD}"),
        ("x" * 5_000, "x" * (LEAD_BUDGET - 1) + "…"),
    ],
)
def test_the_lead_is_the_first_sentence(text: str, lead: str) -> None:
    assert summarise(Document("1", "t", text), []).lead == lead


def test_other_scripts_are_cut_at_whole_characters() -> None:
    text = "東京で" * 200 + "シリア" + "と話した" * 200
    doc = Document("1", "t", text)
    summary = summarise(doc, hits(doc, "シリア"), budget=60)
    assert marked(summary) == ["シリア"]
    assert len(summary.quote.text) <= 60
    joined = "🇸🇾👩‍👩‍👧" * 300
    cut = summarise(Document("1", "t", joined), []).lead
    assert unicodedata.category(cut[-2])[0] != "M"
    assert cut[:-1] in joined


@given(
    st.text(alphabet="abc .,Д\u0301東\n", max_size=900),
    st.lists(st.tuples(st.integers(0, 880), st.integers(1, 25)), max_size=6),
    st.integers(60, 500),
)
def test_the_quote_is_verbatim_and_marks_are_the_hits(
    text: str, spots: list[tuple[int, int]], budget: int
) -> None:
    doc = Document("1", "t", text)
    found = [
        Hit(text[at : at + size], "summary", at, at + size, text[at : at + size])
        for at, size in spots
        if at + size <= len(text) and text[at : at + size].strip() == text[at : at + size] != ""
    ]
    quote = summarise(doc, found, budget).quote
    for piece in quote.text.split("…"):
        assert piece.strip() in text or all(part in text for part in piece.split(" "))
    last = 0
    for mark in quote.marks:
        assert last <= mark.start < mark.end <= len(quote.text)
        assert quote.text[mark.start : mark.end] in text
        last = mark.end

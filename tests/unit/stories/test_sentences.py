"""Where sentences begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stories.sentences import sentences


@pytest.mark.parametrize(
    "expected",
    [
        [],
        ["One."],
        ["One.", "Two!", "Three?", "Four"],
        ["Mr. Smith of the U.S. Senate left.", "He took Dr. Jones along."],
        ["On Jan. 5 the St. Louis office of Acme Inc. closed.", "It was No. 3."],
        ["It cost 3.5 million.", "Nobody paid."],
        ["J. K. Rowling met Gen. Petraeus vs. the rest.", "They talked."],
        ["He said \"No.\"", "Then he left."],
        ["“Really?” asked the U.N. envoy.", "“Yes.”", "It was so."],
        ["The deal is with Apple Inc.", "The stock fell."],
        ["They met at 9 a.m. Monday in the U.S. capital.", "All came."],
        ["Yahoo! said it would sell.", "Nobody bought."],
        ["Das war am 3. Oktober z.B. in Berlin.", "Es regnete."],
        ["M. Macron a parlé à 15 h.", "Mme. Merkel aussi."],
        ["El Sr. Pérez habló.", "¿Por qué?", "Nadie sabe."],
        ["В 2024 г. он уехал.", "Потом вернулся."],
        ["東京で会った。", "明日も来る！", "本当？"],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["هذه جملة.", "هل هذه أخرى؟", "نعم."],
        ["First para without end", "Second para."],
        ["Wait... what happened here?", "Nothing."],
        ["1. First point of the list.", "2. Second point."],
    ],
)  # fmt: skip
def test_sentences_are_found(expected: list[str]) -> None:
    para = "\n\n" if any("para" in each for each in expected) else " "
    wide = expected and "。" in expected[0]
    text = ("" if wide else para).join(expected)
    assert [text[start:end] for start, end in sentences(text)] == expected


@given(st.text(alphabet="aB .!?\n\"'。\u0301\u200d1", max_size=200))
def test_every_character_is_in_one_sentence(text: str) -> None:
    spans = sentences(text)
    at = 0
    for start, end in spans:
        assert at <= start < end
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()


@pytest.mark.parametrize("text", ["a" * 300_000, ". " * 150_000, "word " * 60_000, "." * 300_000])
def test_long_texts_take_bounded_work(text: str) -> None:
    assert all(end - start <= 300_000 for start, end in sentences(text))

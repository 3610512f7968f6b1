"""Our tokens as FTS5 sees them: each one token, different ones different."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store.sqlite.search import query
from monitor.store.tokens import encode, encoded
from monitor.values import AllOf, AnyOf, Expression, Word, Wording


@pytest.mark.parametrize(
    ("token", "spelling"),
    [
        ("arms", "arms"),
        ("дамаск", "дамаск"),
        ("US", "zq5553"),
        ("c++", "zq632b2b"),
        ("zqa", "zq7a7161"),
        ("a b", "zq612062"),
        ("a\u00a0b", "a\u00a0b"),
        ("\ud800", "zqeda080"),
    ],
)
def test_spelling(token: str, spelling: str) -> None:
    assert encode(token) == spelling


@pytest.mark.parametrize(
    ("wording", "written"),
    [
        (Word("a"), '"a"'),
        (Word(""), False),
        (AnyOf((Word("a"), Word("b"), Word("a"))), '("a" OR "b")'),
        (AllOf((Word("a"), AnyOf((Word("b"), Word("c"))))), '("a" AND ("b" OR "c"))'),
        (AllOf((Word("a"), Expression("x+"))), '"a"'),
        (AllOf((Word("a"), AnyOf(()))), False),
        (AnyOf((Word("a"), Expression("x+"))), True),
        (AllOf(()), True),
        (Word("arm", starts=True), '("arm" * OR "zq61726d" *)'),
    ],
)
def test_a_query_has_what_an_index_of_words_can_tell(wording: Wording, written: str | bool) -> None:
    assert query(wording) == written


TOKENS = st.text(min_size=1, max_size=80)


@settings(max_examples=300, deadline=None)
@given(TOKENS, TOKENS)
def test_fts5_takes_it_as_one_token_and_tells_it_from_others(one: str, other: str) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5 (x, content = '', tokenize = 'ascii')")
    db.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (t, 'row')")
    db.execute("INSERT INTO t (rowid, x) VALUES (1, ?)", (encode(one),))
    assert db.execute("SELECT count(*) FROM terms").fetchone() == (1,)
    found = db.execute("SELECT count(*) FROM t WHERE t MATCH ?", (query(Word(other)),)).fetchone()
    assert found == (int(one == other),)
    db.close()


@given(st.lists(st.text("az zqé0A\x00中-", max_size=70), max_size=5))
def test_all_at_once_and_one_by_one_are_the_same(tokens: list[str]) -> None:
    one_by_one = " ".join(encode(token) for token in tokens if token)
    assert encoded(lambda _: tokens, "") == one_by_one

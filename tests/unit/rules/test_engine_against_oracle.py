"""The engine and the reference matcher agree on random stories and rules."""

from __future__ import annotations

from datetime import date
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.config.models import Settings
from monitor.rules import RuleSet, compile_rules
from monitor.rules.index import postings, run
from monitor.rules.index.wording import could_have
from monitor.rules.ruleset import difference
from monitor.rules.text import search_tokens
from monitor.values import TEXT_FIELDS, AllOf, Document, Expression, Word, Wording
from tests.oracle.matcher import judge

TODAY = date(2026, 3, 1)
WORDS = str.split(
    """
    arms deal deals Syria Syrian Syria's US us cease-fire ceasefire cease fire bank Bank of
    England sanction sanctions sanctioned South Sudan weapon-sale l'Iran U.S. 1,500 F-16 F16
    party parties shipments. talks, said. Georgia Atlanta
    """
)
TERMS = (
    "arms deal",
    "deals",
    "Syria",
    "sanction*",
    "=US",
    "cease-fire",
    "ceasefire",
    "cease fire",
    "Bank of England",
    "England",
    "bank",
    "South Sudan",
    "Sudan",
    "weapon sale",
    "F-16",
    "1500",
    "party",
    "of England South",
    "iran",
    "list:arms",
    "entity:Syria",
    "entity:Georgia",
    "/deals? S/",
)
LISTS = {"arms": ["arms deal", "weapon-sale"]}
word = st.sampled_from(WORDS)
text = st.lists(word, max_size=14).map(" ".join)
paragraphs = st.lists(text, max_size=3).map("\n\n".join)
documents = st.builds(
    lambda title, summary, content: Document("1", title, summary, content),
    text,
    text,
    paragraphs,
)
term = st.sampled_from(TERMS)
terms = st.lists(term, min_size=1, max_size=3, unique=True)
plain_term = st.sampled_from([t for t in TERMS if not t.startswith("/")])


def query_of(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from([t if " " not in t else f'"{t}"' for t in TERMS[:-1]])
    if depth == 0:
        return leaf
    inner = query_of(depth - 1)
    near = st.sampled_from(["NEAR/2", "ONEAR/3", "NOT NEAR/2", "SENT", "PARA"])
    return st.one_of(
        leaf,
        st.tuples(leaf, near, leaf).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(inner, inner).map(lambda x: f"({x[0]} OR {x[1]})"),
        st.tuples(inner, inner).map(lambda x: f"({x[0]} AND {x[1]})"),
        st.tuples(inner, leaf).map(lambda x: f"({x[0]} AND NOT {x[1]})"),
        st.tuples(st.sampled_from(["ATLEAST/2", "FIRST/4", "title:", "body:"]), leaf).map(
            lambda x: f"{x[0]} {x[1]}"
        ),
    )


rules = st.one_of(
    st.fixed_dictionaries({"any": terms}, optional={"none": terms, "all": terms}),
    st.fixed_dictionaries(
        {"any": terms, "entities": st.just([["Syria", "Bank of England"]])},
        optional={"in": st.sampled_from(["title", "body"]), "unless_in": st.just(["South Sudan"])},
    ),
    st.fixed_dictionaries(
        {
            "near": st.fixed_dictionaries(
                {
                    "of": st.tuples(
                        st.lists(plain_term, min_size=1, max_size=2),
                        st.lists(plain_term, min_size=1, max_size=2),
                    ).map(list),
                    "within": st.integers(0, 4),
                    "ordered": st.booleans(),
                }
            )
        },
        optional={"none": terms},
    ),
    st.fixed_dictionaries(
        {
            "min": st.lists(term, min_size=2, max_size=3, unique=True).map(
                lambda of: {"n": 2, "of": of}
            )
        }
    ),
    query_of(2).map(lambda query: {"match": query}),
)


def configured(given_rules: list[dict[str, Any]], **more: Any) -> Settings:
    named = [{"name": f"rule {i}", **rule} for i, rule in enumerate(given_rules)]
    return Settings.model_validate({"lists": LISTS, "rules": named, **more})


@settings(max_examples=250, deadline=None)
@given(
    st.lists(rules, min_size=1, max_size=6),
    st.lists(documents, min_size=1, max_size=3),
    st.booleans(),
)
@example(
    [{"near": {"of": [["entity:Georgia"], ["Syria", "entity:Syria"]], "within": 0}}],
    [Document("1", "", "Syria Georgia")],
    False,
)
def test_same_rules_and_same_hits(
    chosen: list[dict[str, Any]], stories: list[Document], large: bool
) -> None:
    """The same with few rules (lists) as with thousands (arrays)."""
    configuration = configured(chosen)
    with (
        patch.object(postings, "VECTOR_FROM", 0 if large else 1_000),
        patch.object(run, "_FEW", 0 if large else 20),
    ):
        ruleset = compile_rules(configuration, TODAY).ruleset
        _agrees(configuration, ruleset, stories)


def _agrees(configuration: Settings, ruleset: RuleSet, stories: list[Document]) -> None:
    for story in stories:
        found = {
            match.rule: {(h.field, h.start, h.end, h.term, h.entity) for h in match.hits}
            for match in ruleset.match(story)
        }
        assert found == judge(configuration, story, TODAY)
        for match in ruleset.match(story):
            assert 0.0 <= match.score <= 1.0
            for hit in match.hits:
                assert story.text(hit.field)[hit.start : hit.end] == hit.text


@settings(max_examples=150, deadline=None)
@given(rules, documents)
def test_the_index_finds_every_text_that_a_rule_holds_for(
    rule: dict[str, Any], story: Document
) -> None:
    ruleset = compile_rules(configured([rule]), TODAY).ruleset
    if ruleset.match(story):
        tokens = [t for name in TEXT_FIELDS for t in search_tokens(story.text(name))]
        assert has(ruleset.wording(), tokens)
        assert could_have(ruleset.wording(), [story.text(name) for name in TEXT_FIELDS])


def has(wording: Wording, tokens: list[str]) -> bool:
    if isinstance(wording, Word):
        starts = wording.text if wording.starts else None
        return any(t == wording.text or (starts and t.startswith(starts)) for t in tokens)
    if isinstance(wording, Expression):
        return True
    parts = [has(part, tokens) for part in wording.parts]
    return all(parts) if isinstance(wording, AllOf) else any(parts)


@settings(max_examples=40, deadline=None)
@given(st.lists(rules, min_size=1, max_size=6), st.lists(documents, min_size=1, max_size=4))
def test_anchors_never_change_what_matches(
    chosen: list[dict[str, Any]], stories: list[Document]
) -> None:
    first = compile_rules(configured(chosen), TODAY).ruleset
    before = first.match_many(stories)
    for _ in range(20):
        first.match_many(stories)
    assert first.with_frequencies(first.frequencies()).match_many(stories) == before


placed = st.tuples(st.integers(0, 6), rules, st.integers(0, 6))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(rules, min_size=1, max_size=4),
    st.lists(st.one_of(placed, st.integers(0, 6)), min_size=1, max_size=4),
    st.lists(documents, min_size=1, max_size=3),
)
@example(
    [{"any": ["arms deal"]}, {"any": ["cease fire", "arms deal", "ceasefire"]}],
    [(0, {"match": "ceasefire"}, 0)],
    [Document("1", "cease-fire")],
)
def test_an_edited_rule_set_is_the_rebuilt_one(
    chosen: list[dict[str, Any]],
    edits: list[tuple[int, dict[str, Any], int] | int],
    stories: list[Document],
) -> None:
    """Rules replaced, put in anywhere, and taken away, one after the other."""
    current = {f"rule {number}": rule for number, rule in enumerate(chosen)}
    before = named_settings(current)
    first = compile_rules(before, TODAY).ruleset
    ruleset = first
    for edit in edits:
        if isinstance(edit, int):
            current.pop(f"rule {edit}", None)
        else:
            number, rule, place = edit
            if (name := f"rule {number}") in current:
                current[name] = rule
            else:
                items = list(current.items())
                current = dict([*items[:place], (name, rule), *items[place:]])
        found = difference(before, named_settings(current))
        assert found is not None
        before, change = found
        compiled = ruleset.edited(before, change)
        assert compiled is not None
        ruleset = compiled.ruleset
        rebuilt = compile_rules(before, TODAY).ruleset
        assert list(ruleset.rules) == list(rebuilt.rules)
        assert ruleset.match_many(stories) == rebuilt.match_many(stories)
    untouched = compile_rules(configured(chosen), TODAY).ruleset
    assert first.match_many(stories) == untouched.match_many(stories)


def named_settings(given_rules: dict[str, dict[str, Any]]) -> Settings:
    return Settings.model_validate(
        {"rules": [{"name": name, **rule} for name, rule in given_rules.items()], "lists": LISTS}
    )

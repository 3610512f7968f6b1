"""What the compiler says of rules that can't be meant: message, place, and fix."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.config.models import Settings
from monitor.rules import RuleProblem, compile_rules


def problems(rule: dict[str, Any], **more: Any) -> tuple[RuleProblem, ...]:
    given = {"rules": [{"name": "r", **rule}], **more}
    return compile_rules(Settings.model_validate(given)).problems


@pytest.mark.parametrize(
    ("query", "offset", "message", "hint"),
    [
        ("a1 AND b1 OR c1", 10, "mixed without parentheses", "(a1 AND b1) OR c1"),
        ('arms "deal', 5, "unbalanced quotation", "close it"),
        ("(arms", 0, "never closed", "add )"),
        ("arms)", 4, "without an opening", "remove it"),
        ("ar* AND x1", 2, "fewer than 3 letters", "write more"),
        ("arms NEAR/101 deal", 10, "more than 100", "PARA"),
        ("NOT arms", 0, "only NOT", "say what to look for"),
        ("entity:Syrai", 0, "unknown entity 'Syrai'", "Syria"),
        ("arms AND list:amrs", 9, "unknown list 'amrs'", "arms"),
        ("titel:arms", 0, "unknown field `titel:`", "title"),
        ("/(?=a)b/", 2, "look-ahead", "NEAR"),
        (r"/(a)\1/", 5, "back-reference", "alternatives"),
        ("/(a/", 1, "refused", "RE2"),
        ("/((a{100}){100}){100}/", 1, "refused", ""),
        ("arms AND", 8, "ends after `AND`", "add a term"),
        ("AND arms", 0, "needs a term before", "quote"),
        ("arms w/12 deal", 5, "LexisNexis", "NEAR/11"),
        ("arms /N12/ deal", 5, "Factiva", "NEAR/11"),
        ("arms SAME deal", 5, "Factiva", "PARA"),
        ("arms onear deal", 5, "Meltwater", "ONEAR/4"),
        ("terroris! AND arms", 0, "LexisNexis", "terroris*"),
        ("atleast5 (arms)", 0, "Factiva", "ATLEAST/5"),
        ("arms near/5 deal", 5, "capitals", "NEAR/5"),
        ("arms (deal OR sale)", 5, "operator is missing", "AND, OR"),
        ("russia same bank", 7, "Factiva", "PARA"),
        ('"oil price" same opec', 12, "Factiva", "PARA"),
        ('"price"^3 AND oil', 7, "Meltwater", "leave it out"),
        ('"a b"~5', 5, "search engines", "NEAR/5"),
        ("arms -toy", 5, "search engines", "NOT toy"),
        ("arms NEAR/x deal", 5, "whole number", "NEAR/5"),
        ("arms SENT/5 deal", 5, "takes no number", "write SENT"),
        ("headline(arms) AND deal", 0, "LexisNexis", "title:(arms) AND deal"),
        ("arms NEAR deal", 5, "Meltwater", "NEAR/4"),
        ("ATLEAST arms", 0, "whole number", "ATLEAST/2"),
        ("arms NEAR/3 NOT deal", 12, "behind NEAR", "NOT NEAR/5"),
        ("site:example.com", 0, "unknown field", "url:"),
        ("organi?ation", 6, "one letter", "organi*"),
        ("/arms?/i", 0, "flags are not needed", "leave them out"),
        ("NOT " * 200 + "arms", 476, "nested too deeply", "two"),
        (" NEAR/1 ".join(["a1"] * 100), 300, "too many operators", "two"),
        ("(a1 AND b1) NEAR/3 c1", 0, "no place in the text", "NEAR"),
        ('"" AND arms', 0, "empty phrase", "word"),
        ("", 0, "empty query", "term"),
    ],
)
def test_query_errors_point_at_the_place(query: str, offset: int, message: str, hint: str) -> None:
    found = [p for p in problems({"match": query}, lists={"arms": ["arms"]}) if p.level == "error"]
    assert len(found) == 1
    (problem,) = found
    assert problem.path == ("rules", 0, "match")
    assert message in problem.message
    assert hint in problem.hint
    assert problem.offset == offset
    line, caret = problem.excerpt.split("\n")
    assert line[caret.index("^") :][:20] == query[offset : offset + 20][: len(line)]
    assert len(query) > 120 or (line, caret.index("^")) == (query, offset)


def test_the_caret_stands_under_the_line_of_a_long_query() -> None:
    (problem,) = problems({"match": "arms AND\n  (deal OR sale"})
    assert problem.excerpt == "  (deal OR sale\n  ^"


@pytest.mark.parametrize(
    ("rule", "path", "message", "hint"),
    [
        ({"any": [None]}, ("any", 0), "empty item", "starts a comment in YAML"),
        ({"any": [{"coup": "Mali"}]}, ("any", 0), "`coup: Mali`", ""),
        ({"any": [True]}, ("any", 0), "truth value", "quote"),
        ({"any": []}, ("any",), "empty list", "add a term"),
        ({"any": ["  "]}, ("any", 0), "empty term", "remove"),
        ({"any": ["a*"]}, ("any", 0), "fewer than 3 letters", "write more"),
        ({"any": ["so " * 101]}, ("any", 0), "a phrase of 101 words", "shorten it"),
        ({"any": ["\u6e2f" * 101]}, ("any", 0), "a phrase of 101 words", "shorten it"),
        ({"any": ["list:nope"]}, ("any", 0), "unknown list", ""),
        ({"entities": ["Narnia"]}, ("entities", 0), "unknown entity", "define it"),
        ({"entities": ["Sirya"]}, ("entities", 0), "unknown entity", "'Syria'"),
        ({"entities": ["Texas"]}, ("entities", 0), "unknown entity", "counts as United States"),
        ({"any": ["organi?ation"]}, ("any", 0), "one letter", "organi*"),
        ({"any": ["/arms?/i"]}, ("any", 0), "flags are not needed", "leave them out"),
        ({"none": ["football"]}, ("none",), "only `none`", "add any"),
        ({"any": ["a1"], "none": {"titel": ["x1"]}}, ("none", "titel"), "unknown place", "title"),
        ({"any": ["a1"], "where": {"tag_s": ["x"]}}, ("where", "tag_s"), "unknown label", "tags"),
        ({"min": {"n": 4, "of": ["a1", "b1"]}}, ("min", "n"), "n is 4", "1 to 2"),
        ({"near": {"of": [["a1"], ["b1"]], "within": 500}}, ("near", "within"), "500", "100"),
        ({"near": {"of": [["a1"]]}}, ("near", "of"), "two groups", ""),
        ({"any": ["a1"], "key": "CVE"}, ("key",), "not a regular expression", "/CVE"),
        ({"any": ["/(?!a)b/"]}, ("any", 0), "negative look-ahead", ""),
    ],
)
def test_clause_errors_have_a_path(
    rule: dict[str, Any], path: tuple[Any, ...], message: str, hint: str
) -> None:
    found = [p for p in problems(rule) if p.level == "error"]
    assert [p.path for p in found] == [("rules", 0, *path)]
    assert message.strip("`") in found[0].message.replace("'", "").replace("`", "") or (
        message in found[0].message
    )
    assert hint in found[0].hint


@pytest.mark.parametrize(
    ("rule", "level", "message"),
    [
        ({"any": ["+++"]}, "warning", "never fires"),
        ({"any": ["C++"]}, "warning", "single letter"),
        ({"entities": ["Syria", "Iraq", "Iran"]}, "note", "all 3 entities"),
        ({"match": "trade and industry"}, "warning", "read as a word"),
        ({"any": ["arms AND deal"]}, "warning", "`AND` is read as a word"),
        ({"any": ["title:arms"]}, "warning", "read as a phrase"),
        ({"any": ["arms deal", "-toy"]}, "warning", "read as the words"),
    ],
)
def test_warnings_do_not_stop_a_rule(rule: dict[str, Any], level: str, message: str) -> None:
    (problem,) = problems(rule)
    assert problem.level == level
    assert message in problem.message


def test_a_list_that_contains_itself_is_refused() -> None:
    found = problems({"any": ["list:a"]}, lists={"a": ["list:b", "x1"], "b": ["list:a", "y1"]})
    assert any("contains itself" in p.message for p in found)


def test_two_rules_of_one_name_are_refused() -> None:
    rules = [{"name": "r", "any": ["a1"]}, {"name": "r", "any": ["b1"]}]
    (problem,) = compile_rules(Settings.model_validate({"rules": rules})).problems
    assert problem.path == ("rules", 1, "name")


def test_one_bad_rule_leaves_the_others() -> None:
    rules = [{"name": "bad", "match": "("}, {"name": "good", "any": ["a1"]}]
    assert list(compile_rules(Settings.model_validate({"rules": rules})).ruleset.rules) == ["good"]

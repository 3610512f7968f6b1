"""Rules of other programs fire on what they fired on, and say where they don't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.config.models import Settings
from monitor.importers import IMPORTERS, Brought
from monitor.importers.patterns import of_pattern, texts_of
from monitor.rules import compile_rules, plain
from monitor.values import Document

DATA = Path(__file__).parent / "data"


def brought(source: str, name: str) -> Brought:
    return IMPORTERS[source]((DATA / name).read_text(encoding="utf-8"))


def fired(found: Brought, **fields: Any) -> set[str]:
    """Return the rules that fire on a story, as if all that came were written to a file."""
    settings = Settings.model_validate(
        {
            "rules": [dict(each.rule) for each in found.rules],
            "lists": {name: list(items) for name, items in found.lists.items()},
            "ignore": {name: list(items) for name, items in found.ignore.items()},
        }
    )
    compiled = compile_rules(settings)
    assert [p.message for p in compiled.problems if p.level == "error"] == []
    document = Document("1", fields.pop("title", ""), **fields)
    return {match.rule for match in compiled.ruleset.match(plain(document))}


# ------------------------------------------------------------------------------------ TrendRadar
@pytest.mark.parametrize(
    ("title", "rules"),
    [
        ("Semiconductor export rules", {"Chips"}),
        ("台积电 export", {"Chips"}),
        ("TSMC expands", set()),  # `+export` is missing
        ("AI act passes", {"ai / 人工智能"}),
        ("人工智能大会", {"ai / 人工智能"}),
        ("Pilots in training", set()),  # TrendRadar finds "ai" in it: said under "changes"
        ("gai and ai", set()),  # one group's `!gai` holds for all
        ("Semiconductor export, sponsored content", set()),
        ("芯片 export 广告", set()),
        ("Arms deals with Syria sanctioned", {"Syria / arms deal / sanction(s|ed)"}),
        ("Arms deals with Syria", set()),
        ("Motor racing in Bahrain", {"motor racing"}),
        ("read as no filter: AI", {"ai / 人工智能"}),
    ],
)
def test_trendradar_groups(title: str, rules: set[str]) -> None:
    found = brought("trendradar", "frequency_words.txt")
    assert fired(found, title=title) == rules
    assert fired(found, title="", summary=title) == set()  # titles only, as there


def test_trendradar_says_what_is_lost() -> None:
    found = brought("trendradar", "frequency_words.txt")
    rules = {each.name: each for each in found.rules}
    assert "throttle: 5 per day" in rules["Chips"].lost[0]
    assert "'semiconductor'" in rules["Chips"].changes[0]
    assert "look-behind" in rules["motor racing"].lost[0]
    assert found.lost == (
        "'!read as no filter' in [GLOBAL_FILTER]: TrendRadar reads no marks there",
    )
    # Without a required word a group would fire on more: it comes switched off. A line of blanks
    # doesn't end a group there.
    off = rules["kept out / still this group"]
    assert off.rule["enabled"] is False
    assert off.rule["any"] == ["kept out", "still this group"]
    assert off.place == "line 27"


def test_trendradar_reads_windows_lines_and_a_byte_order_mark() -> None:
    found = IMPORTERS["trendradar"]("\ufeffoil\r\n+price\r\n\r\ngas\r\n")
    assert [dict(each.rule) for each in found.rules] == [
        {"name": "oil / price", "any": ["oil"], "all": ["price"], "in": "title"},
        {"name": "gas", "any": ["gas"], "in": "title"},
    ]


# -------------------------------------------------------------------------------------- Miniflux
def test_miniflux_feeds() -> None:
    found = brought("miniflux", "miniflux_feeds.json")
    wire, daily, blocks = found.rules
    assert fired(found, title="Arms deals signed", feed="Example Wire") == {wire.name}
    assert fired(found, title="Arms deals signed", feed="Another") == set()
    assert fired(found, title="Opinion: arms deal", feed="Example Wire") == set()
    assert (
        fired(found, title="Embargo", feed="Example Wire", url="https://w.invalid/sport/1") == set()
    )
    assert fired(found, title="x", content="Yak-130 jets", feed="Example Wire") == {wire.name}
    assert fired(found, title="x", content="yak-130 jets", feed="Example Wire") == set()  # no (?i)
    assert fired(found, title="x", authors=("Reuters staff",), feed="Example Wire") == {wire.name}
    assert fired(found, title="Tanker seized", feed="Old Daily") == {daily.name}
    assert fired(found, title="Tanker: horoscope of the week", feed="Old Daily") == set()
    assert wire.rule["max_age"] == "30d"
    assert any("EntryCommentsURL" in line for line in wire.lost)
    assert any("titles only" in line for line in daily.changes)
    assert blocks.rule["enabled"] is False
    assert [dict(each) for each in found.feeds] == [
        {"url": "https://wire.invalid/rss", "name": "Example Wire", "tags": ["Agencies"]},
        {"url": "https://daily.invalid/rss", "name": "Old Daily"},
        {"url": "https://blocks.invalid/rss", "name": "Only Blocks"},
    ]


def test_miniflux_text_with_the_users_rules() -> None:
    found = IMPORTERS["miniflux"](
        "EntryTitle=(?i)strike\nEntryDate=after:2024-01-01\n[block]\nEntryTitle=(?i)football\n"
        "nonsense theirs(\n[block: Daily]\nEntryTag=(?i)opinion\n[keep: Daily]\n(?i)tanker\n"
    )
    assert dict(found.ignore) == {"title": ("football",)}
    assert fired(found, title="Strike at the port", feed="Wire") == {"Miniflux"}
    assert fired(found, title="Football strike", feed="Wire") == set()
    assert fired(found, title="Strike", feed="Daily", categories=("Opinion",)) == set()
    assert fired(found, title="Strike", feed="Wire", categories=("Opinion",)) == {"Miniflux"}
    assert fired(found, title="Tanker", feed="Daily") == set()  # Miniflux asks the newer rules only
    said = "\n".join([*found.lost, *(line for each in found.rules for line in each.lost)])
    assert "EntryDate=after:2024-01-01" in said
    assert "beside newer rules" in said
    assert "theirs(" in said


def test_miniflux_user_object_and_bad_json() -> None:
    me = {"username": "a", "keep_filter_entry_rules": "EntryTitle=Syria\nEntryURL=/a.c/[0-9]+"}
    found = IMPORTERS["miniflux"](json.dumps(me))
    assert fired(found, title="In Syria") == {"Miniflux"}
    assert any("EntryURL" in line for line in found.rules[0].lost)
    with pytest.raises(ValueError, match="not JSON"):
        IMPORTERS["miniflux"]("{broken")


# ------------------------------------------------------------------------------------- MonitoRSS
def test_monitorss_trees() -> None:
    found = brought("monitorss", "monitorss.json")
    syria, desk, ads, custom = found.rules
    wire = {"feed": "Example Wire"}
    assert fired(found, title="Syria", summary="An arms deal", **wire) == {syria.name}
    assert fired(found, title="Syria", content="weaponry sale", **wire) == {syria.name}
    assert fired(found, title="Syria football", summary="An arms deal", **wire) == set()
    assert fired(found, title="Syria", summary="An arms deal", feed="Other") == set()
    world = {"title": "Morning briefing (UK)", "categories": ("World news",), **wire}
    assert fired(found, **world) == {desk.name}
    assert fired(found, **{**world, "title": "Morning briefing (UK): more"}) == set()
    assert fired(found, **{**world, "title": "morning briefing (uk)"}) == set()
    assert ads.rule["enabled"] is False
    assert "only leaves things out" in ads.lost[0]
    assert custom.rule["enabled"] is False
    assert "custom::topic" in custom.lost[0]
    assert [each.name for each in found.rules] == [
        "Example Wire: #syria", "Example Wire: #desk", "Example Wire: #all but ads",
        "Example Wire: #custom",
    ]  # fmt: skip
    assert [dict(each) for each in found.feeds] == [
        {"url": "https://wire.invalid/rss", "name": "Example Wire"}
    ]


def test_monitorss_bare_expression_and_what_is_none() -> None:
    leaf = {"type": "RELATIONAL", "op": "CONTAINS", "left": {"type": "ARTICLE", "value": "title"},
            "right": {"type": "STRING", "value": "AT&T"}}  # fmt: skip
    (rule,) = IMPORTERS["monitorss"](json.dumps(leaf)).rules
    assert dict(rule.rule) == {"name": "MonitoRSS filter", "any": ["AT&T"], "in": "title"}
    both = {"type": "LOGICAL", "op": "AND", "children": [leaf, {**leaf, "op": "NOT_CONTAIN",
            "right": {"type": "STRING", "value": "stadium"}}]}  # fmt: skip
    found = IMPORTERS["monitorss"](json.dumps([{"filters": {"expression": both}}]))
    assert fired(found, title="AT&T buys") == {"MonitoRSS filter"}
    assert fired(found, title="AT&T Stadium opens") == set()
    empty = IMPORTERS["monitorss"](json.dumps({"type": "LOGICAL", "op": "AND", "children": []}))
    assert empty.rules == ()
    assert "empty filter" in empty.lost[0]
    for text, message in (("[]", "no filter"), ("nope", "not JSON"), ("[" * 100_000, "recursion")):
        with pytest.raises((ValueError, RecursionError), match=message):
            IMPORTERS["monitorss"](text)


# --------------------------------------------------------------------------------- Google Alerts
@pytest.mark.parametrize(
    ("query", "ours"),
    [
        ("arms deal syria OR iraq", "arms AND deal AND (syria OR iraq)"),
        ('"arms deal" (syria | iraq) -game', '"arms deal" AND (syria OR iraq) AND NOT game'),
        ("site:reuters.com sanctions", 'url:"reuters.com" AND sanctions'),
        ('intitle:"trade war" usa', 'title:"trade war" AND usa'),
        ('"president * clinton"', '"president" ONEAR/5 "clinton"'),
        ("tesla AROUND(5) recall", "tesla NEAR/5 recall"),
        ("tesla -(stock OR share)", "tesla AND NOT (stock OR share)"),
        ("NEAR C++", '"NEAR" AND "C++"'),
        ("oil before:2024-01-01 10..20", "oil"),
    ],
)
def test_google_queries(query: str, ours: str) -> None:
    found = IMPORTERS["google-alerts"](query)
    (rule,) = found.rules
    assert rule.rule["match"] == ours
    fired(found, title="anything")  # it compiles


def test_google_feeds_and_what_is_no_query() -> None:
    address = "https://www.google.com/alerts/feeds/0123/456"
    found = IMPORTERS["google-alerts"](
        f"# mine\noil price\t{address}\n-oil\n(a1 OR b2\n{address}9\n"
    )
    assert [each.rule["name"] for each in found.rules] == ["oil price"]
    assert [dict(each) for each in found.feeds] == [
        {"url": address, "name": "Google Alerts: oil price", "tags": ["google-alerts"]},
        {"url": f"{address}9", "tags": ["google-alerts"]},
    ]
    assert [line.partition(":")[0] for line in found.lost] == ["line 3", "line 4"]
    opml = (
        '<opml version="2.0"><body><outline type="rss" text="Google Alert - oil price" '
        f'xmlUrl="{address}"/></body></opml>'
    )
    found = IMPORTERS["google-alerts"](opml)
    assert [each.rule["match"] for each in found.rules] == ["oil AND price"]
    assert found.feeds[0]["url"] == address


# ------------------------------------------------------------------------------------ expressions
@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (r"(?i)\b(arms deal|embargo)\b", ("arms deal", "embargo")),
        (r".*foo.*", ("foo",)),
        (r"a\.b\-c", ("a.b-c",)),
        (r"(?:x1|y2)", ("x1", "y2")),
        (r"foo.+bar", None),
        (r"^foo", None),
        (r"(a1|b2)(c3)", None),
        (r"[ab]c", None),
        (r"...", None),
        (r"\d+", None),
        (r"a||b", None),
    ],
)
def test_which_expressions_only_list_texts(source: str, texts: tuple[str, ...] | None) -> None:
    assert texts_of(source) == texts


def test_capitals_of_expressions() -> None:
    assert of_pattern("Apple", folded=False).terms == ("=Apple",)
    assert of_pattern("(?i)Apple", folded=False).terms == ("Apple",)
    assert of_pattern("App.e", folded=False).terms == ("/(?-i:App.e)/",)
    assert of_pattern("(?i)App.e", folded=False).terms == ("/App.e/",)
    assert of_pattern("App.e", folded=True).terms == ("/App.e/",)

"""What a rule means: tables of (rule, story, fires)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from monitor.config.models import Settings
from monitor.rules import Compiled, compile_rules, plain
from monitor.rules.index.frequencies import Frequencies
from monitor.values import Document, Match

TODAY = date(2026, 3, 1)


def compiled(rule: dict[str, Any], **more: Any) -> Compiled:
    return compile_rules(Settings.model_validate({"rules": [{"name": "r", **rule}], **more}), TODAY)


def matches(rule: dict[str, Any], document: Document, **more: Any) -> tuple[Match, ...]:
    result = compiled(rule, **more)
    assert not [p for p in result.problems if p.level == "error"], result.problems
    return result.ruleset.match(plain(document))


def fires(rule: dict[str, Any], body: str, title: str = "", **more: Any) -> bool:
    return bool(matches(rule, Document("1", title, "", body), **more))


@pytest.mark.parametrize(
    ("term", "body", "expected"),
    [
        # boundaries and order
        ("arms deal", "an arms deal", True),
        ("arms deal", "an alarms dealer", False),
        ("deal", "they dealt", False),
        ("Syria", "Assyrian art", False),
        ("arms deal", "arms.\n\nDeal with it", False),
        ("arms deal", "arms. Deal with it", True),
        ("arms deals", "the (arms) deals", True),
        # inflection: English plurals of the last word
        ("arms deal", "several arms deals", True),
        ("arms deals", "an arms deal", True),
        ("party", "both parties", True),
        ("house", "the houses", True),
        ("bus", "three buses", True),
        ("policeman", "two policemen", True),
        ("crisis", "many crises", True),
        ("news", "a new law", False),
        ("new", "the news", False),
        ("arms", "broke his arm", False),
        ("arm", "both arms", False),
        ("MP", "two MPs", True),
        ("universe", "the university", False),
        ("sale", "for sale", True),
        ("arms sale", "two arm sales", False),
        # possessives and apostrophes
        ("rebel", "the rebels' arms", True),
        ("Syria", "Syria's war", True),
        ("Syria", "Syria’s war", True),
        ("O'Connor", "Sinead O’Connor", True),
        ("OConnor", "Sinead O'Connor", True),
        ("Iran", "l'Iran et d’autres", True),
        ("Assad", "le régime d’Assad", True),
        ("Iraq", "la guerra dell’Iraq", True),
        ("Suriye", "Suriye’de savaş", True),
        ("don", "they don't", False),
        # hyphens
        ("cease-fire", "the ceasefire held", True),
        ("cease-fire", "the cease fire held", True),
        ("ceasefire", "the cease-fire held", True),
        ("ceasefire", "the cease fire held", True),
        ("cease fire", "the ceasefire held", True),
        ("F-16", "an F16 jet", True),
        ("F16", "two F-16s", True),
        ("long-term plan", "a long term plan", True),
        ("Contra", "the Iran-Contra affair", True),
        ("Iran", "the Iran\u2011Contra affair", True),
        ("arms deal", "arms—deal", True),
        # acronyms, exact terms
        ("=US", "the US said", True),
        ("=US", "the U.S. said", True),
        ("=U.S.", "the US said", True),
        ("=US", "told us", False),
        ("NATO", "N.A.T.O. met", True),
        ("=Apple", "an apple", False),
        ("=Yak-130", "a Yak-130 jet", True),
        ("=Yak-130", "a YAK-130 jet", False),
        ("=US", "the US's aim", True),
        # numbers
        ("1500", "some 1,500 troops", True),
        ("3.5", "by 3.5 percent", True),
        ("3", "by 3.5 percent", False),
        ("9/11", "after 9/11", True),
        # wildcards
        ("sanction*", "sanctioned banks", True),
        ("arms deal*", "an arms dealer", True),
        ("organi*ation", "an organisation", True),
        ("sanction*", "an insanction", False),
        # scripts
        ("сирия", "Россия и Сирия", True),
        ("самолет", "самолёт", True),
        ("й", "и", False),
        ("Lodz", "w Łodzi i Łódź", True),
        ("strasse", "die Straße", True),
        ("istanbul", "İSTANBUL", True),
        ("सीरिया", "सीरिया में", True),
        ("シリア", "シリア政府軍", True),
        ("シリア", "アッシリア", False),
        ("シリア", "ｼﾘｱ政府", True),
        ("叙利亚", "关于叙利亚的消息", True),
        ("利亚", "关于叙利亚的消息", True),
        ("시리아", "시리아의 정부군", True),
        ("ซีเรีย", "ประเทศซีเรียวันนี้", True),
        ("سوريا", "في سُورِيا اليوم", True),
        ("القاهرة", "القاهره", True),
        ("סוריה", "נשיא סוּרְיָה אמר", True),
        ("cafe", "cafe\u0301s of Paris", True),
        ("Syria", "Ｓｙｒｉａ talks", True),
        ("Syria", "Sy\u00adria and Sy\u200bria", True),
        ("Syria", "Sуria", False),
        ("Syria", "🚨Syria🇸🇾", True),
        # markup and addresses
        ("arms deals", "<p>arms</p><p>deals</p>", False),
        ("arms deals", "<b>arms</b>&nbsp;deals", True),
        ("Syria", "Sy<i>ria</i>", True),
        ("alert", "<script>alert(1)</script>text", False),
        ("Syria", "see https://example.com/syria", False),
        ("Syria", "&lt;b&gt;Syria&lt;/b&gt;", True),
        ("C++", "in C++", True),
        ("/deals? with/", "arms deals with Syria", True),
        ("/\\bсирия\\b/", "Россия и Сирия", True),
        ("/\\bсир\\b/", "Россия и Сирия", False),
        ("/\\bирак\\b|\\bсирия\\b/", "Россия и Сирия", True),
        ("/\\b(ирак|сирия)\\b/", "Россия и Сирия", True),
        ("/(?P<who>russia|iran) sells/", "Iran sells jets", True),
        ("/[|(]x|y[)|]/", "an y) here", True),
        ("/CVE-\\d{4}-\\d+/", "see CVE-2026-1234", True),
    ],
)
def test_term(term: str, body: str, expected: bool) -> None:
    assert fires({"any": [term]}, body) is expected


@pytest.mark.parametrize(
    ("rule", "title", "body", "expected"),
    [
        ({"any": ["a1", "b1"], "all": ["c1"]}, "", "b1 c1", True),
        ({"any": ["a1", "b1"], "all": ["c1"]}, "", "b1", False),
        ({"all": [{"any": ["arms", "weapon"]}, {"entity": "Syria"}]}, "", "weapons in Syria", True),
        ({"all": [{"any": ["arms"], "none": ["toy"]}, "deal"]}, "", "toy arms deal", False),
        ({"any": ["arms"], "none": {"title": ["game"]}}, "Arms", "a game", True),
        ({"any": ["arms"], "none": {"title": ["game"]}}, "Game of arms", "", False),
        ({"any": ["arms"], "none": {"lead": ["game"]}}, "", "arms\n\na game", True),
        ({"any": ["arms"], "none": {"lead": ["game"]}}, "", "arms game\n\nx", False),
        ({"min": {"n": 2, "of": ["a1", "b1", "c1"]}}, "", "a1 c1", True),
        ({"min": {"n": 2, "of": ["a1", "b1", "c1"]}}, "", "c1 c1", False),
        ({"entities": ["Syria", "Russia"]}, "", "Syrian and Russian", True),
        ({"entities": ["Syria", "Russia"]}, "", "Syrian", False),
        ({"entities": {"any": ["Syria", "Russia"]}}, "", "Moscow, Russians", True),
        ({"entities": {"at_least": 2, "of": ["Syria", "Russia", "Iran"]}}, "", "Iran, Syria", True),
        ({"entities": {"at_least": 2, "of": ["Syria", "Russia", "Iran"]}}, "", "Iran", False),
        ({"entities": [["Wales"]]}, "", "a whale", False),
        ({"in": "title", "any": ["arms"]}, "x", "arms", False),
        ({"in": "body", "any": ["arms"]}, "arms", "x", False),
        ({"near": {"of": [["arms"], ["Syria"]], "within": 2}}, "", "arms a b Syria", True),
        ({"near": {"of": [["arms"], ["Syria"]], "within": 2}}, "", "arms a b c Syria", False),
        ({"near": {"of": [["arms"], ["Syria"]], "within": 9}}, "arms", "Syria", False),
        (
            {"near": {"of": [["arms"], ["Syria"]], "within": 9, "ordered": True}},
            "",
            "Syria arms",
            False,
        ),
        ({"any": ["Sudan"], "unless_in": ["South Sudan"]}, "", "South Sudan votes", False),
        ({"any": ["Sudan"], "unless_in": ["South Sudan"]}, "", "South Sudan and Sudan", True),
        ({"any": ["weapon delivery"], "inflect": "stem"}, "", "weapons deliveries", True),
        ({"any": ["arms sale"], "inflect": False}, "", "two arms sales", False),
        # headlines in capitals
        ({"any": ["=US"]}, "THEY TOLD US EVERYTHING", "", False),
        ({"any": ["=US"]}, "THEY TOLD US EVERYTHING", "The US did", True),
        ({"any": ["=US"]}, "US hits Iran again", "", True),
        ({"any": ["=NATO"]}, "THEY TOLD NATO EVERYTHING", "", True),
        ({"entities": ["United States"]}, "THEY TOLD US EVERYTHING", "", False),
        # query strings
        ({"match": "(arms OR weapon*) NEAR/3 deal"}, "", "weaponry: the big deal", True),
        ({"match": "arms deal* NEAR/3 Syria"}, "", "arms dealers in Syria", True),
        ({"match": "NOT arms deal AND Syria OIL"}, "", "arms in Syria, oil", True),
        ({"match": "arms ONEAR/3 deal"}, "", "deal on arms", False),
        ({"match": "arms NOT NEAR/2 video"}, "", "video arms. x y z w arms", True),
        ({"match": "arms NOT NEAR/2 video"}, "", "video arms", False),
        ({"match": "arms SENT Syria"}, "", "Arms sold. Syria won.", False),
        ({"match": "arms SENT Syria"}, "", "Arms for Mr. Smith in Syria.", True),
        ({"match": "arms PARA Syria"}, "", "Arms sold. Syria won.", True),
        ({"match": "arms PARA Syria"}, "", "Arms sold.\n\nSyria won.", False),
        ({"match": "ATLEAST/3 Syria"}, "Syria", "Syria x Syrian", False),
        ({"match": "ATLEAST/3 entity:Syria"}, "Syria", "Syria x Syrian", True),
        ({"match": "FIRST/3 arms"}, "one two", "arms", True),
        ({"match": "FIRST/2 arms"}, "one two", "arms", False),
        ({"match": "title:arms AND body:deal"}, "arms", "deal", True),
        ({"match": "title:(arms OR x1) AND NOT body:deal"}, "arms", "deal", False),
        ({"match": 'entity:"South Sudan" AND oil'}, "", "South Sudanese oil", True),
        ({"match": "@Syria AND #arms"}, "", "weapons sale to Syria", True),
        ({"match": '"@Syria" AND ="Yak 130"'}, "", "Yak-130 for Syria", True),
    ],
)
def test_rule(rule: dict[str, Any], title: str, body: str, expected: bool) -> None:
    assert fires(rule, body, title, lists={"arms": ["arms deal", "weapons sale"]}) is expected


LABELLED = Document(
    "1",
    "Arms deal",
    url="https://example.com/sport/1",
    source="Reuters",
    feed="World wire",
    authors=("John Smith",),
    tags=("world",),
    categories=("World Politics", "Sports"),
    language="en-GB",
    country="GB",
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"where": {"tags": ["world", "x"]}}, True),
        ({"where": {"tags": ["wor"]}}, False),
        ({"where": {"languages": ["en", "fr"]}}, True),
        ({"where": {"languages": ["fr"]}}, False),
        ({"where": {"country": ["GB"]}}, True),
        ({"where": {"country": ["FR"]}}, False),
        ({"where": {"source": ["reuters"]}}, True),
        ({"where": {"feed": ["World wire"]}}, True),
        ({"where": {"author": ["Smith"]}}, True),
        ({"none": {"category": ["sport"]}}, False),
        ({"none": {"category": ["business"]}}, True),
        ({"none": {"url": ["/sport/"]}}, False),
        ({"none": {"source": ["AFP"]}}, True),
    ],
)
def test_labels(rule: dict[str, Any], expected: bool) -> None:
    assert bool(matches({"any": ["arms"], **rule}, LABELLED)) is expected
    query = {"match": "arms AND tag:world AND source:Reuters AND lang:en AND country:GB"}
    assert matches(query, LABELLED)


def test_absent_labels_hold_for_nothing_but_an_unknown_language_passes() -> None:
    bare = Document("1", "Arms deal")
    assert not matches({"any": ["arms"], "where": {"tags": ["world"]}}, bare)
    assert not matches({"any": ["arms"], "where": {"country": ["FR"]}}, bare)
    assert matches({"any": ["arms"], "where": {"languages": ["fr"]}}, bare)


def test_a_language_is_detected_when_the_text_is_long_enough() -> None:
    french = Document(
        "1", "Le ministre a signé un contrat d’armement avec la Syrie à Paris mardi soir"
    )
    assert matches({"any": ["Syrie"], "where": {"languages": ["fr"]}}, french)
    assert not matches({"any": ["Syrie"], "where": {"languages": ["en"]}}, french)


def test_ignore_applies_to_all_rules_that_do_not_say_none() -> None:
    ignore = {"category": ["sport", "horoscopes"], "url": ["/sport/"]}
    assert not matches({"any": ["arms"]}, LABELLED, ignore=ignore)
    assert matches({"any": ["arms"], "ignore": "none"}, LABELLED, ignore=ignore)


ENTITIES = {
    "Apple": {
        "type": "org",
        "aliases": ["=Apple", "Apple Inc"],
        "not_in": ["apple pie", "Big Apple"],
        "needs": {"any": ["iPhone", "Cupertino"], "unless": "Apple Inc"},
    },
    "Assad": {"type": "person", "aliases": ["Bashar al-Assad"], "valid": {"to": "2024-12-08"}},
    "Syria": {"extend": True, "aliases": ["Levant"]},
    "Rowling": {"type": "person", "aliases": ["J.K. Rowling"]},
    "France": {"extend": True, "capitals": True},
}


@pytest.mark.parametrize(
    ("entity", "body", "published", "expected"),
    [
        ("Apple", "Apple sold iPhones", None, True),
        ("Apple", "an apple and an iPhone", None, False),
        ("Apple", "Apple fell from the tree", None, False),
        ("Apple", "Apple Inc fell", None, True),
        ("Apple", "the Big Apple has an iPhone shop", None, False),
        ("Assad", "Assad spoke", datetime(2012, 3, 13, tzinfo=UTC), True),
        ("Assad", "Assad spoke", datetime(2025, 3, 13, tzinfo=UTC), False),
        ("Assad", "Assad spoke", None, False),
        ("Syria", "in the Levant", None, True),
        ("Syria", "Syrians fled", None, True),
        ("Rowling", "J. K. Rowling wrote", None, True),
        ("Rowling", "JK Rowling wrote", None, True),
        ("France", "Paris said", None, True),
        ("Germany", "Berlin said", None, False),
        ("Guinea", "Equatorial Guinea voted", None, False),
        ("Turkey", "a roast turkey", None, False),
        ("Turkey", "in Turkey today", None, True),
        ("Georgia", "Georgia Tech won", None, False),
        ("Niger", "Nigeria voted", None, False),
        ("Russia", "Россия и Сирия", None, True),
        ("Germany", "en Allemagne", None, True),
        ("SY", "Syria", None, True),
        ("Syrien", "Syria", None, True),
    ],
)
def test_entity(entity: str, body: str, published: datetime | None, expected: bool) -> None:
    document = Document("1", "", "", body, published=published)
    assert bool(matches({"entities": [entity]}, document, entities=ENTITIES)) is expected


def test_entities_are_coded_in_order_of_mention() -> None:
    ruleset = compile_rules(Settings.model_validate({"entities": ENTITIES}), TODAY).ruleset
    document = Document("1", "Russia sees no reason to halt support", "U.S. and Syria; Rowling")
    assert [m.code for m in ruleset.entities(document)] == ["RU", "US", "SY", "Rowling"]


def test_a_key_keeps_stories_apart() -> None:
    rule = {"any": ["flaw"], "key": r"/CVE-\d{4}-\d{4,7}/"}
    (match,) = matches(rule, Document("1", "A flaw", "", "cve-2026-1234 is bad"))
    assert match.key == "CVE-2026-1234"
    (match,) = matches(rule, Document("1", "A flaw"))
    assert match.key is None


def test_precision_names_thresholds_and_broad_takes_all() -> None:
    far = Document("1", "Weather", "", "rain " * 400 + "arms " + "sun " * 200 + "Syria")
    close = Document("1", "Arms deal with Syria", "", "arms for Syria")
    rule = {"any": ["arms"], "entities": ["Syria"]}
    (low,) = matches(rule, far)
    (high,) = matches(rule, close)
    assert low.score < 0.3 < 0.5 < high.score
    assert not matches({**rule, "precision": "high"}, far)
    assert matches({**rule, "precision": "high"}, close)
    assert not matches({**rule, "min_score": 0.3}, far)


def test_rules_come_in_the_order_of_the_configuration_with_sorted_hits() -> None:
    rules = [{"name": name, "any": ["arms", "deal"]} for name in ("z", "a", "m")]
    ruleset = compile_rules(Settings.model_validate({"rules": rules}), TODAY).ruleset
    found = ruleset.match(Document("1", "A deal on arms", "", "arms"))
    assert [match.rule for match in found] == ["z", "a", "m"]
    assert [(h.field, h.text) for h in found[0].hits] == [
        ("title", "deal"),
        ("title", "arms"),
        ("content", "arms"),
    ]


def test_a_story_older_than_its_rule_wants_is_left_out() -> None:
    given = {"rules": [{"name": "r", "any": ["arms"], "max_age": "2d"}]}
    ruleset = compile_rules(Settings.model_validate(given), TODAY).ruleset
    found = ruleset.match(Document("1", "Arms deal"))
    now = datetime(2026, 3, 10, tzinfo=UTC)
    assert ruleset.current(found, datetime(2026, 3, 9, tzinfo=UTC), now) == found
    assert ruleset.current(found, datetime(2026, 3, 1, tzinfo=UTC), now) == ()
    assert ruleset.current(found, None, now) == found


def test_learned_frequencies_survive_as_bytes() -> None:
    given = {"rules": [{"name": "r", "any": ["arms"], "entities": [["Syria"]]}]}
    ruleset = compile_rules(Settings.model_validate(given), TODAY).ruleset
    for _ in range(1_600):
        ruleset.match(Document("1", "Syria"))
    learned = Frequencies.from_bytes(ruleset.frequencies().to_bytes())
    assert learned.documents == 100
    assert learned.share((("f", "syria"),)) > 0.8 > 0.1 > learned.share((("f", "arms"),))
    assert Frequencies.from_bytes(b"damaged").documents == 0

"""What the worst stories cost the event loop: CPU time of matching and reading every hit.

    python -m benchmarks.hostile [--rules 10000]

Each story is some 1 MB or more of one hostile kind, each set of rules the ordinary ones with
hostile ones among them. ``first`` is the first of its kind a rule set sees, ``again`` the median of
five more. No cell should pass 100 ms.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from benchmarks.matching import corpus
from monitor.config.models import Settings
from monitor.rules import RuleSet, compile_rules, plain
from monitor.values import Document

SIZE = 1_000_000
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def filled(pattern: str) -> str:
    return (pattern * (SIZE // len(pattern) + 1))[:SIZE]


def distinct(shape: str) -> str:
    """Return different words of one shape."""
    return " ".join(shape.format(*each) for each in product(LETTERS, repeat=4))[:SIZE]


def stories() -> dict[str, str]:
    """Return the texts by kind."""
    han = "".join(map(chr, range(0x4E00, 0x9FFF)))
    return {
        "one word": filled("deal "),
        "one letter": filled("a "),
        "a sentence of words that rules have": filled("arms deal with Syria. "),
        "words that rules have, hyphenated": filled("arms-deal-Syria "),
        "one token of 1 MB": filled("a"),
        "one chain of hyphens": filled("deal-"),
        "one chain of apostrophes": filled("l'd'"),
        "one chain of dots": filled("U.S."),
        "no blanks": filled("deal,Syria;"),
        "distinct words": distinct("{}{}{}{}"),
        "distinct hyphenated": distinct("{}{}-{}{}"),
        "distinct accented": distinct("{}é{}ü{}{}"),
        "distinct exact": distinct("{}'{}{}{}"),
        "all of Chinese": filled(han),
        "Chinese words that rules have": filled("武器交易叙利亚"),
        "Thai": filled("ซีเรีย"),
        "Japanese": filled("シリア政府軍は"),
        "combining marks": filled("e" + "\u0301" * 50),
        "one letter with marks without end": "e" + filled("\u0301"),
        "zero-width marks": filled("d\u200be\u200ba\u200bl "),
        "paragraphs": filled("deal\n\nSyria\n\n"),
        "sentences": filled("Deal. Syria. "),
        "markup": filled("<b>deal</b>&amp;<p>"),
        "open markup": filled("<b "),
        "open comments": filled("<!-- "),
        "entities": filled("&amp;amp;"),
        "addresses": filled("https://a.example/ "),
        "capitals": filled("ARMS DEAL US "),
        "numbers": filled("1,000,000.5 "),
    }


def hostile_rules() -> list[dict[str, Any]]:
    """Return rules that cost as much as rules can."""
    words = ["deal", "arms", "Syria", "a", "US", "武器", "叙利亚"]
    nested = "deal"
    for number in range(20):
        nested = f"({nested} NEAR/100 {words[number % len(words)]})"
    deep = "deal"
    for number in range(40):
        deep = f"({deep} {('AND', 'OR')[number % 2]} {words[number % len(words)]})"
    out: list[dict[str, Any]] = [{"match": nested}, {"match": deep}]
    out += [{"match": f"ATLEAST/{n} (deal OR arms OR a)"} for n in range(50, 70)]
    out += [{"match": f"{one} NEAR/{n} {other}"} for n in (1, 50, 100) for one in words
            for other in words]  # fmt: skip
    out += [{"match": f"{one} SENT {other}"} for one in words for other in words]
    out += [{"match": f"{one} PARA {other}"} for one in words for other in words]
    out += [{"match": f"{one} NOT NEAR/100 {other}"} for one in words for other in words]
    out += [{"match": f"FIRST/100 ({one} NEAR/100 {other})"} for one in words for other in words]
    out += [{"any": [f"/{one}.*{other}.*x{n}/"]} for n, (one, other) in
            enumerate(product(words, words))]  # fmt: skip
    out += [{"any": [r"/(a+)+b/"]}, {"any": [r"/(\w+\s?)*!/"]}, {"any": [r"/[a-z]{3,20}\d/"]}]
    out += [{"any": [f"{word}{end}*" for end in ("l", "s", "i")], "entities": ["Syria"]}
            for word in ("dea", "arm", "syr")]  # fmt: skip
    out += [{"any": ["deal"], "unless_in": ["arms deal with", "deal with Syria"]}]
    out += [{"any": ["deal"], "none": {"lead": [word]}} for word in words]
    return out


def measured(ruleset: RuleSet, document: Document) -> float:
    """Return the milliseconds of CPU that a document costs, from markup to every hit read."""
    start = time.process_time()
    document = plain(document)
    for match in ruleset.match(document):
        assert match.hits is not None
    ruleset.entities(document)
    return 1000 * (time.process_time() - start)


def rule_sets(count: int) -> dict[str, Callable[[], list[dict[str, Any]]]]:
    """Return what makes the sets of rules, by name."""
    documents, _ = corpus.stories(None, 3_000)
    usual = corpus.rules(documents, count)
    common = [{**rule, "any": ["deal", "Syria", "武器", "ซีเรีย"]} for rule in usual]
    return {
        "usual": lambda: usual,
        "hostile": lambda: usual + hostile_rules(),
        "all match": lambda: [{k: v for k, v in rule.items() if k in ("name", "any")}
                              for rule in common],
        "expressions": lambda: usual + [{"any": [f"/de+al{n}|sy.ia{n}/"]} for n in range(300)],
    }  # fmt: skip


def named(rules: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**rule, "name": str(number)} for number, rule in enumerate(rules)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    given = parser.parse_args()
    texts = stories()
    for name, make in rule_sets(given.rules).items():
        rules = make()
        ruleset = compile_rules(Settings.model_validate({"rules": named(rules)})).ruleset
        ruleset.entities(Document("", "warm"))
        gc.collect()
        gc.freeze()
        print(f"{name} ({len(rules):,} rules), ms of CPU{'first':>24}{'again':>8}{'matches':>9}")
        for kind, text in texts.items():
            fields = (text[:2_000], text[:SIZE], text)
            document = Document("1", *fields)
            first = measured(ruleset, document)
            again = statistics.median(measured(ruleset, document) for _ in range(5))
            matches = len(ruleset.match(document))
            print(f"  {kind:40}{first:8.1f}{again:8.1f}{matches:9,}", flush=True)
        gc.unfreeze()


if __name__ == "__main__":
    main()

"""How well rules and countries are found on labelled newswire: ``python -m
benchmarks.quality_rules``.

Rules: fifteen-odd "keyword and country" rules on Reuters-21578; a rule should fire where the
topic and the place are in the labels. Countries: F1 on title and lead over documents that carry
neither US nor GB (there the country is implied, not said). The data is research-only and read
from ``NEWSWATCH_DATA`` (default ``../shared/data``); the script skips where it is absent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from monitor.config.models import Settings
from monitor.rules import RuleSet, compile_rules, plain
from monitor.rules.entities import bundled
from monitor.rules.index.score import THRESHOLDS
from monitor.values import Document

LEAD = 300
"""Characters of text that stand for the lead."""


def terms_of(pattern: str) -> list[str]:
    """Return the words and phrases that a rule's keyword expression spells."""
    body = pattern.removeprefix(r"\b(").removesuffix(r")\b").removeprefix(r"\b").removesuffix(r"\b")
    terms: list[str] = []
    for part in _alternatives(body):
        terms += _expanded(part)
    return terms


def _alternatives(body: str) -> list[str]:
    out, depth, start = [], 0, 0
    for index, char in enumerate(body):
        depth += (char == "(") - (char == ")")
        if char == "|" and not depth:
            out.append(body[start:index])
            start = index + 1
    return [*out, body[start:]]


def _expanded(part: str) -> list[str]:
    group = re.search(r"\(([^()]*)\)", part)
    if group:
        return [
            term
            for choice in group[1].split("|")
            for term in _expanded(part[: group.start()] + choice + part[group.end() :])
        ]
    optional = re.search(r"(\w)\?", part)
    if optional:
        without = part[: optional.start()] + part[optional.end() :]
        with_it = part[: optional.start()] + optional[1] + part[optional.end() :]
        return _expanded(without) + _expanded(with_it)
    return [part]


def scored(hits: int, given: int, gold: int) -> str:
    """Return precision, recall and F1 as one cell."""
    precision, recall = hits / max(given, 1), hits / max(gold, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"P {precision:.3f}  R {recall:.3f}  F1 {f1:.3f}"


def rules_scored(folder: Path, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each named precision with precision, recall and F1 of the rules."""
    countries = bundled().countries
    wanted = json.loads((folder / "rules_reuters.json").read_text("utf-8"))
    documents = [plain(Document(row["id"], row["title"], "", row["text"])) for row in rows]
    gold = {
        (rule["name"], row["id"])
        for rule in wanted
        for row in rows
        if rule["topic"] in row["topics"] and rule["country"] in row["countries"]
    }
    for name in ("broad", "balanced", "high"):
        ruleset = compile_rules(
            Settings.model_validate(
                {
                    "rules": [
                        {
                            "name": rule["name"],
                            "any": terms_of(rule["keyword_regex"]),
                            "entities": [countries[rule["country"]].name],
                            "precision": name,
                        }
                        for rule in wanted
                    ]
                }
            )
        ).ruleset
        found = {(m.rule, d.id) for d in documents for m in ruleset.match(d)}
        yield (
            f"{name} (score ≥ {THRESHOLDS[name]:.2f})",
            scored(len(found & gold), len(found), len(gold)),
        )


def countries_scored(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield several readings of "lead" with precision, recall and F1 of the countries.

    Over documents without US and GB.
    """
    ruleset = compile_rules(Settings.model_validate({})).ruleset
    chosen = [row for row in rows if not {"US", "GB"} & set(row["countries"])]
    leads: dict[str, Callable[[str], str]] = {
        "first sentence": lambda text: _sentences(text, 1),
        "two sentences": lambda text: _sentences(text, 2),
        f"{LEAD} characters": lambda text: text[:LEAD],
        "whole text": lambda text: text,
    }
    for name, cut in leads.items():
        yield f"title and {name}", _countries(ruleset, chosen, cut)


def _countries(ruleset: RuleSet, rows: Sequence[dict[str, Any]], cut: Callable[[str], str]) -> str:
    hits = given = gold = 0
    for row in rows:
        document = plain(Document(row["id"], row["title"], "", cut(row["text"])))
        found = {m.code for m in ruleset.entities(document) if m.type == "country"}
        hits += len(found & set(row["countries"]))
        given += len(found)
        gold += len(row["countries"])
    return scored(hits, given, gold)


def _sentences(text: str, count: int) -> str:
    return " ".join(re.split(r"(?<=[.!?])\s+(?=[A-Z\"])", text)[:count])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    folder = (given.data or Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))) / "quality"
    source = folder / "alerts_reuters.jsonl.gz"
    if not source.exists():
        print(f"skipped: {source} is not here (set NEWSWATCH_DATA)")
        return
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for what, found in (
        ("rules", rules_scored(folder, rows)),
        ("countries", countries_scored(rows)),
    ):
        for name, cell in found:
            print(f"{what:10} {name:30} {cell}")


if __name__ == "__main__":
    main()

"""The peers: what other feed tools do, over the same rules and stories.

They decide ``any``, ``entities`` and ``none`` only (no NEAR, wildcards, folding), which flatters
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from monitor.rules.ruleset import RuleSet
from monitor.rules.text import words_of
from monitor.rules.text.inflect import singular
from monitor.values import Document

Peer = Callable[[Document], int]


def per_rule_re(rules: Sequence[dict[str, Any]]) -> Peer:
    """One compiled alternation per group, searched rule by rule (Huginn, Miniflux, Taranis)."""
    plans = []
    for rule in rules:
        groups, vetoes = _groups(rule)
        plans.append(([_pattern(group) for group in groups], _pattern(vetoes) if vetoes else None))

    def run(document: Document) -> int:
        text = f"{document.title}\n{document.content}"
        return sum(
            all(group.search(text) for group in groups) and not (veto and veto.search(text))
            for groups, veto in plans
        )

    return run


def substring(rules: Sequence[dict[str, Any]]) -> Peer:
    """Lower-cased ``in``, rule by rule (MonitoRSS, many scripts)."""
    plans = []
    for rule in rules:
        groups, vetoes = _groups(rule)
        plans.append(
            ([[_bare(t).lower() for t in group] for group in groups], [_bare(t) for t in vetoes])
        )

    def run(document: Document) -> int:
        text = f"{document.title}\n{document.content}".lower()
        return sum(
            all(any(term in text for term in group) for group in groups)
            and not any(term in text for term in vetoes)
            for groups, vetoes in plans
        )

    return run


def aho_corasick(ruleset: RuleSet) -> Peer | None:
    """ahocorasick_rs finds the patterns, our index does the rest; None where it isn't installed."""
    try:
        import ahocorasick_rs
    except ImportError:
        return None
    index = ruleset._index
    patterns: dict[str, list[int]] = {}
    for form, number in index.trie.forms.items():
        words = " ".join(singular(key.lower()) for _, key in form)
        open_end = form[-1][0] == "w"
        patterns.setdefault(f" {words}" if open_end else f" {words} ", []).append(number)
    spelled = list(patterns)
    automaton = ahocorasick_rs.AhoCorasick(spelled, matchkind=ahocorasick_rs.MatchKind.Standard)
    numbers = [patterns[text] for text in spelled]
    memo: dict[str, str] = {}

    def run(document: Document) -> int:
        row = []
        for token in words_of(f"{document.title}\n{document.content}"):
            folded = memo.get(token)
            if folded is None:
                folded = memo[token] = singular(token)
            row.append(folded)
        text = f" {' '.join(row)} "
        found: dict[int, list[tuple[int, int]]] = {}
        for which, start, end in automaton.find_matches_as_indexes(text, overlapping=True):
            for number in numbers[which]:
                found.setdefault(number, []).append((start, end))
        return len(index.candidates(found)[0])

    return run


def _groups(rule: dict[str, Any]) -> tuple[list[list[str]], list[str]]:
    if "near" in rule:
        return rule["near"]["of"], rule.get("none", [])
    groups = [rule["any"]]
    groups += rule.get("entities", [])
    return groups, rule.get("none", [])


def _bare(term: str) -> str:
    return term.lstrip("=").rstrip("*")


def _pattern(terms: Sequence[str]) -> re.Pattern[str]:
    parts = [
        rf"\b{re.escape(_bare(term))}{'' if term.endswith('*') else chr(92) + 'b'}"
        for term in terms
    ]
    return re.compile("|".join(parts), re.IGNORECASE)

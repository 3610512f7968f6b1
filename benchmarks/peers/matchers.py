"""Rival matchers, each in a few lines: how other tools decide whether a story is wanted.

Every one gets the same rule as its user would type it in: the rule's keywords, and the country's
English name and demonyms. They are judged on the same labelled documents as our own engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from monitor.config.models import Settings
from monitor.rules import compile_rules, plain
from monitor.values import Document


@dataclass(frozen=True)
class Wanted:
    """A rule as people think of it: one of the keywords, and the country."""

    name: str
    keywords: tuple[str, ...]
    country: str  # the name that our own gazetteer knows
    country_words: tuple[str, ...]


Fires = Callable[[Document], bool]


def title_regex(rule: Wanted) -> Fires:
    """Whole words in the title only (irc-rss-feed-bot, FreshRSS ``intitle:``, Miniflux)."""
    keyword, country = _words(rule.keywords), _words(rule.country_words)
    return lambda d: bool(keyword.search(d.title) and country.search(d.title))


def substring_and(rule: Wanted) -> Fires:
    """Texts anywhere in title and text, capitals aside (many scripts; changedetection.io)."""

    def fires(document: Document) -> bool:
        text = f"{document.title}\n{document.content}".lower()
        return any(k in text for k in rule.keywords) and any(
            c.lower() in text for c in rule.country_words
        )

    return fires


def trendradar(rule: Wanted) -> Fires:
    """TrendRadar's group: keywords, and ``+/country/``; substrings of the title."""
    country = re.compile("|".join(map(re.escape, rule.country_words)), re.IGNORECASE)

    def fires(document: Document) -> bool:
        title = document.title.lower()
        return any(k in title for k in rule.keywords) and bool(country.search(title))

    return fires


def monitorss(rule: Wanted) -> Fires:
    """MonitoRSS' tree: AND(OR(title or description contains …), OR(…)); the description is what a
    feed carries, here the first 300 characters."""

    def contains(document: Document, words: Sequence[str]) -> bool:
        fields = (document.title.lower(), document.content[:300].lower())
        return any(word.lower() in field for word in words for field in fields)

    return lambda d: contains(d, rule.keywords) and contains(d, rule.country_words)


def mean_score(rule: Wanted) -> Fires:
    """rss-slack's score: the share of its two keywords in title and text is at least one half."""
    keywords = (rule.keywords[0], rule.country_words[0].lower())

    def fires(document: Document) -> bool:
        text = f"{document.title} {document.content}".lower()
        return sum(k in text for k in keywords) / len(keywords) >= 0.5

    return fires


def per_rule_regex(rule: Wanted) -> Fires:
    """Whole words in title and text, two expressions a rule (Huginn's TriggerAgent, Taranis AI)."""
    keyword, country = _words(rule.keywords), _words(rule.country_words)

    def fires(document: Document) -> bool:
        text = f"{document.title}\n{document.content}"
        return bool(keyword.search(text) and country.search(text))

    return fires


RIVALS: Mapping[str, Callable[[Wanted], Fires]] = {
    "title-only regular expressions": title_regex,
    "TrendRadar groups": trendradar,
    "MonitoRSS tree": monitorss,
    "mean score ≥ 0.5 (rss-slack)": mean_score,
    "substring AND": substring_and,
    "regular expressions on the whole text": per_rule_regex,
}


def rival(
    name: str, rules: Sequence[Wanted], documents: Sequence[Document]
) -> set[tuple[str, str]]:
    """Return the (rule, document id) pairs that a rival alerts on."""
    found: set[tuple[str, str]] = set()
    for rule in rules:
        fires = RIVALS[name](rule)
        found.update((rule.name, document.id) for document in documents if fires(document))
    return found


def ours(
    rules: Sequence[Wanted], documents: Sequence[Document], precision: str
) -> set[tuple[str, str]]:
    """Return the (rule, document id) pairs that our own rules alert on."""
    settings = Settings.model_validate(
        {
            "rules": [
                {
                    "name": rule.name,
                    "any": list(rule.keywords),
                    "entities": [rule.country],
                    "precision": precision,
                }
                for rule in rules
            ]
        }
    )
    ruleset = compile_rules(settings).ruleset
    return {(match.rule, d.id) for d in documents for match in ruleset.match(plain(d))}


def _words(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)

"""Trying a draft on stored stories: the full-text index finds those that are worth a look, the
rule itself decides, piece by piece, so that the first hits are there at once.

Near misses come from the rule with one clause left out at a time: what such a looser rule matches
and the rule itself doesn't, failed for that clause alone. They are looked for among the newest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from monitor.config.models import RuleSettings
from monitor.pipeline.documents import document_of_stored
from monitor.rules import RuleSet, compile_rules
from monitor.rules.index.wording import could_have, has_expressions
from monitor.rules.text import to_plain
from monitor.store.port import FoundEntry, Store
from monitor.values import Document, Feed, Match, Wording
from monitor.web.draft import Draft
from monitor.web.events import Signal

SHOWN = 100  # matches listed
NEAR = 10  # near misses listed
NEAR_LOOKED = 4_000  # of the newest texts that a looser rule could match
COMPARED = 10  # new and lost stories listed
PIECE = 250  # texts matched at a time: some 20 ms
GLANCE = 1_000  # texts at a time in which only expressions are looked for
# Clauses that may be left out one at a time, in the order in which they are named.
_CLAUSES = ("all", "any", "none", "min", "near", "entities", "match")
_MINE, _BEFORE, _LOOSER = "(draft)", "(in force)", "(draft without {})"


@dataclass(frozen=True, slots=True)
class Found:
    """A document with the match that shows it; for a near miss, ``lacks`` is the clause that
    failed."""

    document: Document
    match: Match
    lacks: str = ""


@dataclass(slots=True)
class Results:
    """What was found so far. ``stories`` are all of the period, ``candidates`` those worth a look,
    ``looked`` how many of them were looked at; ``new`` and ``lost`` are against the rule in force,
    and ``days`` counts matches by the day (UTC) of their first sight."""

    stories: int = 0
    candidates: int = 0
    looked: int = 0
    matched: int = 0
    found: list[Found] = field(default_factory=list)
    near: list[Found] = field(default_factory=list)
    near_all: int = 0
    near_looked: int = 0
    days: Counter[date] = field(default_factory=Counter)
    new: int = 0
    lost: int = 0
    new_ones: list[Found] = field(default_factory=list)
    lost_ones: list[Found] = field(default_factory=list)
    done: bool = False
    failed: str = ""


class Trial:
    """One draft on the stories of the last ``days`` days; ``run`` fills ``results``."""

    def __init__(
        self, draft: Draft, store: Store, feeds: Mapping[str, Feed], now: datetime, days: int
    ) -> None:
        self.draft = draft
        self.days = days
        self.now = now
        self.results = Results()
        self.changed = Signal()  # given after each step: who waits takes a new look
        self._store = store
        self._feeds = feeds
        self._since = now - timedelta(days=days)

    async def run(self) -> None:
        """Look at everything; gives ``changed`` after each step, and sets ``done`` at the end."""
        results = self.results
        try:
            rules, looser = await asyncio.to_thread(self._compiled)
            numbers = await self._numbers(rules.wording())
            results.candidates = len(numbers)
            # The first hits first, then the near misses, then the rest.
            stop = await self._look(numbers, 0, rules, self._take, lambda: results.matched >= SHOWN)
            results.stories = len(await self._store.numbers_since(self._since))
            if looser is not None:
                nearly = await self._numbers(looser[0].wording(), NEAR_LOOKED)
                results.near_looked = len(nearly)
                await self._look(nearly, 0, looser[0], self._take_near(rules, looser[1]))
            await self._look(numbers, stop, rules, self._take)
        finally:
            results.done = True
            self.changed.give()

    def span(self) -> tuple[tuple[date, int], ...]:
        """Return each day of the period with its matches so far."""
        days = ((self.now - timedelta(days=back)).date() for back in range(self.days - 1, -1, -1))
        return tuple((day, self.results.days[day]) for day in days)

    def _compiled(self) -> tuple[RuleSet, tuple[RuleSet, Mapping[str, str]] | None]:
        draft = self.draft
        rules = [_named(draft.settings, _MINE)]
        if draft.known is not None:
            rules.append(_named(draft.known, _BEFORE))
        variants = dict(_without_one(draft.settings))
        lacks = {_LOOSER.format(words): words for words in variants}
        loose = [_named(rule, _LOOSER.format(words)) for words, rule in variants.items()]
        compiled = self._rule_set(rules)
        return compiled, (self._rule_set(loose), lacks) if loose else None

    def _rule_set(self, rules: list[RuleSettings]) -> RuleSet:
        whole = self.draft.whole.model_copy(update={"rules": rules})
        return compile_rules(whole, lenient=True).ruleset

    async def _numbers(self, wording: Wording, limit: int | None = None) -> Sequence[int]:
        return await self._store.numbers_since(self._since, wording, limit)

    async def _look(
        self,
        numbers: Sequence[int],
        start: int,
        rules: RuleSet,
        take: Callable[[FoundEntry, Document, Mapping[str, Match]], None],
        enough: Callable[[], bool] = lambda: False,
    ) -> int:
        """Match the texts of ``numbers`` from ``start`` on; returns where it stopped."""
        counts, wording = take == self._take, rules.wording()
        quick = has_expressions(wording)
        while start < len(numbers) and not enough():
            piece = numbers[start : start + (GLANCE if quick else PIECE)]
            start += len(piece)
            if quick:
                texts = await self._store.texts_numbered(piece)
                kept = await asyncio.to_thread(_could_have, wording, texts)
                piece = [number for number in piece if number in kept]
            entries = await self._store.entries_numbered(piece)
            await asyncio.to_thread(self._match, entries, rules, take)
            if counts:
                self.results.looked = start
            self.changed.give()
        return start

    def _match(
        self,
        entries: Sequence[FoundEntry],
        rules: RuleSet,
        take: Callable[[FoundEntry, Document, Mapping[str, Match]], None],
    ) -> None:
        for entry in entries:
            if entry.entry.first_seen >= self._since:
                document = document_of_stored(entry, self._feeds)
                if matches := {match.rule: match for match in rules.match(document)}:
                    take(entry, document, matches)

    def _take(self, entry: FoundEntry, document: Document, matches: Mapping[str, Match]) -> None:
        results, mine, before = self.results, matches.get(_MINE), matches.get(_BEFORE)
        if mine is not None:
            results.matched += 1
            results.days[entry.entry.first_seen.date()] += 1
            if len(results.found) < SHOWN:
                results.found.append(Found(document, mine))
        if self.draft.known is None:
            return
        if mine is not None and before is None:
            results.new += 1
            if len(results.new_ones) < COMPARED:
                results.new_ones.append(Found(document, mine))
        elif mine is None and before is not None:
            results.lost += 1
            if len(results.lost_ones) < COMPARED:
                results.lost_ones.append(Found(document, before))

    def _take_near(
        self, rules: RuleSet, lacks: Mapping[str, str]
    ) -> Callable[[FoundEntry, Document, Mapping[str, Match]], None]:
        def take(entry: FoundEntry, document: Document, matches: Mapping[str, Match]) -> None:
            if any(match.rule == _MINE for match in rules.match(document)):
                return
            results, name = self.results, next(name for name in lacks if name in matches)
            results.near_all += 1
            if len(results.near) < NEAR:
                results.near.append(Found(document, matches[name], lacks[name]))

        return take


def _could_have(
    wording: Wording, texts: Sequence[tuple[int, tuple[str, str, str]]]
) -> frozenset[int]:
    """Return the numbers of the texts that could have a wording, by a look for its expressions."""
    return frozenset(
        number for number, fields in texts if could_have(wording, [to_plain(f) for f in fields])
    )


def try_text(draft: Draft, document: Document) -> tuple[Match | None, tuple[Found, ...]]:
    """Match one text; returns the match or None, and then with which clause left out it would."""
    rules = compile_rules(draft.whole, lenient=True).ruleset
    match = next(iter(rules.match(document)), None)
    if match is not None:
        return match, ()
    near = []
    for words, rule in _without_one(draft.settings):
        whole = draft.whole.model_copy(update={"rules": [rule]})
        if found := compile_rules(whole, lenient=True).ruleset.match(document):
            near.append(Found(document, found[0], words))
    return None, tuple(near)


def _named(rule: RuleSettings, name: str) -> RuleSettings:
    return rule.model_copy(update={"name": name, "enabled": True})


def _without_one(rule: RuleSettings) -> Iterator[tuple[str, RuleSettings]]:
    """Yield the rule without one of its clauses at a time, by what is left out, in words."""
    for name in _CLAUSES:
        field_of = RuleSettings.model_fields.get(name)
        value = getattr(rule, name, None)
        if field_of is None or not value:
            continue
        if name == "all" and isinstance(value, list) and len(value) > 1:
            for number, term in enumerate(value):
                rest = [each for at, each in enumerate(value) if at != number]
                yield f"all: {_words(term)}", rule.model_copy(update={"all": rest})
        elif name == "none" or _still_asks(rule, name):
            default = field_of.get_default(call_default_factory=True)
            looser = rule.model_copy(update={name: default})
            looser.model_fields_set.discard(name)  # left out, not written and empty
            yield f"{name}: {_words(value)}", looser


def _still_asks(rule: RuleSettings, without: str) -> bool:
    return any(getattr(rule, each, None) for each in _CLAUSES if each not in (without, "none"))


def _words(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words if len(words) <= 80 else words[:79] + "…"

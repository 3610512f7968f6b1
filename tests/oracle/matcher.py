"""The reference: every form tried at every position, every pair of occurrences looked at.

Shares the engine's reading of rules (the tree) and of single words (folding), since those have
their own tables of examples; shares nothing of how the engine finds, anchors, verifies or bounds.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from monitor.config.models import Settings
from monitor.rules import patterns
from monitor.rules.compile import Builder
from monitor.rules.entities import bundled
from monitor.rules.index.document import (
    MAX_FIELD,
    MEMO_CHUNK,
    Slots,
    is_shouted,
)
from monitor.rules.index.labels import Labels
from monitor.rules.index.reading import MAX_FRESH, MAX_TOKENS
from monitor.rules.index.trie import Trie
from monitor.rules.language.detect import script_of, spoken
from monitor.rules.terms import STOP_WORDS
from monitor.rules.text.fold import analyse, fold
from monitor.rules.text.inflect import singular, stems
from monitor.rules.text.scan import paragraph_ranges, readable, surfaces_at
from monitor.rules.tree import (
    And,
    AtLeast,
    AtLeastOf,
    Entity,
    First,
    Form,
    In,
    Lead,
    Meta,
    Near,
    Node,
    Not,
    NotNear,
    Or,
    Regex,
    Same,
    Term,
    Test,
    UnlessIn,
)
from monitor.values import TEXT_FIELDS, Document

Words = tuple[str, tuple[str, ...]]  # exact, folds


@dataclass(frozen=True)
class Token:
    """A word position: where it stands, and the paragraph it is in."""

    field: str
    paragraph: int
    start: int
    end: int
    words: Words


@dataclass(frozen=True)
class Occurrence:
    """Positions ``first`` to ``last``, and the (field, start, end, term, entity) that make it."""

    first: int
    last: int
    parts: frozenset[tuple[str, int, int, str, str | None]]


@dataclass(frozen=True)
class View:
    """Where to look."""

    fields: tuple[str, ...] = TEXT_FIELDS
    lead: bool = False
    covers: tuple[Term, ...] = ()


def read_until(document: Document) -> Mapping[str, int]:
    """Where reading stops in each field: after so many tokens, or so many different words."""
    fresh, seen, out = MAX_FRESH, set[str](), dict[str, int]()
    for name, tokens in zip(TEXT_FIELDS, MAX_TOKENS, strict=True):
        text = readable(document.text(name)[:MAX_FIELD])
        out[name] = len(text)
        units: list[tuple[int, str]] = []
        for number, (low, high) in enumerate(paragraph_ranges(text)):
            if number:
                units.append((low, ""))
            for found in re.finditer(r"\S+", text[low:high]):
                chunk, at = found[0], low + found.start()
                pieces = [(0, chunk)]
                if len(chunk) > MEMO_CHUNK:
                    pieces = [(start, surface) for surface, start, _ in surfaces_at(chunk)]
                units += [(at + start, piece) for start, piece in pieces]
        for at, piece in units:
            if tokens <= 0 or fresh <= 0:
                out[name] = at
                break
            count = sum(len(analyse(surface).parts) for surface, _, _ in surfaces_at(piece)) or 1
            tokens -= count
            if piece and piece not in seen:
                seen.add(piece)
                english = re.fullmatch("[A-Za-z]+", piece.strip('.,;:!?()[]{}"<>*'))
                fresh -= 1 if english and piece.isascii() else 2 * count
    return out


class Reading:
    """A document read naively."""

    def __init__(
        self, document: Document, today: date, named: frozenset[str] = frozenset()
    ) -> None:
        self.document = document
        language = spoken(document)
        self.languages = (language,) if language else (script_of(document), *named)
        self.day = document.published.date() if document.published else today
        self.tokens: list[Token] = []
        self.joins: list[tuple[int, int, Words]] = []
        paragraph = 0
        self.read = read_until(document)
        for name in TEXT_FIELDS:
            text = readable(document.text(name))
            for low, high in paragraph_ranges(text):
                paragraph += 1
                for surface, start, _ in surfaces_at(text[low:high]):
                    word = analyse(surface)
                    if low + start >= self.read[name]:
                        break
                    base = len(self.tokens)
                    for part in word.parts:
                        self.tokens.append(
                            Token(
                                name,
                                paragraph,
                                low + start + part.start,
                                low + start + part.end,
                                (part.exact, part.folds),
                            )
                        )
                    for join in word.joined:
                        self.joins.append(
                            (base + join.first, base + join.last, (join.exact, join.folds))
                        )
        title = [token for token in self.tokens if token.field == "title"]
        self.shouted = is_shouted(document.title[:MAX_FIELD], len(title))

    def spans(self, form: Form) -> set[tuple[int, int]]:
        """Every way in which ``form`` stands in the text."""
        out = set()
        for start in range(len(self.tokens)):
            for last in self._ends(form, start):
                out.add((start, last))
        if len(form) == 1 and form[0][0] == "e" and fold(form[0][1]) in STOP_WORDS and self.shouted:
            out = {span for span in out if self._says_so(self.tokens[span[0]])}
        return out

    def _says_so(self, token: Token) -> bool:
        return token.field != "title" or "." in self.document.title[token.start : token.end]

    def _ends(self, form: Form, at: int) -> Iterable[int]:
        steps = []
        if at < len(self.tokens):
            steps.append((at, self.tokens[at].words))
        steps += [(last, words) for first, last, words in self.joins if first == at]
        for last, words in steps:
            if not self._passes(form[0], words):
                continue
            if len(form) == 1:
                yield last
            elif (
                last + 1 < len(self.tokens)
                and self.tokens[last + 1].paragraph == self.tokens[at].paragraph
            ):
                yield from self._ends(form[1:], last + 1)

    def _passes(self, test: Test, words: Words) -> bool:
        kind, key = test
        exact, folds = words
        if kind == "e":
            return exact == key
        if kind == "c" and not exact[:1].isupper():
            return False
        return any(
            {
                "f": word == key,
                "c": word == key,
                "p": singular(word) == key,
                "s": any(
                    key in stems(exact if word == folds[0] else word, word, language)
                    for language in self.languages
                ),
                "w": word.startswith(key),
                "g": fnmatch.fnmatchcase(word, key),
            }[kind]
            for word in folds
        )


class Judge:
    """Decides a tree for one reading."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.labels = Labels(reading.document)
        self._slots = Slots(reading.document)
        Trie().find(self._slots)

    def holds(self, node: Node, view: View) -> bool:
        match node:
            case And(parts):
                return all(self.holds(part, view) for part in parts)
            case Or(parts):
                return any(self.holds(part, view) for part in parts)
            case Not(part):
                return not self.holds(part, view)
            case AtLeastOf(n, parts):
                return len([part for part in parts if self.holds(part, view)]) >= n
            case Meta():
                return self.labels.holds(node)
            case In(_, part) | Lead(part) | UnlessIn(part, _):
                return self.holds(part, self.narrowed(node, view))
            case _:
                return bool(self.occurrences(node, view))

    def hits(self, node: Node, view: View) -> set[tuple[str, int, int, str, str | None]]:
        match node:
            case And(parts) | Or(parts) | AtLeastOf(_, parts):
                true = [part for part in parts if self.holds(part, view)]
                return {hit for part in true for hit in self.hits(part, view)}
            case Not() | Meta():
                return set()
            case In(_, part) | Lead(part) | UnlessIn(part, _):
                return self.hits(part, self.narrowed(node, view))
            case _:
                return {hit for each in self.occurrences(node, view) for hit in each.parts}

    @staticmethod
    def narrowed(node: In | Lead | UnlessIn, view: View) -> View:
        if isinstance(node, In):
            fields = tuple(name for name in view.fields if name in node.fields)
            return View(fields, view.lead, view.covers)
        if isinstance(node, Lead):
            return View(view.fields, True, view.covers)
        return View(view.fields, view.lead, view.covers + node.phrases)

    def occurrences(self, node: Node, view: View) -> set[Occurrence]:
        match node:
            case Term():
                return self.term(node, view, None)
            case Entity():
                return self.entity(node, view)
            case Regex():
                return self.regex(node, view)
            case Or(parts):
                return {each for part in parts for each in self.occurrences(part, view)}
            case Near(left, right, n, ordered):
                return {
                    joined(a, b)
                    for a in self.occurrences(left, view)
                    for b in self.occurrences(right, view)
                    if self.within(a, b, n) and (not ordered or a.last < b.first)
                }
            case NotNear(left, right, n):
                others = self.occurrences(right, view)
                return {
                    a
                    for a in self.occurrences(left, view)
                    if not any(self.within(a, b, n) for b in others)
                }
            case Same(left, right, unit):
                return self.same(self.occurrences(left, view), self.occurrences(right, view), unit)
            case AtLeast(n, part):
                found = self.occurrences(part, view)
                return found if self.count(found) >= n else set()
            case First(n, part):
                return {each for each in self.occurrences(part, view) if self.rank(each, view) <= n}
            case In(_, part) | Lead(part) | UnlessIn(part, _):
                return self.occurrences(part, self.narrowed(node, view))
            case _:
                return set()

    def term(self, term: Term, view: View, entity: str | None) -> set[Occurrence]:
        out = set()
        covers = {
            s for each in view.covers for form in each.forms for s in self.reading.spans(form)
        }
        for form in term.forms:
            for first, last in self.reading.spans(form):
                a, b = self.reading.tokens[first], self.reading.tokens[last]
                covered = any(x <= first and last <= y for x, y in covers)
                if self.visible(a, view) and not covered:
                    part = (a.field, a.start, b.end, term.text, entity)
                    out.add(Occurrence(first, last, frozenset([part])))
        return out

    def entity(self, entity: Entity, view: View) -> set[Occurrence]:
        day = self.reading.day
        if (entity.since and day < entity.since) or (entity.until and day > entity.until):
            return set()
        guarded = View(view.fields, view.lead, view.covers)
        found = {
            each
            for term in entity.terms
            for each in self.term(term, guarded, entity.name)
            if not any(
                x <= each.first and each.last <= y
                for cover in entity.not_in
                for form in cover.forms
                for x, y in self.reading.spans(form)
            )
        }
        if entity.needs is not None:
            excused = entity.unless is not None and self.holds(entity.unless, View())
            if not excused and not self.holds(entity.needs, View()):
                return set()
        return found

    def regex(self, node: Regex, view: View) -> set[Occurrence]:
        out = set()
        tokens = self.reading.tokens
        for name in TEXT_FIELDS:
            for start, end in patterns.find(node.pattern, self.reading.document.text(name)):
                touched = [
                    i
                    for i, t in enumerate(tokens)
                    if t.field == name and t.end > start and t.start < end
                ]
                if touched and self.visible(tokens[touched[0]], view):
                    part = (name, start, end, node.source, None)
                    out.add(Occurrence(touched[0], touched[-1], frozenset([part])))
        return out

    def visible(self, token: Token, view: View) -> bool:
        if token.field not in view.fields:
            return False
        if not view.lead or token.field == "summary":
            return token.field != "title" if view.lead else True
        if token.field == "title" or any(t.field == "summary" for t in self.reading.tokens):
            return False
        first = next(t for t in self.reading.tokens if t.field == "content")
        return token.paragraph == first.paragraph

    def within(self, a: Occurrence, b: Occurrence, n: int) -> bool:
        tokens = self.reading.tokens
        if tokens[a.first].paragraph != tokens[b.first].paragraph:
            return False
        left, right = (a, b) if a.first <= b.first else (b, a)
        return left.last < right.first and right.first - left.last - 1 <= n

    def same(self, lefts: set[Occurrence], rights: set[Occurrence], unit: str) -> set[Occurrence]:
        def unit_of(each: Occurrence) -> object:
            token = self.reading.tokens[each.first]
            if unit == "paragraph":
                return token.paragraph
            slot = next(
                i
                for i, (start, _) in enumerate(self._slots.offsets)
                if start == token.start and self._slots.field_of(i) == token.field
            )
            return token.paragraph, self._slots.sentence(slot)

        out = set()
        for where in {unit_of(each) for each in lefts} & {unit_of(each) for each in rights}:
            a = [each for each in lefts if unit_of(each) == where]
            b = [each for each in rights if unit_of(each) == where]
            if any(x.last < y.first or y.last < x.first for x in a for y in b):
                whole = a[0]
                for each in [*a, *b]:
                    whole = joined(whole, each)
                out.add(whole)
        return out

    def count(self, found: set[Occurrence]) -> int:
        repeats = self._slots.summary_repeats
        number, reach = 0, -1
        for each in sorted(found, key=lambda o: (o.last, o.first)):
            if repeats and self.reading.tokens[each.first].field == "summary":
                continue
            if each.first > reach:
                number, reach = number + 1, each.last
        return number

    def rank(self, each: Occurrence, view: View) -> int:
        tokens = self.reading.tokens
        field = tokens[each.last].field
        own = [i for i, token in enumerate(tokens) if token.field == field]
        title = [token for token in tokens if token.field == "title"]
        before = len(title) if field != "title" and "title" in view.fields else 0
        return own.index(each.last) + 1 + before


def joined(a: Occurrence, b: Occurrence) -> Occurrence:
    return Occurrence(min(a.first, b.first), max(a.last, b.last), a.parts | b.parts)


def judge(
    settings: Settings, document: Document, today: date
) -> dict[str, set[tuple[str, int, int, str, str | None]]]:
    """Return the rules that hold for ``document``, with their hits (field, start, end, term,
    entity)."""
    builder = Builder(settings, bundled())
    rules = list(builder.rules())
    judge_ = Judge(Reading(document, today, frozenset(n for rule in rules for n in rule.stems)))
    out = {}
    for rule in rules:
        if rule.tree is None:
            continue
        ignores = builder.ignore is not None and rule.settings.ignore != "none"
        if ignores and builder.ignore is not None and judge_.holds(builder.ignore, View()):
            continue
        if judge_.holds(rule.tree, View()):
            out[rule.settings.name] = judge_.hits(rule.tree, View())
    return out

"""The compiled rules as one immutable object: which rules hold for a document, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from monitor.config.models import RuleSettings, Settings
from monitor.rules import patterns
from monitor.rules.compile import Builder, CompiledRule
from monitor.rules.entities import bundled
from monitor.rules.entities.lookup import Named
from monitor.rules.index.document import Slots
from monitor.rules.index.evaluate import Evaluation, Place, Scope
from monitor.rules.index.labels import Labels
from monitor.rules.index.trie import Trie
from monitor.rules.problems import RuleProblem
from monitor.rules.tree import (
    And,
    AtLeast,
    AtLeastOf,
    Entity,
    First,
    Form,
    In,
    Lead,
    Near,
    Node,
    Not,
    NotNear,
    Or,
    Same,
    Term,
    UnlessIn,
)
from monitor.values import TEXT_FIELDS, Document, EntityMention, Hit, Match


@dataclass(frozen=True)
class Compiled:
    """A rule set, and what the compiler has to say; rules with an error are left out of it."""

    ruleset: RuleSet
    problems: tuple[RuleProblem, ...]


class RuleSet:
    """Immutable; safe to share between tasks of one thread."""

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        entities: Callable[[], Sequence[Named]],
        today: date,
    ) -> None:
        self.rules: Mapping[str, RuleSettings] = {r.settings.name: r.settings for r in rules}
        self._rules = [rule for rule in rules if rule.tree is not None]
        self._today = today
        self._trie = Trie()
        for rule in self._rules:
            if rule.tree is not None:
                for form in forms_of(rule.tree):
                    self._trie.add(form)
        self._entities = entities
        self._named: tuple[Named, ...] = ()
        self._gazetteer: Trie | None = None

    def match(self, document: Document) -> tuple[Match, ...]:
        """Return the rules that hold, in the configuration's order, with sorted hits."""
        slots = Slots(document)
        found = self._trie.find(slots, document.language or "en")
        evaluation = self._evaluation(slots, self._trie, found)
        out: list[Match] = []
        for rule in self._rules:
            tree = rule.tree
            if tree is None or not evaluation.holds(tree, Scope()):
                continue
            hits = to_hits(slots, evaluation.hits(tree, Scope()))
            out.append(Match(rule.settings.name, 1.0, hits))
        return tuple(out)

    def match_many(self, documents: Sequence[Document]) -> list[tuple[Match, ...]]:
        """Return ``match`` of each document."""
        return [self.match(document) for document in documents]

    def entities(self, document: Document) -> tuple[EntityMention, ...]:
        """Return the entities that the document mentions, in order of first mention."""
        if self._gazetteer is None:
            self._gazetteer = Trie()
            self._named = tuple(self._entities())
            for named in self._named:
                for form in forms_of(named.node):
                    self._gazetteer.add(form)
        slots = Slots(document)
        found = self._gazetteer.find(slots)
        evaluation = self._evaluation(slots, self._gazetteer, found)
        mentions: list[tuple[int, EntityMention]] = []
        for named in self._named:
            places = evaluation.places(named.node, Scope())
            if places:
                mention = EntityMention(named.node.name, named.code, named.type)
                mentions.append((places[0].first, mention))
        mentions.sort(key=lambda each: each[0])
        return tuple(mention for _, mention in mentions)

    def _evaluation(
        self, slots: Slots, trie: Trie, found: Mapping[int, Sequence[tuple[int, int]]]
    ) -> Evaluation:
        numbers = trie.forms

        def occurrences(form: Form) -> Sequence[tuple[int, int]]:
            return found.get(numbers[form], ())

        return Evaluation(
            slots, occurrences, self._today, Labels(slots.document).holds, patterns.find
        )


def forms_of(node: Node) -> Iterable[Form]:
    """Yield every form that evaluating ``node`` may ask for."""
    match node:
        case Term(_, forms):
            yield from forms
        case Entity():
            for term in (*node.terms, *node.not_in):
                yield from term.forms
            for guard in (node.needs, node.unless):
                if guard is not None:
                    yield from forms_of(guard)
        case And(parts) | Or(parts) | AtLeastOf(_, parts):
            for part in parts:
                yield from forms_of(part)
        case Near(left, right) | NotNear(left, right) | Same(left, right):
            yield from forms_of(left)
            yield from forms_of(right)
        case Not(part) | AtLeast(_, part) | First(_, part) | In(_, part) | Lead(part):
            yield from forms_of(part)
        case UnlessIn(part, phrases):
            yield from forms_of(part)
            for term in phrases:
                yield from term.forms
        case _:
            return


def to_hits(slots: Slots, places: Iterable[Place]) -> tuple[Hit, ...]:
    """Return hits in the order of fields and positions, each range and term once."""
    hits: dict[tuple[int, int, int, str, str | None], Hit] = {}
    for place in places:
        for first, last, term, entity, chars in place.hits:
            name, start, end = chars or slots.text_range(first, last)
            text = slots.document.text(name)[start:end]
            key = (TEXT_FIELDS.index(name), start, end, term, entity)
            hits[key] = Hit(term, name, start, end, text, entity)
    return tuple(hits[key] for key in sorted(hits, key=lambda k: (*k[:3], k[3], k[4] or "")))


def compile_rules(settings: Settings, today: date | None = None) -> Compiled:
    """Compile the rules of ``settings``.

    ``today`` dates stories that don't say their own day (entities with ``valid``); the current UTC
    day when None. Rules with an error-level problem are left out; the caller decides whether that
    refuses the configuration.
    """
    day = today or datetime.now(UTC).date()
    builder = Builder(settings, bundled())
    rules = builder.rules()
    return Compiled(RuleSet(rules, builder.lookup.all, day), tuple(builder.problems))

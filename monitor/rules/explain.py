"""Why a rule holds for a document or doesn't: each of its clauses with what was found.

Slow and thorough where the index is fast: compiles one rule by itself and evaluates every clause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from monitor.config.models import Settings
from monitor.rules.compile import Builder
from monitor.rules.entities import bundled
from monitor.rules.index.document import Slots
from monitor.rules.index.evaluate import Evaluation
from monitor.rules.index.run import hits_of_places
from monitor.rules.index.score import threshold
from monitor.rules.ruleset import compile_rules
from monitor.rules.tree import (
    And,
    AtLeast,
    AtLeastOf,
    Entity,
    First,
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
    UnlessIn,
)
from monitor.values import Document, Hit


@dataclass(frozen=True, slots=True)
class Step:
    """One clause: in words, whether it holds, and its hits (for a veto: what vetoed)."""

    text: str
    holds: bool
    hits: tuple[Hit, ...] = ()
    veto: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule and a document. ``score`` is None where the clauses don't hold; ``needed`` is the
    score that the rule's ``precision`` or ``min_score`` asks for."""

    rule: str
    fires: bool
    score: float | None
    needed: float
    steps: tuple[Step, ...]
    hits: tuple[Hit, ...]

    @property
    def first_failure(self) -> str:
        """The first clause that fails, in plain words; empty when the rule fires."""
        if self.fires:
            return ""
        for step in self.steps:
            if not step.holds and step.veto:
                terms = ", ".join(dict.fromkeys(f"{hit.term!r} ({hit.field})" for hit in step.hits))
                return f"vetoed: {step.text}" + (f": {terms}" if terms else "")
            if not step.holds:
                return f"missing: {step.text}"
        if self.score is not None:
            return f"score {self.score:.2f} is under {self.needed:.2f}"
        return "the rule never fires"


def explain(
    settings: Settings, rule: str, document: Document, today: date | None = None
) -> Explanation:
    """Return why ``rule`` fires for ``document`` (plain text) or doesn't.

    Raises ``KeyError`` for a rule that isn't in ``settings`` or has an error.
    """
    day = today or datetime.now(UTC).date()
    builder = Builder(settings, bundled())
    compiled = next((each for each in builder.rules({rule})), None)
    if compiled is None:
        raise KeyError(rule)
    needed = threshold(compiled.settings.precision, compiled.settings.min_score)
    if compiled.tree is None:
        return Explanation(rule, False, None, needed, (), ())
    mine = compiled.settings
    loose = mine.model_copy(update={"enabled": True, "min_score": 0.0, "precision": None})
    alone = compile_rules(settings.model_copy(update={"rules": [loose]}), day).ruleset
    nodes: list[Node] = [compiled.tree]
    if builder.ignore is not None and mine.ignore != "none":
        nodes.append(Not(builder.ignore))
    slots = Slots(document)
    evaluation = alone.evaluated(slots)
    parts = [part for node in nodes for part in conjuncts(node)]
    parts.sort(key=lambda part: isinstance(part, Not))  # what is missing before what vetoed
    steps = tuple(_step(part, evaluation, slots) for part in parts)
    matches = alone.match(document)
    score = matches[0].score if matches else None
    fires = score is not None and score >= needed
    return Explanation(rule, fires, score, needed, steps, matches[0].hits if matches else ())


def _step(part: Node, evaluation: Evaluation, slots: Slots) -> Step:
    holds = evaluation.holds(part)
    if isinstance(part, Not):
        places = [] if holds else evaluation.hits(part.part)
        return Step(describe(part), holds, hits_of_places(slots, places), True)
    places = evaluation.hits(part) if holds else []
    return Step(describe(part), holds, hits_of_places(slots, places))


def conjuncts(tree: Node) -> Iterator[Node]:
    """Yield the parts that must all hold."""
    if isinstance(tree, And):
        for part in tree.parts:
            yield from conjuncts(part)
    elif isinstance(tree, Not) and isinstance(tree.part, Or):
        for part in tree.part.parts:
            yield Not(part)
    else:
        yield tree


def describe(node: Node, limit: int = 6) -> str:
    """Return a node as a query string, long groups cut short."""
    match node:
        case Term(text):
            return text if " " not in text else f'"{text}"'
        case Entity(name):
            return f'entity:"{name}"' if " " in name else f"entity:{name}"
        case Regex(source):
            return source
        case Meta(field, values, terms):
            shown = [*values, *(term.text for term in terms)]
            return f"{field}:{_row(shown, ' OR ', limit)}"
        case And(parts):
            return _row([describe(part) for part in parts], " AND ", limit)
        case Or(parts):
            return _row([describe(part) for part in parts], " OR ", limit)
        case Not(part):
            return f"NOT {describe(part)}"
        case AtLeastOf(n, parts):
            return f"{n} of {_row([describe(part) for part in parts], ', ', limit)}"
        case Near(left, right, n, ordered):
            return f"{describe(left)} {'ONEAR' if ordered else 'NEAR'}/{n} {describe(right)}"
        case NotNear(left, right, n):
            return f"{describe(left)} NOT NEAR/{n} {describe(right)}"
        case Same(left, right, unit):
            return f"{describe(left)} {'SENT' if unit == 'sentence' else 'PARA'} {describe(right)}"
        case AtLeast(n, part):
            return f"ATLEAST/{n} {describe(part)}"
        case First(n, part):
            return f"FIRST/{n} {describe(part)}"
        case In(fields, part):
            name = fields[0] if len(fields) == 1 else "body"
            return f"{name}:{describe(part)}"
        case Lead(part):
            return f"lead:{describe(part)}"
        case UnlessIn(part, phrases):
            inside = ", ".join(term.text for term in phrases)
            return f"{describe(part)} (not inside {inside})"


def _row(parts: Iterable[str], joint: str, limit: int) -> str:
    shown = list(parts)
    if len(shown) == 1:
        return shown[0]
    more = f"{joint}… {len(shown) - limit} more" if len(shown) > limit else ""
    return f"({joint.join(shown[:limit])}{more})"

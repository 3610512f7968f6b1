"""Rules that can be meant but hardly are: ambiguous words, rules that can't fire, twins.

Findings are warnings and notes; nothing here stops a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from monitor.rules.problems import RuleProblem
from monitor.rules.terms import STOP_WORDS
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

if TYPE_CHECKING:
    from monitor.config.models import Settings
    from monitor.rules.compile import CompiledRule

TWINS_LIMIT = 2_000
"""Rules looked at: lint is for what people write by hand (measured: 0.1 ms a rule)."""

# Country names that are also a person, another place, or a thing.
_AMBIGUOUS = {
    "georgia": "also a US state",
    "jordan": "also a name",
    "turkey": "also a bird",
    "chad": "also a name",
    "mali": "also a name",
    "china": "also porcelain",
    "guinea": "also in Guinea-Bissau, Equatorial Guinea, Papua New Guinea",
    "congo": "two countries",
    "korea": "two countries",
    "sudan": "also in South Sudan",
    "niger": "also a river",
    "cuba": "also a name",
    "polish": "also a verb",
    "lebanon": "also towns in the US",
}


def lint_rule(rule: CompiledRule, settings: Settings) -> Iterator[RuleProblem]:
    """Yield what is doubtful about one rule."""
    tree = rule.tree
    if tree is None:
        return
    for term in _plain_terms(tree):
        word = term.text.strip()
        folded = word.lower()
        if folded in STOP_WORDS and not word.startswith("=") and " " not in word:
            if word.isupper() and len(word) > 1:
                yield _warning(rule, f"{word!r} also finds the word {folded!r}", f"write ={word}")
            else:
                yield _warning(rule, f"{word!r} is in nearly every story", "write a phrase")
        elif folded in _AMBIGUOUS and not word.startswith("="):
            yield _note(
                rule,
                f"{word!r} is {_AMBIGUOUS[folded]}",
                f"entity:{word.capitalize()} knows the best-known traps; or add `unless_in`",
            )
    yield from _never(rule, tree)
    if not any(True for _ in _positive(tree)):
        yield _warning(
            rule,
            f"rule {rule.settings.name!r} asks for no text: it fires on every entry it looks at",
            "add any, all, entities, near or match",
        )
    tags = {tag.casefold() for feed in settings.feeds for tag in feed.tags}
    for part in _conjuncts(tree):
        if isinstance(part, Meta) and part.field == "tag" and settings.feeds:
            asked = [term.text for term in part.terms]
            if not any(tag.casefold() in tags for tag in asked):
                yield _warning(
                    rule,
                    f"no feed is tagged {' or '.join(map(repr, asked))}: never reached",
                    "add the tag to a feed, or correct it here",
                )


def twins(rules: Iterable[CompiledRule]) -> Iterator[RuleProblem]:
    """Yield a note for each rule that asks for the same as an earlier one."""
    seen: dict[Node, str] = {}
    for rule in rules:
        if rule.tree is None:
            continue
        first = seen.setdefault(rule.tree, rule.settings.name)
        if first != rule.settings.name:
            yield _note(
                rule, f"rule {rule.settings.name!r} asks for the same as {first!r}", "keep one"
            )


def _never(rule: CompiledRule, tree: Node) -> Iterator[RuleProblem]:
    parts = list(_conjuncts(tree))
    vetoed = {form for part in parts if isinstance(part, Not) for form in _forms(part.part)}
    for part in parts:
        if isinstance(part, Not):
            continue
        forms = _forms(part)
        if forms and forms <= vetoed:
            yield _warning(
                rule,
                f"rule {rule.settings.name!r} vetoes what it asks for and never fires",
                "remove the term from `none`",
            )
            return
    for node in _all(tree):
        if isinstance(node, In) and any(
            isinstance(inner, In) and not set(inner.fields) & set(node.fields)
            for inner in _all(node.part)
        ):
            yield _warning(
                rule,
                f"rule {rule.settings.name!r} looks in one field inside another: never true",
                "remove `in` or the inner field",
            )
            return


def _forms(node: Node) -> set[object]:
    """Forms of which any makes ``node`` true; empty where that can't be said."""
    if isinstance(node, Term):
        return set(node.forms)
    if isinstance(node, Or):
        sets = [_forms(part) for part in node.parts]
        return set().union(*sets) if all(sets) else set()
    return set()


def _conjuncts(tree: Node) -> Iterator[Node]:
    if isinstance(tree, And):
        for part in tree.parts:
            yield from _conjuncts(part)
    elif isinstance(tree, Not) and isinstance(tree.part, Or):
        for part in tree.part.parts:
            yield Not(part)
    else:
        yield tree


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in _children(node):
        yield from _all(child)


def _children(node: Node) -> Iterable[Node]:
    match node:
        case And(parts) | Or(parts) | AtLeastOf(_, parts):
            return parts
        case Near(left, right) | NotNear(left, right) | Same(left, right):
            return (left, right)
        case Not(part) | AtLeast(_, part) | First(_, part) | In(_, part) | Lead(part):
            return (part,)
        case UnlessIn(part, _):
            return (part,)
        case _:
            return ()


def _positive(node: Node) -> Iterator[Node]:
    """Yield the parts that ask for text."""
    if isinstance(node, Not):
        return
    if isinstance(node, (Term, Entity, Regex)):
        yield node
    for child in _children(node):
        yield from _positive(child)


def _plain_terms(node: Node) -> Iterator[Term]:
    """Yield the terms written in the rule itself, outside entities and vetoes."""
    if isinstance(node, Not):
        return
    if isinstance(node, Term):
        yield node
    elif not isinstance(node, Entity):
        for child in _children(node):
            yield from _plain_terms(child)


def _warning(rule: CompiledRule, message: str, hint: str) -> RuleProblem:
    return RuleProblem(rule.path, message, hint, "warning")


def _note(rule: CompiledRule, message: str, hint: str) -> RuleProblem:
    return RuleProblem(rule.path, message, hint, "note")

"""What a text must have for a rule to hold: a question for the store's full-text index, and a quick
look for what no index knows.

Never narrower than the rule: it leaves out order, fields, vetoes and labels, and what the rule
itself then decides on the texts found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.rules.index.plan import Plan
from monitor.rules.patterns import find
from monitor.rules.text.fold import fold
from monitor.rules.text.inflect import spellings
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
    NotNear,
    Or,
    Regex,
    Same,
    Term,
    Test,
    UnlessIn,
)
from monitor.values import AllOf, AnyOf, Expression, Word, Wording

EVERY_TEXT = AllOf(())


def wording_of(plan: Plan, names: Sequence[Form]) -> Wording:
    """Return what a text must have for ``plan`` to hold; ``names`` are the trie's forms."""
    if plan.tree is not None:
        return _node(plan.tree)
    return _all([any_of([_form(names[form]) for form in group]) for group in plan.groups])


def any_of(parts: Sequence[Wording]) -> Wording:
    """Return what a text must have for at least one of ``parts`` to be there."""
    return EVERY_TEXT if EVERY_TEXT in parts else _joined(parts, AnyOf)


def has_expressions(wording: Wording) -> bool:
    """Tell whether ``could_have`` knows more of a wording than an index of words does."""
    if isinstance(wording, AllOf | AnyOf):
        return any(map(has_expressions, wording.parts))
    return isinstance(wording, Expression)


def could_have(wording: Wording, texts: Sequence[str]) -> bool:
    """Tell whether ``texts``, a document's plain fields, could have a wording: its expressions are
    looked for, its words taken to be there."""
    match wording:
        case Expression(pattern):
            return any(next(find(pattern, text), None) is not None for text in texts)
        case AllOf(parts):
            return all(could_have(part, texts) for part in parts)
        case AnyOf(parts):
            return any(could_have(part, texts) for part in parts)
    return True


def _node(node: Node) -> Wording:
    match node:
        case Term(_, forms):
            return any_of([_form(form) for form in forms])
        case Entity():
            return any_of([_form(form) for term in node.terms for form in term.forms])
        case Regex(_, pattern):
            return Expression(pattern)
        case And(parts):
            return _all([_node(part) for part in parts])
        case Or(parts):
            return any_of([_node(part) for part in parts])
        case AtLeastOf(n, parts):
            found = [_node(part) for part in parts]
            return any_of(found) if n < len(parts) else _all(found)
        case Near(left, right) | Same(left, right):
            return _all([_node(left), _node(right)])
        case NotNear(left, _):
            return _node(left)
        case AtLeast(_, part) | First(_, part) | In(_, part) | Lead(part) | UnlessIn(part, _):
            return _node(part)
    return EVERY_TEXT  # what must not be there, and labels


def _form(form: Form) -> Wording:
    return _all([_test(test) for test in form])


def _test(test: Test) -> Wording:
    kind, key = test
    match kind:
        case "f" | "c":
            return Word(key)
        case "e":
            return Word(fold(key))
        case "p":
            return any_of([Word(each) for each in spellings(key)])
        case "w":
            return Word(key, starts=True)
        case "g":
            return Word(key.partition("*")[0], starts=True)
    return EVERY_TEXT  # a Snowball stem: which words share it, only the words themselves tell


def _all(parts: Sequence[Wording]) -> Wording:
    return _joined([each for each in parts if each != EVERY_TEXT], AllOf)


def _joined(parts: Sequence[Wording], kind: Callable[[tuple[Wording, ...]], Wording]) -> Wording:
    unique = tuple(dict.fromkeys(parts))
    return unique[0] if len(unique) == 1 else kind(unique)

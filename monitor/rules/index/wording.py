"""What a text's tokens must be for a rule to hold: a question for the store's full-text index.

Never narrower than the rule: it leaves out order, fields, vetoes and labels, and what the rule
itself then decides on the texts found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.rules.index.plan import Plan
from monitor.rules.text.fold import fold
from monitor.rules.text.inflect import spellings
from monitor.rules.tree import Form, Test
from monitor.values import AllOf, AnyOf, Word, Wording

EVERY_TEXT = AllOf(())


def wording_of(plan: Plan, names: Sequence[Form]) -> Wording:
    """Return what a text must have for ``plan`` to hold; ``names`` are the trie's forms."""
    groups = (_either([_form(names[form]) for form in group]) for group in plan.groups)
    return _all([each for each in groups if each != EVERY_TEXT])


def any_of(parts: Sequence[Wording]) -> Wording:
    """Return what a text must have for at least one of ``parts`` to be there."""
    return _either(parts)


def _form(form: Form) -> Wording:
    return _all([each for test in form if (each := _test(test)) != EVERY_TEXT])


def _test(test: Test) -> Wording:
    kind, key = test
    match kind:
        case "f" | "c":
            return Word(key)
        case "e":
            return Word(fold(key))
        case "p":
            return _either([Word(each) for each in spellings(key)])
        case "w":
            return Word(key, starts=True)
        case "g":
            return Word(key.partition("*")[0], starts=True)
    return EVERY_TEXT  # a Snowball stem: which words share it, only the words themselves tell


def _all(parts: Sequence[Wording]) -> Wording:
    return _joined(parts, AllOf)


def _either(parts: Sequence[Wording]) -> Wording:
    return EVERY_TEXT if EVERY_TEXT in parts else _joined(parts, AnyOf)


def _joined(parts: Sequence[Wording], kind: Callable[[tuple[Wording, ...]], Wording]) -> Wording:
    unique = tuple(dict.fromkeys(parts))
    return unique[0] if len(unique) == 1 else kind(unique)

"""How the index runs a rule: what it is found by, what rules it out cheaply, and whether that
decides.

A rule's tree gives necessary groups of forms (the rule can hold only if each group has a hit),
forms that veto it, label conditions, and simple proximity. If the tree says nothing more, the
plan is *exact*: groups, vetoes, labels and proximity decide, and the tree need not be kept.
Otherwise the tree is evaluated for the documents that pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.rules.index.trie import Trie
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
    UnlessIn,
)

Group = tuple[int, ...]
"""Form numbers of which one must occur."""
_LARGE = 20
"""Terms from which a group is remembered: lists that many rules share."""
Label = tuple[str, str | None]
"""A hit's term as spelled, and its entity."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One rule as the index runs it.

    ``order`` is its place among the others. ``plain``: groups and vetoes decide alone. ``simple``:
    its hits are all occurrences of its groups' forms, under their usual labels, and it has no key.
    """

    order: int
    name: str
    groups: tuple[Group, ...]
    labels: tuple[tuple[int, ...], ...]
    vetoes: Group
    metas: tuple[Meta, ...]
    nears: tuple[tuple[int, int, int, bool], ...]
    tree: Node | None
    ignores: bool
    min_score: float
    key: str | None
    plain: bool
    simple: bool


class Planner:
    """Makes plans over one trie; shares what rules have in common."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self.labels: dict[Label, int] = {}
        self.names: list[Label] = []
        self.usual: list[int] = []
        """By form: the label that the first rule gave it; -1 where none did."""
        self._remembered: dict[int, tuple[Term, Group, int]] = {}
        self._groups: dict[int, tuple[Node, tuple[Group, tuple[int, ...]]]] = {}

    def plan(
        self,
        order: int,
        name: str,
        tree: Node,
        *,
        ignores: bool,
        min_score: float,
        key: str | None,
    ) -> Plan:
        """Return the plan for ``tree``; adds its forms to the trie."""
        groups: list[Group] = []
        labels: list[tuple[int, ...]] = []
        vetoes: list[int] = []
        metas: list[Meta] = []
        nears: list[tuple[int, int, int, bool]] = []
        exact = True
        for part in _conjuncts(tree):
            if (simple := self.group(part)) is not None:
                groups.append(simple[0])
                labels.append(simple[1])
            elif isinstance(part, Not) and (simple := self.group(part.part)) is not None:
                vetoes.extend(simple[0])
            elif isinstance(part, Meta):
                metas.append(part)
            elif (
                isinstance(part, Near)
                and (left := self.group(part.left)) is not None
                and (right := self.group(part.right)) is not None
            ):
                nears.append((len(groups), len(groups) + 1, part.n, part.ordered))
                groups += [left[0], right[0]]
                labels += [left[1], right[1]]
            else:
                exact = False
                for form in forms_of(part):
                    self.trie.add(form)
                groups.extend(self._necessary(part))
        return Plan(
            order,
            name,
            tuple(groups),
            tuple(labels) if exact else (),
            tuple(dict.fromkeys(vetoes)),
            tuple(metas),
            tuple(nears) if exact else (),
            None if exact else tree,
            ignores,
            min_score,
            key,
            exact and not nears and not metas and min_score <= 0.0,
            exact and not nears and not any(labels) and key is None,
        )

    def forget(self) -> None:
        """Let go of what was remembered for speed."""
        self._remembered.clear()

    def group(self, node: Node) -> tuple[Group, tuple[int, ...]] | None:
        """Return (forms, their labels) if any occurrence of any of them makes ``node`` true.

        No labels means: each form's usual one (the first that a rule gave it).
        """
        if not isinstance(node, (Term, Or, Entity)):
            return None
        shared = isinstance(node, Entity) or (isinstance(node, Or) and len(node.parts) > _LARGE)
        if shared and (known := self._groups.get(id(node))) is not None:
            return known[1]
        forms: list[int] = []
        labels: list[int] = []
        usual = True
        remembered = self._remembered
        for term, entity in _terms(node):
            if term is None:
                return None
            if entity is None:
                known_term = remembered.get(id(term))
                if known_term is not None:
                    forms += known_term[1]
                    labels += [known_term[2]] * len(known_term[1])
                    continue
            begin = len(forms)
            label = self.labels.setdefault((term.text, entity), len(self.names))
            if label == len(self.names):
                self.names.append((term.text, entity))
            for form in term.forms:
                number = self.trie.add(form)
                forms.append(number)
                labels.append(label)
                usual = self._usual(number, label) and usual
            if entity is None and usual:
                remembered[id(term)] = (term, tuple(forms[begin:]), label)
        result = (tuple(forms), () if usual else tuple(labels))
        if shared:
            self._groups[id(node)] = (node, result)
        return result

    def _usual(self, form: int, label: int) -> bool:
        """Whether ``label`` is what rules usually call a form: the first one is."""
        labels = self.usual
        if form >= len(labels):
            labels.extend([-1] * (form + 1 - len(labels)))
        if labels[form] < 0:
            labels[form] = label
        return labels[form] == label

    def _necessary(self, node: Node) -> list[Group]:
        """Groups that must each have a hit for ``node`` to hold; empty if nothing can be said."""
        match node:
            case Term() | Entity():
                return [self._forms(node)]
            case And(parts):
                return [group for part in parts for group in self._necessary(part)]
            case Or(parts):
                return self._any_of(parts)
            case AtLeastOf(n, parts):
                return self._any_of(parts) if n < len(parts) else self._necessary(And(parts))
            case Near(left, right) | Same(left, right):
                return self._necessary(left) + self._necessary(right)
            case NotNear(left, _):
                return self._necessary(left)
            case AtLeast(_, part) | First(_, part) | In(_, part) | Lead(part) | UnlessIn(part, _):
                return self._necessary(part)
            case _:
                return []

    def _any_of(self, parts: Sequence[Node]) -> list[Group]:
        union: dict[int, None] = {}
        for part in parts:
            groups = self._necessary(part)
            if not groups:
                return []
            shortest: Group = min(groups, key=_size)
            union.update(dict.fromkeys(shortest))
        return [tuple(union)]

    def _forms(self, node: Term | Entity) -> Group:
        terms = (node,) if isinstance(node, Term) else node.terms
        return tuple(self.trie.add(form) for term in terms for form in term.forms)


def _conjuncts(tree: Node) -> Iterable[Node]:
    if isinstance(tree, And):
        for part in tree.parts:
            yield from _conjuncts(part)
    elif isinstance(tree, Not) and isinstance(tree.part, Or):
        for part in tree.part.parts:
            yield Not(part)
    else:
        yield tree


def _terms(node: Node) -> Iterable[tuple[Term | None, str | None]]:
    """Yield the terms of a plain group, or (None, None) where something isn't plain."""
    if isinstance(node, Term):
        yield node, None
    elif isinstance(node, Entity) and not (node.not_in or node.needs or node.since or node.until):
        for term in node.terms:
            yield term, node.name
    elif isinstance(node, Or):
        for part in node.parts:
            yield from _terms(part)
    else:
        yield None, None


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
        case Regex() | Meta():
            return


def _size(group: Group) -> int:
    return len(group)

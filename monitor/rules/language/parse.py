"""The query string to a tree: a grammar by Lark (LALR), and errors a user can act on.

Every error has the offset in the query, the line with a caret beneath, and a fix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

from monitor.rules.language.faults import MAX_DEPTH, excerpt, first_fault, unexpected
from monitor.rules.language.fields import LABELS, TEXT_PLACES, hint_for
from monitor.rules.language.standing import is_positional, only_not
from monitor.rules.leaves import FLAGS
from monitor.rules.problems import Path, RuleError, RuleProblem
from monitor.rules.tree import (
    And,
    AtLeast,
    First,
    In,
    Lead,
    Meta,
    MetaField,
    Near,
    Node,
    Not,
    NotNear,
    Or,
    Same,
    fields_of,
)

if TYPE_CHECKING:
    from monitor.rules.leaves import Context, Leaves

MAX_NUMBER = 100
# Words that may be meant as operators.
_LOWER = {"and": "AND", "or": "OR", "not": "NOT", "near": "NEAR/5"}
_QUOTES = '"“”„«»'


def parse_query(query: str, path: Path, context: Context, leaves: Leaves) -> Node:
    """Return what ``query`` means; raises ``RuleError`` with offset and caret."""
    return _Reader(query, path, context, leaves).read()


@cache
def _grammar() -> Lark:
    text = (files("monitor.rules.language") / "grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer="basic", propagate_positions=True)


@dataclass(frozen=True, slots=True)
class _Where:
    """The place a part of the query looks in, from the field before it."""

    label: MetaField | None = None


class _Reader:
    def __init__(self, query: str, path: Path, context: Context, leaves: Leaves) -> None:
        self.query = query
        self.path = path
        self.context = context
        self.leaves = leaves
        self._depth = 0

    def fail(self, offset: int, message: str, hint: str = "") -> RuleError:
        problem = RuleProblem(
            self.path, message, hint, "error", offset, excerpt(self.query, offset)
        )
        return RuleError(problem)

    def warn(self, offset: int, message: str, hint: str = "") -> None:
        problem = RuleProblem(
            self.path, message, hint, "warning", offset, excerpt(self.query, offset)
        )
        if problem not in self.leaves.problems:
            self.leaves.problems.append(problem)

    def read(self) -> Node:
        query = self.query
        if fault := first_fault(query):
            raise self.fail(*fault)
        try:
            parsed = _grammar().parse(query)
        except UnexpectedInput as error:
            raise self.fail(*unexpected(query, error)) from None
        node = self.node(parsed.children[0], _Where())
        if only_not(node):
            message = "the query has only NOT and never fires"
            problem = self.fail(0, message, "say what to look for: term AND NOT …").problem
            raise RuleError(replace(problem, never=True))
        return node

    # ------------------------------------------------------------------------- the meaning
    def node(self, tree: Any, where: _Where) -> Node:
        """Return what a part of the query means."""
        self._depth += 1
        if self._depth > 2 * MAX_DEPTH:
            raise self.fail(_start(tree), "operators nested too deeply", "split the rule in two")
        node = self._meaning(tree, where)
        self._depth -= 1
        return node

    def _meaning(self, tree: Any, where: _Where) -> Node:
        kind = tree.data
        children = tree.children
        if kind == "either":
            return self._either(children, where)
        if kind == "group":
            return self.node(children[1], where)
        if kind == "not_":
            return Not(self.node(children[1], where))
        if kind == "proximity":
            return self._proximity(children, where)
        if kind in ("at_least", "first"):
            return self._prefixed(kind, children, where)
        if kind == "field":
            return self._field(children, where)
        if kind == "word":
            return self._unit(kind, self._words(children), where)
        return self._unit(kind, children[0], where)

    def _either(self, children: list[Any], where: _Where) -> Node:
        merged: list[tuple[Token | None, Any]] = []
        operator: Token | None = None
        for child in children:
            if isinstance(child, Token):
                operator = child
                continue
            merged.append((operator, child))
            operator = None
        kinds: list[tuple[str, int]] = []
        for position, (joint, child) in enumerate(merged):
            if position == 0:
                continue
            if joint is not None:
                kinds.append((str(joint.type), joint.start_pos or 0))
            elif child.data == "not_":
                kinds.append(("AND", _start(child)))
            else:
                at = _start(child)
                before = self.query[:at].split()[-1] if self.query[:at].split() else ""
                raise self.fail(
                    at,
                    f"an operator is missing after `{before}`",
                    "write AND, OR or NEAR/n between them, or quote them as one phrase",
                )
        used = {kind for kind, _ in kinds}
        if len(used) > 1:
            first = kinds[0][0]
            at = next(offset for kind, offset in kinds if kind != first)
            raise self.fail(
                at, "AND and OR mixed without parentheses", self._grouping(merged, kinds)
            )
        parts = tuple(self.node(child, where) for _, child in merged)
        if len(parts) == 1:
            return parts[0]
        if used == {"OR"}:
            flat: list[Node] = []
            for part in parts:
                flat.extend(part.parts if isinstance(part, Or) else (part,))
            return Or(tuple(flat))
        return And(parts)

    def _words(self, tokens: list[Token]) -> Token:
        """Bare words in a row are a phrase."""
        first, last = tokens[0], tokens[-1]
        for token in tokens if len(tokens) > 1 else ():
            if token.startswith("="):
                words = " ".join(each.lstrip("=") for each in tokens)
                raise self.fail(
                    (tokens[1] if token is first else token).start_pos or 0,
                    f"an operator is missing beside `{token}`",
                    f'write AND, OR or NEAR/n, or an exact phrase: ="{words}"',
                )
        if len(tokens) == 1:
            return first
        phrase = Token.new_borrow_pos("WORD", self.query[first.start_pos : last.end_pos], first)
        phrase.end_pos = last.end_pos
        return phrase

    def _grouping(
        self, merged: list[tuple[Token | None, Any]], kinds: list[tuple[str, int]]
    ) -> str:
        """Show both readings of a mixed row."""
        texts = [self.query[_start(child) : _end(child)].strip() for _, child in merged]
        operators = [kind for kind, _ in kinds]

        def grouped(inner: str) -> str:
            outer = "OR" if inner == "AND" else "AND"
            groups: list[list[str]] = [[texts[0]]]
            for operator, text in zip(operators, texts[1:], strict=True):
                if operator == inner:
                    groups[-1].append(text)
                else:
                    groups.append([text])
            shown = [g[0] if len(g) == 1 else "(" + f" {inner} ".join(g) + ")" for g in groups]
            return f" {outer} ".join(shown)

        return f"write {grouped('OR')} or {grouped('AND')}"

    def _proximity(self, children: list[Any], where: _Where) -> Node:
        if len(children) > MAX_DEPTH:
            at = _start(children[MAX_DEPTH])
            raise self.fail(at, "too many operators in a row", "split the rule in two")
        left = self.node(children[0], where)
        self._positional(left, children[0])
        for operator, operand in zip(children[1::2], children[2::2], strict=True):
            token = operator.children[0]
            right = self.node(operand, where)
            self._positional(right, operand)
            if token.type == "SENT":
                left = Same(left, right, "sentence")
            elif token.type == "PARA":
                left = Same(left, right, "paragraph")
            elif token.type == "NOT_NEAR":
                left = NotNear(left, right, self._number(token))
            else:
                left = Near(left, right, self._number(token), token.type == "ONEAR")
        return left

    def _prefixed(self, kind: str, children: list[Any], where: _Where) -> Node:
        n = self._number(children[0])
        part = self.node(children[1], where)
        self._positional(part, children[1])
        if n == 0:
            raise self.fail(
                children[0].start_pos, f"`{children[0]}` asks for nothing", "write 1 or more"
            )
        return AtLeast(n, part) if kind == "at_least" else First(n, part)

    def _number(self, token: Token) -> int:
        number = int(token.rsplit("/", 1)[1])
        if number > MAX_NUMBER:
            at = (token.start_pos or 0) + token.rindex("/") + 1
            raise self.fail(
                at,
                f"{number} is more than {MAX_NUMBER} words",
                "use PARA for the same paragraph, or AND",
            )
        return number

    def _positional(self, node: Node, tree: Any) -> None:
        if not is_positional(node):
            raise self.fail(
                _start(tree),
                "AND, NOT and labels have no place in the text to be near",
                "write terms or groups of OR here: (a NEAR/5 c) AND (b NEAR/5 c)",
            )

    def _field(self, children: list[Any], where: _Where) -> Node:
        token, operand = children
        name = token[:-1].lower()
        at = token.start_pos or 0
        if name in TEXT_PLACES:
            if where.label is not None:
                raise self.fail(at, f"`{token}` inside a label", "close the group before it")
            part = self.node(operand, where)
            if name == "lead":
                return Lead(part)
            return In(fields_of(name), part)
        if name in LABELS:
            return self.node(operand, _Where(LABELS[name]))
        raise self.fail(at, f"unknown field `{token}`", hint_for(name))

    def _unit(self, kind: str, token: Token, where: _Where) -> Node:
        at = token.start_pos or 0
        if where.label is not None:
            return self._label(kind, token, where.label)
        if kind == "regex":
            return self._located(at, lambda: self.leaves.regex(token[1:-1], self.path), 1)
        if kind == "list":
            name = _value(token, "list:", "#")
            return self._located(at, lambda: self.leaves.named_list(name, self.path, self.context))
        if kind == "entity":
            name = _value(token, "entity:", "@")
            return self._located(
                at, lambda: self.leaves.lookup.entity(name, self.path, self.leaves)
            )
        text = str(token)
        if kind == "phrase":
            text = text.strip(_QUOTES)
            at += 1
            shorthand = text[:1] in "#@" or text.startswith(("list:", "entity:"))
            if not shorthand and text.startswith("/") and text.endswith("/"):
                text = f" {text} "  # slashes in quotes are text
        elif kind == "exact_phrase":
            text = "=" + text[1:].strip(_QUOTES)
        else:
            self._check_word(text, at)
        return self._located(
            at, lambda: self.leaves.term(text, self.path, self.context, in_query=True)
        )

    def _check_word(self, text: str, at: int) -> None:
        if found := FLAGS.fullmatch(text):
            hint = "capitals are folded: leave them out"
            raise self.fail(at, f"flags are not needed: `{found[1]}`", hint)
        if found := re.search(r"\w\?(?=\w)", text):
            star = found.start() + 1
            raise self.fail(
                at + star,
                "`?` for one letter is not offered",
                f"list the words, or write {text[:star]}*",
            )
        words = text.split()
        if len(words) > 1:
            for word in words:
                if operator := _LOWER.get(word):
                    self.warn(
                        at + text.find(word),
                        f"`{word}` is read as a word of a phrase",
                        f"operators are in capitals: {operator}; quote the phrase to keep it",
                    )

    def _label(self, kind: str, token: Token, label: MetaField) -> Meta:
        if kind in ("regex", "list", "entity"):
            if kind == "regex" and label == "url":
                return self._meta(label, str(token), token.start_pos or 0)
            raise self.fail(
                token.start_pos or 0, f"`{token}` can't stand for a label", "write words"
            )
        return self._meta(label, str(token).strip(_QUOTES), token.start_pos or 0)

    def _meta(self, label: MetaField, text: str, at: int) -> Meta:
        made = self._located(at, lambda: self.leaves.meta(label, [text], self.path))
        assert isinstance(made, Meta)
        return made

    def _located(self, at: int, build: Any, shift: int = 0) -> Node:
        """Run a builder whose errors know only the configuration path; add the place in the
        query."""
        known = len(self.leaves.problems)
        try:
            node: Node = build()
        except RuleError as error:
            problem = error.problem
            if problem.path[: len(self.path)] != self.path:
                raise
            raise self.fail(
                at + shift + (problem.offset or 0), problem.message, problem.hint
            ) from None
        for index in range(known, len(self.leaves.problems)):
            problem = self.leaves.problems[index]
            if problem.offset is None and problem.path == self.path:
                self.leaves.problems[index] = RuleProblem(
                    problem.path,
                    problem.message,
                    problem.hint,
                    problem.level,
                    at,
                    excerpt(self.query, at),
                )
        return node


def _value(token: Token, prefix: str, short: str) -> str:
    text = str(token)
    text = text[len(prefix) :] if text.startswith(prefix) else text[len(short) :]
    return text.strip().strip(_QUOTES).strip()


def _start(tree: Any) -> int:
    if isinstance(tree, Token):
        return tree.start_pos or 0
    return _start(tree.children[0])


def _end(tree: Any) -> int:
    if isinstance(tree, Token):
        return tree.end_pos or 0
    return _end(tree.children[-1])

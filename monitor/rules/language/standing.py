"""What a part of a query can stand for: a place in the text, or only an absence."""

from __future__ import annotations

from monitor.rules.tree import POSITIONAL, And, In, Lead, Node, Not, Or


def is_positional(node: Node) -> bool:
    """Whether ``node`` has a place in the text, so that something can be near it."""
    if isinstance(node, Or):
        return all(is_positional(part) for part in node.parts)
    if isinstance(node, (In, Lead)):
        return is_positional(node.part)
    return isinstance(node, POSITIONAL)


def only_not(node: Node) -> bool:
    """Whether nothing positive is asked for: the rule can't be found by anything it looks for."""
    if isinstance(node, Not):
        return True
    if isinstance(node, And):
        return all(only_not(part) for part in node.parts)
    if isinstance(node, Or):
        return any(only_not(part) for part in node.parts)
    if isinstance(node, (In, Lead)):
        return only_not(node.part)
    return False

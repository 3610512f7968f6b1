"""Modules depend in one direction: none needs itself by way of others, not even late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import monitor

ROOT = Path(monitor.__file__).parent


def modules(root: Path) -> dict[str, Path]:
    found = {}
    for path in root.rglob("*.py"):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not for_types_only(child):
            yield from nodes(child)


def needs(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that ``path`` imports, wherever in its text it does."""
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for each in node.names:
                name = f"{node.module}.{each.name}"
                yield name if name in known else node.module


def order(root: Path) -> list[str]:
    known = modules(root)
    graph = {name: set(needs(path, known)) - {name} for name, path in known.items()}
    return list(TopologicalSorter(graph).static_order())


def test_no_module_needs_itself_by_way_of_others() -> None:
    assert len(order(ROOT)) > 100


def test_a_circle_is_found_also_where_one_of_them_imports_late(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from package import two\n")
    (package / "two.py").write_text("def late():\n    from package.one import x\n")
    with pytest.raises(CycleError):
        order(package)

"""Worked examples of what rules mean: the tables in ``cases/``, read as a configuration is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.config.models import Settings
from monitor.config.yaml import parse
from monitor.rules import compile_rules, plain
from monitor.values import Document
from tests.oracle.matcher import judge

TODAY = date(2026, 3, 1)
LISTS = {"arms": ["arms deal", "weapons sale"]}
FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def cases() -> Iterator[Any]:
    for file in FILES:
        parsed = parse(file.read_text("utf-8"), file.name)
        assert not parsed.problems
        for group, rows in parsed.data.items():
            for number, row in enumerate(rows):
                rule = row.get("rule") or {"any": [row["term"]]}
                shown = row.get("term") or " ".join(map(str, next(iter(rule.items()))))
                yield pytest.param(rule, row, id=f"{file.stem}-{group}-{number}-{shown}"[:60])


@pytest.mark.parametrize(("rule", "row"), list(cases()))
def test_case(rule: dict[str, Any], row: dict[str, Any]) -> None:
    settings = Settings.model_validate(
        {"rules": [{"name": "r", **rule}], "lists": LISTS, "entities": row.get("entities", {})}
    )
    published = row.get("published")
    document = plain(
        Document(
            "1",
            row.get("title", ""),
            row.get("summary", ""),
            row.get("body", ""),
            url=row.get("url"),
            source=row.get("source"),
            feed=row.get("feed"),
            authors=tuple(row.get("authors", ())),
            tags=tuple(row.get("tags", ())),
            categories=tuple(row.get("categories", ())),
            language=row.get("language"),
            country=row.get("country"),
            published=datetime.fromisoformat(published).astimezone(UTC) if published else None,
        )
    )
    compiled = compile_rules(settings, TODAY, lenient=True)
    assert not [p for p in compiled.problems if p.level == "error"], compiled.problems
    matches = compiled.ruleset.match(document)
    assert bool(matches) is (row["fires"] == "true")
    for match in matches:
        hits = {(h.field, h.start, h.end, h.term, h.entity) for h in match.hits}
        assert hits == judge(settings, document, TODAY)["r"]
        for hit in match.hits:
            assert document.text(hit.field)[hit.start : hit.end] == hit.text

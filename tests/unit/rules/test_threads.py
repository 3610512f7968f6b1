"""A rule set that is asked for entities from two threads at once."""

from __future__ import annotations

from datetime import date
from threading import Thread

import pytest

from monitor.config.models import Settings
from monitor.rules import compile_rules, ruleset
from monitor.rules.index.plan import forms_of
from monitor.values import Document

TODAY = date(2026, 3, 1)
RULES = {"rules": [{"name": "R", "any": ["deal"]}]}
TEXT = Document("1", "Syrian officials in France")


def test_entities_asked_for_while_they_are_built_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon has them built in a thread at its start, and its first alert asks for them."""
    rules = compile_rules(Settings.model_validate(RULES), TODAY).ruleset
    expected = compile_rules(Settings.model_validate(RULES), TODAY).ruleset.entities(TEXT)
    assert len(expected) == 2
    found = []
    second = Thread(target=lambda: found.append(rules.entities(TEXT)))

    def half_way(*args: object) -> object:
        if not second.ident:
            second.start()
            second.join(0.5)
        return forms_of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ruleset, "forms_of", half_way)
    found.append(rules.entities(TEXT))
    second.join(30)
    assert found == [expected, expected]
    assert rules.entities(TEXT) == expected

"""Counts of terms are kept as they are, and read as they were kept before."""

from __future__ import annotations

import json
import zlib

import pytest

from monitor.stories.frequencies import Frequencies

DOCUMENTS = [["harbour", "pilots"], ["harbour", "Сирия", "~Assad"], ["日本", "harbour"]]


@pytest.mark.parametrize("documents", [DOCUMENTS, []])
def test_what_was_counted_comes_back(documents: list[list[str]]) -> None:
    counted = Frequencies()
    for terms in documents:
        counted.add(terms)
    again = Frequencies.from_bytes(counted.to_bytes())
    assert (again.documents, again._counts) == (counted.documents, counted._counts)
    assert list(again._counts) == list(counted._counts)


def test_the_first_form_is_read() -> None:
    before = zlib.compress(json.dumps([3, {"harbour": 3, "Сирия": 1}]).encode(), 1)
    again = Frequencies.from_bytes(before)
    assert (again.documents, again._counts) == (3, {"harbour": 3, "Сирия": 1})

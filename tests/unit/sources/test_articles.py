"""What counts as a teaser."""

from __future__ import annotations

import pytest

from monitor.sources.articles import TEASER, is_teaser
from monitor.values import Entry


@pytest.mark.parametrize(
    ("summary", "content", "expected"),
    [(0, 0, True), (TEASER - 1, 0, True), (TEASER, 0, False), (10, TEASER, False)],
)
def test_teasers_are_told_by_their_longer_text(summary: int, content: int, expected: bool) -> None:
    entry = Entry("1", None, "A title", summary="x" * summary, content="x" * content)
    assert is_teaser(entry) is expected

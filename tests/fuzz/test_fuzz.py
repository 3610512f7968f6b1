"""What is kept of fuzzing: every input that once broke something, the corpus, some mutations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.mutate import HERE, mutations
from tests.fuzz.targets import TARGETS, judged

CORPUS = sorted((HERE / "corpus").glob("*/[!.]*"))
ONCE_BROKEN = sorted((HERE / "regressions").glob("*/[!.]*"))
MUTATIONS = {"feed": 400, "query": 250, "config": 1000, "decoders": 4000}


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_breaks_nothing(target: str) -> None:
    mine = [path for path in CORPUS if path.parent.name == target]
    assert len(mine) >= 5
    for path in mine:
        judged(TARGETS[target], path.read_bytes())


@pytest.mark.parametrize("path", ONCE_BROKEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_something_doesn_t(path: Path) -> None:
    judged(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_mutations_break_nothing(target: str) -> None:
    for number, data in enumerate(mutations(target, seed=6, count=MUTATIONS[target])):
        try:
            judged(TARGETS[target], data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the input is what matters
            pytest.fail(f"mutation {number}, {data!r}: {type(error).__name__}: {error}")

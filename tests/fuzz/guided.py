"""``python -m tests.fuzz.guided TARGET CORPUS… [libFuzzer options]``: one target under atheris.

A module of its own, since atheris must see what it is to guide by as it is imported.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(
    include=["monitor", "feedparser", "lark"], enable_loader_override=False
):
    from tests.fuzz.targets import TARGETS, judged


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: judged(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Mutations of kept inputs: bytes flipped, spans dropped, doubled, spliced, hostile words put in.

Needs nothing but a seed; coverage-guided fuzzing is atheris's part (``python -m tests.fuzz``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
LONGEST = 16_384


def kept(target: str) -> list[bytes]:
    """Return the target's kept inputs, those that once broke something included."""
    folders = (HERE / "corpus" / target, HERE / "regressions" / target)
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("[!.]*"))]


def words(target: str) -> list[bytes]:
    """Return the target's hostile words, from a file that libFuzzer reads too."""
    lines = (HERE / "words" / f"{target}.dict").read_text("ascii").splitlines()
    return [
        re.sub(r"\\x(..)|\\(.)", _unescaped, line[1:-1]).encode("latin-1") for line in lines if line
    ]


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2]


def mutations(target: str, seed: int, count: int) -> Iterator[bytes]:
    """Yield ``count`` mutated inputs, the same for the same seed and corpus."""
    random, corpus, hostile = Random(seed), kept(target), words(target)
    for _ in range(count):
        data = bytearray(random.choice(corpus))
        for _ in range(min(1 + int(random.expovariate(0.5)), 12)):
            _mutate(data, random, hostile, corpus)
        yield bytes(data[:LONGEST])


def _mutate(
    data: bytearray, random: Random, hostile: Sequence[bytes], corpus: Sequence[bytes]
) -> None:
    at = random.randrange(len(data) + 1)
    end = min(len(data), at + int(random.expovariate(1 / 20)) + 1)
    match random.randrange(8):
        case 0 if data:
            data[min(at, len(data) - 1)] ^= 1 << random.randrange(8)
        case 1 if data:
            data[min(at, len(data) - 1)] = random.randrange(256)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * random.choice([1, 1, 2, 10, 100])
        case 4:
            other = random.choice(corpus)
            start = random.randrange(len(other) + 1)
            data[at:end] = other[start : start + random.randrange(200)]
        case 5:
            del data[at:]
        case 6:
            first = random.randrange(len(data) + 1)
            data[first:first], data[at:end] = data[at:end], data[first : first + 8]
        case _:
            data[at:at] = random.choice(hostile)

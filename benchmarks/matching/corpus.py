"""Stories and rules to measure with: real stories where the development data is at hand, else
generated.

Rules are drawn from the stories: any of three phrases and any of four names, nine in ten with a
veto, one in ten with one group only, with NEAR/10, with a wildcard, with a case-sensitive
acronym. One phrase and one name come from a real story, so that rules do fire; the rest from the
vocabulary with a Zipf law.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from monitor.values import Document

LENGTH = 680
"""Characters of a story: the mean of the newswire measured with."""
POOL = 60_000
"""Phrases that rules choose from, by a Zipf law: rules share patterns, as those of one desk do."""
RARE = 0.003
"""Share of stories above which a phrase is not chosen: nobody watches for "of the"."""
_WORD = re.compile(r"[A-Za-z][a-z]{2,}")
_NAME = re.compile(r"\b[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})?\b")
_ACRONYM = re.compile(r"\b[A-Z]{2,5}\b")


def stories(data: Path | None, count: int, seed: int = 42) -> tuple[list[Document], str]:
    """Return ``count`` stories and where they come from."""
    texts: list[tuple[str, str]] = []
    if data is not None:
        for name, body in (
            ("dedup_synd", "text"),
            ("event_ecb", "text"),
            ("alerts_reuters", "text"),
        ):
            path = data / "quality" / f"{name}.jsonl.gz"
            if path.exists():
                with gzip.open(path, "rt", encoding="utf-8") as lines:
                    for line in lines:
                        row = json.loads(line)
                        texts.append((row["title"], row[body]))
    source = f"development data ({len(texts)} stories)"
    if not texts:
        texts = generated(4_000, seed)
        source = "generated text (no development data here: set NEWSWATCH_DATA)"
    random.Random(seed).shuffle(texts)
    chosen = [texts[i % len(texts)] for i in range(count)]
    return [
        Document(str(i), title, "", body[: LENGTH - len(title)])
        for i, (title, body) in enumerate(chosen)
    ], source


def kind_of(number: int) -> int:
    """Return what a rule is to be: 1 with a wildcard, 2 exact, 3 NEAR, 4 one group only."""
    return number % 10


def generated(count: int, seed: int) -> list[tuple[str, str]]:
    """Return stories of invented words with a Zipf law, names and acronyms."""
    chance = random.Random(seed)
    letters = "aeiou", "bcdfghklmnprstvz"
    words = [
        "".join(chance.choice(letters[i % 2]) for i in range(chance.randint(3, 10)))
        for _ in range(30_000)
    ]
    weights = [1 / (rank + 1) ** 0.9 for rank in range(len(words))]
    out: list[tuple[str, str]] = []
    for _ in range(count):
        row = chance.choices(words, weights, k=120)
        row = [word.capitalize() if chance.random() < 0.12 else word for word in row]
        row = [word.upper()[:4] if chance.random() < 0.01 else word for word in row]
        body = "".join(word + (". " if chance.random() < 0.05 else " ") for word in row[9:])
        out.append((" ".join(row[:9]), body))
    return out


def rules(documents: Sequence[Document], count: int, seed: int = 42) -> list[dict[str, Any]]:
    """Return ``count`` rules as configuration mappings."""
    chance = random.Random(seed)
    phrases: Counter[str] = Counter()
    names: Counter[str] = Counter()
    acronyms: Counter[str] = Counter()
    stems: Counter[str] = Counter()
    own: list[list[str]] = []
    called: list[list[str]] = []
    for document in documents:
        words = [word.lower() for word in _WORD.findall(document.content)]
        pairs = {f"{left} {right}" for left, right in pairwise(words)}
        phrases.update(pairs)
        stems.update(set(words))
        own.append(sorted(pairs))
        found = set(_NAME.findall(document.content))
        names.update(found)
        called.append(sorted(found))
        acronyms.update(set(_ACRONYM.findall(document.content)))
    limit = len(documents) * RARE
    pool = [phrase for phrase, n in phrases.most_common() if n <= limit][:POOL]
    people = [name for name, n in names.most_common() if n <= 4 * limit][: POOL // 3]
    short = [word for word, n in acronyms.items() if n <= 4 * limit] or ["NATO", "OPEC"]
    rare = [word for word, n in stems.items() if n <= 4 * limit and len(word) > 5]
    known, familiar = set(pool), set(people)
    fill = chance.choices(pool, [1 / (i + 10) ** 0.8 for i in range(len(pool))], k=count * 3)
    others = chance.choices(people, [1 / (i + 10) ** 0.8 for i in range(len(people))], k=count * 3)
    out: list[dict[str, Any]] = []
    for number in range(count):
        at = chance.randrange(len(documents))
        mine = [phrase for phrase in own[at] if phrase in known] or pool[:9]
        here = [name for name in called[at] if name in familiar] or people[:9]
        terms = [chance.choice(mine), *fill[number * 3 : number * 3 + 2]]
        group = [chance.choice(here), *others[number * 3 : number * 3 + 3]]
        rule: dict[str, Any] = {"name": f"rule {number}"}
        kind = kind_of(number)
        if kind == 1:
            word = chance.choice(rare)
            terms[1] = f"{word[: max(5, len(word) - 2)]}*"
        elif kind == 2:
            terms[2] = "=" + chance.choice(short)
        if kind == 3:
            rule["near"] = {"of": [terms, group], "within": 10}
        elif kind == 4:
            rule["any"] = terms[:2]
        else:
            rule["any"] = terms
            rule["entities"] = [group]
        if kind != 9:
            rule["none"] = [fill[number * 3 + 2].split()[0]]
        out.append(rule)
    return out

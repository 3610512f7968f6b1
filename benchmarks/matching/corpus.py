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
from pathlib import Path
from typing import Any

from monitor.values import Document

LENGTH = 680
"""Characters of a story: the mean of the newswire measured with."""
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
        row = [w.capitalize() if chance.random() < 0.12 else w for w in row]
        row = [w.upper()[:4] if chance.random() < 0.01 else w for w in row]
        body = "".join(w + (". " if chance.random() < 0.05 else " ") for w in row[9:])
        out.append((" ".join(row[:9]), body))
    return out


def rules(documents: Sequence[Document], count: int, seed: int = 42) -> list[dict[str, Any]]:
    """Return ``count`` rules as configuration mappings."""
    chance = random.Random(seed)
    vocabulary: Counter[str] = Counter()
    names: Counter[str] = Counter()
    acronyms: Counter[str] = Counter()
    for document in documents:
        text = document.content
        vocabulary.update(set(_WORD.findall(text.lower())))
        names.update(set(_NAME.findall(text)))
        acronyms.update(set(_ACRONYM.findall(text)))
    rare = [w for w, n in vocabulary.items() if n <= len(documents) * 0.02]
    common = [w for w, _ in vocabulary.most_common(20_000)]
    weights = [1 / (rank + 1) ** 0.8 for rank in range(len(common))]
    known = [w for w, n in names.items() if n <= len(documents) * 0.004]
    familiar = set(known)
    short = [w for w, n in acronyms.items() if n <= len(documents) * 0.02] or ["NATO", "OPEC"]
    rare_set = set(rare)
    fillers = chance.choices(common, weights, k=count * 8)
    out: list[dict[str, Any]] = []
    for number in range(count):
        document = documents[chance.randrange(len(documents))]
        words = _WORD.findall(document.content)
        own = "market talks"
        if len(words) > 3:
            at = chance.randrange(len(words) - 1)
            own = f"{words[at].lower()} {words[at + 1].lower()}"
            if not rare_set.intersection(own.split()) and kind_of(number) == 4:
                own = f"{own} {words[(at + 2) % len(words)].lower()}"
        here = [n for n in _NAME.findall(document.content) if n in familiar]
        name = chance.choice(here) if here else chance.choice(known)
        taken = fillers[number * 8 : number * 8 + 8]
        phrases = [own, f"{taken[0]} {taken[1]}", f"{taken[2]} {taken[3]}"]
        kind = kind_of(number)
        if kind == 1:
            word = chance.choice(rare)
            phrases[1] = f"{word[: max(4, len(word) - 2)]}*"
        if kind == 2:
            phrases[2] = "=" + chance.choice(short)
        group = [name, *chance.choices(known, k=3)]
        rule: dict[str, Any] = {"name": f"rule {number}"}
        if kind == 3:
            rule["near"] = {"of": [phrases, group], "within": 10}
        elif kind == 4:
            rule["any"] = phrases[:2]
        else:
            rule["any"] = phrases
            rule["entities"] = [group]
        if number % 10 != 9:
            rule["none"] = [taken[5]]
        out.append(rule)
    return out

"""Score duplicates, events, extraction, rules and summaries on labelled data, in one table.

    python benchmarks/quality.py [DATA]

DATA is a folder with the files named below (default: ``NEWSWATCH_DATA``, or ``../shared/data``
beside the repository); what isn't there is skipped with its reason. Labels are read after the
decisions.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import quality_baselines as baselines  # noqa: E402
from benchmarks import quality_extraction, quality_rules  # noqa: E402
from monitor.daemon.eventloop import set_up_memory  # noqa: E402
from monitor.stories.index import StoryIndex  # noqa: E402
from monitor.stories.summary import summarise  # noqa: E402
from monitor.values import Document, Hit  # noqa: E402

START = datetime(2026, 1, 1, tzinfo=UTC)
FOLDS = 10  # random halves of the labelled stories, for the spread
Row = dict[str, Any]
Scores = tuple[float, float, float]
Method = Callable[[list[Row]], Sequence[object]]


def pair_scores(gold: Sequence[object], found: Sequence[object]) -> Scores:
    """Return precision, recall and F1 over pairs of rows in one group."""
    together = _pairs(list(zip(gold, found, strict=True)))
    wanted, made = _pairs(gold), _pairs(found)
    return _f1(together / made if made else 1.0, together / wanted if wanted else 1.0)


def bcubed_scores(gold: Sequence[object], found: Sequence[object]) -> Scores:
    """Return B-cubed precision, recall and F1 (Bagga and Baldwin 1998)."""
    golds, founds = Counter(gold), Counter(found)
    both = Counter(zip(gold, found, strict=True))
    precision = sum(count * count / founds[cell[1]] for cell, count in both.items())
    recall = sum(count * count / golds[cell[0]] for cell, count in both.items())
    return _f1(precision / len(gold), recall / len(gold))


def _pairs(groups: Sequence[object]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(groups).values())


def _f1(precision: float, recall: float) -> Scores:
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


# The product and its baselines -------------------------------------------------------------------


def document(row: Row) -> Document:
    return Document(
        row["id"],
        row["title"],
        row.get("summary", ""),
        url=row.get("url"),
        source=row.get("source"),
    )


def _decided(rows: list[Row]) -> Iterator[tuple[str, str]]:
    index = StoryIndex()
    for number, row in enumerate(rows):
        decision = index.assign(document(row), START + timedelta(seconds=number))
        yield decision.duplicate_of or row["id"], decision.story.id


def our_duplicates(rows: list[Row]) -> list[str]:
    return [copy for copy, _ in _decided(rows)]


def our_stories(rows: list[Row]) -> list[str]:
    return [story for _, story in _decided(rows)]


def _baseline(method: Callable[[baselines.Texts], list[int]]) -> Method:
    return lambda rows: method([(row["title"], row.get("summary", "")) for row in rows])


DUPLICATES: dict[str, Method] = {
    "exact title": _baseline(baselines.exact_title),
    "normalised title": _baseline(baselines.normalised_title),
    "SimHash": _baseline(baselines.simhash),
    "MinHash-LSH": _baseline(baselines.minhash_lsh),
    "plain TF-IDF": _baseline(lambda rows: baselines.plain_tfidf(rows, 0.5)),
    "newswatch": our_duplicates,
}
EVENTS: dict[str, Method] = {
    "exact title": DUPLICATES["exact title"],
    "normalised title": DUPLICATES["normalised title"],
    "SimHash": DUPLICATES["SimHash"],
    "MinHash-LSH": DUPLICATES["MinHash-LSH"],
    "plain TF-IDF": _baseline(baselines.plain_tfidf),
    "newswatch": our_stories,
}


# Tables ------------------------------------------------------------------------------------------


def score_groups(
    table: Table, data: str, rows: list[Row], label: str, methods: dict[str, Method], *, pairs: bool
) -> None:
    """Add a line a method: scores on all rows, and ours over random halves of the labels."""
    gold = [row[label] for row in rows]
    for name, method in methods.items():
        begun = time.process_time()
        found = method(rows)
        speed = len(rows) / max(1e-9, time.process_time() - begun)
        spread = "" if name != "newswatch" else _spread(rows, gold, method, pairs=pairs)
        precision, recall, f1 = pair_scores(gold, found) if pairs else (0.0, 0.0, 0.0)
        cubed = bcubed_scores(gold, found)
        both = f"{f1:.3f} ({precision:.3f}/{recall:.3f})   B³ " if pairs else "B³ "
        table.add_row(
            data,
            name,
            f"{both}{cubed[2]:.3f} ({cubed[0]:.3f}/{cubed[1]:.3f})",
            spread,
            f"{speed:,.0f}",
        )


def _spread(rows: list[Row], gold: list[Any], method: Method, *, pairs: bool) -> str:
    """Return mean and standard deviation of F1 over random halves of the labels, each run anew."""
    score = pair_scores if pairs else bcubed_scores
    found: list[float] = []
    for seed in range(FOLDS):
        labels = sorted(set(gold), key=str)
        Random(seed).shuffle(labels)
        half = set(labels[: len(labels) // 2])
        kept = [row for row, each in zip(rows, gold, strict=True) if each in half]
        wanted = [each for each in gold if each in half]
        found.append(score(wanted, method(kept))[2])
    return f"{statistics.mean(found):.3f} ± {statistics.stdev(found):.3f}"


def score_wrong_joins(table: Table, rows: list[Row]) -> None:
    """Add a line: how many dispatches about other things were put to a story of others'."""
    told: defaultdict[str, set[object]] = defaultdict(set)
    wrong = 0
    for row, story in zip(rows, our_stories(rows), strict=True):
        wrong += bool(told[story]) and row["dup"] not in told[story]
        told[story].add(row["dup"])
    table.add_row("dedup_reuters", "newswatch: put to another story", f"{wrong / len(rows):.3f}")


def score_summaries(table: Table, rows: list[Row], rules: list[Row]) -> None:
    """Add lines: in how many alerts the text shown has a keyword and the country of the rule.

    An alert is a document labelled with a rule's topic and country whose text has a keyword and
    the country's name.
    """
    shown: Counter[str] = Counter()
    total = 0
    for row in rows:
        doc = Document(row["id"], row["title"], "", " ".join(row["text"].split()))
        names = dict(zip(row["countries"], row["places"], strict=False))
        for rule in rules:
            if rule["topic"] not in row["topics"] or rule["country"] not in names:
                continue
            place = re.escape(names[rule["country"]].replace("-", " "))
            patterns = {"keyword": rule["keyword_regex"], "country": rf"\b{place}\b"}
            hits = [
                Hit(name, "content", found.start(), found.end(), found[0], name)
                for name, pattern in patterns.items()
                for found in re.finditer(pattern, doc.content, re.IGNORECASE)
            ]
            if {hit.entity for hit in hits} != set(patterns):
                continue
            total += 1
            texts = {
                "newswatch": summarise(doc, hits).quote.text,
                "lead-3": baselines.lead_three(doc.content, 400),
            }
            for name, text in texts.items():
                shown[name] += all(re.search(each, text, re.I) for each in patterns.values())
    for name in ("lead-3", "newswatch"):
        table.add_row(
            "alerts_reuters",
            f"summary of {total} alerts, {name}",
            f"{shown[name] / max(1, total):.3f}",
        )


def score_speed(table: Table, rows: list[Row]) -> None:
    """Add lines: decisions a second, in slices while the window fills to 100,000 entries."""
    random = Random(1)
    index = StoryIndex()
    pool = [row["text"].split() for row in rows if len(row["text"]) > 300]
    number = 0
    for target in (1_000, 5_000, 6_000, 25_000, 50_000, 99_000, 100_000):
        first = number
        spent = 0.0
        while number < target:
            # Each entry is a stretch of a real text with a tenth of its words made its own.
            words = random.choice(pool)
            at = random.randrange(max(1, len(words) - 60))
            made = [f"{w}{number}" if random.random() < 0.1 else w for w in words[at : at + 60]]
            doc = Document(str(number), " ".join(made[:9]).title(), " ".join(made[9:]))
            begun = time.process_time()
            index.assign(doc, START + timedelta(seconds=number))
            spent += time.process_time() - begun
            number += 1
        speed = f"{(number - first) / spent:,.0f}"
        table.add_row("speed", f"window of {first:,} to {target:,}", "", "", speed)


def score_extraction(table: Table, folder: Path) -> None:
    """Add lines: word 4-gram F1 of the article found in labelled pages, a line a library."""
    for way, scores, halves, rate in quality_extraction.ways_scored(folder):
        f1, precision, recall = scores
        table.add_row(
            "extract",
            way,
            f"{f1:.3f} ({precision:.3f}/{recall:.3f})",
            f"{halves[0]:.3f}, {halves[1]:.3f}",
            f"{rate:,.0f}",
        )


def main() -> int:
    set_up_memory()
    console = Console(width=140 if not sys.stdout.isatty() else None)
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NEWSWATCH_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    folder = folder / "quality" if (folder / "quality").is_dir() else folder

    def rows(name: str, order: str | None = None) -> list[Row] | None:
        path = folder / f"{name}.jsonl.gz"
        if not path.is_file():
            console.print(f"skipped {name}: no file {path.name} in the data folder")
            return None
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
        return sorted(found, key=lambda row: row[order]) if order else found

    table = Table(
        "data", "method", "F1 (P/R)", "halves", "a second (CPU)",
        title="Quality: F1 of pairs, B-cubed F1 (B³) of groups, shares",
    )  # fmt: skip
    for name in ("dedup_synd", "dedup_reuters"):
        if (found := rows(name)) is not None:
            score_groups(table, name, found, "dup", DUPLICATES, pairs=True)
    for name, order in (("event_ecb", "order"), ("event_uci", "order_ts")):
        if (found := rows(name, order)) is not None:
            score_groups(table, name, found, "story", EVENTS, pairs=False)
    if (found := rows("dedup_reuters")) is not None:
        score_wrong_joins(table, found)
    if (folder / "extract" / "truth.json").is_file():
        score_extraction(table, folder)
    else:
        console.print("skipped extract: no truth.json in the data folder")
    if (found := rows("alerts_reuters")) is not None:
        rules = folder / "rules_reuters.json"
        if rules.is_file():
            for name, cell in quality_rules.rules_scored(folder, found):
                table.add_row("alerts_reuters", f"rules, {name}", cell)
            for name, cell in quality_rules.countries_scored(found):
                table.add_row("alerts_reuters", f"countries, {name}", cell)
            score_summaries(table, found, json.loads(rules.read_text(encoding="utf-8")))
        score_speed(table, found)
    if table.row_count:
        console.print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

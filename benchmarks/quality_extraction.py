"""How well articles are found in pages: ``python -m benchmarks.quality_extraction``.

Word 4-gram shingle F1 (macro precision and recall over labelled pages), with baselines in the same
run. The halves are by a hash of the page's name: what was tuned was tuned on ``dev``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from trafilatura import bare_extraction

from monitor.errors import ParseError
from monitor.sources.extract import extract
from monitor.sources.furniture import clean_content
from monitor.sources.text import html_to_text

_WHOLE_PAGE = 3_000_000  # characters


def shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if not words:
        return Counter()
    return Counter(tuple(words[at : at + 4]) for at in range(max(1, len(words) - 3)))


def precision_recall(found: str, truth: str) -> tuple[float, float]:
    mine, theirs = shingles(found), shingles(truth)
    both = sum((mine & theirs).values())
    precision = both / sum(mine.values()) if mine else float(not theirs)
    return precision, both / sum(theirs.values()) if theirs else 1.0


def f1(scores: list[tuple[float, float]]) -> tuple[float, float, float]:
    if not scores:
        return 0.0, 0.0, 0.0
    precision = sum(one for one, _ in scores) / len(scores)
    recall = sum(other for _, other in scores) / len(scores)
    total = precision + recall
    return (2 * precision * recall / total if total else 0.0), precision, recall


def by_trafilatura(page: bytes, *, precise: bool = False) -> str:
    found = bare_extraction(page, include_comments=False, favor_precision=precise)
    return "" if found is None or isinstance(found, dict) else found.text or ""


def by_newswatch(page: bytes) -> str:
    try:
        return extract(page).text
    except ParseError:
        return ""


def all_text(page: bytes) -> str:
    return html_to_text(page.decode("utf-8", "replace"), _WHOLE_PAGE)


WAYS: dict[str, Callable[[bytes], str]] = {
    "all text": all_text,
    "all text, cleaned": lambda page: clean_content(all_text(page)),
    "trafilatura": by_trafilatura,
    "trafilatura, precision": lambda page: by_trafilatura(page, precise=True),
    "newswatch": by_newswatch,
}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    )
    data = words.parse_args().data / "quality"
    if not (data / "extract" / "truth.json").exists():
        print(f"skipped: no labelled pages in {data / 'extract'} (set NEWSWATCH_DATA or --data)")
        return 0
    truth = json.loads((data / "extract" / "truth.json").read_text())
    head = ("F1", "P", "R", "dev", "held out", "pages/s")
    print(f"{len(truth)} pages\n\n{'':26}" + "".join(f"{word:>10}" for word in head))
    for way, (whole, precision, recall), halves, rate in ways_scored(data):
        print(
            f"{way:26}{whole:10.4f}{precision:10.3f}{recall:10.3f}"
            f"{halves[0]:10.3f}{halves[1]:10.3f}{rate:10.1f}"
        )
    return _example(data / "example")


def ways_scored(
    data: Path,
) -> Iterator[tuple[str, tuple[float, float, float], tuple[float, float], float]]:
    """Yield each way, its F1, precision and recall, F1 on the halves, and pages a second."""
    truth = json.loads((data / "extract" / "truth.json").read_text())
    pages = {
        name: gzip.decompress((data / "extract" / f"{name}.html.gz").read_bytes()) for name in truth
    }
    for way, run in WAYS.items():
        scores: dict[str, tuple[float, float]] = {}
        started = time.process_time()
        texts = {name: run(page) for name, page in pages.items()}
        rate = len(pages) / (time.process_time() - started)
        for name, text in texts.items():
            scores[name] = precision_recall(text, truth[name]["articleBody"])
        halves = [
            [score for name, score in scores.items() if _half(name) == half] for half in (0, 1)
        ]
        yield way, f1(list(scores.values())), (f1(halves[0])[0], f1(halves[1])[0]), rate


def _half(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2


def _example(folder: Path) -> int:
    """Check the example page, as text and as paragraphs without other markup."""
    if not (folder / "expected.json").exists():
        return 0
    expected = json.loads((folder / "expected.json").read_text())
    text = (folder / "seed_page.txt").read_text()
    blocks = [block for block in text.split("\n\n") if block.strip()]
    page = "<html><body>" + "".join(f"<p>{block}</p>" for block in blocks) + "</body></html>"
    failed = 0
    for name, body in (("plain text", text), ("paragraphs", page)):
        article = extract(body.encode())
        wrong = [
            f"missing {part!r}" for part in expected["must_include"] if part not in article.text
        ]
        wrong += [f"has {part!r}" for part in expected["must_not_include"] if part in article.text]
        if article.title != expected["title"]:
            wrong.append(f"title {article.title!r}")
        if not article.published or f"{article.published:%Y-%m-%d}" != expected["date"]:
            wrong.append(f"date {article.published}")
        print(f"\nexample page as {name}: {'; '.join(wrong) or 'all as expected'}", end="")
        failed += bool(wrong)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

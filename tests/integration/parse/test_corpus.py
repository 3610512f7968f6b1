"""The fast path against feedparser on real feeds and on feedparser's own tests, field by field.

Both sets belong to others and lie outside the repository: ``NEWSWATCH_DATA`` names the folder with
``feeds/*.gz``, ``NEWSWATCH_FEEDPARSER_TESTS`` the ``tests`` folder of feedparser's source
distribution. Where one is absent its test is skipped and says so.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from monitor.sources.parse.decode import decode
from monitor.sources.parse.draft import finish_feed
from monitor.sources.parse.read import parse, read_fast_or_mended
from monitor.sources.parse.reference import read_with_feedparser
from monitor.sources.parse.tree import Fallback
from monitor.values import Entry

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("NEWSWATCH_DATA", ROOT.parent / "shared" / "data")) / "feeds"
OWN_TESTS = Path(os.environ.get("NEWSWATCH_FEEDPARSER_TESTS", "/nonexistent"))
URL = "https://news.example/feed.xml"
FEED_FIELDS = ("title", "url", "site_url", "language", "ttl", "hubs", "update_period")

# Where the fast path is meant to differ: file → fields, with the reason.
DEVIATIONS = {
    # a self link with an empty href stands for the document's own address there; here for nothing
    "feed_link_xml_base_iri.xml": {"url"},
}


def real_feeds() -> Iterator[tuple[str, bytes]]:
    for path in sorted(DATA.glob("*.gz")):
        yield path.name, gzip.decompress(path.read_bytes())


def feedparser_tests() -> Iterator[tuple[str, bytes]]:
    for path in sorted(OWN_TESTS.rglob("*.xml")):
        yield path.name, path.read_bytes()


def compared(files: Iterator[tuple[str, bytes]]) -> tuple[int, int, Counter[str], list[str]]:
    """Return how many XML files there were, how many went fast, why others didn't, differences."""
    total = fast = 0
    reasons: Counter[str] = Counter()
    wrong = []
    for name, body in files:
        data = decode(body).data
        if data[:1] in b"{[":
            continue
        total += 1
        try:
            mine = finish_feed(read_fast_or_mended(data, URL), URL)
        except Fallback as reason:
            reasons[str(reason)] += 1
            continue
        fast += 1
        theirs = finish_feed(read_with_feedparser(data, URL), URL)
        if len(mine.entries) != len(theirs.entries):
            wrong.append(f"{name}: {len(mine.entries)} entries, not {len(theirs.entries)}")
        allowed = DEVIATIONS.get(name, set())
        wrong += [
            f"{name}: {field}"
            for field in FEED_FIELDS
            if getattr(mine, field) != getattr(theirs, field) and field not in allowed
        ]
        for number, (one, other) in enumerate(zip(mine.entries, theirs.entries, strict=False)):
            wrong += [
                f"{name}: entry {number}: {field.name}"
                for field in fields(Entry)
                if getattr(one, field.name) != getattr(other, field.name)
            ]
    return total, fast, reasons, wrong


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real feeds in {DATA}: set NEWSWATCH_DATA")
def test_real_feeds_read_the_same() -> None:
    total, fast, reasons, wrong = compared(real_feeds())
    print(f"{fast} of {total} feeds took the fast path; the others: {dict(reasons)}")
    assert wrong == []
    assert fast >= 0.93 * total


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real feeds in {DATA}: set NEWSWATCH_DATA")
def test_every_real_feed_has_entries() -> None:
    empty = [name for name, body in real_feeds() if not parse(body, url=URL).entries]
    assert empty == []


@pytest.mark.skipif(
    not OWN_TESTS.is_dir(), reason="no tests of feedparser: set NEWSWATCH_FEEDPARSER_TESTS"
)
def test_feedparser_own_tests_read_the_same() -> None:
    total, fast, reasons, wrong = compared(feedparser_tests())
    print(f"{fast} of {total} files took the fast path; the others: {dict(reasons)}")
    assert wrong == []

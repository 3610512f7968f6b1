"""The feeds that are polled: the real ones where the data folder is there, and invented ones.

Invented feeds are RSS (75 %), Atom (20 %) and RDF (5 %) with 20 to 100 entries of news-like text,
so that sizes spread as they do in the wild (median some 40 kB).
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

WORDS = """
minister talks border region army court election vote parliament protest strike energy gas
pipeline bank inflation market trade tariff export harvest flood storm earthquake rescue
hospital vaccine study climate summit treaty ceasefire sanctions visit president police
investigation fire airport rail port company factory workers union football final record
""".split()  # noqa: SIM905 - prose is easier to read than a list of literals
PLANTED = "Sanctions on Ruritania agreed"  # what the benchmark's rule looks for
NEW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


@dataclass(frozen=True)
class Item:
    """One invented entry."""

    number: int
    title: str
    text: str
    at: datetime


def items(feed: int, count: int, dice: Random, first: int = 0) -> list[Item]:
    """Return ``count`` entries of a feed, newest first; their numbers begin at ``first``."""
    made: list[Item] = []
    apart = 1440 / dice.lognormvariate(1.6, 1.2)  # minutes; the median feed has five a day
    for number in range(first + count - 1, first - 1, -1):
        title = " ".join(dice.choices(WORDS, k=dice.randint(6, 12))).capitalize()
        text = " ".join(dice.choices(WORDS, k=dice.randint(20, 160)))
        at = NEW - timedelta(minutes=(count - number + first) * apart + feed % 60)
        made.append(Item(number, title, text, at))
    return made


def rss(feed: int, entries: Sequence[Item]) -> str:
    body = "".join(
        f"<item><title>{escape(e.title)}</title><link>https://f{feed}.example/{e.number}</link>"
        f"<guid isPermaLink='false'>f{feed}-{e.number}</guid><description>&lt;p&gt;{e.text}&lt;/p"
        f"&gt;</description><pubDate>{format_datetime(e.at, usegmt=True)}</pubDate></item>\n"
        for e in entries
    )
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\n<rss version='2.0'><channel><title>Feed {feed}"
        f"</title><link>https://f{feed}.example/</link>\n{body}</channel></rss>\n"
    )


def atom(feed: int, entries: Sequence[Item]) -> str:
    body = "".join(
        f"<entry><title>{escape(e.title)}</title><link href='https://f{feed}.example/{e.number}'/>"
        f"<id>tag:f{feed}.example,2026:{e.number}</id><updated>{e.at.isoformat()}</updated>"
        f"<summary type='html'>&lt;p&gt;{e.text}&lt;/p&gt;</summary></entry>\n"
        for e in entries
    )
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\n<feed xmlns='http://www.w3.org/2005/Atom'><title>"
        f"Feed {feed}</title><id>tag:f{feed}.example,2026:feed</id>"
        f"<updated>{NEW.isoformat()}</updated>\n{body}</feed>\n"
    )


def rdf(feed: int, entries: Sequence[Item]) -> str:
    body = "".join(
        f"<item rdf:about='https://f{feed}.example/{e.number}'><title>{escape(e.title)}</title>"
        f"<link>https://f{feed}.example/{e.number}</link><description>{e.text}</description>"
        f"<dc:date>{e.at.isoformat()}</dc:date></item>\n"
        for e in entries
    )
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
        "xmlns='http://purl.org/rss/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'>"
        f"<channel rdf:about='https://f{feed}.example/'><title>Feed {feed}</title>"
        f"<link>https://f{feed}.example/</link></channel>\n{body}</rdf:RDF>\n"
    )


def invented(feed: int, seed: int, fresh: int = 0) -> str:
    """Return an invented feed's document; ``fresh`` entries are new since ``fresh=0``."""
    dice = Random(seed * 1_000_003 + feed)
    kind = dice.random()
    entries = items(feed, dice.randint(20, 100), dice)
    for number in range(fresh):
        at = NEW + timedelta(minutes=number)
        title = f"{PLANTED}, says source {feed}" if number == 0 else f"More from {feed} {number}"
        entries.insert(0, Item(10_000 + number, title, "The text of it.", at))
    form = rss if kind < 0.75 else atom if kind < 0.95 else rdf
    return form(feed, entries)


@dataclass(frozen=True)
class Corpus:
    """Feeds laid out under ``root`` as ``N.xml`` (with ``N.xml.gz`` beside it)."""

    root: Path
    count: int
    real: int
    seed: int

    def change(self, share: float) -> int:
        """Give every so many of the invented feeds one to three new entries; returns how many
        entries are new. The first of them in each feed is what the rule looks for."""
        step = max(round(1 / share), 1)
        added = 0
        for number in range(self.real, self.count, step):
            fresh = number // step % 3 + 1
            _write(self.root, number, invented(number, self.seed, fresh).encode())
            added += fresh
        return added

    def changed(self, share: float) -> int:
        """Return how many feeds ``change`` changes: the posts to expect."""
        return len(range(self.real, self.count, max(round(1 / share), 1)))


def build(root: Path, count: int, data: Path | None, seed: int = 1) -> Corpus:
    """Write ``count`` feeds under ``root``, the real ones first; returns the corpus."""
    root.mkdir(parents=True, exist_ok=True)
    files = sorted(data.glob("*.gz")) if data is not None and data.is_dir() else []
    real = 0
    for path in files[: count // 6]:
        _write(root, real, gzip.decompress(path.read_bytes()))
        real += 1
    for number in range(real, count):
        _write(root, number, invented(number, seed).encode())
    return Corpus(root, count, real, seed)


def _write(root: Path, number: int, body: bytes) -> None:
    # nginx makes the ETag of the time and the size, so both files get a time of their own
    for name, data in ((f"{number}.xml", body), (f"{number}.xml.gz", gzip.compress(body, 6))):
        path = root / name
        before = path.stat().st_mtime if path.exists() else 1_790_000_000
        path.write_bytes(data)
        os.utime(path, (before + 60, before + 60))

"""What hostile servers answer: the fetch tests' answers, and the worst bodies that are taken."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]
from backports import zstd

from tests.chaos.world import KEYWORD, SYLLABLES
from tests.feedserver import Answer
from tests.integration.fetch.test_hostile import SPECIAL
from tests.unit.sources.test_parse_attacks import LAUGHS, QUADRATIC

MIB = 1 << 20
HUGE = 512 * MIB  # what a bomb unfolds to
ENTRIES = 1_000  # of a document that are kept


def words(random: Random, count: int) -> str:
    """Return so many invented words."""
    return " ".join(
        "".join(random.choices(SYLLABLES, k=random.randint(1, 4))) for _ in range(count)
    )


def rss(items: list[tuple[str, str]], more: str = "") -> bytes:
    """Return an RSS document of (title, text) items, each with ``more`` in it."""
    entries = "".join(
        f"<item><title>{title}</title><guid isPermaLink='false'>{n}-{hash(title)}</guid>"
        f"<link>http://n.example/{n}/{abs(hash(title))}</link>"
        f"<description>{text}</description>{more}</item>"
        for n, (title, text) in enumerate(items)
    )
    return f'<rss version="2.0"><channel><title>W</title>{entries}</channel></rss>'.encode()


def bomb(packer: Any, pack: str = "compress", end: str = "flush") -> bytes:
    """Return ``HUGE`` zeros as a streaming compressor packs them."""
    feed, block = getattr(packer, pack), bytes(MIB)
    return b"".join(feed(block) for _ in range(HUGE // MIB)) + bytes(getattr(packer, end)())


def _packed(body: bytes) -> Answer:
    return Answer(gzip.compress(body, 1), headers=(("Content-Encoding", "gzip"),))


def _encoded(raw: bytes, encoding: str) -> Answer:
    return Answer(raw, headers=(("Content-Encoding", encoding),))


def refused() -> dict[str, Answer]:
    """Return what must be refused on its way."""
    out = {name: answer for name, answer, _ in SPECIAL}
    out["512 MiB gzip"] = _encoded(bomb(zlib.compressobj(wbits=31)), "gzip")
    out["512 MiB deflate"] = _encoded(bomb(zlib.compressobj()), "deflate")
    out["512 MiB brotli"] = _encoded(bomb(brotli.Compressor(quality=1), "process", "finish"), "br")
    out["512 MiB zstd"] = _encoded(bomb(zstd.ZstdCompressor()), "zstd")
    out["100 MB without end"] = Answer(bytes(100_000_000), chunked=True)
    return out


def taken() -> dict[str, Callable[[], Answer]]:
    """Return makers of bodies that are as large and as bad as what is taken may be."""
    random = Random(8)

    def many(size: int, keyword: str = "") -> Callable[[], Answer]:
        def make() -> Answer:
            items = [(f"{words(random, 8)} {keyword}", words(random, size)) for _ in range(ENTRIES)]
            return _packed(rss(items))

        return make

    def alike() -> Answer:
        text = words(random, 300)
        return _packed(rss([(f"{KEYWORD} {text[:60]} {n}", text) for n in range(ENTRIES)]))

    def one(text: str) -> Callable[[], Answer]:
        return lambda: _packed(rss([("One", text)]))

    def as_json() -> Answer:
        items = [
            {"id": str(n), "title": words(random, 8), "content_text": words(random, 2_000)}
            for n in range(ENTRIES)
        ]
        version = "https://jsonfeed.org/version/1.1"
        return _packed(json.dumps({"version": version, "title": "J", "items": items}).encode())

    return {
        "1,000 entries": many(30),
        "1,000 entries that match": many(30, KEYWORD),
        "1,000 entries of 18 kB": many(2_300),
        "1,000 entries of 18 kB that match": many(2_300, KEYWORD),
        "1,000 entries alike": alike,
        "1,000 entries of JSON": as_json,
        "1,000 entries, 100 categories each": lambda: _packed(
            rss(
                [(words(random, 8), words(random, 9)) for _ in range(ENTRIES)],
                "".join(f"<category>{words(random, 2)}</category>" for _ in range(100)),
            )
        ),
        "a text of 19 MiB": one(words(random, 2_400_000)),
        "a text of one word": one("a" * (19 * MIB)),
        "a text of marks": one("'-" * (9 * MIB)),
        "a text in capitals": one("US IT WHO " * (MIB)),
        "a text of one syllable": one("ba " * (6 * MIB)),
        "nested markup": one("&lt;div&gt;" * 900_000),
        "10 MiB of noise": lambda: Answer(random.randbytes(10 * MIB - 1)),
        "20 MiB of blanks": lambda: _packed(b" " * (20 * MIB - 1)),
        "angles": lambda: Answer(b"<" * (10 * MIB - 1)),
        "billion laughs": lambda: Answer(LAUGHS),
        "quadratic entities": lambda: Answer(QUADRATIC),
        "50,000 attributes": lambda: Answer(
            b"<rss " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>"
        ),
    }

"""What the stories stage is compared with: the usual simple methods, in their usual form."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from random import Random

from monitor.stories.terms import features_of
from monitor.stories.titles import normal_title
from monitor.stories.words import words

Texts = Sequence[tuple[str, str]]  # (title, summary), in the order of the stream


def exact_title(rows: Texts) -> list[int]:
    """Group equal titles, to the letter."""
    return _first([title for title, _ in rows])


def normalised_title(rows: Texts) -> list[int]:
    """Group equal titles after normalisation."""
    return _first([normal_title(title) or f"\x00{n}" for n, (title, _) in enumerate(rows)])


def simhash(rows: Texts, distance: int = 8) -> list[int]:
    """64-bit SimHash (Charikar 2002) over words; the nearest one within ``distance``."""
    prints: list[int] = []
    groups: list[int] = []
    for number, (title, summary) in enumerate(rows):
        sums = [0] * 64
        for word in words(f"{title} {summary}"):
            value = _hash64(word)
            for bit in range(64):
                sums[bit] += 1 if value >> bit & 1 else -1
        mine = sum(1 << bit for bit in range(64) if sums[bit] > 0)
        near = (
            min(((mine ^ other).bit_count(), at) for at, other in enumerate(prints))
            if prints
            else (99, 0)
        )
        groups.append(groups[near[1]] if near[0] <= distance else number)
        prints.append(mine)
    return groups


def minhash_lsh(
    rows: Texts, permutations: int = 128, bands: int = 32, least: float = 0.5
) -> list[int]:
    """MinHash (Broder 1997) of two-word shingles with banded LSH; best of at least ``least``."""
    random = Random(1)
    prime = (1 << 61) - 1
    mixers = [(random.randrange(1, prime), random.randrange(prime)) for _ in range(permutations)]
    size = permutations // bands
    buckets: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    signatures: list[list[int]] = []
    groups: list[int] = []
    for number, (title, summary) in enumerate(rows):
        given = words(f"{title} {summary}")
        shingles = {_hash64(" ".join(given[at : at + 2])) for at in range(max(1, len(given) - 1))}
        mine = [min((a * each + b) % prime for each in shingles) for a, b in mixers]
        keys = [(band, tuple(mine[band * size : band * size + size])) for band in range(bands)]
        best = (0.0, -1)
        for other in {each for key in keys for each in buckets[key]}:
            same = sum(a == b for a, b in zip(mine, signatures[other], strict=True))
            best = max(best, (same / permutations, other))
        groups.append(groups[best[1]] if best[0] >= least else number)
        signatures.append(mine)
        for key in keys:
            buckets[key].append(number)
    return groups


def plain_tfidf(rows: Texts, least: float = 0.2) -> list[int]:
    """Cosine of TF-IDF against cluster centroids, document frequencies of the whole stream."""
    documents = [Counter(features_of(title, summary).stems) for title, summary in rows]
    df = Counter(term for each in documents for term in each)
    weigh = {term: math.log(len(rows) / count) for term, count in df.items()}
    centroids: list[Counter[str]] = []
    postings: dict[str, set[int]] = defaultdict(set)
    groups: list[int] = []
    for each in documents:
        vector = {term: (1 + math.log(count)) * weigh[term] for term, count in each.items()}
        dots: dict[int, float] = defaultdict(float)
        for term, weight in vector.items():
            for at in postings[term]:
                dots[at] += weight * centroids[at][term]
        best = (0.0, -1)
        mine = math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0
        for at, dot in dots.items():
            norm = math.sqrt(sum(weight * weight for weight in centroids[at].values()))
            best = max(best, (dot / (mine * norm), at))
        at = best[1]
        if best[0] < least:
            at = len(centroids)
            centroids.append(Counter())
        for term, weight in vector.items():
            centroids[at][term] += weight  # type: ignore[assignment]
            postings[term].add(at)
        groups.append(at)
    return groups


def lead_three(text: str, budget: int) -> str:
    """Return the first three sentences, cut at ``budget`` characters."""
    from monitor.stories.sentences import sentences

    spans = sentences(text[:5_000])[:3]
    return text[: spans[-1][1]][:budget] if spans else ""


def _first(keys: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    return [seen.setdefault(key, number) for number, key in enumerate(keys)]


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")

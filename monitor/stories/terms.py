"""What an entry is compared by: stems, names and two-word shingles of its title and summary.

Pure and deterministic, so that an index built anew from stored features is the same to the bit.
Only title and the start of the text count: feeds differ in how much of an article they carry, and
a story's first sentences say what happened.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from zlib import crc32

import Stemmer  # type: ignore[import-not-found]

from monitor.stories.stopwords import STOP
from monitor.stories.titles import bare_title
from monitor.stories.words import folded, words

Stem = Callable[[str], str]
Reading = tuple[str, tuple[str, ...], bool]

MAX_SUMMARY = 1_500  # characters of summary (or content, where there is none) that count
MAX_TERMS = 120  # different terms of one document
MAX_SHINGLES = 256  # different two-word shingles of one document

MAX_READINGS = 50_000  # tokens of a language whose readings are remembered
LONGEST_REMEMBERED = 40  # characters of such a token

_TOKEN = re.compile(r"([^\W_]+(?:['’][^\W_]+)*)")
_HEADLINE = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
_SENTENCE_END = re.compile(r"[.!?:;\"“”„«»(\[\n]")
_WIDE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
# Snowball algorithms by language; without one the script decides, Latin counting as English: a
# wrong stemmer costs a little, and the same little for both sides of every comparison.
_STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian",
    "nb": "norwegian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip

_SCRIPTS = (
    (re.compile("[\u0400-\u04ff]"), "russian"),
    (re.compile("[\u0600-\u06ff]"), "arabic"),
    (re.compile("[\u0370-\u03ff]"), "greek"),
)


@dataclass(frozen=True, slots=True)
class Features:
    """An entry as the duplicate and cluster decisions see it.

    ``stems`` and ``names`` count folded terms. The rest are 32-bit hashes: ``title`` of the title's
    words that say something, ``title_pairs`` and ``pairs`` of two successive words of title and
    text, ``runs`` of four successive words of the text, ``numbers`` of the numbers in both.
    ``normal_title`` is the folded headline; ``headline`` maps its words that say something to how
    they are written there, ``headline_names`` are those that are names.
    """

    stems: Mapping[str, int]
    names: Mapping[str, int]
    title: frozenset[int]
    title_pairs: frozenset[int]
    pairs: frozenset[int]
    runs: frozenset[int]
    numbers: frozenset[int]
    normal_title: str
    headline: Mapping[str, str]
    headline_names: frozenset[str]


def features_of(
    title: str, text: str, language: str | None = None, source: str | None = None
) -> Features:
    """Return the features of an entry.

    Args:
        title: its headline.
        text: its summary, or its content where it has none; the start counts.
        language: BCP 47 tag if known; picks the stemmer.
        source: the outlet's name, which is no part of the headline.
    """
    bare = bare_title(title.rstrip(" .…"), source)
    text = text[:MAX_SUMMARY]
    head, body = words(bare), words(text)
    readings = _readings(language, bare or text)
    stems: list[str] = []
    names: list[str] = []
    # A text that begins with its headline says it once.
    if not head or body[: len(head)] != head:
        _collect(bare, not _title_case(bare), readings, stems, names)
    _collect(text, True, readings, stems, names)
    head_hashes, body_hashes = _hashes(head), _hashes(body)
    pairs = _pairs_of(body_hashes)
    headline = {
        word: found
        for found in _HEADLINE.findall(bare[:500])
        for word in (folded(found),)
        if word not in STOP
    }
    return Features(
        _counted(stems),
        _counted(names),
        frozenset(hash_ for word, hash_ in zip(head, head_hashes, strict=True) if word not in STOP),
        frozenset(_pairs_of(head_hashes)),
        frozenset(pairs[:MAX_SHINGLES]),
        # Four words are two pairs, one after the other.
        frozenset(_pairs_of_pairs(pairs)[:MAX_SHINGLES]),
        frozenset(hashed(word) for word in (*head, *body) if word[0].isdigit()),
        " ".join(head),
        headline,
        frozenset(headline.keys() & set(names)),
    )


def _counted(terms: list[str]) -> dict[str, int]:
    counts = Counter(terms)
    return dict(counts if len(counts) <= MAX_TERMS else counts.most_common(MAX_TERMS))


def _collect(
    part: str, cased: bool, readings: _Readings, stems: list[str], names: list[str]
) -> None:
    """Add the terms of ``part``; a capital says "name" where it doesn't begin a sentence."""
    split = _TOKEN.split(part)  # gap, token, gap, token, …, gap
    tokens = [readings[surface] for surface in split[1::2]]
    stems += [term for _, terms, _ in tokens for term in terms]
    if cased:
        names += [
            word
            for gap, (word, _, capital) in zip(split[2::2], tokens[1:], strict=False)
            if capital and (gap == " " or not _ends_sentence(gap))
        ]


@lru_cache(maxsize=1_000)
def _ends_sentence(gap: str) -> bool:
    return _SENTENCE_END.search(gap) is not None


def _title_case(title: str) -> bool:
    """Tell whether a headline capitalises everything, so that capitals say nothing."""
    long = [token for token in _TOKEN.findall(title)[1:] if len(token) > 3]
    return bool(long) and sum(token[0].isupper() for token in long) > 0.8 * len(long)


def _pairs(run: str) -> list[str]:
    """Return pairs of characters, the terms of scripts without blanks."""
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]


def hashed(text: str) -> int:
    """Return a 32-bit hash that is the same in every process (CRC-32)."""
    return crc32(text.encode("utf-8", "surrogatepass"))


def _hashes(given: list[str]) -> list[int]:
    """Return the hash of each word; words hold no blanks, so all are encoded at once.

    Not remembered by word: a hash costs less than finding it in a large table.
    """
    return list(map(crc32, " ".join(given).encode("utf-8", "surrogatepass").split()))


def _pairs_of(hashes: list[int]) -> list[int]:
    """Return a 32-bit hash for each two successive ones; their order counts."""
    return [((a << 7 | a >> 25) * 2_654_435_761 & 0xFFFF_FFFF) ^ b for a, b in pairwise(hashes)]


def _pairs_of_pairs(pairs: list[int]) -> list[int]:
    return [
        ((a << 5 | a >> 27) * 2_246_822_519 ^ b) & 0xFFFF_FFFF
        for a, b in zip(pairs, pairs[2:], strict=False)
    ]


def _readings(language: str | None, sample: str) -> _Readings:
    name = _STEMMERS.get((language or "").lower()[:2])
    if name is None:
        name = next(
            (name for expression, name in _SCRIPTS if expression.search(sample, 0, 200)), "english"
        )
    return _readings_of(name)


class _Readings(dict[str, Reading]):
    """What each token reads as: its folded word, its terms, and whether it may be a name.

    The tokens of news come again and again, so that nearly all readings are remembered ones. A
    plain table emptied when it is full is read in half the time of one that drops the oldest.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._stem = _stem_of(name)

    def __missing__(self, surface: str) -> Reading:
        reading = self._read(surface)
        if len(surface) <= LONGEST_REMEMBERED:
            if len(self) >= MAX_READINGS:
                self.clear()
            self[surface] = reading
        return reading

    def _read(self, surface: str) -> Reading:
        word = folded(surface)
        if word in STOP or (len(word) < 2 and not word.isdigit()):
            return word, (), False
        if not surface.isascii() and _WIDE.search(surface):
            return word, tuple(_pairs(word)), False
        return word, (self._stem(word),), surface[0].isupper()


_readings_of = cache(_Readings)


@cache
def _stem_of(name: str) -> Stem:
    stem: Stem = Stemmer.Stemmer(name, 0).stemWord  # readings are remembered, stems needn't be
    return stem


def english_stem(word: str) -> str:
    """Return the stem of an English word."""
    return _stem_of("english")(word)

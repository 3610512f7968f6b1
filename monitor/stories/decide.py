"""What an entry means for its story: new, duplicate, update or none, with the reason.

Pure. An *update* is worth a note in the thread: a number, a name or a denial in the headline that
the story didn't have, a correction, or a headline its publisher changed materially. Everything else
that a story already told is a *duplicate* (another source; it counts) or *none* (the same source
again).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from monitor.stories.terms import Features, hashed
from monitor.values import StoryKind

# A headline changed materially when less than this share of its words (Jaccard) stayed.
SAME_HEADLINE = 0.5
# A number below this is often none of the event's ("5 things to know"); it counts once the story's
# headlines have had numbers.
SMALL_NUMBER = 13
LONGEST_HEADLINE = 16  # words that say something; more make a sentence, full of names and numbers
NEW_NAMES = 2  # one name may be another spelling or a byline; two are news

# Folded words of denials and corrections in headlines.
_DENIAL_WORDS = (
    "deny denies denied denying denial refute refutes refuted retract retracts retracted"
    " retraction withdraw withdraws withdrawn debunked untrue hoax disputes disputed"
    " dementiert dementi bestreitet widerruft dement dementent dementi nie niega niegan"
    " desmiente desmienten smentisce smentita nega negam desmente ontkent ontkennen"
    " опроверг опровергла опровергли опровергает отрицает опровержение نفى تنفي نفي ينفي"
)
_DENIALS = frozenset(_DENIAL_WORDS.split())
_CORRECTIONS = (
    "corrected",
    "correction",
    "berichtigung",
    "korrektur",
    "rectificatif",
    "fe de erratas",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a story has told so far: hashes of words and numbers in its entries' texts.

    ``headline_numbers`` tells whether any headline had a number; ``last_title`` are the hashed
    words of the entry's own source's last headline (empty: none yet).
    """

    words: Collection[int]
    numbers: Collection[int]
    headline_numbers: bool
    last_title: frozenset[int]


def decide(
    title: str,
    features: Features,
    told: Told | None,
    *,
    repeats: str | None = None,
    source: str = "",
    new_source: bool = False,
    revised: bool = False,
) -> tuple[StoryKind, str]:
    """Return what an entry means, and why in plain words.

    Args:
        title: its headline as published.
        features: its features.
        told: what its story has told, None when it opens one.
        repeats: the entry whose text it repeats.
        source: who published it, for the reason.
        new_source: no entry of the story is from this source yet.
        revised: the entry itself was in the story before, and changed.
    """
    if told is None:
        return "new", "first report"
    copied = repeats is not None
    edited = revised or (copied and bool(source) and not new_source)
    development = _development(title, features, told, copied=copied, edited=edited)
    if development:
        return "update", development
    if revised:
        return "none", "edited, nothing material"
    by = f" by {source}" if source else ""
    if repeats is not None:
        return "duplicate", f"repeats the text of {repeats}"
    if new_source:
        return "duplicate", f"the same event, reported{by}"
    return "none", f"the same event again{by}"


def _development(title: str, features: Features, told: Told, *, copied: bool, edited: bool) -> str:
    """Return what is new in the headline, or ""."""
    words = features.headline if len(features.headline) <= LONGEST_HEADLINE else {}
    if title.lower().startswith(_CORRECTIONS):
        return "correction"
    denials = [surface for word, surface in words.items() if word in _DENIALS]
    if denials and not any(hashed(word) in told.words for word in words if word in _DENIALS):
        return f"denial: “{denials[0]}”"
    numbers = [
        surface
        for word, surface in words.items()
        if _counts(word, told) and hashed(word) not in told.numbers
    ]
    if numbers:
        return f"new number: {', '.join(numbers[:3])}"
    if edited and told.last_title and features.title:
        union = len(told.last_title | features.title)
        if len(told.last_title & features.title) / union < SAME_HEADLINE:
            return "headline changed"
    if copied:
        return ""  # the same text under another headline
    names = [words[word] for word in words if word in features.headline_names]
    fresh = [name for name in names if hashed(name.casefold()) not in told.words]
    return f"new names: {', '.join(fresh[:3])}" if len(fresh) >= NEW_NAMES else ""


def _counts(word: str, told: Told) -> bool:
    """Tell whether a word of a headline is a number of the event's (no year, no list of five)."""
    try:
        number = float(word)
    except ValueError:
        return False
    if word.isdigit() and 1900 <= number <= 2100:
        return False
    return number >= SMALL_NUMBER or told.headline_numbers

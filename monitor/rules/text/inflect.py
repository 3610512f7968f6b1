"""Inflection: the English plural as a canonical form, and Snowball stems by language."""

from __future__ import annotations

from functools import lru_cache

from monitor.rules.text.fold import fold

# Words whose plural form has a meaning of its own, or that only look like plurals: a term written
# so matches only so ("news" is not "new", "arms" is not "arm").
INVARIABLE = frozenset(
    str.split(
        """
    news arms series species means politics economics mathematics physics ethics athletics
    statistics tactics logistics customs goods glasses headquarters crossroads barracks
    gallows thanks
     this thus his hers ours yours theirs its has was does yes is as us always
    perhaps besides sometimes across towards afterwards
    """
    )
)
# Singulars in -s, whose own plural is regular.
_SINGULAR_IN_S = frozenset(
    str.split(
        "lens alias atlas bias canvas chaos christmas texas kansas arkansas diabetes rabies "
        "measles hamas gas yes pancreas"
    )
)
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
    "oxen": "ox",
    "wives": "wife",
    "lives": "life",
    "knives": "knife",
    "leaves": "leaf",
    "thieves": "thief",
    "wolves": "wolf",
    "halves": "half",
    "shelves": "shelf",
    "loaves": "loaf",
    "calves": "calf",
    "crises": "crisis",
    "analyses": "analysis",
    "theses": "thesis",
    "hypotheses": "hypothesis",
    "parentheses": "parenthesis",
    "diagnoses": "diagnosis",
    "oases": "oasis",
    "criteria": "criterion",
    "phenomena": "phenomenon",
    "memoranda": "memorandum",
    "referenda": "referendum",
    "bacteria": "bacterium",
    "nuclei": "nucleus",
    "quizzes": "quiz",
}
_MEN = ("policemen", "congressmen", "gunmen", "fishermen", "spokesmen", "servicemen", "businessmen")


@lru_cache(maxsize=65_536)
def singular(word: str) -> str:
    """Return a form that a folded English word shares with its plural (not always a word).

    Both sides are brought to it, so "deal" and "deals", "house" and "houses", "party" and
    "parties" meet. Short words and words in -ss, -us and -is stay as they are.
    """
    if word in INVARIABLE or word in _SINGULAR_IN_S:
        return word
    irregular = _IRREGULAR.get(word)
    if irregular:
        word = irregular
    elif word.endswith(("smen", "cemen", "gunmen", "ermen", "swomen")) or word in _MEN:
        word = word[:-2] + "an"
    elif len(word) > 3 and word.endswith("s") and word[-2] not in "su" and word[-2:] != "is":
        word = word[:-1]
    elif len(word) == 3 and word[2] == "s" and word[1] not in "aeiosuy":
        word = word[:-1]  # MPs, PCs, ads
    if len(word) > 3:
        if word.endswith("ie"):
            return word[:-2] + "y"
        if word.endswith(("che", "she", "sse", "xe", "ze", "se", "oe")):
            return word[:-1]
    return word


def spellings(key: str) -> tuple[str, ...]:
    """Return the words that ``singular`` brings to ``key``."""
    ends = [key, f"{key}e"] + ([f"{key[:-1]}ie"] if key.endswith("y") else [])
    found = [word for each in ends for word in (each, f"{each}s")]
    found += [f"{each[:-2]}en" for each in ends if each.endswith("an")]
    found += _IRREGULAR
    return tuple(dict.fromkeys(word for word in found if singular(word) == key))


LANGUAGES = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Snowball algorithms by ISO 639-1 code (snowballstem.org/algorithms)."""


@lru_cache(maxsize=65_536)
def stem(word: str, language: str) -> str:
    """Return the Snowball stem of a word in small letters; the word itself for a language without
    one."""
    name = LANGUAGES.get(language)
    if name is None:
        return word
    return str(_stemmer(name).stemWord(word))


@lru_cache(maxsize=65_536)
def stems(exact: str, folded: str, language: str) -> tuple[str, ...]:
    """Return the folded stems of a word, given its exact and its folded spelling.

    Snowball's rules know accents ("élections"); a text or a rule may have left them out: the stem
    of either spelling counts.
    """
    plain = stem(folded, language)
    accented = exact.casefold()
    if accented == folded:
        return (plain,)
    other = fold(stem(accented, language))
    return (plain,) if other == plain else (plain, other)


@lru_cache(maxsize=64)
def _stemmer(name: str):  # type: ignore[no-untyped-def]
    import Stemmer  # type: ignore[import-not-found]

    # The cache inside PyStemmer is not bounded in time; ours above is enough.
    return Stemmer.Stemmer(name, 0)

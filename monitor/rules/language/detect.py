"""The language of a text that doesn't say it: by py3langid, only when it is sure."""

from __future__ import annotations

from functools import cache
from typing import Any

from monitor.values import Document

MIN_LETTERS = 40
"""Shorter texts stay undetermined: a headline of names looks like any language (measured on
headlines of twelve languages: below this, one in eight is taken for another)."""
MIN_PROBABILITY = 0.9
MAX_LETTERS = 1_000
# A short text that can't be told: what its script says (Snowball's languages only).
_SCRIPTS = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u04ff", "ru"),
    ("\u0530", "\u058f", "hy"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0900", "\u097f", "hi"),
    ("\u0b80", "\u0bff", "ta"),
)


def language_of(document: Document) -> str:
    """Return the ISO 639-1 code of the document's text, or "" where it can't be told."""
    text = " ".join(part for part in (document.title, document.summary, document.content) if part)
    return detect(text)


def spoken(document: Document) -> str:
    """Return the ISO 639-1 code of the language that a document says it is in, or is found to be
    in; "" where it can't be told."""
    said = (document.language or "").lower().replace("_", "-").split("-")[0]
    return said or language_of(document)


def script_of(document: Document) -> str:
    """Return the language that the script of a short text suggests; "en" for Latin letters."""
    sample = (document.title or document.summary or document.content)[:100]
    for low, high, language in _SCRIPTS:
        if any(low <= char <= high for char in sample):
            return language
    return "en"


def detect(text: str) -> str:
    """Return the ISO 639-1 code of ``text``, or "" for short or mixed texts."""
    sample = text[:MAX_LETTERS]
    letters = sum(map(str.isalpha, sample))
    dense = sum(1 for char in sample if ord(char) >= 0x2E80)  # CJK says more in fewer characters
    if letters + 2 * dense < MIN_LETTERS:
        return ""
    if sample.isupper():
        sample = sample.lower()
    language, probability = _identifier().classify(sample)
    return str(language) if probability >= MIN_PROBABILITY else ""


def make_ready() -> None:
    """Read the model now (0.5 s), rather than with the first text in the middle of other work."""
    _identifier()


@cache
def _identifier() -> Any:
    from py3langid.langid import (  # type: ignore[import-untyped]
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""Text as rules see it: plain text, tokens, folding. The same for rules and for stories."""

from __future__ import annotations

from monitor.rules.text.fold import Word, analyse
from monitor.rules.text.plain import plain, to_plain
from monitor.rules.text.scan import surfaces

__all__ = ["plain", "search_tokens", "to_plain", "words_of"]

# Between a text's words and their other spellings, so that no phrase crosses from one to the other.
_APART = "\x00"


def words_of(text: str) -> list[str]:
    """Return the normalised words of ``text``: main folded spellings in order, hyphenated words in
    parts ("cease-fire" gives two)."""
    return [part.folds[0] for surface in surfaces(text) for part in analyse(surface).parts]


def search_tokens(text: str) -> list[str]:
    """Return the tokens of ``text`` for the store's full-text index.

    Its words as ``words_of`` gives them, and behind them every other spelling that the rules would
    take a word for ("ceasefire" of "cease-fire", "iran" of "l'Iran"), each once: what a rule finds
    in a text, the index finds there too.
    """
    tokens: list[str] = []
    others: dict[str, None] = {}
    for surface in surfaces(text):
        if surface.isascii() and surface.isalnum():  # most by far: ``analyse`` says the same
            tokens.append(surface.lower())
            continue
        word = analyse(surface)
        tokens += [part.folds[0] for part in word.parts]
        if len(word.parts) > 1 or len(word.parts[0].folds) > 1:
            others.update(dict.fromkeys(_other_spellings(word)))
    return [*tokens, _APART, *others] if others else tokens


def _other_spellings(word: Word) -> list[str]:
    variants = [fold for part in word.parts for fold in part.folds[1:]]
    return variants + [fold for each in word.joined for fold in each.folds]

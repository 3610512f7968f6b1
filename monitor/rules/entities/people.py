"""Spellings of a person's name: initials with and without dots and blanks."""

from __future__ import annotations

import re

_INITIAL = re.compile(r"[^\W\d_]\.?|(?:[^\W\d_]\.){2,}|[A-Z]{2,3}")
_PARTICLES = frozenset(
    str.split(
        """
    al el bin ibn von van der de da di la le du dos das
    """
    )
)


def initials(name: str) -> tuple[str, ...]:
    """Return the other spellings of ``name`` that differ in initials only.

    Given names become initials ("Wang Yi" stays, "John Fitzgerald Kennedy" gives "J. F. Kennedy"
    and "John F. Kennedy"); written initials lose or gain dots and blanks ("J.R. Smith", "J R
    Smith").
    """
    words = name.split()
    if len(words) < 2 or name.startswith("="):
        return ()
    given, family = words[:-1], words[-1]
    letters: list[str] = []
    written = 0
    for word in given:
        bare = word.replace(".", "")
        if _INITIAL.fullmatch(word) and (len(bare) == 1 or "." in word or word.isupper()):
            letters += list(bare)
            written += 1
        else:
            letters.append("")
    out: list[str] = []
    if written == len(given):
        spaced = " ".join(letters)
        out += [f"{spaced} {family}", f"{''.join(letters)} {family}"]
    elif written and given[0][0].isalpha():
        # "John F. Kennedy": the dot doesn't count as it is; the middle initial may be missing, and
        # the first name an initial, too
        rest = [word for word, letter in zip(given, letters, strict=False) if not letter]
        if rest and rest[0] == given[0]:
            out.append(" ".join([*rest, family]))
            first = [word[0] if word in rest else word.replace(".", "") for word in given]
            out += [f"{' '.join(first)} {family}", f"{''.join(first)} {family}"]
    elif len(given) >= 2 and not any(word.lower() in _PARTICLES for word in given):
        first = [word[0] for word in given]
        if all(letter.isupper() for letter in first):
            out.append(f"{' '.join(first)} {family}")
            out.append(f"{''.join(first)} {family}")
            out.append(" ".join([given[0], *first[1:], family]))
    return tuple(dict.fromkeys(each for each in out if each != name))

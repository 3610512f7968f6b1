"""One term as written ("arms deal*", "=US", "cease-fire") to the token tests that find it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Literal

from monitor.rules.text.fold import analyse, fold
from monitor.rules.text.inflect import INVARIABLE, singular, stems
from monitor.rules.text.scan import surfaces_at
from monitor.rules.tree import Form, Term, Test

Inflect = Literal["plural", "none", "stem"]
MIN_STEM = 3
MAX_WORDS = 100  # of a phrase: the way through them is walked by recursion
"""Letters a wildcard needs before it: shorter stems match half the dictionary."""

# English stop words that are also acronyms and names: in a headline in capitals nothing tells them
# apart.
STOP_WORDS = frozenset(
    str.split(
        """
    a about after all am an and any are as at be been but by can could did do for from had
    has have he her him his how i if in into is it its just may me might more most must my
    no nor not of off on once one only or our out over own per she should so some such
    than that the their them then there they this to too under up us was we were what when
    where which while who whom why will with would yet you your now
    """
    )
)
# Compounds that the news writes apart, hyphenated and closed; a term in one spelling matches all.
_COMPOUNDS = (
    "cease fire,air strike,air raid,air space,air base,air lift,air craft,war ship,war plane,"
    "war head,gun ship,gun fire,sea port,by election,run off,stand off,crack down,shut down,"
    "lock down,break through,peace keeper,peace keeping,law maker,policy maker,cyber attack,"
    "cyber security,cyber crime,fire fight,land mine,spy ware,mal ware,ransom ware,hard line,"
    "hard liner,counter terrorism,counter attack,counter offensive,anti semitism,anti trust,"
    "buy out,take over,bail out,layoff,pay roll,share holder,stake holder,wild fire,earth quake,"
    "flash point,strong hold,co operation,co operate,co ordination,co ordinate,e mail,on line,"
    "off shore,on shore,off line,multi lateral,bi lateral,sub marine,hydro power,bio fuel,"
    "health care,child care,work force,work place,home land,border line,check point,hand over,"
    "walk out,sell off,spin off,trade off,data base,web site,semi conductor,micro chip,"
    "super power,vice president,non proliferation,re election,pre election,post war,drone strike"
)
_SPLIT: dict[str, tuple[str, str]] = {}
for _pair in _COMPOUNDS.split(","):
    _head, _, _tail = _pair.partition(" ")
    if _tail and _pair not in ("vice president", "drone strike"):
        _SPLIT[_head + _tail] = (_head, _tail)

_PLAIN = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*")
_WILD = re.compile(r"\*+")


class TermError(ValueError):
    """A term that can't be used; ``offset`` is where in it, ``hint`` the fix."""

    def __init__(self, message: str, hint: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.offset = offset


def compile_term(
    text: str, *, inflect: Inflect = "plural", languages: tuple[str, ...] = ("en",)
) -> Term:
    """Return the term that ``text`` spells.

    Parameters: ``inflect`` is what the words fold besides case and diacritics ("none" for entity
    aliases); ``languages`` are ISO 639-1 codes whose Snowball stems count under "stem". A term that
    has no letters or digits gets no forms and never fires. Raises ``TermError``.
    """
    body = text.strip()
    if not body:
        raise TermError("empty term", "remove it or write a word")
    if body.count(" ") >= MAX_WORDS:
        raise _too_long(body.count(" ") + 1)
    if inflect != "stem" and _PLAIN.fullmatch(body):
        words = body.lower().split(" ")
        if not _maybe_compound(words):
            last = _last(words[-1], inflect)
            form = (*[("f", word) for word in words[:-1]], last)
            return Term(body, (form,))
    exact = body.startswith("=") and len(body) > 1
    if exact:
        body = body[1:].strip()
    if "*" in body:
        if exact:
            raise TermError(
                f"{text!r} is exact and a wildcard", "write one of the two: =Term or term*"
            )
        _check_wildcards(body)
    forms = _forms(body, exact, inflect, languages)
    if (longest := max(map(len, forms), default=0)) > MAX_WORDS:
        raise _too_long(longest)
    shouted = exact and any(len(f) == 1 and fold(f[0][1]) in STOP_WORDS for f in forms)
    return Term(text.strip(), tuple(dict.fromkeys(forms)), shouted)


def _too_long(words: int) -> TermError:
    return TermError(
        f"a phrase of {words} words; at most {MAX_WORDS} are looked for",
        "shorten it to what tells it from others",
    )


def _maybe_compound(words: list[str]) -> bool:
    """Whether a plain term needs the thorough way: a known compound, apart or closed."""
    if len(words) == 1:
        return words[0] in _SPLIT or words[0].rstrip("s") in _SPLIT
    return any(
        left + right in _SPLIT or (left + right).rstrip("s") in _SPLIT
        for left, right in itertools.pairwise(words)
    )


def _last(word: str, inflect: Inflect) -> Test:
    if inflect == "none" or not _pluralises(word):
        return "f", word
    return "p", singular(word)


def _check_wildcards(body: str) -> None:
    for word in re.finditer(r"\S+", body):
        star = word[0].find("*")
        if star < 0:
            continue
        before = word[0][:star]
        letters = sum(1 for char in before if char.isalnum())
        wide = any(ord(char) >= 0x2E80 for char in before)
        if letters < MIN_STEM and not wide:
            raise TermError(
                f"wildcard with fewer than {MIN_STEM} letters before it: {word[0]!r}",
                "write more of the word, or list the words",
                word.start() + star,
            )


def _forms(body: str, exact: bool, inflect: Inflect, languages: tuple[str, ...]) -> list[Form]:
    kind = "e" if exact else "f"
    # Rows of alternatives: each surface token gives its parts, or the joined word.
    rows: list[list[tuple[tuple[str, bool | str], ...]]] = []
    exacts: dict[str, str] = {}  # how the words were written, by their folded spelling
    for surface, _start, end, wild in _wild_surfaces(body):
        del end
        word = analyse(surface)
        if not word.parts:
            continue
        keys = [part.exact if exact else part.folds[0] for part in word.parts]
        exacts |= {part.folds[0]: part.exact for part in word.parts}
        whole = [(key, False) for key in keys[:-1]] + [(keys[-1], wild)]
        choices: list[tuple[tuple[str, bool | str], ...]] = [tuple(whole)]
        if len(keys) > 1 and word.joined:
            joined = word.joined[-1]
            choices.append(((joined.exact if exact else joined.folds[0], wild),))
        elif len(keys) == 1 and not exact and not wild:
            choices += _apart(keys[0])
        rows.append(choices)
    if not exact:
        rows = _together(rows)
    sequences: list[tuple[tuple[str, bool | str], ...]] = [()]
    for choices in rows:
        if len(sequences) * len(choices) > 16:
            choices = choices[:1]
        sequences = [head + tail for head in sequences for tail in choices]
    out: list[Form] = []
    for sequence in sequences:
        if sequence:
            out.extend(_tests(sequence, kind, inflect, languages, exacts))
    return out


def _wild_surfaces(body: str) -> list[tuple[str, int, int, bool | str]]:
    """Surface tokens of a term with, for each, whether it is a wildcard: True for an open end, a
    pattern for a star inside ("organi*ation")."""
    out: list[tuple[str, int, int, bool | str]] = []
    for chunk in re.finditer(r"\S+", body):
        text = chunk[0]
        if "*" not in text:
            out += [(s, a, b, False) for s, a, b in surfaces_at(text)]
            continue
        head, _, tail = text.partition("*")
        tail = _WILD.sub("*", tail).strip("*")
        found = list(surfaces_at(head))
        if not found:
            continue
        out += [(s, a, b, False) for s, a, b in found[:-1]]
        last, a, b = found[-1]
        if b < len(head.rstrip()) or not any(char.isalnum() for char in tail):
            out.append((last, a, b, True))
            out += [(s, x, y, False) for s, x, y in surfaces_at(tail)]
        else:
            keys = analyse(last).parts
            out.append((last, a, b, f"{keys[-1].folds[0]}*" + "*".join(map(fold, tail.split("*")))))
    return out


def _apart(key: str) -> list[tuple[tuple[str, bool | str], ...]]:
    pair = _SPLIT.get(key) or _SPLIT.get(singular(key))
    if pair is None:
        return []
    head = pair[0]
    return [((head, False), (key[len(head) :], False))]


def _together(
    rows: list[list[tuple[tuple[str, bool | str], ...]]],
) -> list[list[tuple[tuple[str, bool | str], ...]]]:
    """Let two neighbouring words that are a known compound also count as one word."""
    for index in range(len(rows) - 1):
        left, right = rows[index][0], rows[index + 1][0]
        if len(left) != 1 or len(right) != 1 or left[0][1] or right[0][1]:
            continue
        joined = left[0][0] + right[0][0]
        if joined in _SPLIT or singular(joined) in _SPLIT:
            merged = [left + right, ((joined, False),)]
            return [*rows[:index], merged, *rows[index + 2 :]]
    return rows


def _tests(
    sequence: tuple[tuple[str, bool | str], ...],
    kind: str,
    inflect: Inflect,
    languages: tuple[str, ...],
    exacts: Mapping[str, str],
) -> list[Form]:
    if kind == "f" and inflect == "stem":
        forms: dict[Form, None] = {}
        for language in languages:
            for which in (0, -1):  # the stems without accents, and with
                forms[
                    tuple(
                        _wild_test(key, wild)
                        if wild
                        else ("s", stems(exacts.get(key, key), key, language)[which])
                        for key, wild in sequence
                    )
                ] = None
        return list(forms)
    tests: list[Test] = []
    for position, (key, wild) in enumerate(sequence):
        last = position == len(sequence) - 1
        if wild:
            tests.append(_wild_test(key, wild))
        elif kind == "f" and last:
            tests.append(_last(key, inflect))
        else:
            tests.append((kind, key))
    return [tuple(tests)]


def _wild_test(key: str, wild: bool | str) -> Test:
    return ("w", key) if wild is True else ("g", str(wild))


def _pluralises(key: str) -> bool:
    """Whether the plural fold says more than the spelling (numbers, CJK and news don't)."""
    return key not in INVARIABLE and any("a" <= char <= "z" or char.isdigit() for char in key)

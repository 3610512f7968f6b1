"""Where sentences begin and end, in any script, without a model.

A sentence ends at a terminator that is followed by a blank (not needed after the full-width ones of
East Asia) and by something that can begin a sentence, and always at a blank line. A full stop after
an abbreviation, an initial or a list's number ends nothing.
"""

from __future__ import annotations

import re

MAX_SENTENCE = 3_000  # characters; text without any terminator is cut so, at a blank where it can

# A run of terminators with the quotes and brackets that close after them, or a paragraph's end.
# Danda (Devanagari), Arabic and Urdu marks, Ethiopic, Armenian, Khmer, Myanmar stand beside ours.
_END = re.compile(
    r"(?P<wide>[。！？｡]+[”’」』）》〉\"')\]]*)"
    r"|(?P<dot>[.!?…‽؟۔।॥։።៕။]+[”’»\"')\]›]*)(?=\s|$)"
    r"|(?P<break>[ \t\r\f\v]*\n[ \t\r\f\v]*(?:\n\s*)+)"
)
_BLANK = re.compile(r"\s+")
_LAST_WORD = re.compile(r"[^\s(\[“\"‘'«„]+$")
_OPENERS = "“”\"‘’'«»„‹([¿¡—–-*•"


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Abbreviations that are followed by a capital in the middle of a sentence; lower case, without the
# last full stop. English, German, French, Spanish, Italian, Portuguese, Dutch, Russian.
_BEFORE_NAMES = _set(
    "mr mrs ms messrs mx dr prof st ste mt ft fr sr jr rev hon pres gov sen sens rep reps gen"
    " lt col maj capt cmdr cpl sgt pvt adm brig supt insp det sec amb atty dist ald asst assoc"
    " jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun"
    " no nos vs v cf eg e.g i.e ie ca approx est fig art vol pp ed eds dept univ ave blvd rd"
    " hr fr herr frau dipl ing z.b d.h u.a bzw ca nr str abs evtl ggf sog vgl usw jh geb"
    " m mm mme mmes mlle mlles me mgr av env hab ex p.ex"
    " sra srta dra dña d ee uu pág núm art excmo sig sigg dott avv on ecc arch"
    " exmo dhr mevr mw bv nv г гг им ул пр т.е т.н т.д тыс млн млрд руб см рис св акад проф"
    " u.s u.k u.n e.u d.c l.a n.y"
)
# Abbreviations that may as well end a sentence: what follows decides (a name goes on, a common
# sentence opener does not).
_EITHER = _set(
    "inc corp co ltd llc plc gmbh ag s.a s.p.a n.v bros cos a.m p.m etc u.s.a u.s u.k u.n e.u"
)
_STARTERS = _set(
    "the a an he she it they we i you in on at but and this that these those there after as for"
    " if when while its his her their our some many most more all both according officials police"
    " however meanwhile still also by to from with no not one two last"
)
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_INITIAL = re.compile(r"^(?:[^\W\d_]\.)*[^\W\d_]$")
_GERMAN_MONTH = re.compile(
    r"\s+(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|Jahrhundert|Weltkrieg|Bundesliga)"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of ``text``, in order, without the blanks between them.

    Every character that is not a blank is in exactly one span. Linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for found in _END.finditer(text):
        if found.lastgroup == "break":
            _add(spans, text, start, found.start())
            start = found.end()
        elif found.lastgroup == "wide" or _ends(text, start, found):
            _add(spans, text, start, found.end())
            start = found.end()
    _add(spans, text, start, len(text))
    return spans


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    """Add text[start:end] without its outer blanks; a monster is cut at blanks."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MAX_SENTENCE:
        cut = text.rfind(" ", start + MAX_SENTENCE // 2, start + MAX_SENTENCE)
        cut = cut if cut > 0 else start + MAX_SENTENCE
        spans.append((start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if end > start:
        spans.append((start, end))


def _ends(text: str, start: int, found: re.Match[str]) -> bool:
    """Tell whether the terminator at ``found`` ends the sentence that began at ``start``."""
    marks = found[0]
    blank = _BLANK.match(text, found.end())
    at = blank.end() if blank else found.end()
    if at >= len(text):
        return True
    following = text[at : at + 40]
    bare = following.lstrip(_OPENERS)
    first = bare[:1]
    if first.islower():
        # "Yahoo! said", "… and so on": goes on, except where the marks leave no doubt in scripts
        # that have no case (there ``islower`` is False).
        return False
    if marks[0] != "." or marks.startswith(".."):
        return True
    last = _LAST_WORD.search(text, max(start, found.start() - 40), found.start())
    if last is None:
        return True
    word = last[0].lower()
    if len(marks) > 1:
        return True  # a quote closes after the full stop
    if word in _EITHER:
        opener = _FIRST_WORD.match(bare)
        return opener is not None and opener[0].lower() in _STARTERS
    if word in _BEFORE_NAMES:
        return False
    if _INITIAL.match(word) and last[0][-1].isupper():
        return word == "i"  # "J. Smith" goes on, "so did I." ends
    if word.isdigit() and len(word) <= 2:
        if not text[start : last.start()].strip():
            return False  # "1. First point": the number begins the sentence
        return _GERMAN_MONTH.match(text, found.end()) is None
    return True

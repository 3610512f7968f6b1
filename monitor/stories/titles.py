"""Titles without what outlets hang on them: "UPDATE 2-", "LIVE:", " - Reuters", "| BBC News".

Pure text in, pure text out; used to compare, never to show.
"""

from __future__ import annotations

import re

from monitor.stories.words import words

MAX_TITLE = 2_000  # characters looked at; a title of 1 MB is no title, and its start identifies it

# Labels that news agencies and sites put before a headline, as seen on real feeds.
_LABELS = (
    r"updates?|corrected|correction|refile|rpt|repeat|wrapup|breaking(?: news)?|just in|exclusive"
    r"|live(?: (?:updates?|blog|now|coverage))?|watch(?: live)?|video|photos?|pictures|in pictures"
    r"|analysis|opinion|factbox|explainer|insight|timeline|urgent|alert|flash|developing|new"
    r"|news alert|newsalert|bulletin|advisory|snap|brief|media|listen|podcast|report|special report"
    r"|eilmeldung|liveticker|ticker|en direct|direct|urgent|alerte info|info|exclusif|video"
    r"|ultima hora|en vivo|urgente|ultim ora|diretta|ao vivo|срочно|молния|видео"
    r"|عاجل|مباشر|速報|快讯|直播"
)
_PREFIX = re.compile(
    rf"^\W*(?:(?:{_LABELS})(?:[ ]\d{{1,2}})?"
    r"(?:\s*[:：|!！»]+\s*|\s*[–—]\s*|\s+-\s+|-(?=(?-i:[A-Z0-9])))"
    rf"|[\[(【]\s*(?:{_LABELS})\s*[\])】]\s*"
    r"|(?:updates?|wrapup|refile|corrected|rpt)[ -]?\d{0,2}-)",
    re.IGNORECASE,
)
_BRACKETED_END = re.compile(
    r"\s*[\[(]\s*(?:updated?|video|photos?|pictures|live|watch|audio|corrected|exclusive|poll"
    r"|opinion|graphic|infographic|reuters|ap|afp|dpa|upi|ansa|tass|xinhua)\s*[\])]\s*$",
    re.IGNORECASE,
)
_BARS = re.compile(r"\s+(?:\||::|»|·|•|›)\s*|\s*\|\s+")
_DASHES = re.compile(r"\s+(?:-|–|—|―)\s+")
# Without one of these (or what is no word at its start) there is nothing on a title to take off.
_HUNG_ON = re.compile(r"^\W|[:：|!！»·•›\-–—―\[(【]")
_SUFFIX_WORDS = 5  # "The New York Times International" has five
_HEADLINE_WORDS = 4  # fewer before the separator: the tail may well be what tells titles apart


def bare_title(title: str, source: str | None = None) -> str:
    """Return ``title`` without the labels and the outlet's name around it.

    Args:
        title: a headline as plain text.
        source: the outlet's name where it is known; a suffix equal to it goes at any length.
    """
    out = title[:MAX_TITLE].strip()
    if not _HUNG_ON.search(out):
        return out
    for _ in range(3):  # "BREAKING: UPDATE 2-" has two; three bound the work
        shorter = _PREFIX.sub("", out, count=1)
        if shorter == out or not words(shorter):
            break
        out = shorter
    shorter = _BRACKETED_END.sub("", out)
    out = shorter if words(shorter) else out
    if source:
        out = _without_source(out, source)
    for separator in (_BARS, _DASHES):
        head, tail = _split_last(out, separator)
        if tail and _is_outlet(head, tail, strict=separator is _DASHES):
            out = head
    return out


def normal_title(title: str, source: str | None = None) -> str:
    """Return the words of the bare title, folded and joined by blanks; "" when it has none."""
    return " ".join(words(bare_title(title, source)))


def _split_last(text: str, separator: re.Pattern[str]) -> tuple[str, str]:
    found = list(separator.finditer(text))
    if not found:
        return text, ""
    last = found[-1]
    return text[: last.start()], text[last.end() :]


def _without_source(text: str, source: str) -> str:
    wanted = words(source)
    for separator in (_BARS, _DASHES):
        head, tail = _split_last(text, separator)
        if tail and head.strip() and words(tail) == wanted:
            return head
    return text


def _is_outlet(head: str, tail: str, *, strict: bool) -> bool:
    """Tell whether ``tail`` reads like an outlet's name after a full headline ``head``.

    After a bar nearly everything is; after a dash (``strict``) every word must start with a capital
    (or be a domain), and none may be a number.
    """
    names = tail.split()
    if not 1 <= len(names) <= _SUFFIX_WORDS or len(words(head)) < _HEADLINE_WORDS:
        return False
    if any(char.isdigit() for char in tail) and "." not in tail:
        return False
    if not strict:
        return True
    if any("." in name.strip(".") for name in names):
        return True
    small = {"of", "the", "and", "de", "la", "le", "di", "del", "der", "die", "for", "in", "&"}
    return all(name[0].isupper() or name.lower() in small for name in names) and (
        not head.isupper()  # a headline all in capitals says nothing of its tail
    )

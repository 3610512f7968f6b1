"""What a feed is like, and when it has become another: the site its entries lie on, their script,
the language it declares. Pure.

Domains lapse and are bought for their readers, and publishers move; both go on under the old
address. A feed whose entries lie on many sites, or come in many scripts, has no such character.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.store.port import FeedState
from monitor.values import Entry, ParsedFeed

NOTE = "character"
BECAME = "became"
LATEST = 5  # entries in a row that are all of another kind: a change, not a guest
SAMPLE = 10  # of a poll's new entries that are looked at
USUAL = 0.8  # share of entries that makes a kind the feed's own
# Where a script begins (Unicode blocks); a letter belongs to the last that begins before it.
_SCRIPTS = (
    (0x0041, "Latin"),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0900, "Indic"),
    (0x0E00, "Thai"),
    (0x1000, "other"),
    (0x1100, "Hangul"),
    (0x1200, "other"),
    (0x1E00, "Latin"),
    (0x2000, "other"),
    (0x3040, "Han"),  # and kana: Japanese mixes both
    (0xA000, "other"),
    (0xAC00, "Hangul"),
    (0xD800, "other"),
    (0xFF21, "Latin"),
    (0xFF66, "Han"),
)
_BEGINS = [at for at, _ in _SCRIPTS]
_NAMES = ["other", *(name for _, name in _SCRIPTS)]


def with_character(
    state: FeedState,
    parsed: ParsedFeed,
    fresh: Sequence[Entry],
    site: Callable[[str | None], str | None],
    now: datetime,
) -> FeedState:
    """Return ``state`` with what ``fresh`` entries tell of the feed's character; a change is noted
    under ``became`` as ``{"at": …, "words": …}``.

    ``site`` gives the site of an address, such as ``bbc.co.uk``.
    """
    if not fresh:
        return state
    noted = state.extra.get(NOTE)
    before: dict[str, object] = dict(noted) if isinstance(noted, dict) else {}
    # Feeds list the newest first.
    marks = [
        f"{_owner(site(entry.url) or '')}|{script(entry.title)}"
        for entry in reversed(fresh[:SAMPLE])
    ]
    recent = before.get("recent")
    latest = ([str(each) for each in recent] if isinstance(recent, list) else []) + marks
    sample = marks if len(marks) >= LATEST else latest
    after: dict[str, object] = {"recent": latest[-LATEST:]}
    words = []
    for place, (name, what) in enumerate((("site", "lie on"), ("script", "are in the script"))):
        values = [mark.split("|")[place] for mark in sample]
        known = before.get(name)
        if not isinstance(known, str):
            if len(values) >= LATEST:
                after[name] = _usual(values)
            continue
        after[name] = known
        last = {mark.split("|")[place] for mark in latest[-LATEST:]}
        if (
            known
            and len(latest) >= LATEST
            and len(last) == 1
            and last != {known}
            and "" not in last
        ):
            (after[name],) = last
            words.append(f"its entries {what} {after[name]} now, not {known}")
    language = (parsed.language or "").replace("_", "-").split("-")[0].lower()
    declared = before.get("language")
    after["language"] = language or declared or ""
    if isinstance(declared, str) and declared and language and language != declared:
        words.append(f"it says that its language is {language} now, not {declared}")
    extra = {**state.extra, NOTE: after}
    if words:
        extra[BECAME] = {"at": now.isoformat(), "words": "; ".join(words)}
    return replace(state, extra=extra)


def script(text: str) -> str:
    """Return the script of most of a text's first letters; "" where it has none."""
    beginning = text[:24]
    if beginning.isascii():
        return "Latin" if any(map(str.isalpha, beginning)) else ""
    found: Counter[str] = Counter()
    for letter in beginning:
        if letter.isalpha():
            found[_NAMES[bisect(_BEGINS, ord(letter))]] += 1
    return found.most_common(1)[0][0] if found else ""


def _owner(host: str) -> str:
    """Return a host without its subdomains, near enough: two labels, or three where the second
    to last is as short as in ``co.uk``."""
    labels = host.split(".")
    return ".".join(labels[-3 if len(labels) > 2 and len(labels[-2]) <= 3 else -2 :])


def _usual(values: Sequence[str]) -> str:
    value, count = Counter(values).most_common(1)[0]
    return value if count >= USUAL * len(values) else ""

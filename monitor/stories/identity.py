"""Is this entry one its feed has shown before? A table over GUID × URL × title × text.

Pure: from entries and the keys their feed has seen to new / known / changed. Feeds break every
single key (GUIDs change with each fetch, one GUID serves two stories, links gain parameters or all
point to the front page, headlines get their typos fixed, "Morning briefing" comes daily), so no
key decides alone:

====== ===== ======== ======== ===================================================================
guid   url   title    text     means
====== ===== ======== ======== ===================================================================
known  known any      any      the same entry; changed when title or text did
known  other like     any      the same entry (moved)
known  other any      like     the same entry (moved, retitled)
known  other other    other    new: the feed used a GUID again
new    known like     any      the same entry, but for a short title ("Morning briefing") over
                               another text under a new GUID: new
new    known other    like     the same entry (retitled), when the text says enough to tell
new    known other    other    new: a live blog, or links that lead to the front page
new    other like     like     the same entry (republished), when the text says enough to tell
new    other any      any      new; but known when most of the document changed so: the feed moved
====== ===== ======== ======== ===================================================================

"Like" is equal after normalisation, or equal in *shape*: the initials of its words and its numbers,
which a corrected typo leaves alone and another headline doesn't have. A GUID that two different
entries of one document share, and a link to a site's front page, say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Literal, NamedTuple
from urllib.parse import urljoin

from monitor.store.port import SeenKey, SeenKind
from monitor.stories.titles import normal_title
from monitor.stories.urls import canonical_url, is_root
from monitor.stories.words import words
from monitor.values import Entry

Status = Literal["new", "known", "changed"]
Override = Literal["guid", "url", "title"]

MAX_TEXT = 20_000  # characters of text that count; 1 MB of it would tell nothing more
MAX_GUID = 8_000  # characters; a longer GUID is hashed by its start
# A title of fewer words recurs ("Morning briefing", "Weather"); a text of fewer words may be a
# template ("Click here to read more"). Chosen on the recurring titles of real feeds.
TELLING_TITLE = 4
TELLING_TEXT = 8
SHAPE_TITLE = 4  # words from which initials tell titles apart
SHAPE_TEXT = 24  # the first words of a text whose initials are taken
# A feed moved (its system changed) when at least so many entries with different titles come under
# new GUIDs and URLs, and they are at least this share of the document.
MOVED_ENTRIES = 5
MOVED_SHARE = 0.6


class EntryKeys(NamedTuple):
    """What an entry can be recognised by: BLAKE2b-128 digests, None where it says nothing.

    ``shapes`` are the digests of the shapes of title and text (see the module's text), where there
    are words enough; ``title_words`` and ``text_words`` count words, 0 for an empty text.
    """

    guid: bytes | None
    url: bytes | None
    title: bytes | None
    text: bytes
    title_shape: bytes | None = None
    text_shape: bytes | None = None
    title_words: int = 0
    text_words: int = 0


class Identified(NamedTuple):
    """What became of one entry, with the keys to store.

    ``entry_id`` is the entry it is (new or known). ``seen`` holds the keys to add or to point
    anew: all of a new entry's, those not stored yet of a known one's.
    """

    entry: Entry
    keys: EntryKeys
    status: Status
    entry_id: str | None
    reason: str
    seen: tuple[SeenKey, ...]


def keys_of(entry: Entry, feed_url: str) -> EntryKeys:
    """Return the keys of ``entry``; links are resolved against ``feed_url``."""
    url = canonical_url(_absolute(entry.url, feed_url))
    title = normal_title(entry.title, entry.source)
    title_words = title.split()
    text_words = words(_text(entry))
    guid = entry.raw_id[:MAX_GUID].strip() if entry.raw_id else ""
    text = " ".join(text_words) or f"\x00{title}\x00{url}"
    return EntryKeys(
        guid=_digest("guid", guid) if guid else None,
        url=_digest("url", url) if url and not is_root(url) else None,
        title=_digest("title", title) if title else None,
        text=_digest("text", text),
        title_shape=_shape("title shape", title_words) if title_words else None,
        text_shape=_shape("text shape", text_words[:SHAPE_TEXT]) if text_words else None,
        title_words=len(title_words),
        text_words=len(text_words),
    )


def all_keys(keys: EntryKeys) -> tuple[bytes, ...]:
    """Return every digest there is, for ``Store.seen`` and as the keys still in the feed."""
    return tuple(dict.fromkeys([key for key in keys[:6] if key is not None]))


def identify(
    entries: Sequence[Entry],
    keys: Sequence[EntryKeys],
    known: Mapping[bytes, SeenKey],
    new_id: Callable[[], str],
    override: Override | None = None,
) -> tuple[Identified, ...]:
    """Decide for each entry of one document whether it is new, known or changed.

    Args:
        entries: the document's entries, in its order.
        keys: the keys of each (``keys_of``).
        known: what the feed has seen, by digest; must cover ``all_keys`` of every entry.
        new_id: makes the id of a new entry.
        override: the one key that decides alone, where the feed's owner knows better. An entry
            without that key falls back to the table.

    Returns:
        One result an entry, in order; a double inside the document is known by its first.
    """
    document = _Document(keys, known)
    return tuple(
        [
            document.take(entry, each, new_id, override)
            for entry, each in zip(entries, keys, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Which keys of an entry its feed knows, as the entries they belong to."""

    guid: str | None
    url: str | None
    title: str | None
    text: str | None
    same_title: bool  # equal, not just alike
    same_text: bool


class _Document:
    """The entries of one document against what their feed has seen; grows as they are taken."""

    def __init__(self, keys: Sequence[EntryKeys], known: Mapping[bytes, SeenKey]) -> None:
        self._known = dict(known)
        self._shared_guids = _shared(keys)
        self._moved = self._has_moved(keys)

    def take(
        self,
        entry: Entry,
        keys: EntryKeys,
        new_id: Callable[[], str],
        override: Override | None,
    ) -> Identified:
        if self._known.keys().isdisjoint(keys[:6]):
            return self._new(entry, keys, new_id(), "not seen before")
        found = self._find(keys)
        entry_id, reason = _forced(keys, found, override) or self._decide(keys, found)
        if entry_id is None:
            return self._new(entry, keys, new_id(), reason)
        status: Status = "known" if found.same_title and found.same_text else "changed"
        seen = [each for each in _seen_keys(keys, entry_id) if each.key not in self._known]
        return self._done(entry, keys, status, entry_id, reason, seen)

    def _new(self, entry: Entry, keys: EntryKeys, entry_id: str, reason: str) -> Identified:
        return self._done(entry, keys, "new", entry_id, reason, _seen_keys(keys, entry_id))

    def _done(
        self,
        entry: Entry,
        keys: EntryKeys,
        status: Status,
        entry_id: str,
        reason: str,
        seen: Sequence[SeenKey],
    ) -> Identified:
        for each in seen:
            self._known[each.key] = each
        return Identified(entry, keys, status, entry_id, reason, tuple(seen))

    def _find(self, keys: EntryKeys) -> _Found:
        guid = None if keys.guid in self._shared_guids else self._owner(keys.guid)
        title, text = self._owner(keys.title), self._owner(keys.text)
        alike = self._owner(keys.title_shape) if keys.title_words >= SHAPE_TITLE else None
        alike_text = self._owner(keys.text_shape) if keys.text_words >= TELLING_TEXT else None
        return _Found(
            guid,
            self._owner(keys.url),
            title or alike,
            text or alike_text,
            # No title at all is the same title as before: there is nothing to compare.
            same_title=title is not None or keys.title is None,
            same_text=text is not None,
        )

    def _owner(self, key: bytes | None) -> str | None:
        seen = self._known.get(key) if key is not None else None
        return seen.entry_id if seen else None

    def _decide(self, keys: EntryKeys, found: _Found) -> tuple[str | None, str]:
        """Return the entry this is (None: a new one) and the reason: the table above."""
        has_text = keys.text_words > 0
        telling_title = keys.title_words >= TELLING_TITLE
        telling_text = keys.text_words >= TELLING_TEXT
        if found.guid is not None:
            if found.url is not None:
                return found.guid, "same GUID and address"
            if found.title is not None or keys.title is None:
                return found.guid, "same GUID and title"
            if has_text and found.text is not None:
                return found.guid, "same GUID and text"
            if keys.url is None and not has_text:
                return found.guid, "same GUID"
            return None, "its GUID was used before, for another address, title and text"
        fresh_guid = keys.guid is not None and keys.guid not in self._shared_guids
        if found.url is not None:
            if found.title is not None or keys.title is None:
                if telling_title or not has_text or found.text is not None or not fresh_guid:
                    return found.url, "same address and title"
                return None, "a recurring title over another text"
            if telling_text and found.text is not None:
                return found.url, "same address and text"
            return None, "its address was used before, for another title and text"
        if found.text is not None and (found.title is not None or keys.title is None):
            # Without a link these two are all there is; a GUID may be new at each fetch.
            alone = keys.url is None and (telling_title or not fresh_guid)
            if telling_text or (alone and found.same_title and found.same_text):
                return found.text, "same title and text, published again"
        if self._moved and found.same_title and telling_title and found.title is not None:
            return found.title, "same title; the feed changed all its GUIDs and addresses"
        if found.title is not None:
            return None, "a title seen before, over another address and text"
        return None, "not seen before"

    def _has_moved(self, keys: Sequence[EntryKeys]) -> bool:
        if not self._known:
            return False
        moved = {
            each.title
            for each in keys
            if self._owner(each.title) is not None
            and self._owner(each.guid) is None
            and self._owner(each.url) is None
        }
        return len(moved) >= max(MOVED_ENTRIES, MOVED_SHARE * len(keys))


# What each of an EntryKeys' digests is of, in its order.
_KINDS: tuple[SeenKind, ...] = ("guid", "url", "title", "text", "title", "text")


def _seen_keys(keys: EntryKeys, entry_id: str) -> list[SeenKey]:
    return [
        SeenKey(kind, key, entry_id)
        for kind, key in zip(_KINDS, keys[:6], strict=True)
        if key is not None
    ]


def _shared(keys: Sequence[EntryKeys]) -> frozenset[bytes]:
    """Return the GUIDs that entries with different titles share within one document."""
    titles: dict[bytes, bytes | None] = {}
    return frozenset(
        [
            each.guid
            for each in keys
            if each.guid is not None and titles.setdefault(each.guid, each.title) != each.title
        ]
    )


def _forced(
    keys: EntryKeys, found: _Found, override: Override | None
) -> tuple[str | None, str] | None:
    """Return the decision by the one key that the feed's owner chose, or None."""
    if override is None:
        return None
    key, owner = {
        "guid": (keys.guid, found.guid),
        "url": (keys.url, found.url),
        "title": (keys.title, found.title if found.same_title else None),
    }[override]
    if key is None:
        return None
    return owner, f"identity: {override} ({'seen' if owner else 'not seen'} before)"


def _shape(kind: str, given: Sequence[str]) -> bytes:
    """Return the digest of initials and whole numbers; a doubled word counts once."""
    once = [word for word, _ in groupby(given)]
    if "".join(once).isalpha():  # by far the most common, and quickly told
        short = [word[0] for word in once]
    else:
        short = [w[0] if w.isalpha() or not any(map(str.isdigit, w)) else w for w in once]
    return _digest(kind, " ".join(short))


def _text(entry: Entry) -> str:
    """Return the text that counts."""
    summary, content = entry.summary[:MAX_TEXT], entry.content[:MAX_TEXT]
    return f"{summary}\n{content}" if content else summary


def _absolute(url: str | None, base: str) -> str | None:
    if not url or "://" in url[:12]:
        return url
    try:
        return urljoin(base, url.strip())
    except ValueError:
        return None


def _digest(kind: str, text: str) -> bytes:
    raw = f"{kind}\x00{text}".encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=16).digest()

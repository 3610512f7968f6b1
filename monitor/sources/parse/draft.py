"""What a reader of any format hands over, and how it becomes an ``Entry``.

Every reader (fast path, feedparser, JSON Feed, salvage) fills ``EntryDraft`` with what stands in
the document; the rules that turn it into text, links and times are here, once, so that the same
feed gives the same entries whichever way it was read.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from urllib.parse import parse_qs, urljoin, urlsplit

from monitor.sources.furniture import clean_content
from monitor.sources.parse.dates import parse_date
from monitor.sources.text import html_to_text, one_line, plain_paragraphs, title_text
from monitor.values import Entry, ParsedFeed

_URL_CAP = 4_000  # characters; longer "links" are data
_NAME_CAP = 300  # characters of an author, category or source name
_MANY = 100  # authors or categories of one entry that are kept
_UNTITLED_CAP = 120  # characters of the text that stand for a missing title
_DAY = 24 * 60  # minutes
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER_RE = re.compile(r"\s*(\d{1,9})\s*")
_MAIL_RE = re.compile(
    r"[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\]?(?:\?subject=\S+)?"
)
_LOOSE_AMPERSAND_RE = re.compile(r"&([A-Za-z0-9_]{1,40});")
# An address that is as it should be: nothing to join, mend, resolve or quote.
_PLAIN_URL_RE = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:[/?#][!-:<-~]*)?")
_MOJIBAKE = ("\u00c3", "\u00c2", "\u00d0", "\u00d1", "\u00e2\u20ac")  # UTF-8 read as cp1252
_LINKS_RE = re.compile(r"<a\s[^<>]*>", re.IGNORECASE)


@dataclass(slots=True)
class Markup:
    """A text construct as it stands in the document: HTML, or text to take literally."""

    value: str
    is_html: bool = True


@dataclass(slots=True)
class EntryDraft:
    """One item as a reader found it; strings are undecorated (no entity left from the XML)."""

    raw_id: str | None = None
    link: str | None = None
    base: str | None = None
    title: Markup | None = None
    summary: Markup | None = None
    content: list[Markup] = field(default_factory=list)
    published: str | None = None
    updated: str | None = None
    authors: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    language: str | None = None
    source: str | None = None
    source_url: str | None = None


@dataclass(slots=True)
class FeedDraft:
    """A document as a reader found it."""

    title: Markup | None = None
    url: str | None = None
    site_url: str | None = None
    id_url: str | None = None
    language: str | None = None
    ttl: str | None = None
    hubs: list[str] = field(default_factory=list)
    skip_hours: list[str] = field(default_factory=list)
    skip_days: list[str] = field(default_factory=list)
    update_period: str | None = None
    update_frequency: str | None = None
    entries: list[EntryDraft] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def finish_feed(
    draft: FeedDraft,
    url: str | None,
    known: frozenset[bytes] = frozenset(),
    max_entries: int | None = None,
    *,
    clean: bool = False,
) -> ParsedFeed:
    """Return the feed a draft describes; ``url`` is where it was fetched, for relative links.

    Entries whose digest is among ``known`` are counted and left out. Of more than ``max_entries``
    the newest are kept (in the document's order, where they have no dates).
    ``clean`` takes the furniture off entries that carry a whole page.
    """
    url = url or web_url(draft.url, None) or web_url(draft.site_url, None)
    kept = [each for each in draft.entries if not _is_empty(each)]
    if len(kept) < len(draft.entries):
        draft.notes.append(f"{len(draft.entries) - len(kept)} empty entries left out")
    if max_entries is not None and len(kept) > max_entries:
        draft.notes.append(f"{len(kept):,} entries: only the newest {max_entries:,} are read")
        kept = _newest(kept, max_entries)
    digests = tuple([_digest(each) for each in kept])
    entries = tuple(
        [
            finish_entry(each, url, clean=clean)
            for each, digest in zip(kept, digests, strict=True)
            if digest not in known
        ]
    )
    return ParsedFeed(
        title=_title(draft.title),
        url=web_url(draft.url, url),
        site_url=web_url(draft.site_url, url),
        language=_language(draft.language),
        ttl=_whole(draft.ttl),
        entries=entries,
        hubs=tuple(hub for each in draft.hubs[:_MANY] if (hub := web_url(each, url))),
        skip_hours=_skip_hours(draft.skip_hours),
        skip_days=_skip_days(draft.skip_days),
        update_period=_update_period(draft.update_period, draft.update_frequency),
        notes=tuple(dict.fromkeys(draft.notes)),
        digests=digests,
        known=len(kept) - len(entries),
    )


def finish_entry(draft: EntryDraft, url: str | None, *, clean: bool = False) -> Entry:
    """Return the entry a draft describes: plain text, times in UTC, links absolute or None."""
    base = draft.base or url
    raw_id = (draft.raw_id or "").strip() or None
    summary = text_of(draft.summary)
    content = _longest(draft.content, draft.summary, summary)
    if clean:
        summary = clean_content(summary)
        content = clean_content(content) if content else ""
    title = _title(draft.title)
    source = _name(draft.source) if draft.source else None
    if source:
        title, summary = _without_aggregator(title, source, draft.summary, summary)
    if not title:
        title = _shortened(summary or content)
    link = web_url(draft.link, base)
    if link is None and raw_id and raw_id.startswith(("http://", "https://")):
        link = web_url(raw_id, base)
    published = parse_date(draft.published)
    updated = parse_date(draft.updated) if draft.updated else None
    return Entry(
        raw_id=raw_id,
        url=_unwrapped(link) if link else None,
        title=title,
        summary=summary,
        content=content,
        published=published or updated,
        updated=updated,
        authors=_names(draft.authors, author=True),
        categories=_names(draft.categories),
        language=_language(draft.language),
        source=source,
        source_url=web_url(draft.source_url, base),
    )


def web_url(link: str | None, base: str | None) -> str | None:
    """Return ``link`` as an absolute http(s) URL, or None where it is none.

    A link may contain line ends (feeds wrap them) and be relative to ``base``.
    """
    if not link:
        return None
    if len(link) <= _URL_CAP and _PLAIN_URL_RE.fullmatch(link):
        return link
    link = "".join(link.split()) if "\n" in link or "\t" in link else link.strip()
    if "&" in link and ";" in link:
        # "?a=1&amp;b=2" escaped once too often, or "&b;" left by a loose parser
        link = _LOOSE_AMPERSAND_RE.sub(r"&\1", link.replace("&amp;", "&"))
    if not link or len(link) > _URL_CAP:
        return None
    try:
        if not link.lower().startswith(("http://", "https://")):
            if not base:
                return None
            link = urljoin(base, link)
        parts = urlsplit(link)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return None
    except ValueError:
        return None
    return link.replace(" ", "%20")


def text_of(markup: Markup | None) -> str:
    """Return the plain text of a construct, paragraphs as blank lines."""
    if markup is None or not markup.value:
        return ""
    value = mended(markup.value)
    return html_to_text(value) if markup.is_html else plain_paragraphs(value)


def mended(text: str) -> str:
    """Return ``text`` with doubly encoded UTF-8 ("KÃ¤lte") read as it was meant.

    Feeds re-encode UTF-8 as if it were Latin-1 or windows-1252, field by field.
    """
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass
    if any(mark in text for mark in _MOJIBAKE):
        with contextlib.suppress(UnicodeError):
            return text.encode("cp1252").decode("utf-8")
    return text


def author_name(text: str) -> str:
    """Return the name in an RSS author ("jo@example.org (Jo Doe)"), "" where it is only a mail."""
    if "@" not in text or len(text) > _NAME_CAP:
        return text
    found = _MAIL_RE.search(text)
    if not found:
        return text
    name = text.replace(found[0], "")
    for empty in ("()", "<>", "&lt;&gt;"):
        name = name.replace(empty, "")
    return name.strip().removeprefix("(").removesuffix(")").strip()


def _newest(drafts: list[EntryDraft], count: int) -> list[EntryDraft]:
    """Return ``count`` drafts, newest first by their dates, in the order they came."""
    oldest = datetime.min.replace(tzinfo=UTC)
    dates = [parse_date(each.published) or parse_date(each.updated) or oldest for each in drafts]
    newest = sorted(range(len(drafts)), key=lambda at: dates[at], reverse=True)[:count]
    return [drafts[at] for at in sorted(newest)]


def _digest(draft: EntryDraft) -> bytes:
    """Return a hash of what the feed gave, which is the same exactly when all of it is."""
    parts = (
        draft.raw_id,
        draft.link,
        draft.title and draft.title.value,
        draft.summary and draft.summary.value,
        *(each.value for each in draft.content),
        "\x00",
        draft.published,
        draft.updated,
        draft.source,
        *draft.authors,
        "\x00",
        *draft.categories,
    )
    text = "\x00".join([each or "" for each in parts])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _is_empty(draft: EntryDraft) -> bool:
    """Whether nothing tells this item from another: no id, link, title or text."""
    return not (
        (draft.raw_id and draft.raw_id.strip())
        or (draft.link and draft.link.strip())
        or (draft.title and draft.title.value.strip())
        or (draft.summary and draft.summary.value.strip())
        or any(each.value.strip() for each in draft.content)
    )


def _title(markup: Markup | None) -> str:
    if markup is None or not markup.value:
        return ""
    return title_text(mended(markup.value), is_html=markup.is_html)


def _longest(constructs: list[Markup], summary: Markup | None, summary_text: str) -> str:
    """Return the text of the longest of several contents (the same in other types, or teasers)."""
    if not constructs:
        return ""
    longest = max(constructs, key=lambda each: len(each.value))
    if summary is not None and longest.value == summary.value:
        return summary_text if longest.is_html == summary.is_html else text_of(longest)
    return text_of(longest)


def _shortened(text: str) -> str:
    line = text.split("\n\n", 1)[0]
    if len(line) <= _UNTITLED_CAP:
        return line
    return line[:_UNTITLED_CAP].rsplit(" ", 1)[0].rstrip() + "…"


def _without_aggregator(
    title: str, source: str, markup: Markup | None, summary: str
) -> tuple[str, str]:
    """Take off what an aggregator adds: " - Source" after the title, a summary of links only.

    Google News repeats the ``<source>`` in the title, and its description is a list of related
    headlines: a rule would match what the story isn't about.
    """
    suffix = f" - {source}"
    if title.endswith(suffix) and len(title) > len(suffix):
        title = title[: -len(suffix)].rstrip()
        if markup and len(_LINKS_RE.findall(markup.value[:20_000])) and _is_links(markup.value):
            summary = ""
    return title, summary


def _is_links(markup: str) -> bool:
    """Whether a description is a list of links to news.google.com and their sources' names."""
    return "news.google.com/" in markup and "<font" in markup.lower()


def _unwrapped(url: str) -> str:
    """Return the target of a Google redirect (``https://www.google.com/url?...&url=``)."""
    if ".google." in url[:40] and "/url?" in url[:60]:
        query = parse_qs(urlsplit(url).query)
        for key in ("url", "q"):
            target = web_url(query.get(key, [""])[0], None)
            if target:
                return target
    return url


def _names(values: list[str], *, author: bool = False) -> tuple[str, ...]:
    if not values:
        return ()
    names = (_name(each, author=author) for each in values[:_MANY])
    return tuple(dict.fromkeys(name for name in names if name))


def _name(value: str, *, author: bool = False) -> str:
    value = mended(value[: _NAME_CAP * 4])
    if author:
        value = author_name(value) or value
    return title_text(value, is_html="</" in value)[:_NAME_CAP]


def _language(value: str | None) -> str | None:
    if not value:
        return None
    value = one_line(value).replace("_", "-")
    return value if value and len(value) <= 35 and not value.startswith("-") else None


def _whole(value: str | None) -> int | None:
    """Return a whole number of at most nine digits (Python refuses to read 9,999)."""
    found = _NUMBER_RE.fullmatch(value or "")
    return int(found[1]) if found else None


def _skip_hours(values: list[str]) -> tuple[int, ...]:
    # RSS 0.91 counts hours 1-24, RSS 2.0 0-23: 24 is midnight in both readings
    hours = (_whole(each) for each in values[:48])
    return tuple(sorted({hour % 24 for hour in hours if hour is not None and hour <= 24}))


def _skip_days(values: list[str]) -> tuple[str, ...]:
    days = {one_line(each).lower() for each in values[:20]}
    return tuple(day for day in _WEEKDAYS if day in days)


def _update_period(period: str | None, frequency: str | None) -> timedelta | None:
    span = _PERIODS.get(one_line(period or "").lower())
    if span is None:
        return None
    return span / max(1, _whole(frequency) or 1)

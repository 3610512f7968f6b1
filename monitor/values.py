"""The frozen values that stages hand to each other.

A stage imports these and nothing of its neighbours; only ``monitor.pipeline`` knows their order.
Contains no behaviour beyond what a value says of itself: no clock, no network, no database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal

TextField = Literal["title", "summary", "content"]
TEXT_FIELDS: tuple[TextField, ...] = ("title", "summary", "content")
FirstRun = Literal["baseline", "alert", "ignore"]
FullText = Literal["never", "when_needed", "always"]
Identity = Literal["guid", "url", "title"]


class Severity(IntEnum):
    """How much an alert matters; ordered, so that the highest of several rules is ``max``."""

    INFO = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def parse(cls, name: str) -> Severity:
        """Return the severity called ``name`` ("high"); raises ``KeyError`` for an unknown one."""
        return cls[name.upper()]

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Feed:
    """A URL we poll, as the configuration wants it polled.

    ``key`` identifies the feed in the store: the configured URL, or ``file:`` and the path
    relative to the configuration. ``url`` is what is fetched (an absolute ``file://`` URL for a
    file). ``tags`` and ``country`` are ours; the publisher's own are categories of an entry.
    """

    key: str
    url: str
    name: str
    tags: tuple[str, ...] = ()
    country: str | None = None
    language: str | None = None
    every: timedelta | None = None
    first_run: FirstRun = "baseline"
    full_text: FullText = "never"
    identity: Identity | None = None
    alarm_if_silent: timedelta | None = None
    user_agent: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as a feed gave it: plain text, times in UTC, nothing clamped.

    ``raw_id`` is the GUID to the letter, or None. ``title``, ``summary`` and ``content`` are plain
    text (paragraphs as blank lines). ``source`` and ``source_url`` come from RSS ``<source>``.
    """

    raw_id: str | None
    url: str | None
    title: str
    summary: str = ""
    content: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    language: str | None = None
    source: str | None = None
    source_url: str | None = None

    def __reduce__(self) -> tuple[type[Entry], tuple[object, ...]]:
        # All entries come out of another process: this takes half the time of what slots do.
        return Entry, (
            self.raw_id, self.url, self.title, self.summary, self.content, self.published,
            self.updated, self.authors, self.categories, self.language, self.source,
            self.source_url,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArticleText:
    """What reading an entry's article page came to.

    ``entry`` is the entry's place among the feed's ``entries``. ``text`` is plain text, or empty
    where ``note`` says in plain words why the page was not read.
    """

    entry: int
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed document: its own data and its entries, in the document's order.

    ``ttl`` is in minutes. ``hubs`` are WebSub hubs it advertises. ``notes`` are repairs the parser
    made, in plain words, for ``feeds health``. ``skip_hours`` are hours 0-23 UTC, ``skip_days``
    lower-case English weekday names, ``update_period`` what RSS 1.0 ``sy:`` declares. ``digests``
    are the hashes of all its entries as the feed gave them; the ``known`` ones among them, known to
    the letter, are left out of ``entries``.
    """

    title: str = ""
    url: str | None = None
    site_url: str | None = None
    language: str | None = None
    ttl: int | None = None
    entries: tuple[Entry, ...] = ()
    hubs: tuple[str, ...] = ()
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[str, ...] = ()
    update_period: timedelta | None = None
    notes: tuple[str, ...] = ()
    digests: tuple[bytes, ...] = ()
    known: int = 0
    articles: tuple[ArticleText, ...] = ()

    @property
    def count(self) -> int:
        """How many entries the document has."""
        return len(self.entries) + self.known


@dataclass(frozen=True, slots=True)
class Document:
    """What rules look at: an entry's text and its labels, however it reached us.

    ``source`` is the publisher's name (RSS ``<source>`` or else the feed's name), ``feed`` the
    feed's name, ``tags`` ours, ``categories`` the publisher's, ``published`` clamped to our clock.
    """

    id: str
    title: str
    summary: str = ""
    content: str = ""
    url: str | None = None
    source: str | None = None
    feed: str | None = None
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    language: str | None = None
    country: str | None = None
    published: datetime | None = None

    def text(self, name: TextField) -> str:
        """Return the plain text of one field."""
        if name == "title":
            return self.title
        return self.summary if name == "summary" else self.content


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a term matched: code-point offsets into one field's plain text.

    ``term`` is the term as the rule (or the entity's alias list) spells it; ``entity`` is the
    entity it stands for, or None. ``text`` is ``document.text(field)[start:end]``.
    """

    term: str
    field: TextField
    start: int
    end: int
    text: str
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a document, with the hits that made it hold. ``score`` is 0-1."""

    rule: str
    score: float = 1.0
    hits: tuple[Hit, ...] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class EntityMention:
    """An entity found in a document: ``code`` is ISO 3166 for a country, else the name."""

    name: str
    code: str
    type: str = "other"


@dataclass(frozen=True, slots=True)
class Word:
    """A token that a text has; with ``starts`` any token that begins so."""

    text: str
    starts: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the parts; of none, every text."""

    parts: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the parts; of none, no text."""

    parts: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression (RE2) that finds something in one of a text's fields."""

    pattern: str


Wording = Word | AllOf | AnyOf | Expression
"""What the tokens of a text must be for it to be worth a closer look (no order, no fields)."""

StoryKind = Literal["new", "duplicate", "update", "none"]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened: a cluster of entries from one or more feeds.

    ``sources`` are independent sources' names (reprints of one text count once), in order of
    first appearance; ``entries`` is how many entries it has, reprints included.
    """

    id: str
    title: str
    first_seen: datetime
    last_seen: datetime
    sources: tuple[str, ...] = ()
    entries: int = 1


@dataclass(frozen=True, slots=True)
class StoryDecision:
    """What an entry means for its story, with the reason in plain words.

    ``duplicate_of`` is the document id whose text it repeats, or None.
    """

    story: Story
    kind: StoryKind
    reason: str
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A half-open range of code points in a text that is to be shown marked."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MarkedText:
    """Plain text with the ranges to mark, in order, not overlapping."""

    text: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What an alert shows of a story: ``lead`` its first sentence (may be empty), ``quote`` the
    sentence or sentences that carry the rule's terms, verbatim, marked."""

    lead: str
    quote: MarkedText


AlertKind = Literal[
    "alert", "update", "escalation", "digest", "baseline", "catch_up", "ops", "test"
]


@dataclass(frozen=True, slots=True)
class AlertItem:
    """One line of a digest, baseline or catch-up message.

    ``delivery`` is the outbox row that a catch-up's line stands for.
    """

    title: str
    url: str | None
    source: str
    rule: str
    published: datetime | None = None
    severity: Severity = Severity.NORMAL
    sources: int = 1
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A story that matched, for one channel; or a message about the watch itself.

    ``reason`` says why now, in plain words ("first report", "escalated low → high: Reuters").
    ``revision`` counts changes of one story in one channel, so that (story, channel, kind,
    revision) is unique. ``items`` and ``totals`` are for digests, baselines, catch-up and ops.
    ``key`` is the matched rule's `key:`, which keeps apart what clustering would merge; ``group``
    names what is held together, to be released as one message ("": the channel's next digest).
    ``score`` is the best of the matches', where it is a story's.
    """

    kind: AlertKind
    channel: str
    story_id: str
    title: str
    url: str | None = None
    source: str = ""
    published: datetime | None = None
    first_seen: datetime | None = None
    severity: Severity = Severity.NORMAL
    rules: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    summary: Summary | None = None
    title_marks: tuple[Mark, ...] = ()
    sources: tuple[str, ...] = ()
    mention: tuple[str, ...] = ()
    reason: str = ""
    revision: int = 0
    items: tuple[AlertItem, ...] = ()
    totals: tuple[tuple[str, str], ...] = ()
    key: str = ""
    group: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A channel's acknowledgement: for Slack the message's ``ts`` and the channel's id."""

    ts: str
    channel_id: str

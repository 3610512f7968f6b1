"""The feeds of the kill harness: what they publish, how they fail, and what was planted.

Every planted story has a word of its own (``kqx00042``) by which it is found in Slack. Stories are
made of invented words, so that none looks like another. Quiet feeds publish rarely: a story that
was skipped there is not brought back by the next change. No feed ever drops an entry, so that a
feed's window is no excuse for a loss.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random

from tests.feedserver import Answer, Request

WORD = re.compile(r"kqx\d{5}")
KEYWORD = "zebrafish"
SYLLABLES = [a + b for a in "bdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]


@dataclass(slots=True)
class Story:
    """A planted entry; ``wanted`` tells whether it must be alerted or must not be."""

    word: str
    title: str
    text: str
    wanted: bool
    at: float  # monotonic seconds


@dataclass(slots=True)
class Odds:
    """Shares of answers that go wrong (0-1)."""

    error: float = 0.04
    busy: float = 0.02
    page: float = 0.02
    hang: float = 0.01
    cut: float = 0.04
    cut_gzip: float = 0.04


@dataclass(slots=True)
class ScriptedFeed:
    """One feed; ``churn`` gives its entries new GUIDs at each request."""

    name: str
    churn: bool = False
    stories: list[Story] = field(default_factory=list)
    served: int = 0

    def document(self) -> bytes:
        self.served += 1
        items = []
        for story in self.stories:
            guid = f"{story.word}-{self.served}" if self.churn else story.word
            items.append(
                f"<item><title>{story.title}</title><link>http://n.example/{story.word}</link>"
                f"<guid isPermaLink='false'>{guid}</guid>"
                f"<description>{story.text}</description></item>"
            )
        return (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>{self.name}</title>'
            f"{''.join(items)}</channel></rss>"
        ).encode()


class World:
    """All feeds, from one seed. Its server runs in another thread, hence the lock."""

    def __init__(self, seed: int, busy: int = 4, quiet: int = 24, odds: Odds | None = None) -> None:
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._number = 0
        self.odds = odds or Odds()
        self.busy = [ScriptedFeed(f"busy{n}") for n in range(busy)]
        self.quiet = [ScriptedFeed(f"quiet{n}", churn=n % 8 == 7) for n in range(quiet)]
        self.stories: dict[str, Story] = {}
        self.faults: dict[str, int] = {}

    @property
    def feeds(self) -> list[ScriptedFeed]:
        return [*self.busy, *self.quiet]

    def _words(self, count: int) -> str:
        return " ".join("".join(self._random.choices(SYLLABLES, k=3)) for _ in range(count))

    def plant(self, feed: ScriptedFeed, *, wanted: bool = True) -> Story:
        """Publish one new story in ``feed``."""
        with self._lock:
            self._number += 1
            word = f"kqx{self._number:05d}"
            subject = KEYWORD if wanted else "lungfish"
            title = f"{self._words(4).capitalize()} {subject} {word} {self._words(3)}"
            story = Story(word, title, self._words(40), wanted, time.monotonic())
            feed.stories.append(story)
            self.stories[word] = story
            return story

    def publish(self) -> None:
        """Let some of the feeds publish: a busy one always, a quiet one mostly."""
        self.plant(self._random.choice(self.busy))
        if self._random.random() < 0.7:
            self.plant(self._random.choice(self.quiet))
        if self._random.random() < 0.5:
            self.plant(self._random.choice(self.busy), wanted=False)

    def answer(self, feed: ScriptedFeed, _request: Request) -> Answer:
        """Answer one request, or fail at it."""
        with self._lock:
            body = feed.document()
            # The validator stands for what is published, whatever GUIDs are shown with it.
            mark = blake2b(" ".join(s.word for s in feed.stories).encode(), digest_size=8)
            etag = f'"{mark.hexdigest()}"'
            kind = self._fault()
            if kind:
                self.faults[kind] = self.faults.get(kind, 0) + 1
        match kind:
            case "error":
                return Answer(b"internal error", 500)
            case "busy":
                return Answer(b"later", 503, headers=(("Retry-After", "1"),))
            case "page":
                return Answer(b"<html><body>Sign in</body></html>", content_type="text/html")
            case "hang":
                return Answer(hang=True)
            case "cut":
                return Answer(body, etag=etag, cut=len(body) // 2)
            case "cut_gzip":
                packed = gzip.compress(body, mtime=0)
                encoded = (("Content-Encoding", "gzip"),)
                return Answer(packed[: len(packed) * 2 // 3], etag=etag, headers=encoded)
            case _:
                return Answer(body, etag=etag)

    def _fault(self) -> str:
        chance = self._random.random()
        for kind in ("error", "busy", "page", "hang", "cut", "cut_gzip"):
            chance -= getattr(self.odds, kind)
            if chance < 0:
                return kind
        return ""

"""Article pages through the whole watch, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from monitor.daemon.assembly import assembled
from monitor.store.port import FoundEntry
from tests.acceptance.process import rss
from tests.feedserver import Answer, FeedServer

CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{console: true}}}}
network: {{allow: [{allow}]}}
feeds: [{{url: "{url}", name: Wire, full_text: {full_text}}}]
rules: [{{name: Arms deals with Syria, any: [arms deals], entities: [Syria]}}]
"""
PROSE = (
    "The ministry in Moscow said on Monday that it had signed several arms deals with Syria, the "
    "largest of them for coastal defence systems that are to be delivered within two years. A "
    "spokesman gave no price, but people who know the contract put it at several hundred million."
)
PAGE = Answer(
    "<html><head><title>Ministry confirms contract</title></head><body><nav>Home Sport</nav>"
    f"<article><h1>Ministry confirms contract</h1><p>{PROSE}</p><p>{PROSE[::-1]}</p></article>"
    "</body></html>",
    content_type="text/html; charset=utf-8",
)
OLD = {"title": "Harvest begins", "guid": "0", "description": "Farmers are content."}
ALLOWED = Answer("User-agent: *\nDisallow: /private\n", content_type="text/plain")
TEASER = {"title": "Ministry confirms contract", "description": "It gave few details."}
TOLD = {"title": "Arms deals with Syria", "description": "The ministry confirmed them."}
LONG = {**TEASER, "description": "It gave few details of what was signed. " * 15}


class Watched:
    """A feed's server with an article page and a robots.txt, and what the watch made of it."""

    def __init__(self, server: FeedServer, found: list[FoundEntry], status: str) -> None:
        self.server, self.found, self.status = server, found, status

    @property
    def asked(self) -> int:
        return len(self.server.of("/article"))

    @property
    def last(self) -> FoundEntry:
        return max(self.found, key=lambda each: each.entry.id)


async def watched(
    place: Path,
    polls: list[list[Mapping[str, str]]],
    full_text: str,
    robots: Answer = ALLOWED,
    page: Answer = PAGE,
    allow: str = "127.0.0.0/8",
    link: str = "/article",
) -> Watched:
    """Poll once for each of ``polls``; items without a link lead to the article."""
    with FeedServer() as server:
        server.script("/robots.txt", robots)
        server.script("/article", page)
        target = link if "://" in link else server.url(link)
        answers = [Answer(rss("Wire", [{"link": target, **item} for item in p])) for p in polls]
        path = place / "config.yaml"
        url = server.script("/feed", *answers)
        path.write_text(CONFIG.format(url=url, full_text=full_text, allow=allow))
        async with AsyncExitStack() as stack:
            daemon = await stack.enter_async_context(assembled(path, {}))
            for _ in polls:
                await daemon.once(due_only=False)
            states = await daemon._store.feed_states()
            since = min(state.added_at for state in states.values())
            found = list(await daemon._store.entries_since(since))
        return Watched(server, found, next(iter(states.values())).last_status)


NEW = {**TEASER, "guid": "1"}
CASES: dict[str, tuple[str, Mapping[str, str], Answer, int, str, bool]] = {
    # full_text, item, robots.txt, pages asked for, words in the outcome, whether the rule matched
    "a teaser is read": ("when_needed", NEW, ALLOWED, 1, "alert", True),
    "never": ("never", NEW, ALLOWED, 0, "no rule matched", False),
    "a rule matches already": ("when_needed", {**TOLD, "guid": "1"}, ALLOWED, 0, "", True),
    "always": ("always", {**TOLD, "guid": "1"}, ALLOWED, 1, "", True),
    "no teaser": ("always", {**LONG, "guid": "1"}, ALLOWED, 0, "no rule matched", False),
    "no robots.txt": ("when_needed", NEW, Answer(status=404), 1, "alert", True),
    "robots.txt is down": ("when_needed", NEW, Answer(status=503), 0, "robots.txt can't", False),
    "robots.txt forbids us": (
        "always",
        NEW,
        Answer("User-agent: newswatch\nDisallow: /\n"),
        0,
        "robots.txt asks not to",
        False,
    ),
}


@pytest.mark.parametrize(
    ("full_text", "item", "robots", "asked", "words", "matched"), CASES.values(), ids=CASES.keys()
)
def test_when_a_page_is_read(
    full_text: str,
    item: Mapping[str, str],
    robots: Answer,
    asked: int,
    words: str,
    matched: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = asyncio.run(watched(tmp_path, [[OLD], [item, OLD]], full_text, robots))
    assert out.asked == asked
    assert words in out.last.entry.outcome
    assert bool(out.last.rules) == matched
    assert ("coastal defence" in out.last.entry.entry.content) == bool(asked)


def test_a_baseline_reads_no_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = asyncio.run(watched(tmp_path, [[NEW]], "always"))
    assert (len(out.found), out.asked) == (1, 0)


def test_a_failed_page_is_asked_for_once_and_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    polls: list[list[Mapping[str, str]]] = [[OLD], [NEW, OLD], [NEW, OLD, {**OLD, "guid": "x"}]]
    out = asyncio.run(watched(tmp_path, polls, "when_needed", page=Answer(status=500)))
    teaser = next(each for each in out.found if each.entry.entry.title == TEASER["title"])
    assert out.asked == 1
    assert "article not read" in teaser.entry.outcome
    assert teaser.entry.entry.content == ""


def test_an_edited_teaser_keeps_the_article(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = {**NEW, "description": "It gave very few details on Monday."}
    out = asyncio.run(watched(tmp_path, [[OLD], [NEW, OLD], [edited, OLD]], "when_needed"))
    assert out.asked == 1
    assert out.last.entry.entry.summary == edited["description"]
    assert "coastal defence" in out.last.entry.entry.content


@pytest.mark.parametrize("link", ["http://10.1.2.3/article", "file:///etc/hostname", "mailto:a@b"])
def test_links_to_the_inside_are_refused(
    link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    polls: list[list[Mapping[str, str]]] = [[OLD], [NEW, OLD]]
    out = asyncio.run(watched(tmp_path, polls, "always", allow="127.0.0.1/32", link=link))
    assert "article not read" in out.last.entry.outcome
    assert out.last.entry.entry.content == ""


def test_error_pages_posted_as_items_are_told_by_the_feeds_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    error = {"title": "Bridge returned error 500! (19700)", "guid": "e", "description": PROSE}
    out = asyncio.run(watched(tmp_path, [[OLD], [error, OLD], [error, OLD, NEW]], "never"))
    assert {each.entry.entry.title for each in out.found} == {OLD["title"], TEASER["title"]}
    assert "1 left out: an error of RSS-Bridge" in out.status
    assert "items that are error pages were left out" in caplog.text

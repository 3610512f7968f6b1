"""A feed reader's manners over 20 restarts, scored as the well-known feed reader score does it.

What is counted against a reader: validators that are made up, mangled or out of sequence,
unconditional requests beyond the first, cookies, referrers, changed queries, polls before they are
due, and requests that a Retry-After or a 410 asked to leave out
(https://rachelbythebay.com/fs/help.html).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from monitor.daemon.assembly import assembled
from tests.chaos.test_rows import SetClock
from tests.feedserver import Answer, FeedServer, Request, rss

RESTARTS = 20
STEP = timedelta(minutes=50)
EVERY = timedelta(hours=2)
ODD_DATE = "Mon, 3 Nov 2026 1:2:3 +0100"  # not as RFC 9110 has it; to be sent back all the same
ITEMS = [("1", "Ferry company orders two hulls from the yard")]


@dataclass
class Score:
    """The requests for one feed, and what is to be held against them."""

    answers: Callable[[int], Answer]
    least: timedelta = EVERY
    requests: list[tuple[datetime, Request]] = field(default_factory=list)
    sent: list[Answer] = field(default_factory=list)

    def answer(self, clock: SetClock, request: Request) -> Answer:
        answer = self.answers(len(self.requests))
        self.requests.append((clock.now(), request))
        self.sent.append(answer)
        return answer

    def faults(self) -> list[str]:
        """Return what was wrong, one line each."""
        out: list[str] = []
        etag = date = None
        for number, (at, request) in enumerate(self.requests):
            asked = (request.header("if-none-match"), request.header("if-modified-since"))
            if asked != (etag, date):
                out.append(f"request {number}: asked with {asked}, not {(etag, date)}")
            out += [f"sends {name}" for name in ("cookie", "referer") if request.header(name)]
            if not request.target.endswith("?a=1"):
                out.append(f"asks for {request.target}")
            if number and at - self.requests[number - 1][0] < self.least:
                out.append(f"request {number}: {at - self.requests[number - 1][0]} after the last")
            if self.sent[number].status == 200:
                etag, date = self.sent[number].etag, self.sent[number].last_modified
        return out


def page(number: int = 0, **about: str | None) -> Answer:
    """A feed's answer that also tries to set a cookie."""
    body = rss([*ITEMS, (f"n{number}", f"Observatory reopens for class {number} of the school")])
    return Answer(body, headers=(("Set-Cookie", "reader=1; Path=/"),), **about)  # type: ignore[arg-type]


def test_all_manners_hold_over_twenty_restarts(tmp_path: Path) -> None:
    later = (("Retry-After", str(6 * 3600)),)
    feeds = {
        "tag": Score(lambda n: page(etag='W/"a b"')),
        "date": Score(lambda n: page(last_modified=ODD_DATE)),
        "both": Score(lambda n: page(etag='"x"', last_modified=ODD_DATE)),
        "changing": Score(lambda n: page(n // 3, etag=f'"v{n // 3}"')),
        "busy": Score(lambda n: Answer("later", 429, headers=later), least=timedelta(hours=6)),
        "down": Score(lambda n: Answer("later", 503, headers=later), least=timedelta(hours=6)),
        "gone": Score(lambda n: Answer("gone", 410), least=timedelta(hours=8)),
        "missing": Score(lambda n: Answer("none", 404)),
    }
    clock = SetClock()

    async def cycle(config: Path) -> None:
        async with assembled(config, {}, clock=clock) as daemon:
            await daemon.once(due_only=True)

    with FeedServer() as server:
        lines = []
        for name, score in feeds.items():
            url = server.script(f"/{name}", partial(score.answer, clock))
            lines.append(f"  - {{url: '{url}?a=1', name: {name}, every: 2h}}")
        config = tmp_path / "config.yaml"
        config.write_text(
            "channels: {out: {console: true}}\ndefaults: {channel: out}\n"
            "network: {allow: [127.0.0.0/8]}\nfeeds:\n" + "\n".join(lines) + "\n"
            "rules: [{name: Fish, any: [zebrafish]}]\n"
        )
        for _ in range(RESTARTS + 1):
            asyncio.run(cycle(config))
            clock.passes(STEP)

    assert {name: score.faults() for name, score in feeds.items()} == {name: [] for name in feeds}
    # 20 restarts over 17 hours: the feeds were really asked, as often as two hours allow.
    counts = {name: len(score.requests) for name, score in feeds.items()}
    assert counts["tag"] >= 6
    assert counts["gone"] <= 3
    assert 2 <= counts["busy"] <= 3


def test_bad_manners_are_noticed() -> None:
    score, clock = Score(lambda n: page(etag='"v"')), SetClock()
    for headers, target in (((), "/f?a=1"), ((("Cookie", "reader=1"),), "/f?a=1&cache=2")):
        score.answer(clock, Request("GET", target, headers, b"", 0.0))
    words = " ".join(score.faults())
    for fault in ("asked with", "sends cookie", "asks for /f?a=1&cache", "after the last"):
        assert fault in words

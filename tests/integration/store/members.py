"""Workers of one cluster in the test's own process, with times short enough to wait for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from monitor.clock import SharedClock, SystemClock
from monitor.cluster.worker import Times, Worker
from monitor.config.load import load
from monitor.delivery.build import build_senders
from monitor.delivery.lanes import Pace
from monitor.delivery.outbox import Deliverer
from monitor.jobs.local import LocalQueue
from monitor.loading import compiled_watch
from monitor.rules.text import search_tokens
from monitor.sources.fetch import Fetcher
from monitor.sources.parse import ParsePool
from monitor.store.postgres import Patience, PgStore, open_postgres
from monitor.watching import Watching, watching
from tests.acceptance.process import rss
from tests.fakeslack import FakeSlack
from tests.feedserver import Answer, FeedServer, Request

FEEDS = 4
CONFIG = """\
state: {state}
defaults: {{channel: news}}
channels: {{news: {{slack: "#news-watch", per_feed: 999 per hour}}}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
feeds: [{feeds}]
rules: [{{name: Of all kinds, any: [newsworthy]}}]
"""
# A tenth of the usual times, in the same order: answer < seat < stranded, silent < claim.
IMPATIENT = Patience(connect=2, answer=2.0)  # for the one that is cut off
WATCHFUL = Patience(seat=timedelta(seconds=3))  # for the one that replaces it
TIMES = Times(
    claim=timedelta(seconds=4),
    stranded=timedelta(seconds=3.5),
    heartbeat=timedelta(seconds=0.4),
    silent=timedelta(seconds=2),
)
LOOKS = tuple(timedelta(seconds=each) for each in (1.5, 3.0, 6.0))


@dataclass(frozen=True)
class Wrong:
    """A machine's clock that is ``ahead`` of the true time."""

    ahead: timedelta

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@dataclass
class Wires:
    """Feeds that publish when told to, and the channel that is told of each story."""

    slack: FakeSlack
    config: Path
    released: int = 0  # stories published so far, dealt to the feeds in turn
    stores: list[PgStore] = field(default_factory=list)

    def answer(self, number: int, _: Request) -> Answer:
        mine = range(number, self.released, FEEDS)
        items = [
            {"title": f"Newsworthy {word(n)}", "guid": str(n), "link": f"http://n.example/{n}"}
            for n in mine
        ]
        return Answer(rss(f"Wire {number}", items[::-1]), etag=f'"{len(items)}"')

    def told(self) -> list[str]:
        """Return the stories that the channel has, sorted; one that it has twice, twice."""
        texts = [message.text for message in self.slack.workspace.messages("news-watch")]
        return sorted(word(n) for t in texts for n in range(self.released) if word(n) in t)

    def wanted(self) -> list[str]:
        return sorted(word(n) for n in range(self.released))

    async def all_told(self, seconds: float) -> None:
        """Return when each story was told, or when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while set(self.told()) < set(self.wanted()):  # noqa: ASYNC110 - told by sockets
                    await asyncio.sleep(0.05)


def word(number: int) -> str:
    """Return a word that stands in no other story, nor in another one's word."""
    letters = "bcdfghjklm"
    return "zu" + "".join(letters[int(digit)] + "a" for digit in f"{number:03}") + "x"


@asynccontextmanager
async def wires(folder: Path, database: str) -> AsyncIterator[Wires]:
    """Yield feeds and a Slack, with a configuration that names them."""
    slack = FakeSlack(message_rate=0, history_rate=6000)
    with FeedServer() as server:
        async with slack:
            slack.workspace.add_channel("news-watch")
            made = Wires(slack, folder / "config.yaml")
            urls = [server.script(f"/{n}", partial(made.answer, n)) for n in range(FEEDS)]
            feeds = ", ".join(
                f"{{url: '{url}', name: Wire {n}, first_run: alert, every: 1s}}"
                for n, url in enumerate(urls)
            )
            made.config.write_text(CONFIG.format(state=database, slack=slack.url, feeds=feeds))
            yield made


@asynccontextmanager
async def member(
    here: Wires, database: str, patience: Patience | None = None, ahead: timedelta = timedelta()
) -> AsyncIterator[Worker]:
    """Run one worker on ``database`` (however it gets there) while the block runs; its machine's
    clock is ``ahead`` of the true time."""
    loaded = load(here.config, {**os.environ, "SLACK_BOT_TOKEN": here.slack.token})
    current = watching(loaded, compiled_watch(loaded)[0])
    clock = SharedClock(Wrong(ahead))
    async with AsyncExitStack() as stack:
        store = await open_postgres(database, tokenize=search_tokens, patience=patience)
        stack.push_async_callback(store.close)
        here.stores.append(store)
        parser = ParsePool()
        stack.push_async_callback(parser.aclose)
        fetcher = Fetcher(loaded.settings.network, clock, config_dir=here.config.parent)
        stack.push_async_callback(fetcher.aclose)
        deliverer = Deliverer(
            store,
            build_senders(loaded.settings),
            clock,
            random=Random(1),
            pace=Pace(channel_burst=4),  # several at once may be unclear
            looks_after=LOOKS,
        )
        stack.push_async_callback(deliverer.aclose)
        worker = Worker(
            store=store,
            times=TIMES,
            queue=LocalQueue(),
            fetcher=fetcher,
            parser=parser,
            deliverer=deliverer,
            current=current,
            clock=clock,
            random=Random(1),
            reload=unchanged,
            rewire=nothing,
        )
        await worker.start()
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running


def unchanged() -> Watching | None:
    return None


async def nothing(_: Watching) -> None:
    return None

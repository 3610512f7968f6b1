"""The real program with its status page, a feed to poll, and an HTTP client for the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.acceptance.process import Process, rss
from tests.feedserver import Answer, FeedServer

CONFIG = """\
channels:
  news: {{console: true}}
defaults: {{channel: news}}
network: {{allow: [127.0.0.0/8]}}
feeds:
  - {{url: '{feed}', name: {name}, every: 2s, first_run: alert}}
rules:  # what we watch for
  - name: Arms deals
    any: [arms deals]
    severity: high
web: {{{web}}}
"""
ITEMS: tuple[Mapping[str, str], ...] = (
    {
        "title": "Arms deals with Syria go on",
        "guid": "1",
        "link": "http://n.example/1",
        "description": "Officials said on Monday that arms deals with Syria would go on.",
    },
    {"title": "Rain in Spain", "guid": "2", "link": "http://n.example/2"},
)


@dataclass
class Site:
    """A running watch: its page's address, its process, its configuration file."""

    url: str
    process: Process
    config: Path
    client: httpx.Client

    def form_token(self) -> str:
        """Return what the page's own forms carry."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.client.get("/silences").text)
        assert found
        return found[1]

    def post(self, path: str, **values: str) -> httpx.Response:
        """Send a form as the page's own would."""
        return self.client.post(
            path,
            data={"form_token": self.form_token(), **values},
            headers={"origin": self.url},
        )

    def another_feed(self) -> str:
        """Add a feed that can't be reached to the configuration; returns its text."""
        feed = "  - {url: 'http://127.0.0.1:9/', name: Other}\nrules:"
        text = self.config.read_text().replace("rules:", feed, 1)
        self.config.write_text(text)
        self.process.wait_for("the reload", self.process.said("configuration reloaded"))
        return text

    def upload(self, path: str, text: str) -> httpx.Response:
        """Send a form with a file as the page's own would."""
        return self.client.post(
            path,
            data={"form_token": self.form_token()},
            files={"file": ("list.opml", text.encode())},
            headers={"origin": self.url},
        )


@contextmanager
def site(
    folder: Path,
    server: FeedServer,
    items: tuple[Mapping[str, str], ...] = ITEMS,
    *,
    web: str = "enabled: true, listen: '127.0.0.1:0'",
    name: str = "Wire",
    env: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """Run the watch over ``items`` until the block ends; an alert has been posted by then."""
    feed = server.script("/feed", Answer(rss("Wire", items)))
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(feed=feed, web=web, name=name))
    process = Process("run", "--log-json", cwd=folder, env=env)
    try:
        process.wait_for("the status page", process.said("status page"))
        process.wait_for("an alert", lambda: process.out)
        line = next(line for line in process.err if "status page" in line)
        found = re.search(r"http://[^/\"]+", line)
        assert found
        with httpx.Client(base_url=found[0], timeout=10) as client:
            yield Site(found[0], process, config, client)
    finally:
        assert process.stop() == 0, process.log

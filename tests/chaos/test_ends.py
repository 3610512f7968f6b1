"""How the watch ends, and how it lives with little: signals, as process 1, without descriptors."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.process import Process
from tests.fakeslack import FakeSlackThread, Fault, Faults
from tests.feedserver import Answer, FeedServer, rss

CONFIG = """\
defaults: {{channel: news}}
channels: {{news: {{{channel}}}}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
{more}
feeds:
{feeds}
rules: [{{name: Fish, any: [zebrafish]}}]
"""
STORY = "Zebrafish found in the upper lake"
WORDS = [
    "harbour",
    "glacier",
    "court",
    "bank",
    "vineyard",
    "ferry",
    "bridge",
    "school",
    "mill",
    "fair",
]


def written(place: Path, *urls: str, channel: str = "console: true", more: str = "") -> None:
    feeds = "\n".join(f"  - {{url: '{url}', first_run: alert, every: 1s}}" for url in urls)
    (place / "config.yaml").write_text(CONFIG.format(feeds=feeds, channel=channel, more=more))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_state_17_a_second_signal_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """The first waits for Slack's answer, up to 8 s. To be cut off then is to be killed, which
    loses and doubles nothing."""
    faults = Faults(script=[Fault.LATE], late=9)
    with FeedServer() as server, FakeSlackThread(faults) as slack:
        more = f"slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{slack.url}'}}"
        url = server.script("/feed", Answer(rss([("1", STORY)])))
        written(tmp_path, url, channel='slack: "#news-watch"', more=more)
        process = Process("run", cwd=tmp_path, env={"SLACK_BOT_TOKEN": slack.token})
        process.wait_for("the post", lambda: slack.workspace.messages("news-watch"))
        process.popen.send_signal(number)
        process.wait_for("the drain", process.said("stopping"))
        began = time.monotonic()
        assert process.stop(number) == 128 + number, process.log
        assert time.monotonic() - began < 4
        assert process.said("ending at once")()
        assert "Traceback" not in process.log


def test_state_21_without_descriptors_it_backs_off_and_recovers(tmp_path: Path) -> None:
    """60 hosts that answer slowly at first, and room for about 20 connections."""
    limit = ("sh", "-c", 'ulimit -n 40 && exec "$@"', "sh")
    with FeedServer(host="0.0.0.0") as server:
        urls = []
        for n in range(60):
            body = rss([(str(n), f"{STORY}, {WORDS[n % 10]} {WORDS[n // 10]} of {n}")])
            server.script(f"/{n}", Answer(body, delay=6), Answer(body, etag='"v"'))
            urls.append(f"http://127.0.1.{n + 1}:{server.port}/{n}")
        written(tmp_path, *urls)
        process = Process("run", "--log-level", "info", cwd=tmp_path, before=limit)
        try:
            process.wait_for("every story", lambda: len(process.out) >= 60, timeout=120)
            usage = Path(f"/proc/{process.popen.pid}/stat").read_text().split(") ")[1].split()
            assert process.stop() == 0
        finally:
            process.popen.kill()
    assert "raise the limit" in process.log, process.log[-3000:]
    assert len(process.out) == len(set(process.out)) == 60
    assert "Traceback" not in process.log, process.log[-3000:]
    # What fails waits longer each time and is not asked again and again.
    asked = Counter(request.path for request in server.requests)
    failed = process.log.count("raise the limit")
    assert failed < 60 * 6
    assert max(asked.values()) < 60
    spent = (int(usage[11]) + int(usage[12])) / os.sysconf("SC_CLK_TCK")
    assert spent < 30

"""Hostile answers, served from a process of their own: what they cost there is not the watch's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.fakeslack import FakeSlackThread
from tests.feedserver import Answer, FeedServer


@dataclass(frozen=True, slots=True)
class Served:
    """Where each answer is, and a Slack."""

    urls: Mapping[str, str]
    slack: str
    token: str


@contextmanager
def served(answers: Mapping[str, Answer]) -> Iterator[Served]:
    """Serve ``answers`` until the block ends."""
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        with (
            suppress(BaseException),
            FeedServer() as server,
            FakeSlackThread(message_rate=0) as slack,
        ):
            urls = {
                name: server.script(f"/{number}", answer)
                for number, (name, answer) in enumerate(answers.items())
            }
            os.write(writing, json.dumps([urls, slack.url, slack.token]).encode() + b"\n")
            while os.getppid() == parent:
                time.sleep(0.2)
        os._exit(0)
    try:
        with os.fdopen(reading) as told:
            yield Served(*json.loads(told.readline()))
    finally:
        os.close(writing)
        os.kill(pid, 9)
        os.waitpid(pid, 0)

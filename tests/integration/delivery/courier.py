"""A process that delivers an outbox and is killed while at it.

Started once, it imports everything and then forks a deliverer for each line of JSON on its stdin,
so that a cycle costs the delivery, not the start of Python. Prints the child's pid, then its exit
status. ``protocol`` is "outbox" (the product), or one of two wrong ones, planted to prove that the
test would notice: "mark_first" marks a row before it posts, "post_first" posts before it marks.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from monitor import failpoints
from monitor.clock import SystemClock
from monitor.codec import alert_from_json
from monitor.delivery import Deliverer, Pace, Sender
from monitor.delivery.sender import Outgoing, RateLimited, Sent
from monitor.delivery.slack.send import SlackApi, SlackSender
from monitor.delivery.slack.webhook import SlackWebhookSender
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxState, Store

# The looks' total must exceed the fake's history lag (0.4 s), as 15/30/60 s exceed Slack's.
LOOKS = tuple(timedelta(seconds=each) for each in (0.5, 0.9, 1.4))
OPEN: tuple[OutboxState, ...] = ("queued", "held", "sending", "unknown")


def senders(task: Mapping[str, Any]) -> tuple[dict[str, Sender], SlackApi | None]:
    """Return a sender for each channel: one bot, or one webhook each."""
    if task["webhook"]:
        hook = SlackWebhookSender(task["webhook"], interval=0, timeout=1)
        return dict.fromkeys(task["channels"], hook), None
    api = SlackApi(task["token"], task["url"], timeout=1)
    return {name: SlackSender(api, f"#{name}", interval=0) for name in task["channels"]}, api


async def deliver(task: Mapping[str, Any]) -> None:
    """Deliver until nothing is open (or until the process is killed)."""
    clock = SystemClock()
    store = await open_store(task["state"], now=clock.now(), tokenize=search_tokens)
    channels, _ = senders(task)
    if task["protocol"] != "outbox":
        await wrong(store, channels, mark_first=task["protocol"] == "mark_first")
        return
    courier = Deliverer(
        store,
        channels,
        clock,
        random=Random(task["seed"]),
        pace=Pace(service_rate=0, batch=4),
        looks_after=LOOKS,
        resend_after=timedelta(seconds=0.3),
    )
    await courier.recover()
    end = time.monotonic() + task["seconds"]
    while time.monotonic() < end:
        await courier.deliver_due()
        counts = await store.outbox_counts()
        if not any(counts.get(state) for state in OPEN):
            break
        at = courier.wake_at()
        wait = (at - clock.now()).total_seconds() if at else 0.05
        await asyncio.sleep(min(max(wait, 0.005), 0.1))
    await courier.aclose()
    await store.close()


async def wrong(store: Store, channels: Mapping[str, Sender], *, mark_first: bool) -> None:
    """The two ways that small bots go wrong. A failed call is tried again at once."""
    while rows := await store.outbox_due(SystemClock().now(), 1):
        row = rows[0]
        sent = replace(row, state="sent")
        if mark_first:
            await store.outbox_put([sent])
        failpoints.failpoint("after_sending_committed")
        while True:
            result = await channels[row.channel].send(
                Outgoing(row.id, alert_from_json(row.payload))
            )
            if isinstance(result, Sent):
                break
            await asyncio.sleep(result.retry_after if isinstance(result, RateLimited) else 0.01)
        failpoints.failpoint("after_post")
        if not mark_first:
            failpoints.failpoint("before_receipt_committed")
            await store.outbox_put([sent])


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        if (pid := os.fork()) == 0:
            failpoints.configure(task["failpoints"])
            asyncio.run(deliver(task))
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()

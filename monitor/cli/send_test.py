"""`send-test`: one test message to each channel, past the outbox, with what came of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from monitor.cli.common import config_option, emit, json_option, run_async
from monitor.clock import SystemClock
from monitor.config.load import load
from monitor.delivery.build import build_senders
from monitor.delivery.sender import (
    CantLook,
    ChannelRefused,
    Look,
    Outgoing,
    RateLimited,
    Result,
    Sender,
    Sent,
)
from monitor.errors import EXIT_FINDINGS, UsageError
from monitor.ids import new_id
from monitor.values import Alert


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one channel's test message."""

    channel: str
    ok: bool
    said: str
    hint: str = ""


@click.command("send-test")
@config_option
@json_option
@click.argument("channels", nargs=-1)
def send_test(config_path: Path, as_json: bool, channels: tuple[str, ...]) -> None:
    """Post a test message to CHANNELS (default: every one), and say what came of it."""
    loaded = load(config_path, os.environ)
    senders = build_senders(loaded.settings)
    if unknown := [name for name in channels if name not in senders]:
        known = ", ".join(sorted(senders))
        raise UsageError(f"no such channel: {', '.join(unknown)} (there are: {known})")
    configured = [name for name in senders if name in loaded.settings.channels]
    chosen = channels or configured or list(senders)

    async def main() -> Sequence[Tried]:
        try:
            return [await _try(name, senders[name]) for name in chosen]
        finally:
            for sender in {id(each): each for each in senders.values()}.values():
                await sender.aclose()

    tried = run_async(main)
    for each in tried:
        if as_json:
            emit({"channel": each.channel, "ok": each.ok, "result": each.said, "hint": each.hint})
        else:
            mark = "ok  " if each.ok else "FAIL"
            hint = f" ({each.hint})" if each.hint else ""
            click.echo(f"{mark} {each.channel}: {each.said}{hint}", err=not each.ok)
    if not all(each.ok for each in tried):
        raise SystemExit(EXIT_FINDINGS)


async def _try(name: str, sender: Sender) -> Tried:
    now = SystemClock().now()
    alert = Alert(
        kind="test",
        channel=name,
        story_id="test",
        title="This is a test message",
        reason=f"Alerts for “{name}” will arrive here.",
        first_seen=now,
    )
    ident = new_id(now)
    result = await sender.send(Outgoing(ident, alert))
    if not isinstance(result, Sent):
        return Tried(name, False, _words(result), getattr(result, "hint", ""))
    if not sender.looks:
        return Tried(name, True, "sent")
    seen = await sender.look(Look(frozenset([ident]), now - timedelta(minutes=2)))
    if isinstance(seen, CantLook) and seen.lasting:
        said = "sent, but its history can't be read: a lost answer may mean a double"
        return Tried(name, True, said, seen.reason)
    return Tried(name, True, "sent")


def _words(result: Result) -> str:
    match result:
        case RateLimited(seconds):
            return f"rate limited: try again in {seconds:g} s"
        case ChannelRefused(reason):
            return reason
        case _:
            return getattr(result, "reason", type(result).__name__)

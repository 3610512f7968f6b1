"""How the watch ends, and how it lives with little: signals, as process 1, without descriptors."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from monitor.daemon import signals
from tests.acceptance.process import Process
from tests.chaos.checks import HEADLINES
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
        process.popen.send_signal(number)  # the same one again, passed on by make or a shell
        time.sleep(1.5 * signals.ECHO)
        assert not process.said("ending at once")()
        began = time.monotonic()
        assert process.stop(number) == 128 + number, process.log
        assert time.monotonic() - began < 4
        assert process.said("ending at once")()
        assert "Traceback" not in process.log


def test_state_21_without_descriptors_it_backs_off_and_recovers(tmp_path: Path) -> None:
    """60 hosts that answer slowly at first, and room for about 20 connections."""
    limit = ("sh", "-c", 'ulimit -n 44 && exec "$@"', "sh")
    with FeedServer(host="0.0.0.0") as server:
        urls = []
        for n in range(60):
            body = rss([(str(n), f"{STORY}, {WORDS[n % 10]} {WORDS[n // 10]} of {n}")])
            server.script(f"/{n}", Answer(body, delay=6), Answer(body, etag='"v"'))
            urls.append(f"http://127.0.1.{n + 1}:{server.port}/{n}")
        written(tmp_path, *urls)
        process = Process("run", "--log-level", "info", cwd=tmp_path, before=limit)
        try:
            process.wait_for("every story", lambda: len(process.out) >= 60, timeout=240)
            usage = Path(f"/proc/{process.popen.pid}/stat").read_text().split(") ")[1].split()
            assert process.stop() == 0
        finally:
            process.popen.kill()
            process.wait()
    assert "raise the limit" in process.log, process.log[-3000:]
    assert len(process.out) == len(set(process.out)) == 60
    assert "Traceback" not in process.log, process.log[-3000:]
    assert "on this document" not in process.log, process.log[-3000:]  # none of them is at fault
    # What fails waits longer each time and is not asked again and again.
    asked = Counter(request.path for request in server.requests)
    failed = process.log.count("raise the limit")
    assert failed < 60 * 8
    assert max(asked.values()) < 60
    spent = (int(usage[11]) + int(usage[12])) / os.sysconf("SC_CLK_TCK")
    assert spent < 30


def test_ops_01_02_systemd_hears_of_it(tmp_path: Path) -> None:
    """The real program, with a socket where systemd's would be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, FeedServer() as server:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        written(tmp_path, server.script("/feed", Answer(rss([("1", STORY)]))))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        process = Process("run", cwd=tmp_path, env=env)
        heard = [manager.recv(4096)]
        while heard.count(b"WATCHDOG=1") < 2:
            heard.append(manager.recv(4096))
        assert heard[0].startswith(b"READY=1")
        assert process.stop() == 0
        while not heard[-1].startswith(b"STOPPING=1"):
            heard.append(manager.recv(4096))


@cache
def namespace() -> tuple[str, ...]:
    """Return the command that makes a program process 1 of a namespace; empty where that isn't
    allowed."""
    for options in ("-pf", "-rpf"):
        space = ("unshare", options, "--mount-proc", "--kill-child")
        if (
            shutil.which("unshare")
            and not subprocess.run([*space, "true"], capture_output=True, check=False).returncode
        ):
            return space
    return ()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not namespace(), reason="a process namespace isn't allowed here")
def test_ops_05_as_process_1_signals_end_it_and_its_children_are_reaped(tmp_path: Path) -> None:
    """As in a container: the kernel gives process 1 no default for any signal."""
    with FeedServer() as server:
        bodies = [Answer(rss([(text, f"{text}, with zebrafish")])) for text in HEADLINES]
        written(tmp_path, server.script("/feed", *bodies))
        process = Process("run", cwd=tmp_path, before=namespace())
        try:
            process.wait_for("a story", lambda: process.out)
            (inside,) = children(process.popen.pid)
            assert Path(f"/proc/{inside}/status").read_text().split("NSpid:")[1].split()[1] == "1"
            (worker,) = children(inside)
            os.kill(worker, signal.SIGKILL)  # as the kernel does where memory runs out
            heard = len(process.out)
            process.wait_for("the next story", lambda: len(process.out) > heard)
            states = [Path(f"/proc/{pid}/stat").read_text() for pid in children(inside)]
            assert [state.split(") ")[1][0] for state in states if ") Z" in state] == []
            os.kill(inside, signal.SIGTERM)
            assert process.wait(15) == 0, process.log
        finally:
            process.popen.kill()


def test_ops_07_nothing_is_dialled_but_feeds_and_slack(tmp_path: Path) -> None:
    """Behind a filter that lets out what the configuration names, and nothing else, all works."""
    watched = tmp_path / "dialled"
    hook = (
        "import sys\n"
        f"out = open({str(watched)!r}, 'a', buffering=1)\n"
        "def note(event, args):\n"
        "    if event == 'socket.connect' and isinstance(args[1], tuple):\n"
        "        print(*args[1][:2], file=out)\n"
        "    elif event == 'socket.getaddrinfo':\n"
        "        print('name', args[0], file=out)\n"
        "sys.addaudithook(note)\n"
        "sys.modules['uvloop'] = None\n"  # libuv connects without telling Python's audit
    )
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(hook)
    with FeedServer() as server, FakeSlackThread() as slack:
        more = f"slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{slack.url}'}}"
        url = server.script("/feed", Answer(rss([("1", STORY)])))
        written(tmp_path, url, channel='slack: "#news-watch"', more=more)
        env = {"SLACK_BOT_TOKEN": slack.token, "PYTHONPATH": str(tmp_path / "site")}
        process = Process("run", cwd=tmp_path, env=env)
        process.wait_for("the post", lambda: slack.workspace.messages("news-watch"))
        process.wait_for("a second poll", lambda: len(server.requests) > 1)
        assert process.stop() == 0
        allowed = {f"127.0.0.1 {server.port}", f"127.0.0.1 {slack.port}"}
        dialled = set(watched.read_text().splitlines())
    assert dialled - {"name 127.0.0.1"} == allowed

"""Secrets that are used: in every place a configuration has for one, with all of it failing or at
work, none is found in a log, the database, a backup, a page, a metric or a command's output."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.acceptance.process import ROOT, Process
from tests.fakeslack import FakeSlack, FakeSlackThread
from tests.feedserver import Answer, FeedServer, rss

CONFIG = """\
state: ./state
defaults: {{channel: news}}
channels:
  news: {{slack: "#news-watch"}}
  hook: {{webhook: "${{HOOK}}", secret: "${{HMAC}}"}}
  pager: {{apprise: "${{PAGER}}"}}
  ops: {{slack: "#news-watch-ops"}}
slack: {{token: "${{BOT}}", app_token: "${{APP}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
web: {{enabled: true, listen: "127.0.0.1:0", token_file: web-token}}
feeds:
  - url: "{good}"
    name: Wire
    first_run: alert
    every: 1s
    auth: {{user: desk, password: "${{PASS}}"}}
  - {{url: "{refused}", name: Closed, every: 1s, headers: {{X-Api-Key: "${{KEY}}"}}}}
  - {{url: "{refused}?key=${{QUERY}}", name: Keyed, every: 1s}}
rules:
  - {{name: Fish, any: [zebrafish], to: [news, hook, pager]}}
"""
STORY = "Zebrafish found in the upper lake"
COMMANDS = (
    "check --json",
    "check --print-config",
    "check --print-config --json",
    "check --live --json",
    "feeds list --json",
    "feeds health --json",
    "feeds export",
    "outbox list --json",
    "silence list --json",
    "routes test --json",
    "matches --json",
    "matches --since 1d",
    "stats --json",
    "backtest --json",
    "why-not https://example.org/1 --json",
    "explain Fish https://example.org/1 --json",
    "db check --json",
    "db backup --json",
    "send-test hook --json",
    "web --listen nonsense",
)
PAGES = ("/", "/feeds", "/feeds.opml", "/lab", "/quality", "/routes", "/outbox", "/silences")
MACHINES = ("/metrics", "/healthz", "/readyz", "/atom/Fish")


def secrets(server: FeedServer, slack: FakeSlack) -> dict[str, str]:
    """Return a secret for each place; those of a kind with a shape have it."""
    host = f"127.0.0.1:{server.port}"
    return {
        "BOT": slack.token,
        "APP": slack.app_token,
        "HOOK": f"http://{host}/hook/canary-hook-7f3a",
        "HMAC": "canary-hmac-91bc",
        "PAGER": f"json://{host}/canary-pager-55d0",
        "PASS": "canary-password-20ee",
        "KEY": "canary-key-e4c1",
        "QUERY": "canary-query-0a77",
    }


def traces(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must be found nowhere: each secret, and how it is written on its way."""
    basic = base64.b64encode(f"desk:{env['PASS']}".encode()).decode()
    return (env["BOT"], env["APP"], "canary-", basic, "x-fake")


def command(words: str, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command; returns all it wrote, whatever it came to."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "bot.py"), *words.split()],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return f"$ {words}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """Live for a while; returns everything that was written, by where, and the traces."""
    place = tmp_path_factory.mktemp("canary")
    out: dict[str, str] = {}
    (place / "web-token").write_text("canary-web-token-8d8d\n")
    (place / "web-token").chmod(0o600)
    with FeedServer() as server, FakeSlackThread(message_rate=0) as slack:
        env = secrets(server, slack)
        good = server.script("/feed", Answer(rss([("1", STORY)])))
        refused = server.script("/closed", Answer(b"no", 401))
        server.script("/hook/canary-hook-7f3a", Answer(b"broken", 500))
        server.script("/canary-pager-55d0", Answer(b"broken", 500))
        text = CONFIG.format(slack=slack.url, good=good, refused=refused)
        (place / "config.yaml").write_text(text)
        process = Process("run", "--log-json", "--log-level", "debug", cwd=place, env=env)
        try:
            process.wait_for("the page", process.said("status page"))
            process.wait_for("the post", lambda: slack.workspace.messages("news-watch"))
            process.wait_for("the failing hook", lambda: server.of("/hook/canary-hook-7f3a"))
            # Warnings are errors here, and Apprise's import warns: a failure with a traceback.
            process.wait_for("the failing pager", process.said("sender failed unexpectedly"))
            process.wait_for("a feed that fails", process.said("feed failed"))
            line = next(line for line in process.err if "status page" in line)
            found = re.search(r"http://[^/\"]+", line)
            assert found
            with httpx.Client(base_url=found[0], timeout=20) as client:
                assert client.get("/feeds").status_code == 401
                out["refused page"] = client.get("/feeds").text
                client.headers["Authorization"] = "Bearer canary-web-token-8d8d"
                for path in (*PAGES, *MACHINES):
                    answer = client.get(path)
                    assert answer.status_code < 400, (path, answer.status_code)
                    out[path] = f"{answer.headers}\n{answer.text}"
            (place / "config.yaml").write_text(text + 'retention: {max_size: "${QUERY}"}\n')
            process.wait_for("the refusal", process.said("configuration refused"))
            (place / "config.yaml").write_text(text)
            with ThreadPoolExecutor(3) as pool:
                outputs = pool.map(lambda words: command(words, place, env), COMMANDS)
                out.update(zip(COMMANDS, outputs, strict=True))
        finally:
            process.stop()
        out["log"] = process.log
        # They were used, or to find none of them would prove nothing.
        assert server.of("/feed")[0].header("authorization") == f"Basic {traces(env)[3]}"
        assert {r.header("x-api-key") for r in server.of("/closed")} == {env["KEY"], None}
        assert any(env["QUERY"] in request.target for request in server.of("/closed"))
        assert server.of("/hook/canary-hook-7f3a")
        out["slack"] = "\n".join(str(m.body) for m in slack.workspace.messages())
    for file in (place / "state").rglob("*"):
        if file.is_file():
            out[str(file.relative_to(place))] = file.read_bytes().decode("latin-1")
    with FakeSlackThread() as closed:
        closed.workspace.token_error = "token_revoked"
        text = CONFIG.format(slack=closed.url, good=good, refused=refused)
        (place / "config.yaml").write_text(text)
        out["a refused token"] = command("run", place, env)
    assert "token_revoked" in out["a refused token"]
    return out, list(traces(env))


def test_no_secret_is_found_anywhere(written: tuple[dict[str, str], list[str]]) -> None:
    out, canaries = written
    assert any(name.endswith("newswatch.db") for name in out)
    assert any("backups" in name for name in out), "the backup was not made"
    assert "upper lake" in out["/"], "the page shows nothing: the test would prove nothing"
    assert STORY in out["matches --json"]
    leaks = {
        (name, canary): text[max(0, text.find(canary) - 200) : text.find(canary) + 80]
        for name, text in out.items()
        for canary in canaries
        if canary in text
    }
    assert leaks == {}

"""How fast the status page answers over a large store.

    python -m benchmarks.web                    # makes 1,000,000 stories first: half an hour
    python -m benchmarks.web --folder DIR       # keeps the store there for the next time
    python -m benchmarks.web --stories 100000 --feeds 1000

Runs `newswatch web` as its own process beside the store and asks it over loopback, as a browser
does; each page is asked once cold, then as often as ``--times`` says. The lab is asked with rules
whose number of matches is known from how the store was made. With ``--database`` the same over
PostgreSQL (``NEWSWATCH_TEST_DATABASE_URL``, else 127.0.0.1:5432), from a store made there.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.web.store import TOPICS, configuration, fill, word_of
from tests.contract.databases import fresh_schema

console = Console(width=120)
PAGES = (
    "/",
    "/feeds",
    "/feeds?q=feed+99&show=ok&sort=busiest",
    "/feeds?page=80",
    "/lab",
    "/quality",
    "/routes",
    "/routes?title=arms+deals+with+Syria",
    "/outbox",
    "/outbox?state=sent",
    "/silences",
    "/metrics",
    "/readyz",
)
RULES = {
    "two clauses, one rare": "name: T\nany: [arms deal]\nentities: [Syria]\n",
    "one rare phrase": "name: T\nany: [arms deal]\n",
    "an entity in all its names": "name: T\nentities: [Syria]\n",
    "a wildcard": "name: T\nany: [sanction*]\n",
    "NEAR": "name: T\nmatch: 'pipeline NEAR/30 sanctions'\n",
    "a common word (3 in 100 texts)": f"name: T\nall: [{word_of(250)}]\n",
    "a very common word": f"name: T\nall: [{word_of(20)}]\n",
    "no word to look up (regex)": "name: T\nany: ['/arms d.als/']\n",
}
KNOWN = {
    "one rare phrase": "arms deals",
    "an entity in all its names": "Syria",
    "a wildcard": "sanctions",
}


def serve(config: Path, stack: ExitStack) -> httpx.Client:
    """Start the page and return a client for it."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, str(root / "bot.py"), "web", "-c", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"status page: (http\S+)", line):
            return stack.enter_context(httpx.Client(base_url=found[1], timeout=120))
    raise SystemExit("the page did not start")


def pages(client: httpx.Client, times: int) -> Table:
    """Ask each page; returns the table, in milliseconds."""
    table = Table("page", "kB", "cold ms", "p50 ms", "p95 ms", "max ms")
    for path in PAGES:
        spent = []
        for _ in range(times + 1):
            began = time.perf_counter()
            answer = client.get(path)
            spent.append((time.perf_counter() - began) * 1e3)
            assert answer.status_code == 200, (path, answer.status_code)
        cold, warm = spent[0], sorted(spent[1:])
        p95 = warm[min(len(warm) - 1, int(0.95 * len(warm)))]
        row = (cold, statistics.median(warm), p95, warm[-1])
        table.add_row(path, f"{len(answer.content) / 1e3:.0f}", *(f"{each:.1f}" for each in row))
    return table


def lab(client: httpx.Client, recent: int) -> Table:
    """Try rules over the last 30 days; returns the table, in seconds."""
    table = Table("rule", "matches", "expected", "first answer s", "with hits", "all counted s")
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/lab").text)
    assert token
    origin = {"origin": str(client.base_url).rstrip("/")}
    for name, rule in RULES.items():
        form = {"form_token": token[1], "yaml": rule, "days": "30"}
        began = time.perf_counter()
        answer = client.post("/lab", data=form, headers=origin)
        first = time.perf_counter() - began
        assert answer.status_code == 200, answer.text
        hits = answer.text.count('<article class="card">')
        text = answer.text
        if found := re.search(r'data-trial="([^"]+)"', text):
            text = client.get(found[1]).text.rpartition("event: done")[2]
        spent = time.perf_counter() - began
        counted = re.search(r"<h2>([\d,]+)(?: so far)? of ([\d,]+) stories", text)
        assert counted, text[:500]
        assert abs(int(counted[2].replace(",", "")) - recent) < 1_000, (counted[2], recent)
        topic = KNOWN.get(name)
        expected = f"{recent * TOPICS[topic]:,.0f} ± chance" if topic else ""
        table.add_row(name, counted[1], expected, f"{first:.2f}", str(hits), f"{spent:.2f}")
    return table


def typing(client: httpx.Client) -> Table:
    """Check and complete a rule, as it is done at every key; returns the table, in ms."""
    table = Table("while one types", "p50 ms", "max ms")
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/lab").text)
    assert token
    origin = {"origin": str(client.base_url).rstrip("/")}
    rule = "name: T\nany: [arms deal, list:no]\nentities: [Syr"
    for path in ("/lab/check", "/lab/complete"):
        spent = []
        for _ in range(20):
            form = {"form_token": token[1], "yaml": rule, "at": str(len(rule))}
            began = time.perf_counter()
            assert client.post(path, data=form, headers=origin).status_code == 200
            spent.append((time.perf_counter() - began) * 1e3)
        table.add_row(path, f"{statistics.median(spent):.1f}", f"{max(spent):.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stories", type=int, default=1_000_000)
    parser.add_argument("--feeds", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="Where the store is kept.")
    parser.add_argument("--database", action="store_true", help="PostgreSQL instead of SQLite.")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="newswatch-web-")))
        folder.mkdir(parents=True, exist_ok=True)
        state = stack.enter_context(fresh_schema(durable=False)) if given.database else "state"
        config = configuration(folder, given.feeds, state)
        recent = asyncio.run(fill(config, given.stories, datetime.now(UTC)))
        client = serve(config, stack)
        kind = "PostgreSQL" if given.database else "SQLite"
        console.print(
            f"{kind}: {given.stories:,} stories, {given.feeds:,} feeds", pages(client, given.times)
        )
        console.print(typing(client))
        console.print(f"The lab over 30 days, {recent:,} stories", lab(client, recent))


if __name__ == "__main__":
    main()

"""The rival matchers on labelled data: precision, recall, and alerts per story."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.peers.matchers import RIVALS, Wanted, ours, rival
from benchmarks.quality_rules import terms_of
from monitor.config.models import Settings
from monitor.review.replay import replaying
from monitor.rules import compile_rules
from monitor.stories.titles import normal_title
from monitor.values import Document


def tables(data: Path) -> str:
    """Return the tables as Markdown; says so where the data is not there."""
    folder = data / "quality"
    if not (folder / "alerts_reuters.jsonl.gz").exists():
        return f"skipped: no {folder / 'alerts_reuters.jsonl.gz'} (set NEWSWATCH_DATA)\n"
    return f"{_matchers(folder)}\n{_stories(folder)}"


def _matchers(folder: Path) -> str:
    rows = _read(folder / "alerts_reuters.jsonl.gz")
    given = json.loads((folder / "rules_reuters.json").read_text("utf-8"))
    rules = [_wanted(rule) for rule in given]
    documents = [Document(row["id"], row["title"], "", row["text"]) for row in rows]
    gold = {
        (rule["name"], row["id"])
        for rule in given
        for row in rows
        if rule["topic"] in row["topics"] and rule["country"] in row["countries"]
    }
    lines = [
        f"{len(rules)} rules (a subject and a country), {len(rows)} newswire documents, "
        f"{len(gold)} alerts wanted:\n",
        "| matcher | alerts | precision | recall | F1 |",
        "|---|---|---|---|---|",
    ]
    lines += [_scored(name, rival(name, rules, documents), gold) for name in RIVALS]
    for precision in ("broad", "balanced", "high"):
        found = ours(rules, documents, precision)
        lines.append(_scored(f"**newswatch**, `precision: {precision}`", found, gold))
    return "\n".join(lines) + "\n"


def _wanted(rule: dict[str, Any]) -> Wanted:
    keywords = tuple(dict.fromkeys(terms_of(rule["keyword_regex"])))
    name, *demonyms = _names(rule["country"])
    return Wanted(rule["name"], keywords, name, (name, *demonyms))


def _names(code: str) -> list[str]:
    """Return a country's English name and demonyms, as somebody would type them."""
    table = files("monitor.rules.entities").joinpath("countries.tsv").read_text("utf-8")
    for line in table.splitlines():
        cells = line.split("\t")
        if cells[0] == code:
            return [each.lstrip("=^") for each in (cells[1].split("|")[0], *cells[2].split("|"))]
    raise KeyError(code)


def _scored(name: str, found: set[tuple[str, str]], gold: set[tuple[str, str]]) -> str:
    hits = len(found & gold)
    precision, recall = hits / max(len(found), 1), hits / max(len(gold), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"| {name} | {len(found)} | {precision:.3f} | {recall:.3f} | {f1:.3f} |"


def _stories(folder: Path) -> str:
    copies = sorted(_read(folder / "dedup_synd.jsonl.gz"), key=lambda row: str(row["id"]))
    events = sorted(_read(folder / "event_ecb.jsonl.gz"), key=lambda row: int(row["order"]))
    groups, stories = {row["dup"] for row in copies}, {row["story"] for row in events}
    told: dict[str, Callable[[Sequence[dict[str, Any]]], list[bool]]] = {
        "GUID or address (most readers and bots)": lambda rows: [True] * len(rows),
        "the same title (TrendRadar, many scripts)": _by_title,
        "**newswatch**": _by_us,
    }
    lines = [
        "Everything is wanted; how often is the same thing told again?\n",
        "| what tells entries apart | copies of a text alerted again | messages an event | "
        "events never told |",
        "|---|---|---|---|",
    ]
    for name, alerts in told.items():
        again = _again(copies, alerts(copies))
        sent = alerts(events)
        reached = {row["story"] for row, new in zip(events, sent, strict=True) if new}
        lines.append(
            f"| {name} | {again} of {len(copies) - len(groups)} | {sum(sent) / len(stories):.2f} | "
            f"{len(stories - reached)} |"
        )
    lines.append(
        f"\n{len(copies)} entries in {len(groups)} groups of copies; {len(events)} entries in "
        f"{len(stories)} events. A story's developments go to its thread and are no messages here."
    )
    return "\n".join(lines) + "\n"


def _again(rows: Sequence[dict[str, Any]], sent: Sequence[bool]) -> int:
    """Count messages about a text that was told before."""
    told: set[Any] = set()
    again = 0
    for row, new in zip(rows, sent, strict=True):
        again += new and row["dup"] in told
        told.update([row["dup"]] if new else [])
    return again


def _by_title(rows: Sequence[dict[str, Any]]) -> list[bool]:
    seen: set[str] = set()
    out = []
    for row in rows:
        title = normal_title(row["title"])
        out.append(title not in seen)
        seen.add(title)
    return out


def _by_us(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """Replay the rows, ten minutes apart, under a rule that fires on all of them."""
    settings = Settings.model_validate({"rules": [{"name": "All", "any": [r"/\w/"]}]})
    ruleset = compile_rules(settings).ruleset
    start = datetime(2026, 1, 1, tzinfo=UTC)

    async def main() -> list[bool]:
        out = []
        async with replaying(settings, ruleset, None) as run:
            run.start_at(start)
            for number, row in enumerate(rows):
                at = start + timedelta(minutes=number)
                document = Document(
                    row["id"], row["title"], row.get("summary", ""), url=row.get("url"),
                    source=f"source {number}", published=at,
                )  # fmt: skip
                out.append((await run.take(document)).alert == "new")
        return out

    return asyncio.run(main())


def _read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]

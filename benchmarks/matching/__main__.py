"""Print the table: stories/s, memory, and what building costs. CPU time; read ratios, not
absolutes.

``python -m benchmarks.matching [--rules 10,100,1000] [--data DIR]``. The development data is
looked for in ``--data``, else ``NEWSWATCH_DATA``, else ``../shared/data`` beside the repository;
without it, generated text is used. Each size runs in a process of its own, so that memory is that
size's.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.matching import corpus, peers
from monitor.config.models import Settings
from monitor.rules import RuleSet, compile_rules
from monitor.rules.ruleset import difference
from monitor.values import Document

SIZES = (10, 100, 1_000, 10_000, 100_000)
LEARN, WARM, TIMED = 1_000, 1_000, 2_000
_PAGE = os.sysconf("SC_PAGE_SIZE")


def rate(run: Callable[[Document], object], stories: Sequence[Document], seconds: float) -> float:
    """Return stories per CPU second, over at most about ``seconds``."""
    done = 0
    start = time.process_time()
    for story in stories:
        run(story)
        done += 1
        if not done % 10 and time.process_time() - start > seconds:
            break
    return done / (time.process_time() - start)


def resident() -> float:
    """Return this process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


def trained(settings: Settings, stories: Sequence[Document]) -> RuleSet:
    """Return the rules with document frequencies learned from the first stories."""
    ruleset = compile_rules(settings).ruleset
    ruleset.match_many(stories[:LEARN])
    return ruleset.with_frequencies(ruleset.frequencies())


def with_hits(ruleset: RuleSet) -> Callable[[Document], object]:
    """Return a run that reads every match's score and hits."""

    def run(story: Document) -> int:
        return sum(len(match.hits) for match in ruleset.match(story))

    return run


def measure(size: int, data: Path | None) -> dict[str, Any]:
    """Return one size's figures."""
    stories, source = corpus.stories(data, LEARN + WARM + TIMED)
    rules = corpus.rules(stories, size)
    settings = Settings.model_validate({"rules": rules})
    gc.collect()
    before = resident()
    start = time.process_time()
    compiled = compile_rules(settings)
    build = time.process_time() - start
    gc.collect()
    memory = resident() - before
    del compiled
    ruleset = trained(settings, stories)
    timed = stories[LEARN + WARM :]
    ruleset.match_many(stories[LEARN : LEARN + WARM])
    out: dict[str, Any] = {"rules": size, "source": source, "build": build, "memory": memory}
    out["newswatch"] = max(rate(ruleset.match, timed, 10) for _ in range(2))
    out["with hits"] = rate(with_hits(ruleset), timed, 10)
    found = ruleset.match_many(timed[:500])
    out["matches"] = sum(map(len, found)) / 500
    changed = [*rules[:-1], {**rules[-1], "any": ["altogether new phrase"]}]
    edited = Settings.model_validate({"rules": changed})
    start = time.process_time()
    change = difference(settings, edited)
    assert change is not None
    assert ruleset.edited(*change) is not None
    out["edit"] = time.process_time() - start
    automaton = peers.aho_corasick(ruleset)
    if automaton is not None:
        rate(automaton, stories[:WARM], 5)
        out["aho-corasick"] = rate(automaton, timed, 5)
    if size <= 10_000:
        out["substring"] = rate(peers.substring(rules), timed, 5)
    if size <= 1_000:
        out["per-rule re"] = rate(peers.per_rule_re(rules), timed, 5)
    return out


def dormant(data: Path | None) -> dict[str, float]:
    """Return stories/s with 1,000 live rules, alone and among 99,000 whose phrases never occur."""
    stories, _ = corpus.stories(data, LEARN + WARM + TIMED)
    live = corpus.rules(stories, 1_000)
    asleep = []
    for number, rule in enumerate(corpus.rules(stories, 99_000, seed=7)):
        phrases = [f"qzx{number} never{i}" for i in range(3)]
        rest = {key: value for key, value in rule.items() if key in ("entities", "none")}
        asleep.append({"name": f"asleep {number}", "any": phrases, **rest})
    rates: dict[str, float] = {}
    sets = {
        "1,000": trained(Settings.model_validate({"rules": live}), stories),
        "100,000": trained(Settings.model_validate({"rules": live + asleep}), stories),
    }
    for ruleset in sets.values():
        ruleset.match_many(stories[LEARN : LEARN + WARM])
    gc.freeze()
    for _ in range(3):  # interleaved, so that a busy machine hits both
        for name, ruleset in sets.items():
            known = rates.get(name, 0.0)
            rates[name] = max(known, rate(ruleset.match, stories[LEARN + WARM :], 5))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default=",".join(map(str, SIZES)))
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dormant", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    default = Path(os.environ.get("NEWSWATCH_DATA", "../shared/data"))
    data = given.data or default
    folder = data if data.is_dir() else None
    if given.one:
        print(json.dumps(measure(given.one, folder)))
        return
    if given.dormant:
        print(json.dumps(dormant(folder)))
        return
    columns = ("newswatch", "with hits", "aho-corasick", "substring", "per-rule re")
    print("stories/s of CPU time, one core, about 680 characters a story")
    print(f"{'rules':>8}" + "".join(f"{name:>14}" for name in columns), end="")
    print(f"{'matches':>10}{'build s':>9}{'edit ms':>9}{'MB':>7}")
    source = ""
    for size in map(int, given.rules.split(",")):
        row = _child(["--one", str(size)], data)
        source = str(row["source"])
        cells = "".join(f"{row[name]:>14,.0f}" if name in row else f"{'-':>14}" for name in columns)
        print(f"{size:>8,}{cells}{row['matches']:>10.2f}{row['build']:>9.2f}", end="")
        print(f"{row['edit'] * 1000:>9.1f}{row['memory']:>7.0f}", flush=True)
    asleep = _child(["--dormant"], data)
    growth = asleep["1,000"] / asleep["100,000"]
    print(f"dormant growth: {asleep['1,000']:,.0f}/s with 1,000 live rules, ", end="")
    print(f"{asleep['100,000']:,.0f}/s among 99,000 sleeping ones: {growth:.2f} times the cost")
    print(f"stories from {source}")


def _child(arguments: list[str], data: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.matching", "--data", str(data), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()

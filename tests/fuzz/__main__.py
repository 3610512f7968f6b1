"""``python -m tests.fuzz``: mutate kept inputs, then let atheris look for new ones.

Prints a table; exits with 1 when something broke. What broke it lies in the folder that is named:
put it into tests/fuzz/regressions/TARGET with the fix. Without atheris (it has no packages for
some systems) mutations are all there is.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import SystemRandom

from tests.chaos.ledger import table
from tests.fuzz.mutate import HERE, mutations
from tests.fuzz.targets import TARGETS, judged

# Of a million mutations: more where an input takes less time.
SHARES = {"feed": 0.15, "query": 0.15, "config": 0.2, "decoders": 0.5}
NOTED = 20


@dataclass(slots=True)
class Findings:
    """What came of one target."""

    target: str
    mutated: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    guided: int = 0
    guided_seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        """Return the table's lines."""
        return [
            (self.target, ""),
            ("  mutations", f"{self.mutated:,}"),
            ("  a second", f"{self.mutated / self.seconds:,.0f}" if self.seconds else "-"),
            ("  slowest, ms of CPU", f"{self.slowest * 1000:.0f}"),
            ("  inputs by atheris", f"{self.guided:,} in {self.guided_seconds:.0f} s"),
            ("  broken", str(len(self.broken))),
        ]


def mutate(target: str, seed: int, count: int, found: Path) -> Findings:
    """Run ``count`` mutations; what breaks the target is written to ``found``."""
    out, run = Findings(target), TARGETS[target]
    began = time.monotonic()
    for data in mutations(target, seed, count):
        out.mutated += 1
        try:
            out.slowest = max(out.slowest, judged(run, data))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            if len(out.broken) < NOTED:
                path = found / f"{target}-{out.mutated}"
                path.write_bytes(data)
                out.broken.append(f"{path}: {type(error).__name__}: {str(error)[:300]}")
    out.seconds = time.monotonic() - began
    return out


def guide(target: str, seconds: int, found: Path, out: Findings) -> None:
    """Let atheris run for ``seconds``, starting from the kept inputs."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as fresh:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.fuzz.guided",
                target,
                fresh,
                str(HERE / "corpus" / target),
                f"-max_total_time={seconds}",
                f"-dict={HERE / 'words' / target}.dict",
                "-max_len=16384",
                "-timeout=300",
                "-rss_limit_mb=3000",
                f"-artifact_prefix={found}/{target}-",
                "-print_final_stats=1",
            ],
            cwd=HERE.parents[1],
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "PYTHONPATH": "."},
        )
        kept = found / f"corpus-{target}"
        kept.mkdir(exist_ok=True)
        for path in Path(fresh).iterdir():
            path.rename(kept / path.name)
    out.guided_seconds = time.monotonic() - began
    ran = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    out.guided = int(ran[1]) if ran else 0
    if done.returncode != 0:
        out.broken.append(f"atheris: {found}/{target}-*\n{done.stderr[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--mutations", type=int, default=1_000_000, help="over all targets")
    parser.add_argument("--seconds", type=int, default=600, help="of atheris for each target")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    given = parser.parse_args()
    targets = given.target or list(TARGETS)
    shares = sum(SHARES[target] for target in targets)
    found = Path(tempfile.mkdtemp(prefix="fuzz-"))
    guided = given.seconds and find_spec("atheris")
    if given.seconds and not guided:
        print("atheris isn't installed (make fuzz does it, on Linux): mutations only")
    rows, broken = [("seed", str(given.seed)), ("findings in", str(found))], []
    for target in targets:
        count = round(given.mutations * SHARES[target] / shares)
        out = mutate(target, given.seed, count, found)
        if guided:
            guide(target, given.seconds, found, out)
        rows += out.rows()
        broken += out.broken
        print(table(out.rows()), file=sys.stderr, flush=True)
    print(table(rows))
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

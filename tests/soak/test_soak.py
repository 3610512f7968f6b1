"""A month of 100 feeds with outages, restarts and a clock that is set: nothing lost or doubled."""

from __future__ import annotations

import subprocess
import sys

from tests.acceptance.process import ROOT


def test_outage_05_a_month_in_virtual_time() -> None:
    """In a process of its own, since the soak slows down the daemon's rounds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--feeds", "100", "--days", "30", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_outage_07_polls_leave_nothing_in_memory() -> None:
    """1,500 polls; a hundred thousand are a matter of minutes (`make soak`)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.leak", "--polls", "1500"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr

"""Failpoints: no-ops unless switched on, then exact."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import failpoints
from monitor.failpoints import FailpointReached, failpoint


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    failpoints.configure(None)


def test_off_by_default() -> None:
    failpoint("anything")


def test_raises_at_the_nth_time_only() -> None:
    failpoints.configure("here=raise:2")
    failpoint("here")
    failpoint("elsewhere")
    with pytest.raises(FailpointReached):
        failpoint("here")
    failpoint("here")


def test_logs_what_is_reached(tmp_path: Path) -> None:
    failpoints.configure(f"log={tmp_path / 'points'}")
    failpoint("a")
    failpoint("b")
    assert (tmp_path / "points").read_text() == "a\nb\n"


def test_kills_the_process() -> None:
    code = (
        "from monitor.failpoints import *; configure('x=kill'); failpoint('y'); failpoint('x'); "
        "print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, "")


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown action 'explode'"):
        failpoints.configure("x=explode")

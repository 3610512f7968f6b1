"""A new user follows the README, and nothing else: how long until the first alert, and until a rule
of their own is tested?"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.acceptance.process import ROOT
from tests.acceptance.wheel import light_venv

FIRST_ALERT = 60.0  # seconds after installation, at most
OWN_RULE = 300.0
NEEDED = ("Makefile", "bot.py", "config.yaml", "monitor", "requirements.lock", "scripts")
ANSWERS = "port strike + Rotterdam, tanker\n\nenergy-shipping\n"


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """A checkout whose installation is done: the packages of the tests' own environment stand in
    for what `scripts/setup` would install from the lock."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / name, ignore=skipped)
        else:
            shutil.copy(source, tmp_path / name)
    light_venv(tmp_path / ".venv")
    lock = (tmp_path / "requirements.lock").read_bytes()
    sums = subprocess.run(["cksum"], input=lock, capture_output=True, check=True).stdout.decode()
    stamp = tmp_path / ".venv" / ".installed-requirements.lock"
    stamp.write_text(f"{sums.strip()} {sys.executable}\n")
    return tmp_path


def commands() -> list[str]:
    """Return the README's commands, in its order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line.split("#")[0].strip() for line in "".join(blocks).splitlines()]


def test_from_the_readme_to_a_rule_of_their_own(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without what `make test` leaves for the makes below it: they would tell of their directories.
    others = ("SLACK_", "PYTHON", "MAKE", "MFLAGS")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    environment["PYTHON"] = sys.executable
    start = time.monotonic()
    alert = tested = 0.0
    for command in commands():
        if command in ("make test", ".venv/bin/python bot.py check --live"):
            continue  # the one is this very run, the other needs the internet
        watches = command.endswith("run")
        process = subprocess.Popen(
            command.split(),
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # Whatever goes wrong ends in an end of output, not in a wait for ever.
        watchdog = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        try:
            assert process.stdin is not None
            if command.endswith("init --force"):
                process.stdin.write(ANSWERS)
            process.stdin.close()
            process.stdin = None  # else communicate() wants to flush it
            assert process.stdout is not None
            assert process.stderr is not None
            if not watches:
                out, err = process.stdout.read(), process.stderr.read()
                assert process.wait(60) == 0, err
                if command.endswith("test"):
                    assert out.startswith("1 examples pass, 0 fail"), out
                    tested = time.monotonic() - start
            elif not alert:
                assert "Arms deals with Syria" in process.stdout.readline()
                alert = time.monotonic() - start
            else:  # their own watch, over feeds that can't be reached here
                while "watching" not in (line := process.stderr.readline()):
                    assert line, "the watch ended"
        finally:
            watchdog.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
    with capsys.disabled():
        print(
            f"\nREADME: first alert {alert:.1f} s after installation (limit {FIRST_ALERT:.0f} s), "
            f"own rule tested after {tested:.1f} s (limit {OWN_RULE:.0f} s)"
        )
    assert 0 < alert < FIRST_ALERT
    assert 0 < tested < OWN_RULE

"""One program per state directory, across processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import EXIT_TEMPFAIL, AlreadyRunning, StateError
from monitor.store.lock import StateLock

HOLDER = """
import sys, time
from pathlib import Path
from monitor.store.lock import StateLock
with StateLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_instance_names_the_first_and_the_lock_dies_with_its_holder(
    tmp_path: Path,
) -> None:
    process = hold(tmp_path)
    try:
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} ") as caught:
            StateLock(tmp_path).acquire()
        assert caught.value.exit_code == EXIT_TEMPFAIL
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with StateLock(tmp_path):
        assert (tmp_path / "newswatch.pid").read_text() == f"{os.getpid()}\n"


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(3):
        with StateLock(tmp_path / "new"):
            assert stat.S_IMODE((tmp_path / "new" / "newswatch.lock").stat().st_mode) == 0o600
    assert not (tmp_path / "new" / "newswatch.pid").exists()
    lock = StateLock(tmp_path)
    lock.release()


def test_a_holder_that_left_no_number(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        (tmp_path / "newswatch.pid").write_text("what?")
        with pytest.raises(AlreadyRunning, match="another process"):
            StateLock(tmp_path).acquire()
    finally:
        process.kill()
        process.communicate()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="can't use the state directory"):
        StateLock(tmp_path / "file" / "state").acquire()


def test_a_symlink_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "newswatch.pid").symlink_to(tmp_path / "victim")
    with pytest.raises(StateError):
        StateLock(tmp_path).acquire()
    assert (tmp_path / "victim").read_text() == "precious"

"""A PostgreSQL server of the test's own, which may be restarted and killed.

Made by ``initdb`` in a temporary folder, as user ``postgres`` where the tests run as root (it
refuses root). It doesn't wait for the disk: no test is about power loss, and what a killed process
has written is in the system's page cache.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE = 60.0  # seconds; generous, since machines are noisy
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
}


@cache
def programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, None where they aren't installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


class DatabaseServer:
    """A server on a port of its own, with one empty database called ``postgres``."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._bin = bin_folder
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port: int = held.getsockname()[1]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
        lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines([*lines, f"port = {self.port}\n"])
        self.start()

    def start(self) -> None:
        """Start it; right after a crash its orphans may keep its memory for a moment."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._control("start")
                return
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def restart(self, mode: str) -> None:
        """Restart it: ``fast`` ends all sessions, ``immediate`` is a crash with recovery."""
        self._control("restart", "-m", mode)

    def kill(self) -> None:
        """kill -9 of the postmaster; its sessions end by themselves. It has to be started again."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it, however it is."""
        self._control("stop", "-m", "immediate", check=False)

    @property
    def log(self) -> str:
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _control(self, action: str, *options: str, check: bool = True) -> None:
        log = ("-l", str(self._folder / "log"))
        self._run("pg_ctl", *log, "-w", "-t", str(int(PATIENCE)), *options, action, check=check)

    def _run(self, program: str, *args: str, check: bool = True) -> None:
        # Its output goes to a file: a server that was started would keep a pipe open.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(
                [str(self._bin / program), "-D", str(self._data), *args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                check=False,
                **self._as_user,
            )
            out.seek(0)
            if check and done.returncode:
                said = out.read().decode(errors="replace")
                raise RuntimeError(f"{program}: {said}\n{self.log[-2000:]}")


@contextmanager
def database_server() -> Iterator[DatabaseServer]:
    """Yield a running server; skips where PostgreSQL isn't installed, but fails in CI."""
    found = programs()
    if found is None:
        why = "no PostgreSQL server programs (initdb) here: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="newswatch-pg-"))
    server = DatabaseServer(folder, found)
    try:
        server.make()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def answers(url: str) -> bool:
    """Tell whether the server at ``url`` takes connections."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True

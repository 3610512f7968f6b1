"""What systemd is told, over a real socket; the watchdog is fed only while the work moves."""

from __future__ import annotations

import asyncio
import configparser
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.daemon.systemd import Notifier

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        yield server


def notifier(manager: socket.socket, watchdog: str = "40000") -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": watchdog})


def test_ops_01_03_states_are_sent(manager: socket.socket) -> None:
    tell = notifier(manager)
    tell.ready()
    tell.reloading()
    tell.stopping()
    assert manager.recv(200).startswith(b"READY=1")
    assert manager.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(200).startswith(b"STOPPING=1")


def test_nothing_is_sent_without_a_manager(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0newswatch-test-notify")
        server.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@newswatch-test-notify"}).ready()
        assert server.recv(100).startswith(b"READY=1")


@pytest.mark.parametrize("stuck", [None, 0, 1])
def test_ops_02_the_watchdog_is_fed_while_everything_moves(
    manager: socket.socket, stuck: int | None
) -> None:
    counts = [0, 0]

    def progress() -> tuple[int, ...]:
        for place in range(2):
            counts[place] += place != stuck
        return tuple(counts)

    async def main() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(notifier(manager).feed_watchdog(progress), 0.3)

    asyncio.run(main())
    manager.setblocking(False)
    fed = b""
    with suppress(BlockingIOError):
        fed = manager.recv(200)
    assert fed == (b"WATCHDOG=1" if stuck is None else b"")


def test_no_watchdog_asked_for(manager: socket.socket) -> None:
    asyncio.run(notifier(manager, watchdog="").feed_watchdog(lambda: (0,)))


def test_ops_06_the_unit_is_hardened() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/newswatch.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert int(service["WatchdogSec"]) <= 120
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed")
def test_ops_06_systemd_s_own_judgement() -> None:
    unit = str(ROOT / "deploy/newswatch.service")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd can't judge a file: {done.stderr[:200]}")
    assert float(found[1]) <= 2.0


def test_ops_04_the_container_is_rootless_and_locked() -> None:
    """What a linter of container files and their reviewers look for."""
    text = (ROOT / "deploy/Containerfile").read_text()
    lines = re.sub(r"\\\n", " ", text).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    names = [name for name, _ in steps]
    said = dict(steps)  # the last of each, which is the final stage's
    assert said["USER"] == "10001:10001", "by number, so that runAsNonRoot can be checked"
    assert names.index("USER", names.index("FROM", 1)) < names.index("ENTRYPOINT")
    assert said["ENTRYPOINT"].startswith("["), "so that the process itself gets SIGTERM"
    assert said["CMD"].startswith("[")
    assert said["STOPSIGNAL"] == "SIGTERM"
    for name, value in steps:
        if name == "FROM":
            assert re.search(r":\d+\.\d+", value), f"{value}: an image without a version"
            assert not value.endswith(":latest")
        assert name not in ("ADD", "MAINTAINER")
        assert "sudo" not in value
        assert not re.search(r"(?i)(token|secret|password)\s*=", value), "a secret in an image"
        if "pip install" in value:
            assert "--require-hashes" in value
            assert "--no-cache-dir" in value
        if name == "COPY":
            assert not re.match(r"\.\s", value), "the whole folder, with whatever lies in it"
    made = {
        source
        for name, value in steps
        if name == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in made)
    assert said["WORKDIR"].startswith("/")
    assert "VOLUME" in names


def test_ops_08_every_locked_package_has_a_hash_and_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert len(packages) > 10
        assert "://" not in text
        for block in packages:
            assert block.endswith("\\"), f"{name}: {block} has no hash"

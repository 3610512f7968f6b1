"""What systemd is told, over a real socket; the watchdog is fed only while the work moves."""

from __future__ import annotations

import asyncio
import configparser
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.systemd import Notifier

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


def test_ops_04_the_container_is_rootless_and_locked() -> None:
    text = (ROOT / "deploy/Containerfile").read_text()
    assert "USER 10001:10001" in text
    assert "--require-hashes" in text
    assert "ENTRYPOINT [" in text, "exec form, so that the process itself gets SIGTERM"


def test_ops_08_every_locked_package_has_a_hash_and_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert len(packages) > 10
        assert "://" not in text
        for block in packages:
            assert block.endswith("\\"), f"{name}: {block} has no hash"

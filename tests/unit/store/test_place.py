"""STATE-15: a state directory on a network file system is noticed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from monitor.store import lock
from monitor.store.lock import StateLock
from monitor.store.place import network_file_system

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /srv/news rw,relatime shared:5 - nfs4 10.0.0.9:/news rw,vers=4.2
31 30 8:2 / /srv/news/local rw shared:6 - xfs /dev/sdb rw
32 22 0:26 / /mnt/my\040share rw - cifs //nas/x rw
33 22 0:27 / /home/a/box rw - fuse.sshfs a@host:/ rw
34 22 0:28 / /over rw - nfs4 host:/x rw
35 22 0:29 / /over rw - tmpfs tmpfs rw
not a line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/newswatch", None),
        ("/srv/news/state", "nfs4"),
        ("/srv/news", "nfs4"),
        ("/srv/newsroom/state", None),
        ("/srv/news/local/state", None),
        ("/mnt/my share/state", "cifs"),
        ("/home/a/box", "fuse.sshfs"),
        ("/over/state", None),
    ],
)
def test_state_15_what_a_folder_lies_on(folder: str, kind: str | None) -> None:
    assert network_file_system(Path(folder), MOUNTS) == kind


def test_here_it_can_be_told(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None


def test_state_15_the_watch_warns_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lock, "network_file_system", lambda folder: "nfs4")
    with caplog.at_level(logging.WARNING), StateLock(tmp_path):
        pass
    (record,) = caplog.records
    assert "nfs4" in record.getMessage()
    assert "postgresql://" in record.getMessage()

"""What kind of file system a state directory lies on.

SQLite's write-ahead journal needs memory that all its users share, and the lock that keeps a second
watch away needs a kernel that sees both: over a network neither holds (sqlite.org/wal.html).
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# As Linux names them (proc_pid_mountinfo(5)); sshfs and the like are FUSE with a subtype.
NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"),
        *("ocfs2", "gfs2", "beegfs", "gpfs", "davfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"),
        *("fuse.glusterfs", "fuse.ceph-fuse", "fuse.davfs2", "fuse.gcsfuse", "fuse.smbnetfs"),
    }
)


def network_file_system(folder: Path, mounts: str | None = None) -> str | None:
    """Return the name of the network file system that ``folder`` lies on; None for a local one, or
    where that can't be known.

    ``mounts`` is the text of ``/proc/self/mountinfo``, read where it isn't given.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text("utf-8", "replace")
        except OSError:
            return None
    place, longest, kind = folder.resolve(), -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(_plain(fields[4]))
        # Of several mounts on one point the last is seen.
        if len(point.parts) >= longest and place.is_relative_to(point):
            longest, kind = len(point.parts), after.split(" ")[0]
    return kind if kind in NETWORK else None


def _plain(path: str) -> str:
    """Undo the kernel's escapes for blanks, tabs, line ends and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)

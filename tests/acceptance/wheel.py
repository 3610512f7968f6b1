"""A virtual environment that costs a second: its packages are those of the tests' own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path


def light_venv(folder: Path) -> Path:
    """Make a virtual environment without pip that sees our packages; returns its Python."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60
    )
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"

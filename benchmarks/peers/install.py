"""The peers that can be had: Python programs in a virtual environment, Debian's by apt.

Versions are pinned where they can be, so that a table can be made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# reader carries a feedparser of its own that wants sgmllib3k.
PYTHON = (
    "reader==3.26",
    "sgmllib3k==1.0.0",
    "rss2email==3.14",
    "feed2exec==0.23.0",
    "feedparser==6.0.14",
)
DEBIAN = {"newsboat": "newsboat", "sfeed_update": "sfeed", "nginx": "nginx-light"}


def python_peers(folder: Path) -> Path | None:
    """Install the Python peers under ``folder`` once; returns its ``bin``, None where it fails."""
    home = folder / "bin"
    stamp = folder / "installed"
    wanted = "\n".join(PYTHON)
    if stamp.exists() and stamp.read_text() == wanted:
        return home
    print(f"installing {', '.join(PYTHON)}", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(
            [str(home / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", *PYTHON],
            check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the Python peers can't be installed: {error}")
        return None
    stamp.write_text(wanted)
    return home


def debian_peers() -> None:
    """Install what is missing of the others, as root on Debian; else say how."""
    missing = [package for command, package in DEBIAN.items() if not _found(command)]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"not installed: {', '.join(missing)} (Debian: apt install {' '.join(missing)})")
        return
    print(f"installing {', '.join(missing)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", *missing]):
        subprocess.run(["apt-get", *words], env=quiet, check=False, stdout=subprocess.DEVNULL)


def _found(command: str) -> bool:
    return any(shutil.which(command, path=p) for p in (os.environ["PATH"], "/usr/sbin:/sbin"))


def versions(home: Path | None) -> dict[str, str]:
    """Return each peer's version by its entrant's name, as it tells it itself."""
    out: dict[str, str] = {}
    if home is not None:
        for name in ("reader", "rss2email", "feed2exec", "feedparser"):
            out[name] = _said(
                [str(home / "python"), "-c",
                 f"import importlib.metadata as m; print(m.version({name!r}))"]
            )  # fmt: skip
        out["regex bot"] = f"feedparser {out.pop('feedparser')}"
    for name, command in (("newsboat", ["newsboat", "--version"]), ("sfeed", ["dpkg-query",
                          "-W", "-f", "${Version}", "sfeed"])):  # fmt: skip
        out[name] = _said(command)
    return out


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "?"
    words = [word.strip(",;") for word in (done.stdout or done.stderr).splitlines()[:1]]
    text = words[0] if words else ""
    return next((word for word in text.split() if word[:1].isdigit()), "?")

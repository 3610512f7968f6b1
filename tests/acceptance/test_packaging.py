"""What `pip install` gives: the command, all it needs, and the same bytes each time it is built."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from monitor import __version__
from tests.acceptance.process import ROOT
from tests.acceptance.wheel import light_venv

DATE = {"SOURCE_DATE_EPOCH": "1700000000"}


def build(folder: Path) -> dict[str, str]:
    """Build wheel and sdist; return their names and digests."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, env={**os.environ, **DATE}, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


@pytest.fixture(name="dist", scope="module")
def _dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return folder


@pytest.fixture(name="installed", scope="module")
def _installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own; returns its folder."""
    folder = tmp_path_factory.mktemp("venv")
    python = light_venv(folder)
    wheel = next(dist.glob("*.whl"))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps",
         "--no-index", "--no-warn-script-location", "--quiet", str(wheel)],
        check=True, timeout=120,
    )  # fmt: skip
    return folder


def newswatch(
    installed: Path, *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "bin" / "newswatch"), *words],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_built_twice_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    first = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in dist.iterdir()}
    assert build(tmp_path) == first
    assert {name.rpartition(".")[2] for name in first} == {"whl", "gz"}


def test_nothing_is_missing_from_the_wheel(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "monitor").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - names == set()
    assert any(name.endswith("share/man/man1/newswatch.1") for name in names)
    assert any(name.endswith("share/newswatch/slack-manifest.yaml") for name in names)


def test_the_command_works_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert newswatch(installed, "--version", cwd=tmp_path).stdout == (
        f"newswatch, version {__version__}\n"
    )
    asked = ("init", "--topic", "arms deal + Syria", "--to", "console", "--region", "auto")
    assert newswatch(installed, *asked, cwd=tmp_path).returncode == 0
    checked = newswatch(installed, "check", cwd=tmp_path)
    assert (checked.returncode, checked.stdout.split(":")[0]) == (0, "config.yaml"), checked.stderr
    shown = newswatch(installed, "demo", "--for", "3s", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "Arms deals with Syria" in shown.stdout
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "config.yaml",
        "newswatch.schema.json",
    ]
    page = (installed / "share" / "man" / "man1" / "newswatch.1").read_text(encoding="utf-8")
    assert page.startswith('.\\" Written by')


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(installed: Path, tmp_path: Path, shell: str) -> None:
    script = newswatch(installed, "completion", shell, cwd=tmp_path)
    assert script.returncode == 0, script.stderr
    assert f"_NEWSWATCH_COMPLETE={shell}_complete" in script.stdout
    words = {"COMP_WORDS": "newswatch sil", "COMP_CWORD": "1" if shell != "fish" else "sil"}
    found = newswatch(
        installed, cwd=tmp_path, env={**words, "_NEWSWATCH_COMPLETE": f"{shell}_complete"}
    )
    assert "silence" in found.stdout
    assert found.returncode == 0

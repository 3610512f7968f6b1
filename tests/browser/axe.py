"""axe-core in the browser: what it finds that people with a disability would stumble over.

The engine is fetched from npm once into the virtual environment; no lock file, one version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from selenium import webdriver

VERSION = "4.14.1"
SERIOUS = ("serious", "critical")
# WCAG 2.2 up to AA, and what axe calls best practice.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: "tag", values: arguments[0]}, resultTypes: ["violations"]})
  .then((found) => done(found.violations.map((each) => ({
    id: each.id, impact: each.impact, help: each.help,
    nodes: each.nodes.map((node) => node.html.slice(0, 200) + " " + node.failureSummary),
  }))), (error) => done([{id: "axe", impact: "critical", help: String(error), nodes: []}]));
"""


@cache
def engine() -> str:
    """Return axe-core's source; skips where it can't be had, but not in CI."""
    folder = Path(sys.prefix) / "axe-core" / VERSION
    script = folder / "node_modules/axe-core/axe.min.js"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # tests run in several processes
        if not script.exists():
            _install(folder)
    return script.read_text(encoding="utf-8")


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _without("axe-core needs npm: apt-get install npm")
    order = [str(npm), "install", "--no-save", "--no-package-lock", "--ignore-scripts"]
    order += ["--no-audit", "--no-fund", "--prefix", str(folder), f"axe-core@{VERSION}"]
    done = subprocess.run(order, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        _without(f"axe-core could not be installed: {done.stderr.strip()[-300:]}")


def findings(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """Return the serious findings on the page that ``browser`` shows."""
    # By the debugger, not by a script element: the page's own policy forbids what isn't ours.
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": engine()})
    found = browser.execute_async_script(_RUN, TAGS)
    return [each for each in found if each["impact"] in SERIOUS]


def _without(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)

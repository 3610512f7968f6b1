"""The real program as a process: started, watched line by line, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds; generous, since machines are noisy: a wait ends as soon as it holds


class Process:
    """`bot.py` with its output collected while it runs; ``before`` is a command that starts it."""

    def __init__(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        before: Sequence[str] = (),
    ) -> None:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SLACK_", "NEWSWATCH_"))
        }
        environment.update(env or {})
        environment["PYTHONWARNINGS"] = "error"
        self.popen = subprocess.Popen(
            [*before, sys.executable, str(ROOT / "bot.py"), *args],
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.popen.stdout, self.out), (self.popen.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()
        if stdin is not None:
            assert self.popen.stdin is not None
            self.popen.stdin.write(stdin)
            self.popen.stdin.close()

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        lines.extend(line.rstrip("\n") for line in stream)

    def wait_for(self, what: str, holds: Callable[[], object], timeout: float = PATIENCE) -> None:
        """Wait until ``holds()`` is true; fails with the log when it doesn't become true."""
        end = time.monotonic() + timeout
        while not holds():
            if self.popen.poll() is not None:
                time.sleep(0.2)
                if holds():
                    return
                raise AssertionError(
                    f"ended with {self.popen.returncode} before {what}\n{self.log}"
                )
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {timeout:.0f} s\n{self.log}")
            time.sleep(0.05)

    def said(self, text: str) -> Callable[[], bool]:
        """Return a condition: the log has ``text`` somewhere."""
        return lambda: any(text in line for line in list(self.err))

    def stop(self, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> int:
        """Send a signal and return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout: float = PATIENCE) -> int:
        code = self.popen.wait(timeout)
        for reader in self._readers:
            reader.join(5)
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()
        return code

    @property
    def log(self) -> str:
        return "\n".join(["stdout:", *self.out, "stderr:", *self.err])


def run(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 60.0,
) -> tuple[int, list[str], list[str]]:
    """Run `bot.py` to its end; returns exit code, stdout lines, stderr lines."""
    process = Process(*args, cwd=cwd, env=env, stdin=stdin)
    try:
        code = process.wait(timeout)
    finally:
        process.popen.kill()
    return code, process.out, process.err


def rss(title: str, items: Sequence[Mapping[str, str]]) -> bytes:
    """Return an RSS 2.0 document; items have title, link, guid, description, date."""
    out = [f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title>']
    for item in items:
        out.append("<item>")
        for key, tag in (
            ("title", "title"),
            ("link", "link"),
            ("description", "description"),
            ("date", "pubDate"),
        ):
            if key in item:
                out.append(f"<{tag}>{item[key]}</{tag}>")
        if "guid" in item:
            out.append(f'<guid isPermaLink="false">{item["guid"]}</guid>')
        out.append("</item>")
    out.append("</channel></rss>")
    return "".join(out).encode()

"""STATE-05: the power goes while a commit is written. What was committed before is there whole.

What had not been synced when the power went may have reached the disk in part and in any order. So
each commit's new pages are mixed with the old ones at random, and the product opens what is left.
That commits are synced before they return is watched from outside, where strace is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from monitor.store.sqlite import open_sqlite
from tests.acceptance.process import ROOT
from tests.contract.samples import DAY, NOW, feed, poll, tokenize

PAGE = 4096
COMMITS = 24
CRASHES = 6  # of each commit
FILES = ("newswatch.db", "newswatch.db-wal")
COMMIT_FIVE = """
import asyncio, sys
from pathlib import Path
from monitor.store.sqlite import open_sqlite
from tests.contract.samples import NOW, feed, poll, tokenize

async def main():
    store = await open_sqlite(Path(sys.argv[1]), now=NOW, tokenize=tokenize)
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    print("begin", flush=True)
    for number in range(5):
        await store.commit_polls([poll(state, number)])
        print("stored", flush=True)
    await store.close()

asyncio.run(main())
"""


def images(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def torn(before: bytes, after: bytes, random: Random) -> bytes:
    """Return ``after`` with some of its pages as they were ``before`` (zeros where none were), and
    perhaps cut short."""
    pages = []
    for at in range(0, len(after), PAGE):
        new, old = after[at : at + PAGE], before[at : at + PAGE]
        pages.append(new if new == old or random.random() < 0.5 else old or bytes(len(new)))
    whole = b"".join(pages)
    return (
        whole[: random.randrange(len(before), len(whole) + 1)]
        if len(whole) > len(before)
        else whole
    )


async def stored(folder: Path) -> set[str]:
    store = await open_sqlite(folder, now=NOW, tokenize=tokenize)
    try:
        assert await store.check() == []
        entries = {each.entry.id for each in await store.entries_since(NOW - DAY)}
        # An entry and the alert it made came in one transaction.
        assert len(await store.outbox_rows()) == len(entries)
        return entries
    finally:
        await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["the journal", "the file at a checkpoint"])
async def test_state_05_a_commit_is_there_whole_or_not_at_all(tmp_path: Path, what: str) -> None:
    random, crashed = Random(5), 0
    store = await open_sqlite(tmp_path / "live", now=NOW, tokenize=tokenize)
    state = (await store.sync_feeds([feed()], NOW))[feed().key]
    done: set[str] = set()
    before = images(tmp_path / "live")
    for number in range(COMMITS):
        await store.commit_polls([poll(state, *range(number * 10, number * 10 + 10))])
        if what != "the journal" and number % 4 == 3:
            store._writer._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        after = images(tmp_path / "live")
        new = done | {f"E{each:06}" for each in range(number * 10, number * 10 + 10)}
        for _ in range(CRASHES):
            broken = dict(before)
            if what == "the journal":
                broken[FILES[1]] = torn(before[FILES[1]], after[FILES[1]], random)
            elif after[FILES[0]] == before[FILES[0]]:
                continue
            else:  # the journal was synced before the file is written
                broken[FILES[1]] = after[FILES[1]]
                broken[FILES[0]] = torn(before[FILES[0]], after[FILES[0]], random)
            folder = tmp_path / "crashed"
            folder.mkdir()
            for name, data in broken.items():
                (folder / name).write_bytes(data)
            found = await stored(folder)
            assert found in ((done, new) if what == "the journal" else (new,))
            shutil.rmtree(folder)
            crashed += 1
        done, before = new, after
    await store.close()
    assert crashed >= 20


@pytest.mark.skipif(not shutil.which("strace"), reason="strace isn't installed")
def test_state_05_a_commit_is_synced_before_it_returns(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-e", "trace=fdatasync,fsync,write", "-o", str(trace)),
            *(sys.executable, "-c", COMMIT_FIVE, str(tmp_path / "state")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip("tracing isn't allowed here")
    assert done.returncode == 0, done.stderr
    calls = re.findall(r'(fdatasync|fsync)\(|write\(1, "(begin|stored)', trace.read_text())
    words = ["sync" if sync else word for sync, word in calls]
    words = words[words.index("begin") :]
    parts = " ".join(words).split("stored")
    assert len(parts) == 6
    assert all("sync" in part for part in parts[:5]), words

"""The real program as several workers on one database, against a feed server and a fake Slack."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.acceptance.process import Process, rss, run
from tests.contract.databases import psycopg
from tests.fakeslack import FakeSlack, FakeSlackThread
from tests.feedserver import Answer, FeedServer, Request

# Nothing in common: each is a story of its own.
TITLES = [
    "Glacier in Patagonia sheds an iceberg the size of a small town",
    "Bank of Ghana lifts its key rate after cocoa prices fall",
    "Locusts cross from Yemen and strip millet fields overnight",
    "Ferry runs aground off Gotland, all passengers taken ashore",
    "Comet last seen by Kepler will be visible again in August",
    "Opera house in Manaus reopens with an unfinished Villa-Lobos score",
]
CONFIG = """\
state: {state}
defaults: {{channel: news}}
channels: {{news: {{slack: "#news-watch"}}}}
slack: {{token: "${{SLACK_BOT_TOKEN}}", api_url: "{slack}"}}
network: {{allow: [127.0.0.0/8]}}
polling: {{min: 1s}}
feeds: [{feeds}]
rules: [{{name: Of all kinds, any: [glacier, bank, locusts, ferry, comet, opera]}}]
"""


@dataclass
class Place:
    """A folder with a configuration, its feeds, and its channel."""

    env: dict[str, str]
    slack: FakeSlack
    released: int = len(TITLES)  # how many of the feeds have their story by now

    def posted(self) -> list[str]:
        texts = [message.text for message in self.slack.workspace.messages("news-watch")]
        return sorted(title for text in texts for title in TITLES if title in text)


@contextmanager
def place(folder: Path, database: str) -> Iterator[Place]:
    with FeedServer() as server, FakeSlackThread() as slack:
        made = Place({"SLACK_BOT_TOKEN": slack.token}, slack)

        def answer(number: int, _: Request) -> Answer:
            item = {
                "title": TITLES[number],
                "guid": str(number),
                "link": f"http://n{number}.example/",
            }
            shown = [item] if number < made.released else []
            return Answer(rss(f"Wire {number}", shown), etag=f'"{len(shown)}"')

        feeds = []
        for number in range(len(TITLES)):
            url = server.script(f"/{number}", partial(answer, number))
            feeds.append(f"{{url: '{url}', name: Wire {number}, first_run: alert, every: 1s}}")
        text = CONFIG.format(state=database, slack=slack.url, feeds=", ".join(feeds))
        (folder / "config.yaml").write_text(text)
        yield made


def workers(database: str) -> list[dict[str, object]]:
    with psycopg.connect(database) as db:
        rows = db.execute(
            "SELECT pid, config_hash, metrics FROM workers "
            "WHERE beat_at > clock_timestamp() - interval '60 seconds' ORDER BY started_at"
        ).fetchall()
    return [{"pid": row[0], "hash": row[1], **json.loads(row[2])} for row in rows]


def leader(database: str, living: list[Process]) -> Process | None:
    leading = {row["pid"] for row in workers(database) if row["leads"]}
    return next((each for each in living if each.popen.pid in leading), None)


def test_workers_killed_one_after_the_other_lose_nothing_and_double_nothing(
    tmp_path: Path, database: str
) -> None:
    with place(tmp_path, database) as here:
        here.released = 0
        living = [Process("worker", cwd=tmp_path, env=here.env) for _ in range(3)]
        try:
            for _ in range(3):
                here.released += 2
                living[0].wait_for("a leader", lambda: leader(database, living))
                # In the middle of it: one is posted, the other is somewhere on its way.
                living[0].wait_for("a post", lambda: len(here.posted()) >= here.released - 1, 120)
                victim = leader(database, living) or living[0]
                victim.stop(signal.SIGKILL)
                living.remove(victim)
                living.append(Process("worker", cwd=tmp_path, env=here.env))
            living[-1].wait_for("all stories", lambda: len(here.posted()) >= len(TITLES), 120)
            pids = {each.popen.pid for each in living}
            living[-1].wait_for("all up", lambda: pids <= {row["pid"] for row in workers(database)})
        finally:
            codes = [each.stop() for each in living]
        log = "\n\n".join(each.log for each in living)
        assert here.posted() == sorted(TITLES), log
        assert here.slack.workspace.duplicates() == {}, log
        # One that is told to stop while it still starts just ends.
        assert codes[0] == 0, log
        assert set(codes) <= {0, -signal.SIGTERM}, log
        assert not any("Traceback" in line for each in living for line in each.err), log
        # Who ended cleanly has said so; the killed are forgotten when they have been silent long.
        ended = {each.popen.pid for each, code in zip(living, codes, strict=True) if code == 0}
        assert not ended & {row["pid"] for row in workers(database)}


def test_a_worker_with_another_configuration_waits_and_takes_over_when_alone(
    tmp_path: Path, database: str
) -> None:
    with place(tmp_path, database) as here:
        other = tmp_path / "other"
        other.mkdir()
        text = (tmp_path / "config.yaml").read_text().replace("Of all kinds", "Of every kind")
        (other / "config.yaml").write_text(text)
        first = Process("worker", cwd=tmp_path, env=here.env)
        try:
            first.wait_for("a leader", lambda: leader(database, [first]))
            second = Process("worker", cwd=other, env=here.env)
            try:
                second.wait_for("word", second.said("another configuration is in force"))
                assert leader(database, [second]) is None
                assert first.stop() == 0
                second.wait_for("a leader", lambda: leader(database, [second]))
            finally:
                assert second.stop() == 0, second.log
        finally:
            first.stop()


def test_systemd_hears_of_a_worker_that_leads_and_of_one_that_does_not(
    tmp_path: Path, database: str
) -> None:
    with place(tmp_path, database) as here, ExitStack() as stack:
        living = []
        for number in range(2):
            manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            manager.bind(str(tmp_path / f"notify{number}"))
            manager.settimeout(60)
            env = {"NOTIFY_SOCKET": str(manager.getsockname()), "WATCHDOG_USEC": "3000000"}
            worker = Process("worker", cwd=tmp_path, env=here.env | env)
            stack.callback(worker.popen.kill)
            living.append((worker, manager))
        for worker, manager in living:
            heard = [manager.recv(4096)]
            while heard.count(b"WATCHDOG=1") < 2:
                heard.append(manager.recv(4096))
            assert heard[0].startswith(b"READY=1"), worker.log
        for worker, _ in living:
            assert worker.stop() == 0, worker.log


def test_two_clusters_on_one_database_by_mistake(tmp_path: Path, database: str) -> None:
    """The second one waits, and says for whom; it polls nothing and posts nothing."""
    with place(tmp_path, database) as here, FeedServer() as elsewhere:
        other = tmp_path / "other"
        other.mkdir()
        item = {"title": "Glacier of another newsroom", "guid": "o", "link": "http://o.example/"}
        url = elsewhere.script("/o", lambda _: Answer(rss("Other", [item])))
        text = (tmp_path / "config.yaml").read_text()
        start, end = text.index("feeds: ["), text.index("rules:")
        feeds = f"feeds: [{{url: '{url}', first_run: alert, every: 1s}}]\n"
        (other / "config.yaml").write_text(text[:start] + feeds + text[end:])
        first = Process("worker", cwd=tmp_path, env=here.env)
        try:
            first.wait_for("a leader", lambda: leader(database, [first]))
            second = Process("worker", cwd=other, env=here.env)
            try:
                word = "another configuration is in force"
                second.wait_for("word", second.said(word))
                assert any(word in line and str(first.popen.pid) in line for line in second.err)
                code, out, err = run("once", cwd=other, env=here.env)
                assert (code, out) == (75, [])
                assert err[-1].startswith("error: ")
                assert word in err[-1]
                assert f"process {first.popen.pid}" in err[-1]
                first.wait_for("all stories", lambda: len(here.posted()) >= len(TITLES))
            finally:
                # One that is told to stop while it waits just ends.
                assert second.stop() == -signal.SIGTERM, second.log
        finally:
            assert first.stop() == 0, first.log
        assert elsewhere.requests == []
        assert here.posted() == sorted(TITLES)
        assert here.slack.workspace.duplicates() == {}


def test_a_new_configuration_rolls_through_all_workers(tmp_path: Path, database: str) -> None:
    with place(tmp_path, database) as here:
        living = [Process("worker", cwd=tmp_path, env=here.env) for _ in range(2)]
        try:
            living[0].wait_for("both", lambda: len(workers(database)) == 2)
            (old,) = {row["hash"] for row in workers(database)}
            text = (tmp_path / "config.yaml").read_text().replace("Of all kinds", "Of every kind")
            (tmp_path / "config.yaml").write_text(text)

            def rolled() -> bool:
                found = workers(database)
                return (
                    len({row["hash"] for row in found}) == 1
                    and found[0]["hash"] != old
                    and not any(row["waits"] for row in found)
                )

            living[0].wait_for("the new one everywhere", rolled)
        finally:
            assert [each.stop() for each in living] == [0, 0], living[0].log


def test_a_store_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("state: ./state\n")
    code, out, err = run("worker", cwd=tmp_path)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert "state: postgresql://" in err[0]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def test_the_leader_alone_takes_hubs_calls(tmp_path: Path, database: str) -> None:
    takes, refused = "taking WebSub hubs' calls", "hubs' calls aren't taken"
    with place(tmp_path, database) as here, socket.socket() as squatter:
        port = free_port()
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        path = tmp_path / "config.yaml"
        more = f"websub_callback: 'http://hub.example/w', websub_listen: '127.0.0.1:{port}'"
        path.write_text(path.read_text().replace("127.0.0.0/8]", f"127.0.0.0/8], {more}"))
        living = [Process("worker", cwd=tmp_path, env=here.env) for _ in range(2)]
        try:
            living[0].wait_for("a leader", lambda: leader(database, living))
            first = leader(database, living)
            assert first is not None
            # The address is taken by a stranger: said once, and the work goes on.
            first.wait_for("word", first.said(refused))
            first.wait_for("posts", lambda: len(here.posted()) >= 2)
            squatter.close()
            first.wait_for("the address", first.said(takes))
            assert len([line for line in first.err if refused in line]) == 1, first.log
            (other,) = (each for each in living if each is not first)
            assert not other.said(takes)(), other.log
            assert not other.said(refused)(), other.log
            first.stop(signal.SIGKILL)
            living.remove(first)
            other.wait_for("the address", other.said(takes))
        finally:
            codes = [each.stop() for each in living]
        assert codes == [0], living[0].log


def test_one_cycle_beside_a_cluster_doubles_nothing(tmp_path: Path, database: str) -> None:
    with place(tmp_path, database) as here:
        process = Process("run", cwd=tmp_path, env=here.env)
        try:
            process.wait_for("a leader", lambda: leader(database, [process]))
            code, out, err = run("once", cwd=tmp_path, env=here.env)
            assert (code, out) == (0, []), err
            assert [row["pid"] for row in workers(database)] == [process.popen.pid]
            process.wait_for("all stories", lambda: len(here.posted()) >= len(TITLES))
        finally:
            assert process.stop() == 0, process.log
        assert here.posted() == sorted(TITLES)
        assert here.slack.workspace.duplicates() == {}

"""The real program against a Slack that enforces its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import both_stores
from tests.acceptance.process import Process, rss, run
from tests.fakeslack import FakeSlack, FakeSlackThread
from tests.feedserver import Answer, FeedServer

STORY = {
    "title": "Arms deals with Syria &amp;lt;!channel&amp;gt; go on",
    "guid": "1",
    "link": "http://n.example/1",
}


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlackThread() as running:
        running.workspace.add_channel("news-watch")
        yield running


@pytest.fixture
def slack_watch(
    server: FeedServer, slack: FakeSlack, watch: Callable[..., Path]
) -> Callable[[], Path]:
    def write(channel: str = "#news-watch") -> Path:
        url = server.script("/feed", Answer(rss("Wire", [STORY])))
        path = watch(
            f"  - {{url: '{url}', name: Wire, first_run: alert}}\n",
            more=f"slack: {{token: '${{SLACK_BOT_TOKEN}}', api_url: '{slack.url}'}}",
        )
        path.write_text(path.read_text().replace("console: true", f'slack: "{channel}"'))
        return path

    return write


@both_stores
def test_a_story_is_posted_once_within_the_limits(
    slack: FakeSlack, slack_watch: Callable[[], Path], tmp_path: Path
) -> None:
    slack_watch()
    for _ in range(2):
        code, out, err = run("once", cwd=tmp_path, env={"SLACK_BOT_TOKEN": slack.token})
        assert (code, out) == (0, []), err
    (message,) = slack.workspace.messages("news-watch")
    assert "Arms deals with Syria" in message.text
    assert "<!channel>" not in str(message.body)
    assert slack.workspace.refused == []


@pytest.mark.parametrize("command", ["run", "once"])
@pytest.mark.parametrize("reason", ["invalid_auth", "token_revoked"])
def test_a_refused_token_is_a_configuration_error(
    command: str,
    reason: str,
    slack: FakeSlack,
    slack_watch: Callable[[], Path],
    tmp_path: Path,
) -> None:
    slack_watch()
    slack.workspace.token_error = reason
    code, out, err = run(command, cwd=tmp_path, env={"SLACK_BOT_TOKEN": slack.token})
    assert (code, out) == (2, [])
    (line,) = [line for line in err if reason in line]
    assert line.startswith("config.yaml:")
    assert "slack.token" in line
    assert slack.token not in "\n".join(err)


@both_stores
def test_an_unreachable_channel_keeps_its_alert_and_ends_with_2(
    slack: FakeSlack, slack_watch: Callable[..., Path], tmp_path: Path
) -> None:
    path = slack_watch("#nowhere")
    environment = {"SLACK_BOT_TOKEN": slack.token}
    code, out, err = run("once", cwd=tmp_path, env=environment)
    assert (code, out) == (2, []), err
    assert [line for line in err if line.startswith("error:") and "channel_not_found" in line], err
    path.write_text(path.read_text().replace("#nowhere", "#news-watch"))
    code, out, err = run("once", cwd=tmp_path, env=environment)
    assert code == 0, err
    assert len(slack.workspace.messages("news-watch")) == 1


def test_an_outage_of_slack_does_not_keep_the_watch_from_collecting(
    server: FeedServer,
    slack: FakeSlack,
    slack_watch: Callable[[], Path],
    start: Callable[..., Process],
) -> None:
    slack_watch()
    slack.workspace.down = "refuse"
    process = start("run", env={"SLACK_BOT_TOKEN": slack.token})
    process.wait_for("a poll", process.said("1 entries, 1 new"))
    slack.workspace.down = ""
    process.wait_for("the alert", lambda: slack.workspace.messages("news-watch"), timeout=90)
    assert process.stop() == 0


@both_stores
def test_an_incoming_webhook_is_enough(
    server: FeedServer, slack: FakeSlack, watch: Callable[..., Path], tmp_path: Path
) -> None:
    url = server.script("/feed", Answer(rss("Wire", [STORY])))
    path = watch(
        f"  - {{url: '{url}', name: Wire, first_run: alert}}\n",
        more="slack: {webhook: '${SLACK_WEBHOOK}'}",
    )
    path.write_text(path.read_text().replace("console: true", 'slack: "#news-watch"'))
    code, out, err = run("once", cwd=tmp_path, env={"SLACK_WEBHOOK": slack.webhook})
    assert (code, out) == (0, []), err
    assert len(slack.workspace.hooks) == 1


@pytest.mark.parametrize(("broken", "said"), [("token", "invalid_auth"), ("channel", "not_found")])
def test_check_live_says_what_slack_refuses(
    broken: str, said: str, slack: FakeSlack, slack_watch: Callable[..., Path], tmp_path: Path
) -> None:
    slack_watch("#nowhere" if broken == "channel" else "#news-watch")
    slack.workspace.token_error = "invalid_auth" if broken == "token" else ""
    environment = {"SLACK_BOT_TOKEN": slack.token}
    code, _, err = run("check", "--live", cwd=tmp_path, env=environment)
    assert code == 2, err
    assert [line for line in err if line.startswith("config.yaml:") and said in line], err

"""Who is answered: hosts, origins, tokens; and what every answer carries."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from tests.acceptance.process import run
from tests.feedserver import FeedServer
from tests.integration.web.site import CONFIG, Site, site

OTHER = "https://evil.example"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("127.0.0.1:{port}", 200),
        ("[::1]:{port}", 200),
        ("rebound.example", 421),
        ("192.168.0.7", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(shared: Site, host: str, status: int) -> None:
    port = shared.url.rpartition(":")[2]
    answer = shared.client.get("/healthz", headers={"host": host.format(port=port)})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({"origin": "{own}"}, True, 303),
        ({"sec-fetch-site": "same-origin"}, True, 303),
        ({"origin": "{own}"}, False, 403),
        ({"origin": OTHER}, True, 403),
        ({"origin": "null"}, True, 403),
        ({"origin": "{own}", "sec-fetch-site": "cross-site"}, True, 403),
        ({"sec-fetch-site": "same-site"}, True, 403),
        ({}, True, 403),
    ],
)
def test_only_our_own_pages_change_something(
    shared: Site, headers: dict[str, str], token: bool, status: int
) -> None:
    data = {"matcher": "rule=Nothing", "lasts": "1m"}
    if token:
        data["form_token"] = shared.form_token()
    sent = {name: value.format(own=shared.url) for name, value in headers.items()}
    assert shared.client.post("/silences", data=data, headers=sent).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused(shared: Site, method: str) -> None:
    assert shared.client.request(method, "/silences").status_code == 405


def test_a_long_form_is_refused(shared: Site) -> None:
    headers = {"origin": shared.url}
    answer = shared.client.post("/silences", content=b"x" * 1_000_001, headers=headers)
    assert answer.status_code == 413


def test_every_answer_carries_the_policy(shared: Site) -> None:
    for path in ("/", "/feeds", "/healthz", "/nowhere", "/static/style.css"):
        headers = shared.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_the_token_is_asked_of_everyone(tmp_path: Path, feeds: FeedServer) -> None:
    web = "enabled: true, listen: '127.0.0.1:0', token: '${WEB_TOKEN}'"
    secret = "correct horse battery"
    with site(tmp_path, feeds, web=web, env={"WEB_TOKEN": secret}) as running:
        get = running.client.get
        basic = base64.b64encode(f"anyone:{secret}".encode()).decode()
        cases = [
            ("/metrics", None, 401),
            ("/", None, 401),
            ("/static/style.css", None, 401),
            ("/", "Bearer wrong", 401),
            ("/", "Basic !!!", 401),
            ("/", f"Digest {secret}", 401),
            ("/healthz", None, 200),
            ("/metrics", f"Bearer {secret}", 200),
            ("/", f"Basic {basic}", 200),
        ]
        for path, given, status in cases:
            headers = {"authorization": given} if given else {}
            assert get(path, headers=headers).status_code == status, (path, given)
        assert secret not in "\n".join(running.process.err)


def test_it_is_not_served_to_the_network_without_a_token(tmp_path: Path) -> None:
    text = CONFIG.format(feed="http://127.0.0.1:9/", web="enabled: false", name="Wire")
    (tmp_path / "config.yaml").write_text(text)
    code, _, err = run("web", "--listen", "0.0.0.0:0", cwd=tmp_path)
    assert code == 2
    assert "set `web.token`" in "\n".join(err)


def test_the_page_can_be_served_by_itself(shared: Site) -> None:
    from tests.acceptance.process import Process

    process = Process("web", "--listen", "127.0.0.1:0", cwd=shared.config.parent)
    try:
        process.wait_for("the page", process.said("status page: "))
        url = next(line for line in process.err if "status page: " in line).split()[-1]
        assert httpx.get(url + "readyz").text == "ok\n"
        assert "newswatch_outbox" in httpx.get(url + "metrics").text
    finally:
        assert process.stop() == 0, process.log

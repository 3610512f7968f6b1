"""Every page and action in a real browser, wide and at a phone's width, in light and dark: hostile
texts don't run, nothing overflows, axe-core finds nothing serious, what people do works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from monitor.clock import SystemClock
from monitor.rules.text import search_tokens
from monitor.store import open_store
from tests.browser.axe import findings
from tests.browser.conftest import MARKUP, evil_row
from tests.integration.web.site import Site

PAGES = (
    "/",
    "/stories/S-evil",
    "/feeds",
    f"/feeds?q={quote(MARKUP)}",
    "/lab",
    "/quality?days=7",
    f"/routes?title={quote('Arms deals ' + MARKUP)}",
    "/outbox?state=dead",
    f"/silences?matcher={quote(MARKUP)}",
)
PHONE, DESK = 390, 1100
RULE = "name: Rain\nany: [rain, arms deals]\nnone: [Norway]\n"


def look(browser: webdriver.Chrome, width: int, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def until(browser: webdriver.Chrome, holds: Callable[[], object]) -> None:
    """Wait until it ``holds``; an element may be replaced while it is read."""
    ignored = [StaleElementReferenceException]
    wait = WebDriverWait(browser, 10, poll_frequency=0.05, ignored_exceptions=ignored)
    wait.until(lambda _: holds())


def find(browser: webdriver.Chrome, css: str) -> WebElement:
    wait = WebDriverWait(browser, 10, poll_frequency=0.05)
    return wait.until(lambda _: browser.find_element(By.CSS_SELECTOR, css))


def write_rule(browser: webdriver.Chrome, site: Site, rule: str) -> WebElement:
    browser.get(site.url + "/lab")
    field = find(browser, "#yaml")
    field.clear()
    field.send_keys(rule)
    return field


def apply(browser: webdriver.Chrome, site: Site) -> None:
    """Write the change that is shown, which nothing did before, and wait until it is in force."""
    before, lines = site.config.read_text(), len(site.process.err)
    find(browser, "#apply").click()
    find(browser, ".notice")
    assert site.config.read_text() != before
    until(browser, lambda: any("reloaded" in line for line in site.process.err[lines:]))


def fits(browser: webdriver.Chrome, width: int) -> None:
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def harmless(browser: webdriver.Chrome) -> None:
    assert browser.execute_script("return window.evil") is None
    foreign = "main img, main script, main svg:not(.spark):not(figure.chart > svg)"
    assert browser.find_elements(By.CSS_SELECTOR, foreign) == []
    targets = browser.execute_script("return [...document.links].map(a => a.href)")
    assert all(target.startswith("http") for target in targets), targets
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    blocked = [each for each in log if each["level"] == "SEVERE" and each["source"] != "network"]
    assert blocked == []  # the policy had nothing to stop: no markup got that far


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (DESK, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_hostile_texts_are_texts_and_everybody_can_read_them(
    hostile: Site, browser: webdriver.Chrome, path: str, width: int, scheme: str
) -> None:
    look(browser, width, scheme)
    browser.get(hostile.url + path)
    if path.startswith("/quality"):
        find(browser, "figure.chart")
    harmless(browser)
    fits(browser, width)
    assert findings(browser) == []
    text = find(browser, "main").text
    assert "{{ 7*7 }}" in text or path in ("/feeds", "/lab") or "=" in path


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_a_rule_is_tried(hostile: Site, browser: webdriver.Chrome, width: int, scheme: str) -> None:
    look(browser, width, scheme)
    write_rule(browser, hostile, RULE)
    find(browser, "#lab details summary").click()
    find(browser, "#title").send_keys("Rain in Norway")
    find(browser, "#try").click()
    until(browser, lambda: "2 of 3 stories" in find(browser, "#results").text)
    words = find(browser, "main").text
    assert "fails at none: Norway" in words
    assert "It fails at none: Norway alone." in find(browser, "#pasted").text
    harmless(browser)
    fits(browser, width)
    assert findings(browser) == []
    find(browser, "#results details summary").click()
    assert "stories" in find(browser, "#results table").text


def test_a_rule_is_checked_while_one_types(hostile: Site, browser: webdriver.Chrome) -> None:
    look(browser, PHONE)
    field = write_rule(browser, hostile, "name: A\nanny: [rain]")
    problem = find(browser, "#verdict .problems")
    assert "did you mean" in problem.text
    assert find(browser, "#behind mark.error").get_property("textContent") == "anny:"
    assert findings(browser) == []
    find(browser, "#verdict button").click()
    selected = (
        "const e = document.activeElement; return e.value.slice(e.selectionStart, e.selectionEnd)"
    )
    assert browser.execute_script(selected) == "anny:"
    field.send_keys("any:")
    until(browser, lambda: "This rule loads" in find(browser, "#verdict").text)
    assert browser.find_elements(By.CSS_SELECTOR, "#behind mark") == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_what_may_stand_there_is_offered(
    hostile: Site, browser: webdriver.Chrome, width: int
) -> None:
    look(browser, width)
    field = write_rule(browser, hostile, "name: A\nentities: [Syr")
    until(browser, lambda: find(browser, "#offers li").text.startswith("Syria"))
    assert findings(browser) == []
    fits(browser, width)
    field.send_keys(Keys.ARROW_DOWN, Keys.ENTER, "]")
    until(browser, lambda: "This rule loads" in find(browser, "#verdict").text)
    assert field.get_property("value") == "name: A\nentities: [Syria]"
    field.send_keys(Keys.ENTER, "sev")
    until(browser, lambda: find(browser, "#offers li").text.startswith("severity"))
    field.send_keys(Keys.ESCAPE)
    until(browser, lambda: not find(browser, "#offers").is_displayed())


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_rule_is_written_when_asked(hostile: Site, browser: webdriver.Chrome, width: int) -> None:
    look(browser, width)
    write_rule(browser, hostile, f"name: Written {width}\nany: [snow]  # flakes\n")
    find(browser, "#change").click()
    assert f"+  - name: Written {width}" in find(browser, "ins").text
    assert findings(browser) == []
    fits(browser, width)
    apply(browser, hostile)
    added = f"  - name: Written {width}\n    any: [snow]  # flakes\n"
    assert added in hostile.config.read_text()


def test_a_silence_is_set_and_ended(hostile: Site, browser: webdriver.Chrome) -> None:
    look(browser, PHONE)
    browser.get(hostile.url + "/silences")
    find(browser, "#matcher").send_keys("rule=Bonds")
    find(browser, "form.card button.main").click()
    end = find(browser, "button[aria-label='End now: rule=Bonds']")
    assert findings(browser) == []
    end.click()
    find(browser, ".tag.stopped")
    assert browser.find_elements(By.CSS_SELECTOR, ".tag.ok") == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_feeds_are_polled_found_paused_and_resumed(
    hostile: Site, browser: webdriver.Chrome, width: int
) -> None:
    look(browser, width)
    browser.get(hostile.url + "/feeds")
    find(browser, "button[aria-label^='Poll now']").click()
    assert "as soon as" in find(browser, ".notice").text
    find(browser, "button[aria-label^='Pause: ']").click()
    assert "enabled: false" in find(browser, "ins").text
    apply(browser, hostile)
    assert "is paused" in find(browser, ".notice").text
    until(browser, lambda: _reloaded(browser, hostile.url + "/feeds", "paused"))
    find(browser, "button[aria-label^='Resume: ']").click()
    apply(browser, hostile)
    browser.get(hostile.url + "/feeds")
    find(browser, "#more summary").click()
    find(browser, "#site").send_keys(hostile.url.replace("http://", "") + "/nothing")
    find(browser, "#more button").click()
    assert find(browser, ".problem").is_displayed()
    harmless(browser)
    assert findings(browser) == []


def _reloaded(browser: webdriver.Chrome, url: str, word: str) -> bool:
    browser.get(url)
    return word in find(browser, "tbody").text


def test_a_list_of_feeds_is_taken_in(
    hostile: Site, browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    look(browser, PHONE)
    opml = tmp_path_factory.mktemp("opml") / "list.opml"
    outline = '<outline text="&lt;script&gt;" xmlUrl="http://127.0.0.1:9/new"/>'
    opml.write_text(f'<opml version="2.0"><body>{outline}</body></opml>')
    browser.get(hostile.url + "/feeds")
    find(browser, "#more summary").click()
    find(browser, "#file").send_keys(str(opml))
    browser.find_elements(By.CSS_SELECTOR, "#more button")[1].click()
    assert "http://127.0.0.1:9/new" in find(browser, "pre").text
    harmless(browser)
    find(browser, "main .bar a").click()
    assert "127.0.0.1:9/new" not in hostile.config.read_text()


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_message_is_sent_again_and_dropped(
    hostile: Site, browser: webdriver.Chrome, width: int
) -> None:
    put(hostile, 100 + width)
    look(browser, width)
    browser.get(hostile.url + "/outbox?state=dead")
    find(browser, "button[aria-label^='Drop: ']").click()
    assert "1 message dropped." in find(browser, ".notice").text
    put(hostile, 200 + width)
    browser.get(hostile.url + "/outbox?state=dead")
    find(browser, "button[aria-label^='Send now: ']").click()
    assert "1 message queued again." in find(browser, ".notice").text
    harmless(browser)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_alerts_appear_as_they_come(hostile: Site, browser: webdriver.Chrome, width: int) -> None:
    look(browser, width)
    browser.get(hostile.url + "/")
    until(browser, lambda: "Live" in find(browser, "#live").text)
    row = evil_row(300 + width)
    put(hostile, 300 + width)
    article = find(browser, f"#a-{row.id}")
    assert article.find_element(By.TAG_NAME, "mark").text
    assert browser.find_elements(By.CSS_SELECTOR, "article")[0].get_attribute("id") == f"a-{row.id}"
    harmless(browser)
    fits(browser, width)


def test_what_was_posted_links_to_slack(hostile: Site, browser: webdriver.Chrome) -> None:
    browser.get(hostile.url + "/stories/S-evil")
    link = browser.find_element(By.LINK_TEXT, "in Slack").get_attribute("href")
    assert link == "https://desk.slack.com/archives/C0NEWS/p1700000000000100"


def test_all_can_be_reached_by_keyboard(hostile: Site, browser: webdriver.Chrome) -> None:
    look(browser, DESK)
    browser.get(hostile.url + "/routes")
    reached = []
    body = find(browser, "body")
    body.send_keys(Keys.TAB)
    assert find(browser, ".skip").is_displayed()
    for _ in range(30):
        active = browser.switch_to.active_element
        reached.append(active.get_attribute("id") or active.text)
        active.send_keys(Keys.TAB)
    for wanted in ("To the content", "Quality", "title", "severity", "at"):
        assert wanted in reached, reached


def put(site: Site, number: int) -> None:
    async def main() -> None:
        folder = site.config.parent / "state"
        now = SystemClock().now()
        store = await open_store(str(folder), now=now, tokenize=search_tokens, check=False)
        try:
            await store.enqueue([evil_row(number)])
        finally:
            await store.close()

    asyncio.run(main())

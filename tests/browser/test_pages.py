"""Every page in a real browser: hostile texts don't run, nothing overflows, forms work."""

from __future__ import annotations

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.integration.web.site import Site

PAGES = ("/", "/feeds", "/outbox?state=dead", "/silences", "/lab")
RULE = "name: Rain\nany: [rain, arms deals]\nnone: [Norway]\n"


def resize(browser: webdriver.Chrome, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def find(browser: webdriver.Chrome, css: str) -> WebElement:
    return WebDriverWait(browser, 10).until(lambda _: browser.find_element(By.CSS_SELECTOR, css))


def try_rule(browser: webdriver.Chrome, site: Site, rule: str) -> None:
    browser.get(site.url + "/lab")
    field = find(browser, "#yaml")
    field.clear()
    field.send_keys(rule)
    find(browser, "#lab button.main").click()
    find(browser, "#apply")


def harmless(browser: webdriver.Chrome) -> None:
    assert browser.execute_script("return window.evil") is None
    assert browser.find_elements(By.CSS_SELECTOR, "main img, main svg:not(.chart)") == []
    targets = [link.get_attribute("href") or "" for link in browser.find_elements(By.TAG_NAME, "a")]
    assert all(target.startswith("http") for target in targets), targets
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    blocked = [each for each in log if each["level"] == "SEVERE"]
    assert blocked == []  # the policy had nothing to stop: no markup got that far


@pytest.mark.parametrize("width", [375, 1100])
@pytest.mark.parametrize("path", PAGES)
def test_hostile_texts_are_texts_and_nothing_overflows(
    hostile: Site, browser: webdriver.Chrome, path: str, width: int
) -> None:
    resize(browser, width)
    browser.get(hostile.url + path)
    harmless(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    unlabelled = browser.execute_script(
        "return [...document.querySelectorAll('input:not([type=hidden]),select,textarea')]"
        ".filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert unlabelled == []
    if path != "/lab":
        assert ("<script>" in find(browser, "main").text) is (path != "/silences")


@pytest.mark.parametrize("width", [375, 1100])
def test_a_rule_is_tried(hostile: Site, browser: webdriver.Chrome, width: int) -> None:
    resize(browser, width)
    try_rule(browser, hostile, RULE)
    harmless(browser)
    words = find(browser, "main").text
    assert "2 of 3 stories" in words
    assert "fails at none: Norway" in words
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_rule_is_checked_while_one_types(hostile: Site, browser: webdriver.Chrome) -> None:
    browser.get(hostile.url + "/lab")
    field = find(browser, "#yaml")
    field.clear()
    field.send_keys("name: A\nanny: [x]")
    assert "did you mean" in find(browser, "#verdict .problem").text


def test_a_silence_is_set_and_ended(hostile: Site, browser: webdriver.Chrome) -> None:
    resize(browser, 375)
    browser.get(hostile.url + "/silences")
    find(browser, "#matcher").send_keys("rule=Bonds")
    find(browser, "form.card button.main").click()
    end = find(browser, "button[aria-label='End the silence of rule=Bonds']")
    end.click()
    find(browser, ".tag.stopped")
    assert browser.find_elements(By.CSS_SELECTOR, ".tag.ok") == []


def test_a_feed_is_polled(hostile: Site, browser: webdriver.Chrome) -> None:
    browser.get(hostile.url + "/feeds")
    find(browser, "td form button").click()
    assert (find(browser, "#q").get_attribute("value") or "").startswith("http://127.0.0.1")


def test_a_rule_is_written_when_asked(hostile: Site, browser: webdriver.Chrome) -> None:
    resize(browser, 1100)
    try_rule(browser, hostile, "name: Written\nany: [snow]\n")
    assert "Written" not in hostile.config.read_text()
    find(browser, "#apply").click()
    assert "Written is in the configuration now" in find(browser, ".notice").text
    assert "  - name: Written\n    any: [snow]\n" in hostile.config.read_text()

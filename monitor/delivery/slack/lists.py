"""Messages that are lists: digests, baselines, catch-ups, and words about the watch itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

from monitor.delivery.sender import Form
from monitor.delivery.slack.blocks import (
    Block,
    Element,
    badge,
    bullets,
    context,
    date,
    header,
    link,
    mention,
    plain,
    rich_text,
    section,
    short_time,
    words,
)
from monitor.delivery.text import shown, units, vet_link
from monitor.delivery.wording import TITLES, urgent_first
from monitor.values import Alert, AlertItem, Severity

# Slack refuses messages near 13,200 characters of blocks with msg_blocks_too_long, a limit it
# doesn't document (slackapi/bolt-js#2509); ours leaves room.
BUDGET = 10_000
HEADER_MAX = 150  # Slack's limit for a header
ITEMS_A_RULE = 10
RULES_A_PAGE = 40  # each is a block, and a message has 50
ABOVE_LISTS = 1500  # characters for header, totals and mentions
RULE_HEAD = 250
FACTS = 12
NOTICE_ITEMS = 5
MENTIONS = 10
ITEM_TITLE_MAX = 150
ITEM_NAME_MAX = 60
PAGE_PREFIX = "page/"  # a further page's story id: this, the first page's delivery id, its story

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def render_list(alert: Alert, form: Form) -> list[Block]:
    """Return the blocks of a message that isn't about one story."""
    title = shown(alert.title, HEADER_MAX) or TITLES[alert.kind]
    if form == "short":
        return [rich_text([section([words(title, bold=True)])])]
    if alert.kind in ("ops", "test"):
        return _notice(alert, title)
    items, left = first_page(alert)
    blocks = [header(title), *_facts(alert)]
    blocks += _lists(items)
    if left:
        blocks.append(context([plain(f"{left} more in the thread")]))
    return blocks


def _notice(alert: Alert, title: str) -> list[Block]:
    """An ops or test message: one rich text, a bold line and what there is to say."""
    line: list[Element] = []
    to = vet_link(alert.url)
    line.append(link(to, title, bold=True) if to else words(title, bold=True))
    for who in alert.mention[:MENTIONS]:
        if (element := mention(who)) is not None:
            line += [words(" "), element]
    lines: list[Element] = [section(line)]
    if reason := shown(alert.reason, 1500, lines=True):
        lines.append(section([words(reason)]))
    facts = [
        section([words(shown(name, 60), bold=True), words(": " + shown(value, 150))])
        for name, value in alert.totals[:FACTS]
    ]
    if facts:
        lines.append(bullets(facts))
    if alert.items:
        lines.append(
            bullets([_item(item, _latest(alert.items)) for item in alert.items[:NOTICE_ITEMS]])
        )
    blocks = [rich_text(lines)]
    if (when := alert.published or alert.first_seen) is not None:
        blocks.append(context([plain("newswatch"), date(when)]))
    return blocks


def _facts(alert: Alert) -> list[Block]:
    facts = [f"{shown(value, 60)} {shown(name, 60)}" for name, value in alert.totals[:FACTS]]
    parts: list[Element] = []
    if alert.reason:
        parts.append(plain(shown(alert.reason, 300)))
    if facts:
        parts.append(plain(shown(" · ".join(facts), 600)))
    line: list[Block] = [context(parts)] if parts else []
    mentions: list[Element] = []
    for who in alert.mention[:MENTIONS]:
        if (element := mention(who)) is not None:
            mentions += [element, words(" ")]
    if mentions:
        line.append(rich_text([section(mentions)]))
    return line


def _by_rule(items: tuple[AlertItem, ...]) -> list[tuple[str, list[AlertItem]]]:
    """Group by rule: rules in the order of their most urgent, then first item."""
    order: dict[str, int] = {}
    for item in urgent_first(items):
        order.setdefault(item.rule, len(order))
    ranked = sorted(urgent_first(items), key=lambda item: order[item.rule])
    return [(rule, list(group)) for rule, group in groupby(ranked, key=lambda item: item.rule)]


def _latest(items: tuple[AlertItem, ...]) -> datetime:
    return max((item.published for item in items if item.published), default=LONG_AGO)


def _item(item: AlertItem, latest: datetime) -> Element:
    line = badge(Severity(item.severity)) if item.severity >= Severity.HIGH else []
    if line:
        line.append(words(" "))
    title = shown(item.title, ITEM_TITLE_MAX) or "(no title)"
    to = vet_link(item.url)
    if to is None:
        line.append(words(title))
    else:
        line.append(link(to, title))
        if to.shown_host:
            line.append(words(f" ({to.shown_host})"))
    source = shown(item.source, ITEM_NAME_MAX)
    if source:
        line.append(words(f" · {source}"))
    if item.published is not None:
        line.append(words(f" · {short_time(item.published, latest)}"))
    if item.sources > 1:
        line.append(
            words(f" · +{item.sources - 1} sources" if item.sources > 2 else " · +1 source")
        )
    return section(line)


def _lists(items: tuple[AlertItem, ...]) -> list[Block]:
    blocks = []
    latest = _latest(items)
    for rule, group in _by_rule(items):
        name = shown(rule, ITEM_NAME_MAX)
        head = [section([words(f"{name} ({len(group)})", bold=True)])] if name else []
        blocks.append(rich_text([*head, bullets([_item(item, latest) for item in group])]))
    return blocks


def _size(blocks: list[Block]) -> int:
    return units(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def first_page(alert: Alert) -> tuple[tuple[AlertItem, ...], int]:
    """Return the items that the main message shows, and how many are left for its thread."""
    if alert.story_id.startswith(PAGE_PREFIX):
        return alert.items, 0
    pages = split_pages(alert.items)
    if not pages:
        return (), 0
    return pages[0], len(alert.items) - len(pages[0])


def split_pages(items: tuple[AlertItem, ...]) -> list[tuple[AlertItem, ...]]:
    """Split ``items`` into what fits one message each, urgent first, at most ``ITEMS_A_RULE`` of
    one rule on the first page."""
    # The most urgent lead, whatever their rule; the order within a page is _by_rule's.
    ranked = urgent_first(tuple(item for _, group in _by_rule(items) for item in group))
    rest = [(item, _size([_item(item, LONG_AGO)])) for item in ranked]
    pages: list[tuple[AlertItem, ...]] = []
    while rest:
        page: list[AlertItem] = []
        over: list[tuple[AlertItem, int]] = []
        count: dict[str, int] = {}
        room = BUDGET - ABOVE_LISTS
        for item, size in rest:
            new_rule = item.rule not in count
            cost = size + (RULE_HEAD if new_rule else 0)
            crowded = not pages and count.get(item.rule, 0) >= ITEMS_A_RULE
            if (page and cost > room) or crowded or (new_rule and len(count) >= RULES_A_PAGE):
                over.append((item, size))
                continue
            count[item.rule] = count.get(item.rule, 0) + 1
            room -= cost
            page.append(item)
        pages.append(tuple(page))
        rest = over
    return pages


def pages_of(alert: Alert, root_id: str) -> tuple[Alert, ...]:
    """Return the further pages of a digest or catch-up, for the thread of the message with the
    delivery id ``root_id`` (none when it fits)."""
    if alert.story_id.startswith(PAGE_PREFIX) or alert.kind not in (
        "digest",
        "catch_up",
        "baseline",
    ):
        return ()
    pages = split_pages(alert.items)[1:]
    return tuple(
        replace(
            alert,
            story_id=f"{PAGE_PREFIX}{root_id}/{alert.story_id}",
            revision=number,
            title=f"{shown(alert.title, 120) or TITLES[alert.kind]}, page {number}",
            items=items,
            totals=(),
            mention=(),
            reason="",
        )
        for number, items in enumerate(pages, start=2)
    )

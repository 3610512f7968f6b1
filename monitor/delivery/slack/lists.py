"""Messages that are lists: digests, baselines, catch-ups, and words about the watch itself."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby

from monitor.delivery.sender import Form
from monitor.delivery.slack.blocks import (
    SIGNS,
    Block,
    Element,
    bullets,
    context,
    date,
    emoji,
    header,
    link,
    mention,
    plain,
    rich_date,
    rich_text,
    section,
    words,
)
from monitor.delivery.text import clean, cut, units, vet_link
from monitor.values import Alert, AlertItem, Severity

# Slack refuses messages near 13,200 characters of blocks with msg_blocks_too_long, a limit it
# doesn't document (slackapi/bolt-js#2509); ours leaves room.
BUDGET = 10_000
ITEMS_A_RULE = 10
ITEM_TITLE_MAX = 150
ITEM_NAME_MAX = 60
PAGE_PREFIX = "page/"  # a further page's story id: this, the first page's delivery id, its story
SIGN_BY_KIND = {"ops": "wrench", "test": "white_check_mark"}
TITLES = {
    "digest": "Digest",
    "baseline": "Now watching",
    "catch_up": "While this channel couldn't be reached",
    "ops": "News watch",
    "test": "News watch: test message",
}


def render_list(alert: Alert, form: Form) -> tuple[list[Block], str]:
    """Return (blocks, notification text) of a message that isn't about one story."""
    title = cut(clean(alert.title), 150) or TITLES.get(alert.kind, "News watch")
    shown, left = first_page(alert)
    text = title
    if alert.items:
        text += f": {len(alert.items)} {'story' if len(alert.items) == 1 else 'stories'}"
        text += ", " + clean(urgent_first(alert.items)[0].title)
    elif alert.reason:
        text += ": " + clean(alert.reason)
    if form == "short":
        return [rich_text([section([words(cut(title, 150), bold=True)])])], text
    if alert.kind in ("ops", "test"):
        return _notice(alert, title), text
    blocks = [header(title), *_facts(alert)]
    blocks += _lists(shown)
    if left:
        blocks.append(context([plain(f"{left} more in the thread")]))
    return blocks, text


def _notice(alert: Alert, title: str) -> list[Block]:
    """An ops or test message: one rich text, a bold line and what there is to say."""
    line: list[Element] = [emoji(SIGN_BY_KIND[alert.kind]), words(" ")]
    to = vet_link(alert.url)
    line.append(link(to, title, bold=True) if to else words(title, bold=True))
    for who in alert.mention:
        if (element := mention(who)) is not None:
            line += [words(" "), element]
    lines: list[Element] = [section(line)]
    if reason := cut(clean(alert.reason, lines=True), 1500):
        lines.append(section([words(reason)]))
    facts = [
        section([words(cut(clean(name), 100), bold=True), words(": " + cut(clean(value), 300))])
        for name, value in alert.totals[:20]
    ]
    if facts:
        lines.append(bullets(facts))
    if alert.items:
        lines.append(bullets([_item(item) for item in alert.items[:ITEMS_A_RULE]]))
    blocks = [rich_text(lines)]
    if (when := alert.published or alert.first_seen) is not None:
        blocks.append(context([plain("newswatch"), date(when)]))
    return blocks


def _facts(alert: Alert) -> list[Block]:
    facts = [f"{cut(clean(value), 60)} {cut(clean(name), 60)}" for name, value in alert.totals[:8]]
    parts: list[Element] = []
    if alert.reason:
        parts.append(plain(cut(clean(alert.reason), 300)))
    if facts:
        parts.append(plain(" · ".join(facts)))
    line: list[Block] = [context(parts)] if parts else []
    mentions: list[Element] = []
    for who in alert.mention:
        if (element := mention(who)) is not None:
            mentions += [element, words(" ")]
    if mentions:
        line.append(rich_text([section(mentions)]))
    return line


def urgent_first(items: tuple[AlertItem, ...]) -> tuple[AlertItem, ...]:
    """Return ``items`` by severity, highest first, in their own order otherwise."""
    return tuple(sorted(items, key=lambda item: -item.severity))


def _by_rule(items: tuple[AlertItem, ...]) -> list[tuple[str, list[AlertItem]]]:
    """Group by rule: rules in the order of their most urgent, then first item."""
    order: dict[str, int] = {}
    for item in urgent_first(items):
        order.setdefault(item.rule, len(order))
    ranked = sorted(urgent_first(items), key=lambda item: order[item.rule])
    return [(rule, list(group)) for rule, group in groupby(ranked, key=lambda item: item.rule)]


def _item(item: AlertItem) -> Element:
    line: list[Element] = []
    if item.severity in SIGNS:
        line += [emoji(SIGNS[item.severity]), words(" ")]
    title = cut(clean(item.title), ITEM_TITLE_MAX) or "(no title)"
    to = vet_link(item.url)
    if to is None:
        line.append(words(title))
    else:
        line.append(link(to, title))
        if to.shown_host:
            line.append(words(f" ({to.shown_host})"))
    source = cut(clean(item.source), ITEM_NAME_MAX)
    if source:
        line.append(words(f" · {source}"))
    if item.published is not None:
        line += [words(" · "), rich_date(item.published)]
    if item.sources > 1:
        line.append(
            words(f" · +{item.sources - 1} sources" if item.sources > 2 else " · +1 source")
        )
    return section(line)


def _lists(items: tuple[AlertItem, ...]) -> list[Block]:
    blocks = []
    for rule, group in _by_rule(items):
        name = cut(clean(rule), ITEM_NAME_MAX)
        head = [section([words(f"{name} ({len(group)})", bold=True)])] if name else []
        blocks.append(rich_text([*head, bullets([_item(item) for item in group])]))
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
    rest = [item for _, group in _by_rule(items) for item in group]
    # The most urgent lead, whatever their rule; the order within a page is _by_rule's.
    rest.sort(key=lambda item: -item.severity)
    pages: list[tuple[AlertItem, ...]] = []
    while rest:
        page: list[AlertItem] = []
        over: list[AlertItem] = []
        count: dict[str, int] = {}
        size = 600  # header, totals, mentions
        for item in rest:
            new_rule = item.rule not in count
            cost = _size([_item(item)]) + (200 if new_rule else 0)
            crowded = not pages and count.get(item.rule, 0) >= ITEMS_A_RULE
            # 50 blocks a message, of which up to five are not rule lists.
            if (page and size + cost > BUDGET) or crowded or (new_rule and len(count) >= 40):
                over.append(item)
                continue
            count[item.rule] = count.get(item.rule, 0) + 1
            size += cost
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
            title=f"{cut(clean(alert.title), 120) or TITLES[alert.kind]}, page {number}",
            items=items,
            totals=(),
            mention=(),
            reason="",
        )
        for number, items in enumerate(pages, start=2)
    )


def item_of(alert: Alert) -> AlertItem:
    """Return the line that stands for ``alert`` in a digest."""
    return AlertItem(
        title=alert.title,
        url=alert.url,
        source=alert.source,
        rule=", ".join(alert.rules),
        published=alert.published or alert.first_seen,
        severity=Severity(alert.severity),
        sources=max(1, len(alert.sources)),
    )

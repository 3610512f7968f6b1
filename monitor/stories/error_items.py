"""Error pages posted as items: what bridges and converters put in a feed when they fail.

They go to ops, never to alerts. Recognised by the whole title, so that news about errors passes.
"""

from __future__ import annotations

import re

from monitor.values import Entry

# The first is RSS-Bridge's own wording (it dates the item and gives the number of days since 1970
# in brackets); the others are the titles of error pages that converters take for articles.
_TITLES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"^bridge returned error\s*\d*\b.{0,20}$", "an error of RSS-Bridge"),
        (r"^\S{0,40} ?(?:was unable to receive or process the remote website's content)",
         "an error of RSS-Bridge"),
        (r"^(?:uncaught )?(?:httpexception|exception|cloudflareexception)\b.{0,60}$",
         "an error of a feed bridge"),
        (r"^rsshub (?:error|welcome)\b.{0,60}$|^looks like something went wrong\W*rsshub$",
         "an error of RSSHub"),
        (r"^\[?unable to retrieve full[- ]text content\]?\W*$", "an error of a full-text service"),
        (r"^(?:your |this )?(?:feed|rss feed|trial|subscription) (?:has )?"
         r"(?:expired|is no longer (?:active|available)|was (?:disabled|suspended))\W*$",
         "a notice of a feed service"),
        (r"^(?:error\W{0,3})?(?:http\W{0,3})?(?:error\W{0,3})?"
         r"(?:400 bad request|401 unauthorized|403 forbidden|404 not found|408 request timeout"
         r"|410 gone|429 too many requests|500 internal server error|502 bad gateway"
         r"|503 service (?:temporarily )?unavailable|504 gateway time-?out"
         r"|520 web server is returning an unknown error|521 web server is down"
         r"|522 connection timed out)\W*$", "an error page"),
        (r"^(?:http )?error (?:code )?(?:4\d\d|5\d\d)\W*$", "an error page"),
        (r"^(?:internal server error|bad gateway|service (?:temporarily )?unavailable"
         r"|gateway time-?out|page not found|access denied|forbidden|too many requests)\W*$",
         "an error page"),
        (r"^(?:attention required! \| cloudflare|just a moment\W*|ddos-guard|are you a robot\W*"
         r"|please verify you are (?:a )?human\W*|robot check|security check|captcha)$",
         "a page that keeps robots out"),
    )
)  # fmt: skip
# Nearly no title is one: all are asked at once.
_ANY = re.compile("|".join(f"(?:{each.pattern})" for each, _ in _TITLES), re.IGNORECASE)
MAX_TITLE = 200  # characters; no error page has a longer title


def is_error_item(entry: Entry) -> str | None:
    """Return in plain words what error ``entry`` is, or None for an entry."""
    title = " ".join(entry.title[: MAX_TITLE + 1].replace(":", " ").split())
    if not title or len(title) > MAX_TITLE:
        return None
    if not _ANY.search(title):
        return None
    for expression, reason in _TITLES:
        if expression.search(title):
            return f"{reason}, posted as an item: {' '.join(entry.title.split())}"
    return None

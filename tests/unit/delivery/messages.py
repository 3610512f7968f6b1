"""Every kind of message in every shape: ordinary, empty, huge and hostile. For tests and docs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

from monitor.values import Alert, AlertItem, Mark, MarkedText, Severity, Summary
from tests.unit.delivery.parts import START, story_alert

HOSTILE = (
    "<!channel> & <https://evil.example|click> *b* _i_ ~s~ `c` <@U123> &lt;!here&gt; "
    "```x``` > q {{7*7}} \u202eRTL\u200b zero\ufeff \x07bell \ud800 A" + "\u0300" * 50
)
EMPTY_SUMMARY = Summary("", MarkedText(""))


def _items(number: int, **changes: object) -> tuple[AlertItem, ...]:
    rules = ("Arms deals with Syria", "Sanctions near Russian banks", "Coups in the Sahel")
    titles = (
        "Russia sees no reason to halt weapon support for Syria",
        "Bank in Moscow named in new round of asset freezes",
        "Soldiers seize state television in the capital",
        "Second shipment of air defence parts reaches the port of Tartus",
        "Regulator lists eleven more lenders",
        "Curfew extended as mediators arrive",
    )
    sources = ("Example Wire", "Second Paper", "Third Agency", "Morning Post")
    out = []
    for n in range(number):
        item = AlertItem(
            title=titles[n % len(titles)],
            url=f"https://news.example/story/{n}",
            source=sources[n % len(sources)],
            rule=rules[n % len(rules)],
            published=START - timedelta(minutes=17 * n + 5),
            severity=Severity.HIGH if n == 1 else Severity.NORMAL,
            sources=1 + n % 3,
        )
        out.append(replace(item, **changes))  # type: ignore[arg-type]
    return tuple(out)


def _listing(kind: str, title: str, items: tuple[AlertItem, ...], **changes: object) -> Alert:
    values: dict[str, object] = {
        "story_id": f"{kind}/1",
        "title": title,
        "items": items,
        "summary": None,
        "sources": (),
        "rules": (),
        "terms": (),
        "url": None,
        "source": "",
        "published": None,
        "reason": "",
    }
    return story_alert(kind=kind, **{**values, **changes})


def examples() -> dict[str, Alert]:
    """Return the ordinary messages, by name: what the documentation shows."""
    update = Summary(
        "", MarkedText("The convoy carries Yak-130 trainers, port officials said.", (Mark(19, 26),))
    )
    return {
        "alert": story_alert(),
        "alert-high": story_alert(severity=Severity.HIGH),
        "alert-critical": story_alert(
            severity=Severity.CRITICAL,
            rules=("Arms deals with Syria", "Naval movements"),
            reason="first report",
        ),
        "alert-one-source": story_alert(sources=("Example Wire",), terms=("weapons sale",)),
        "update": story_alert(
            kind="update",
            title="Second shipment of air defence parts reaches the port of Tartus",
            summary=update,
            reason="development: Yak-130, Tartus",
            revision=1,
        ),
        "escalation": story_alert(
            kind="escalation",
            severity=Severity.HIGH,
            reason="escalated low → high: Third Agency",
            revision=2,
        ),
        "digest": _listing(
            "digest",
            "Morning digest",
            _items(9),
            totals=(("stories", "9"), ("feeds healthy", "198 of 200")),
        ),
        "baseline": _listing(
            "baseline",
            "Now watching 12 feeds",
            _items(5),
            reason="What was in the feeds before is not alerted; what comes from now on is.",
            totals=(
                ("feeds", "12"),
                ("entries already there", "341"),
                ("would have matched", "7"),
            ),
        ),
        "catch-up": _listing(
            "catch_up",
            "While this channel couldn't be reached",
            _items(60),
            reason="60 stories waited, the first for 3 hours",
        ),
        "ops": _listing(
            "ops",
            "Channel “syria” takes no messages: not_in_channel",
            (),
            reason="Invite the app to the channel: /invite @newswatch. Its alerts wait and are "
            "sent when it works again.",
            first_seen=START,
            severity=Severity.HIGH,
        ),
        "test": _listing(
            "test",
            "This is a test message",
            (),
            reason="Alerts for “news” will arrive here.",
            first_seen=START,
        ),
    }


@cache
def shapes() -> dict[str, Alert]:
    """Return each kind, ordinary, empty, huge and hostile."""
    out = {f"{name}": alert for name, alert in examples().items()}
    for kind in ("alert", "update", "escalation"):
        out[f"{kind}-empty"] = story_alert(
            kind=kind,
            title="",
            url=None,
            source="",
            published=None,
            first_seen=None,
            rules=(),
            terms=(),
            entities=(),
            summary=EMPTY_SUMMARY,
            sources=(),
            reason="",
        )
        huge = "word " * 40_000
        out[f"{kind}-huge"] = story_alert(
            kind=kind,
            title=huge,
            url="https://news.example/" + "a" * 2900,
            source=huge,
            severity=Severity.CRITICAL,
            rules=tuple(f"{n} {huge}" for n in range(300)),
            terms=tuple(f"{n} {huge}" for n in range(300)),
            summary=Summary(
                huge,
                MarkedText(huge, tuple(Mark(n * 10, n * 10 + 4) for n in range(20_000))),
            ),
            sources=tuple(f"{n} {huge}" for n in range(100)),
            reason=huge,
            story_id="s" * 1000,
        )
        out[f"{kind}-hostile"] = story_alert(
            kind=kind,
            title=HOSTILE,
            url="http://x/|y><!channel>",
            source=HOSTILE,
            rules=(HOSTILE,),
            terms=(HOSTILE, HOSTILE),
            summary=Summary(HOSTILE, MarkedText(HOSTILE, (Mark(0, 10), Mark(40, 60)))),
            sources=(HOSTILE, HOSTILE),
            reason=HOSTILE,
            story_id=HOSTILE,
        )
    for kind in ("digest", "baseline", "catch_up", "ops", "test"):
        out[f"{kind}-empty"] = _listing(kind, "", (), first_seen=None)
        out[f"{kind}-huge"] = _listing(
            kind,
            "word " * 9000,
            _items(400, title="word " * 9000, source="w" * 5000),
            reason="why " * 9000,
            totals=tuple((f"name {n} " * 900, "v" * 900) for n in range(50)),
        )
        out[f"{kind}-many-rules"] = _listing(
            kind,
            "Digest",
            tuple(
                AlertItem(f"Title {n}", f"https://news.example/{n}", "Wire", f"Rule {n}")
                for n in range(120)
            ),
        )
        out[f"{kind}-hostile"] = _listing(
            kind,
            HOSTILE,
            _items(5, title=HOSTILE, source=HOSTILE, rule=HOSTILE, url="http://bank.com@evil/"),
            reason=HOSTILE,
            totals=((HOSTILE, HOSTILE),),
        )
    return out

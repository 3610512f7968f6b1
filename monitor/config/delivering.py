"""The settings that say where alerts go and when: channels, routes, and their policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from monitor.config.base import Model
from monitor.config.hours import EVERY_DAY, Days, Hours, Schedule
from monitor.config.types import (
    Clock,
    Day,
    Duration,
    Flag,
    Interval,
    OneOrMore,
    Secret,
    Texts,
    Throttle,
    wrong,
)

ROUTE_LABELS = ("rule", "severity", "entities", "tags", "category", "language", "country", "feed")


LABEL_SPELLINGS = {
    "rules": "rule",
    "entity": "entities",
    "tag": "tags",
    "categories": "category",
    "languages": "language",
    "countries": "country",
    "feeds": "feed",
}


class QuietHours(Model):
    """Alerts are held between ``from`` and ``to``; ``critical`` never is."""

    from_: Annotated[Clock, Field(alias="from", description="Local time it starts.")]
    to: Annotated[Clock, Field(description="Local time it ends; before `from` means next day.")]
    days: Annotated[Days, Field(description="Weekdays it starts on.")] = EVERY_DAY
    except_: Annotated[
        list[Day], Field(alias="except", description="Dates it doesn't start on.")
    ] = []
    release: Annotated[
        Literal["digest", "each"], Field(description="As one digest at the end, or one by one.")
    ] = "digest"


class UnansweredSettings(Model):
    """Tell someone else when nobody reacted to an alert."""

    after: Annotated[Interval, Field(description="How long to wait.", examples=["10m"])]
    unless: Annotated[
        list[Literal["read", "follow", "not_relevant"]],
        Field(description="Reactions that count as an answer."),
    ] = ["read", "follow"]
    to: Annotated[OneOrMore, Field(description="Channels to tell.", min_length=1)]


def _quiet(value: Any) -> Any:
    """Read the short form ``"22:00-06:30"``."""
    if isinstance(value, str):
        windows = Hours.parse(value).windows
        if len(windows) != 1:
            raise wrong("not quiet hours", hint='write {from: "22:00", to: "06:30"}')
        window = windows[0]
        return {"from": window.start, "to": window.end, "days": window.days}
    return value


def _hours(value: Any) -> Any:
    """Read the long form ``{from: "08:00", to: "18:00", days: weekdays}``."""
    if isinstance(value, dict) and {"from", "to"} <= set(value) <= {"from", "to", "days"}:
        days = value.get("days", "daily")
        days = ",".join(map(str, days)) if isinstance(days, list) else str(days)
        return Hours.parse(f"{days} {value['from']}-{value['to']}")
    return value


class Policy(Model):
    """What a channel does with its alerts; a route may say otherwise for those it takes."""

    digest: Annotated[
        Schedule | None,
        Field(
            description="Collect alerts and post them as one message then.",
            examples=["weekdays 08:00", "daily 08:00, 17:30", "hourly"],
        ),
    ] = None
    throttle: Annotated[
        Throttle | None,
        Field(
            description="The most alerts in a time; the rest is summed up.",
            examples=["10 per hour"],
        ),
    ] = None
    quiet_hours: Annotated[
        QuietHours | None,
        BeforeValidator(_quiet),
        Field(description="Hold alerts between two times of day; never `critical` ones."),
    ] = None
    hours: Annotated[
        Hours | None,
        BeforeValidator(_hours),
        Field(
            description="Active hours: outside them alerts are held.",
            examples=["always", "weekdays 08:00-18:00"],
        ),
    ] = None
    mention: Annotated[
        OneOrMore, Field(description="IDs to mention (U…, W…, S…), or here, channel, everyone.")
    ] = []
    group_by: Annotated[
        OneOrMore, Field(description="Labels whose equal values make one message.")
    ] = []
    group_wait: Annotated[
        Duration | None, Field(description="How long a new group waits for its first message.")
    ] = None
    group_interval: Annotated[
        Interval | None, Field(description="How long until a group's next message.")
    ] = None
    unanswered: Annotated[
        UnansweredSettings | None, Field(description="Whom to tell when nobody reacts.")
    ] = None


class ChannelSettings(Policy):
    """A named destination (slack, webhook, apprise, discord or console) and its policy."""

    slack: Annotated[
        str | None, Field(description="A Slack channel.", examples=["#news-watch", "C012AB3CD"])
    ] = None
    webhook: Annotated[Secret | None, Field(description="A URL that gets each alert as JSON.")] = (
        None
    )
    secret: Annotated[
        Secret | None, Field(description="Key of the webhook's HMAC-SHA256 signature.")
    ] = None
    apprise: Annotated[Secret | None, Field(description="An Apprise URL.")] = None
    discord: Annotated[Secret | None, Field(description="A Discord webhook URL.")] = None
    console: Annotated[Flag, Field(description="Print to standard output.")] = False
    live: Annotated[
        Flag, Field(description="With a digest: also post each alert as it happens.")
    ] = True
    heartbeat: Annotated[Flag, Field(description="Post a line when a digest is empty.")] = False
    per_feed: Annotated[
        Throttle | None,
        Field(description="The most alerts from one feed.", examples=["20 per hour"]),
    ] = None
    enabled: Annotated[
        Flag, Field(description="`false`: takes nothing; its alerts go to the default channel.")
    ] = True


def _labels(value: Any) -> Any:
    """Bring a label's spellings and its values to one form: a list of texts under its own name."""
    if not isinstance(value, dict):
        return value
    return {
        LABEL_SPELLINGS.get(key, key): [item] if isinstance(item, str) else item
        for key, item in value.items()
    }


Labels = Annotated[
    dict[
        Literal["rule", "severity", "entities", "tags", "category", "language", "country", "feed"],
        Texts,
    ],
    BeforeValidator(_labels),
]


class RouteSettings(Policy):
    """Which alerts go where; the first that matches takes an alert, unless it says `continue`."""

    name: Annotated[str | None, Field(description="For `routes test`.")] = None
    when: Annotated[
        Labels,
        Field(description="Labels the alert must have, each one of the values; `*` is a wildcard."),
    ] = {}
    to: Annotated[OneOrMore, Field(description="Channels.")] = []
    continue_: Annotated[
        Flag, Field(alias="continue", description="Look at the following routes too.")
    ] = False
    enabled: Annotated[Flag, Field(description="`false`: as if it weren't there.")] = True


class InhibitSettings(Model):
    """While an alert with `when` is recent, alerts with `mute` are held back."""

    when: Annotated[Labels, Field(description="Labels of the alert that silences.", min_length=1)]
    mute: Annotated[Labels, Field(description="Labels of the alerts it silences.", min_length=1)]
    equal: Annotated[OneOrMore, Field(description="Labels that both must share.")] = []
    within: Annotated[Interval, Field(description="How long it holds.")] = timedelta(hours=24)

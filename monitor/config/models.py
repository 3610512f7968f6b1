"""The typed settings: what ``config.yaml`` may say, with its defaults.

Contains no file reading and no positions (see ``monitor.config.load``): only shapes and the rules
that one value must obey by itself. Field descriptions are the reference documentation and the
editor's tooltips (``monitor.config.schema``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.config.types import (
    EVERY_DAY,
    Clock,
    Day,
    Days,
    Duration,
    Flag,
    Fraction,
    Hours,
    Interval,
    OneOrMore,
    Schedule,
    Secret,
    SeverityName,
    Size,
    Text,
    Texts,
    Throttle,
    Whole,
    wrong,
)

Clause = Any  # a term, or a nested mapping of clauses; monitor.rules.compile gives it meaning

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


class Model(BaseModel):
    """A strict, immutable settings object: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DefaultSettings(Model):
    """What holds where nothing else is said."""

    timezone: Annotated[
        str, Field(description="IANA time zone of all times of day.", examples=["Europe/Paris"])
    ] = "UTC"
    channel: Annotated[
        str | None,
        Field(description="The channel for alerts that no rule and no route sends elsewhere."),
    ] = None


class RetentionSettings(Model):
    """How long what was seen is kept."""

    stories: Annotated[Interval, Field(description="Texts of stories.")] = timedelta(days=30)
    alerts: Annotated[Interval, Field(description="Alerts and feedback.")] = timedelta(days=365)
    max_size: Annotated[
        Size, Field(gt=0, description="Size of the database, above which the oldest texts go.")
    ] = 5_000_000_000


class SlackSettings(Model):
    """The Slack app. Without a token and a webhook, alerts print to the console."""

    token: Annotated[
        Secret | None,
        Field(description="Bot token, as ${ENV} only.", examples=["${SLACK_BOT_TOKEN}"]),
    ] = None
    app_token: Annotated[
        Secret | None,
        Field(description="App-level token: buttons and /watch.", examples=["${SLACK_APP_TOKEN}"]),
    ] = None
    webhook: Annotated[
        Secret | None, Field(description="Incoming webhook, where there is no bot token.")
    ] = None
    api_url: Annotated[
        str | None, Field(description="Another Slack API address; plain http only to loopback.")
    ] = None
    admins: Annotated[
        Texts,
        Field(description="User IDs who may add and mute for others.", examples=[["U012AB3CD"]]),
    ] = []


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
    enabled: Flag = True


class BasicAuth(Model):
    """HTTP basic authentication of a feed."""

    user: Text
    password: Annotated[
        Secret, Field(description="As ${ENV}, or as `password_file` with a file's path.")
    ]


class FeedSettings(Model):
    """A feed to poll; short form: its URL alone."""

    url: Annotated[
        str,
        Field(
            repr=False,
            description="http, https, or file: with a path under the configuration's folder.",
            examples=["https://example.org/world/rss.xml"],
        ),
    ]
    name: Annotated[Text | None, Field(description="Shown in alerts; default: the host.")] = None
    tags: Annotated[OneOrMore, Field(description="Ours, for `where` and routes.")] = []
    country: Annotated[
        str | None, Field(description="Where it is published (ISO 3166).", examples=["GB"])
    ] = None
    language: Annotated[
        str | None, Field(description="Its language, where it doesn't say.", examples=["en"])
    ] = None
    every: Annotated[
        Interval | None, Field(description="Fixed poll interval; default: adaptive.")
    ] = None
    alarm_if_silent: Annotated[
        Interval | None, Field(description="Alarm when nothing new came; default: learned.")
    ] = None
    full_text: Annotated[
        Literal["never", "when_needed", "always"], Field(description="Fetch the article's page.")
    ] = "never"
    first_run: Annotated[
        Literal["baseline", "alert", "ignore"],
        Field(description="What becomes of entries that were there before the feed was added."),
    ] = "baseline"
    user_agent: Annotated[str | None, Field(description="Another User-Agent.")] = None
    headers: Annotated[
        dict[str, Secret], Field(description="Extra request headers.", repr=False)
    ] = {}
    cookie: Annotated[
        Secret | None, Field(description="A Cookie header: ${ENV}, or `cookie_file`.")
    ] = None
    auth: Annotated[BasicAuth | None, Field(description="Basic authentication.")] = None
    enabled: Flag = True


class Validity(Model):
    """Dates between which an entity's aliases hold, both included."""

    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None


class EntitySettings(Model):
    """A named thing with its aliases; short form: the list of aliases."""

    type: Annotated[
        Literal["person", "org", "place", "country", "other"],
        Field(description="A person also matches by initials; an entity's words aren't plurals."),
    ] = "other"
    aliases: Annotated[OneOrMore, Field(description="Names it goes by; `=Name` is exact.")] = []
    extend: Annotated[Flag, Field(description="Add to the bundled entity of this name.")] = False
    valid: Annotated[Validity | None, Field(description="When the aliases hold.")] = None
    not_in: Annotated[
        OneOrMore, Field(description="Phrases that cover a hit without counting.")
    ] = []
    needs: Annotated[
        dict[str, Any] | None, Field(description="Terms the text must have too (any, all, unless).")
    ] = None
    capitals: Annotated[Flag, Field(description="A country's capital counts as the country.")] = (
        False
    )


class ExampleSettings(Model):
    """Texts the rule must and must not match, run by `test`."""

    match: OneOrMore = []
    no_match: OneOrMore = []


class WhenStory(Model):
    """Alert only once the story is that big."""

    sources: Annotated[Whole, Field(ge=1, description="Independent sources needed.")] = 1
    or_source: Annotated[OneOrMore, Field(description="Or any one of these.")] = []
    within: Annotated[Interval | None, Field(description="Counted over this time.")] = None


class VolumeSettings(Model):
    """Alert on how many stories match, instead of on each."""

    more_than: Annotated[Whole | None, Field(ge=0, description="More stories than this …")] = None
    per: Annotated[Interval, Field(description="… in this time.")] = timedelta(hours=1)
    spike: Annotated[
        Fraction | None, Field(gt=1, description="Times the rule's own usual number.")
    ] = None


def _ignore(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in {"none", "false", "no", "off"}:
        return "none"
    return value


def _inflect(value: Any) -> Any:
    """``false`` means none: what a user writes for "off"."""
    if value is False or (
        isinstance(value, str) and value.strip().lower() in {"false", "no", "off"}
    ):
        return "none"
    return value


def _clauses(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _listed_or_mapping(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if value is not None and not isinstance(value, list | dict):
        raise wrong("must be a list or a mapping")
    return value


def _scoped(value: Any) -> Any:
    """Read ``none``: a list, or lists by field (one text standing for a list of one)."""
    if isinstance(value, dict):
        return {key: _listed_or_mapping(item) for key, item in value.items()}
    return _listed_or_mapping(value)


class RuleSettings(Model):
    """What to watch for; all clauses of a rule must hold."""

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    any: Annotated[
        list[Clause] | None,
        BeforeValidator(_clauses),
        Field(description="At least one of these terms or clauses."),
    ] = None
    all: Annotated[
        list[Clause] | None, BeforeValidator(_clauses), Field(description="Every one of these.")
    ] = None
    none: Annotated[
        list[Clause] | dict[str, Any] | None,
        BeforeValidator(_scoped),
        Field(description="Not one of these; as a mapping: per field (title, lead, body, …)."),
    ] = None
    min: Annotated[
        dict[str, Any] | None,
        Field(description="At least n of these.", examples=[{"n": 2, "of": []}]),
    ] = None
    near: Annotated[
        dict[str, Any] | None, Field(description="Terms of several groups close to each other.")
    ] = None
    entities: Annotated[
        list[Clause] | dict[str, Any] | None,
        BeforeValidator(_listed_or_mapping),
        Field(description="Every entity listed; or {any: […]}, {at_least: 2, of: […]}."),
    ] = None
    match: Annotated[str | None, Field(description="A query string.")] = None
    in_: Annotated[
        Literal["title", "body"] | None, Field(alias="in", description="Where every clause looks.")
    ] = None
    inflect: Annotated[
        Literal["plural", "none", "stem"],
        BeforeValidator(_inflect),
        Field(description="Which forms of a keyword count."),
    ] = "plural"
    unless_in: Annotated[
        OneOrMore, Field(description="Phrases that cover a hit without counting.")
    ] = []
    where: Annotated[
        dict[str, Any] | None,
        Field(
            description="Which entries: tags, languages, country, category, feed, source, author."
        ),
    ] = None
    when_story: Annotated[
        WhenStory | None, Field(description="Wait until the story has so many sources.")
    ] = None
    volume: Annotated[
        VolumeSettings | None, Field(description="Alert on the number of stories instead.")
    ] = None
    ignore: Annotated[
        Literal["none"] | None,
        BeforeValidator(_ignore),
        Field(description="`none`: the top-level `ignore` doesn't apply."),
    ] = None
    key: Annotated[
        str | None,
        Field(
            description="Keeps apart what clustering merges.", examples=["/CVE-\\d{4}-\\d{4,7}/"]
        ),
    ] = None
    max_age: Annotated[Interval | None, Field(description="Older entries don't count.")] = None
    min_score: Annotated[Fraction, Field(ge=0, le=1, description="Least score.")] = 0.0
    precision: Annotated[
        Literal["high", "balanced", "broad"] | None, Field(description="A named least score.")
    ] = None
    to: Annotated[OneOrMore, Field(description="Channels for this rule's alerts.")] = []
    severity: Annotated[SeverityName, Field(description="How much an alert matters.")] = "normal"
    mention: Annotated[OneOrMore, Field(description="IDs to mention.")] = []
    throttle: Annotated[
        Throttle | None,
        Field(description="The most alerts of this rule.", examples=["10 per hour"]),
    ] = None
    examples: ExampleSettings | None = None
    description: Annotated[str | None, Field(description="For people.")] = None
    added_by: Annotated[str | None, Field(description="Who added it (written by /watch add).")] = (
        None
    )
    enabled: Flag = True


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
    enabled: Flag = True


class InhibitSettings(Model):
    """While an alert with `when` is recent, alerts with `mute` are held back."""

    when: Annotated[Labels, Field(description="Labels of the alert that silences.", min_length=1)]
    mute: Annotated[Labels, Field(description="Labels of the alerts it silences.", min_length=1)]
    equal: Annotated[OneOrMore, Field(description="Labels that both must share.")] = []
    within: Annotated[Interval, Field(description="How long it holds.")] = timedelta(hours=24)


class NetworkSettings(Model):
    """What may be dialled."""

    allow: Annotated[
        OneOrMore,
        Field(description="Private networks that feeds may be on.", examples=[["10.0.0.0/8"]]),
    ] = []
    proxy: Annotated[Secret | None, Field(description="An HTTP proxy.")] = None
    contact: Annotated[
        str | None,
        Field(
            description="Your address or page, for publishers; sent in the User-Agent.",
            examples=["https://example.org/newsbot"],
        ),
    ] = None
    transport: Annotated[
        Literal["own", "stock"],
        Field(description="`stock`: httpx's own transport; slower, a fallback."),
    ] = "own"
    http2: Annotated[Flag, Field(description="Offer HTTP/2 (needs the h2 package).")] = False
    allow_downgrade: Annotated[Flag, Field(description="Follow redirects from https to http.")] = (
        False
    )
    websub_callback: Annotated[
        str | None,
        Field(
            description="Our address as WebSub hubs reach it; without one, feeds are only polled.",
            examples=["https://news.example.org/websub"],
        ),
    ] = None


class PollingSettings(Model):
    """How often feeds are fetched."""

    min: Annotated[Interval, Field(description="Never more often.")] = timedelta(minutes=5)
    max: Annotated[Interval, Field(description="Never less often.")] = timedelta(hours=24)
    budget_per_day: Annotated[
        Whole | None, Field(gt=0, description="The most fetches a day, over all feeds.")
    ] = None


class WebSettings(Model):
    """The status page."""

    enabled: Annotated[Flag, Field(description="Serve it along with `run`.")] = False
    listen: Annotated[str, Field(description="Address and port.", examples=["127.0.0.1:8090"])] = (
        "127.0.0.1:8090"
    )
    url: Annotated[str | None, Field(description="Its address as people see it.")] = None
    token: Annotated[
        Secret | None, Field(description="Asked of everyone; needed off loopback.")
    ] = None


class Settings(Model):
    """The whole configuration, references resolved."""

    defaults: Annotated[
        DefaultSettings, Field(description="What holds where nothing else is said.")
    ] = DefaultSettings()
    state: Annotated[
        str,
        Field(
            description="Folder of the database, relative to this file; or postgresql://…",
            repr=False,
        ),
    ] = "./state"
    retention: Annotated[
        RetentionSettings, Field(description="How long what was seen is kept.")
    ] = RetentionSettings()
    slack: Annotated[SlackSettings, Field(description="The Slack app.")] = SlackSettings()
    channels: Annotated[
        dict[str, ChannelSettings], Field(description="Named destinations and their policies.")
    ] = {}
    feeds: Annotated[list[FeedSettings], Field(description="What to poll.")] = []
    entities: Annotated[
        dict[str, EntitySettings], Field(description="Named things; countries are built in.")
    ] = {}
    lists: Annotated[
        dict[str, Texts], Field(description="Named lists of terms: list:name in a rule.")
    ] = {}
    ignore: Annotated[
        dict[str, OneOrMore],
        Field(description="What every rule leaves out unless it says `ignore: none`, by field."),
    ] = {}
    rules: Annotated[list[RuleSettings], Field(description="What to watch for.")] = []
    routes: Annotated[list[RouteSettings], Field(description="Which alerts go where.")] = []
    inhibit: Annotated[
        list[InhibitSettings], Field(description="Which alerts silence others.")
    ] = []
    include: Annotated[
        OneOrMore,
        Field(
            description="More files with rules, entities, lists, routes, ignore.",
            examples=["rules.d/*.yaml"],
        ),
    ] = []
    network: Annotated[NetworkSettings, Field(description="What may be dialled.")] = (
        NetworkSettings()
    )
    polling: Annotated[PollingSettings, Field(description="How often feeds are fetched.")] = (
        PollingSettings()
    )
    web: Annotated[WebSettings, Field(description="The status page.")] = WebSettings()

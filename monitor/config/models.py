"""The typed settings: what ``config.yaml`` may say, with its defaults.

Contains no file reading and no positions (see ``monitor.config.load``): only shapes and the rules
that one value must obey by itself. Field descriptions are the reference documentation and the
editor's tooltips (``monitor.config.schema``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from monitor.config.base import Model
from monitor.config.delivering import (
    LABEL_SPELLINGS,
    ROUTE_LABELS,
    ChannelSettings,
    InhibitSettings,
    Labels,
    Policy,
    QuietHours,
    RouteSettings,
    UnansweredSettings,
)
from monitor.config.types import Flag, Interval, OneOrMore, Secret, Size, Texts, Whole
from monitor.config.watching import (
    BasicAuth,
    Clause,
    EntitySettings,
    ExampleSettings,
    FeedSettings,
    RuleSettings,
    Validity,
    VolumeSettings,
    WhenStory,
)

__all__ = [
    "LABEL_SPELLINGS",
    "ROUTE_LABELS",
    "BasicAuth",
    "ChannelSettings",
    "Clause",
    "DefaultSettings",
    "EntitySettings",
    "ExampleSettings",
    "FeedSettings",
    "InhibitSettings",
    "Labels",
    "Model",
    "NetworkSettings",
    "Policy",
    "PollingSettings",
    "QuietHours",
    "RetentionSettings",
    "RouteSettings",
    "RuleSettings",
    "Settings",
    "SlackSettings",
    "UnansweredSettings",
    "Validity",
    "VolumeSettings",
    "WebSettings",
    "WhenStory",
]


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
    websub_listen: Annotated[
        str,
        Field(
            description="Where hubs' calls are taken, usually behind a reverse proxy.",
            examples=["127.0.0.1:8089"],
        ),
    ] = "127.0.0.1:8089"


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

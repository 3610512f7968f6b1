"""The typed settings: what ``config.yaml`` may say, with its defaults.

Contains no file reading and no positions (see ``monitor.config.load``): only shapes and the rules
that one value must obey by itself.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Model(BaseModel):
    """A strict, immutable settings object: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# Duration, Size, Severity… are refined by monitor.config (custom types that read "10m", "5GB").
Clause = Any  # a term, or a nested mapping of clauses; monitor.rules.compile gives it meaning


class DefaultSettings(Model):
    timezone: str = "UTC"
    channel: str | None = None


class RetentionSettings(Model):
    stories: timedelta = timedelta(days=30)
    alerts: timedelta = timedelta(days=365)
    max_size: int = 5_000_000_000


class SlackSettings(Model):
    token: SecretStr | None = None
    app_token: SecretStr | None = None
    webhook: SecretStr | None = None
    api_url: str | None = None
    admins: list[str] = []


class ChannelSettings(Model):
    slack: str | None = None
    webhook: SecretStr | None = None
    apprise: SecretStr | None = None
    console: bool = False
    live: bool = True
    enabled: bool = True
    digest: str | None = None
    throttle: str | None = None
    quiet_hours: dict[str, Any] | None = None
    hours: Any = None
    mention: list[str] = []


class FeedSettings(Model):
    url: str
    name: str | None = None
    tags: list[str] = []
    country: str | None = None
    language: str | None = None
    every: timedelta | None = None
    alarm_if_silent: timedelta | None = None
    full_text: Literal["never", "when_needed", "always"] = "never"
    first_run: Literal["baseline", "alert", "ignore"] = "baseline"
    enabled: bool = True
    user_agent: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    headers: dict[str, SecretStr] = {}
    cookie_file: str | None = None  # Netscape format; relative to the configuration


class EntitySettings(Model):
    type: Literal["person", "org", "place", "country", "other"] = "other"
    aliases: list[str] = []
    extend: bool = False
    valid: dict[str, date] | None = None
    not_in: list[str] = []
    needs: dict[str, Any] | None = None
    capitals: bool = False


class ExampleSettings(Model):
    match: list[str] = []
    no_match: list[str] = []


class RuleSettings(Model):
    """One rule; clauses are ANDed (design: rule semantics)."""

    name: str
    any: list[Clause] | None = None
    all: list[Clause] | None = None
    none: list[Clause] | dict[str, list[Clause]] | None = None
    min: dict[str, Any] | None = None
    near: dict[str, Any] | None = None
    entities: list[Clause] | dict[str, Any] | None = None
    match: str | None = None
    in_: Annotated[Literal["title", "body"] | None, Field(alias="in")] = None
    inflect: Literal["plural", "none", "stem"] = "plural"
    unless_in: list[str] = []
    where: dict[str, Any] | None = None
    when_story: dict[str, Any] | None = None
    ignore: Literal["none"] | None = None
    key: str | None = None
    max_age: timedelta | None = None
    min_score: float = 0.0
    precision: Literal["high", "balanced", "broad"] | None = None
    to: list[str] = []
    severity: Literal["info", "low", "normal", "high", "critical"] = "normal"
    examples: ExampleSettings | None = None
    enabled: bool = True


class RouteSettings(Model):
    when: dict[str, Any] = {}
    to: list[str] = []
    continue_: Annotated[bool, Field(alias="continue")] = False
    mention: list[str] = []
    quiet_hours: dict[str, Any] | None = None
    enabled: bool = True


class NetworkSettings(Model):
    allow: list[str] = []
    proxy: SecretStr | None = None
    contact: str | None = None  # a URL or address for publishers, in the User-Agent
    transport: Literal["own", "stock"] = "own"
    http2: bool = False
    allow_downgrade: bool = False  # follow redirects from https to http
    websub_callback: str | None = None  # our own address as hubs can reach it


class PollingSettings(Model):
    min: timedelta = timedelta(minutes=5)
    max: timedelta = timedelta(hours=24)
    budget_per_day: int | None = None


class Settings(Model):
    """The whole configuration, references resolved."""

    defaults: DefaultSettings = DefaultSettings()
    state: str = "./state"
    retention: RetentionSettings = RetentionSettings()
    slack: SlackSettings = SlackSettings()
    channels: dict[str, ChannelSettings] = {}
    feeds: list[FeedSettings] = []
    entities: dict[str, EntitySettings] = {}
    lists: dict[str, list[str]] = {}
    ignore: dict[str, list[str]] = {}
    rules: list[RuleSettings] = []
    routes: list[RouteSettings] = []
    include: str | list[str] | None = None
    network: NetworkSettings = NetworkSettings()
    polling: PollingSettings = PollingSettings()

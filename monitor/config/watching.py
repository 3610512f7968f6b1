"""The settings that say what is watched: feeds, entities, rules.

Field descriptions are the reference documentation and the editor's tooltips.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from monitor.config.base import Model
from monitor.config.types import (
    Day,
    Flag,
    Fraction,
    Interval,
    OneOrMore,
    Secret,
    SeverityName,
    Text,
    Throttle,
    Whole,
    wrong,
)

Clause = Any  # a term, or a nested mapping of clauses; monitor.rules.clauses gives it meaning


class BasicAuth(Model):
    """HTTP basic authentication of a feed."""

    user: Annotated[Text, Field(description="The user's name.")]
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
    identity: Annotated[
        Literal["guid", "url", "title"] | None,
        Field(description="The one thing that tells its entries apart; default: all together."),
    ] = None
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
    enabled: Annotated[Flag, Field(description="`false`: not polled, nothing forgotten.")] = True


class Validity(Model):
    """Dates between which an entity's aliases hold, both included."""

    from_: Annotated[Day | None, Field(alias="from", description="The first day.")] = None
    to: Annotated[Day | None, Field(description="The last day.")] = None


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

    match: Annotated[OneOrMore, Field(description="Texts the rule must fire on.")] = []
    no_match: Annotated[OneOrMore, Field(description="Texts it must not fire on.")] = []

    def each(self) -> list[tuple[str, bool]]:
        """Return every text and whether the rule must fire on it."""
        return [(text, True) for text in self.match] + [(text, False) for text in self.no_match]


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

    name: Annotated[
        Text,
        Field(min_length=1, max_length=200, description="What alerts call it; no two are alike."),
    ]
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
    examples: Annotated[
        ExampleSettings | None, Field(description="Texts that `newswatch test` tries it on.")
    ] = None
    description: Annotated[str | None, Field(description="For people.")] = None
    added_by: Annotated[str | None, Field(description="Who added it (written by /watch add).")] = (
        None
    )
    enabled: Annotated[Flag, Field(description="`false`: it matches nothing.")] = True

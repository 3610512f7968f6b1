"""The documented example, and what each kind of setting reads."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config.hours import Hours, Schedule
from monitor.config.models import ChannelSettings, FeedSettings, QuietHours, RuleSettings
from monitor.config.types import Throttle
from tests.unit.config.samples import FULL, loaded, refused, write

ENV = {"SLACK_BOT_TOKEN": "xoxb-1-secret", "PAGER_URL": "json://example.org"}


def test_the_documented_example_loads(tmp_path: Path) -> None:
    result = loaded(tmp_path, FULL, ENV)
    settings = result.settings
    assert result.warnings == ()
    assert settings.defaults.timezone == "Europe/Paris"
    assert settings.retention.stories == timedelta(days=30)
    assert settings.retention.alerts == timedelta(days=365)
    assert settings.retention.max_size == 5_000_000_000
    assert settings.slack.token is not None
    assert settings.slack.token.get_secret_value() == "xoxb-1-secret"
    assert settings.slack.app_token is None
    assert [feed.url for feed in settings.feeds] == [
        "https://example.org/world/rss.xml",
        "https://example.com/feed",
    ]
    assert settings.entities["Apple"].aliases == ["=Apple", "Apple Inc"]
    assert settings.entities["Assad"].valid is not None
    assert settings.entities["Assad"].valid.to == date(2024, 12, 8)
    assert settings.lists["arms"][-1] == "=Yak-130"
    assert settings.ignore == {"category": ["sport", "horoscopes"], "url": ["/sport/"]}
    arms, sanctions = settings.rules
    assert (arms.to, arms.severity) == (["syria"], "high")
    assert arms.none == {"title": ["video game"]}
    assert sanctions.when_story is not None
    assert sanctions.when_story.sources == 3
    assert sanctions.when_story.within == timedelta(hours=2)
    assert settings.routes[0].when == {"severity": ["critical"]}
    assert settings.routes[1].to == ["news"]
    quiet = settings.routes[1].quiet_hours
    assert isinstance(quiet, QuietHours)
    assert (quiet.from_, quiet.to, quiet.release) == (time(22), time(6, 30), "digest")


def test_the_shipped_configurations_load(tmp_path: Path) -> None:
    from monitor.config.load import load

    root = Path(__file__).resolve().parents[3]
    assert load(root / "config.yaml", {}).settings.rules
    demo = load(root / "monitor/demo/config.yaml", {"DEMO_FEEDS": "http://127.0.0.1:1"})
    assert demo.settings.feeds


FORMS: list[tuple[str, str, str, Any]] = [
    ("to: news", "to", "list", ["news"]),
    ("to: [news]", "to", "list", ["news"]),
    ("inflect: false", "inflect", "false", "none"),
    ("inflect: stem", "inflect", "word", "stem"),
    ("ignore: none", "ignore", "none", "none"),
    ("ignore: false", "ignore", "false", "none"),
    ("any: arms deal", "any", "one term", ["arms deal"]),
    ("entities: Syria", "entities", "one entity", ["Syria"]),
    ("min: {n: 2, of: [a, b, c]}", "min", "count", {"n": 2, "of": ["a", "b", "c"]}),
    (
        "near: {of: [[a], [b]], within: 12, ordered: true}",
        "near",
        "numbers",
        {"of": [["a"], ["b"]], "within": 12, "ordered": True},
    ),
    ("entities: {at_least: 2, of: [A, B]}", "entities", "count", {"at_least": 2, "of": ["A", "B"]}),
    ("all: [{any: [x, y]}, {entity: Syria}]", "all", "nested", None),
    ("min_score: 0.5", "min_score", "number", 0.5),
    ("max_age: 2d", "max_age", "duration", timedelta(days=2)),
    ("enabled: no", "enabled", "flag", False),
    ("none: {title: video game}", "none", "scoped", {"title": ["video game"]}),
    ("volume: {more_than: 5, per: 1h}", "volume", "volume", None),
    ("added_by: U012AB3CD", "added_by", "person", "U012AB3CD"),
]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [(row[0], row[1], row[3]) for row in FORMS],
    ids=[f"{row[1]}-{row[2]}" for row in FORMS],
)
def test_rule_forms(tmp_path: Path, line: str, key: str, value: Any) -> None:
    text = f"channels: {{news: {{console: true}}}}\nrules:\n  - name: R\n    {line}\n"
    if key not in {"any", "all", "min", "near", "entities"}:
        text += "    match: x\n"
    rule = loaded(tmp_path, text).settings.rules[0]
    got = getattr(rule, key)
    assert got is not None if value is None else got == value


SCHEDULES = [
    ("weekdays 08:00", {0, 1, 2, 3, 4}, ["08:00"]),
    ("daily 17:30, 08:00", set(range(7)), ["08:00", "17:30"]),
    ("08:00 17:30", set(range(7)), ["08:00", "17:30"]),
    ("mon-fri at 8:00", {0, 1, 2, 3, 4}, ["08:00"]),
    ("fri-mon 09:00", {4, 5, 6, 0}, ["09:00"]),
    ("mon, thu 09:00", {0, 3}, ["09:00"]),
    ("0 8 * * 1-5", {0, 1, 2, 3, 4}, ["08:00"]),
    ("*/30 9-10 * * sun", {6}, ["09:00", "09:30", "10:00", "10:30"]),
    ("0 6 * * 0,6", {5, 6}, ["06:00"]),
    ("hourly", set(range(7)), [f"{hour:02}:00" for hour in range(24)]),
]


@pytest.mark.parametrize(("text", "days", "times"), SCHEDULES)
def test_schedules(text: str, days: set[int], times: list[str]) -> None:
    schedule = Schedule.parse(text)
    assert schedule == text
    assert schedule.days == days
    assert [each.strftime("%H:%M") for each in schedule.times] == times


HOURS: list[tuple[Any, list[tuple[int, str, str]]]] = [
    ("always", []),
    ("08:00-18:00", [(7, "08:00", "18:00")]),
    ("weekdays 08:00-18:00; sat 10:00-12:00", [(5, "08:00", "18:00"), (1, "10:00", "12:00")]),
    ({"from": "22:00", "to": "06:00", "days": ["mon", "tue"]}, [(2, "22:00", "06:00")]),
]


@pytest.mark.parametrize(("given", "windows"), HOURS)
def test_hours(given: Any, windows: list[tuple[int, str, str]]) -> None:
    hours = ChannelSettings.model_validate({"console": True, "hours": given}).hours
    assert isinstance(hours, Hours)
    assert [
        (len(each.days), each.start.strftime("%H:%M"), each.end.strftime("%H:%M"))
        for each in hours.windows
    ] == windows


THROTTLES = [
    ("10 per hour", 10, timedelta(hours=1)),
    ("3 per 30m", 3, timedelta(minutes=30)),
    ("1/day", 1, timedelta(days=1)),
    ("5 every 2 hours", 5, timedelta(hours=2)),
]


@pytest.mark.parametrize(("text", "limit", "per"), THROTTLES)
def test_throttles(text: str, limit: int, per: timedelta) -> None:
    throttle = Throttle.parse(text)
    assert (throttle, throttle.limit, throttle.per) == (text, limit, per)


WRONG = [
    ("defaults: {timezone: Europe/Pariss}", "1:22", "unknown time zone `Europe/Pariss`"),
    ("defaults: {timezone: ../etc/passwd}", "1:22", "unknown time zone"),
    ("retention: {stories: 10x}", "1:22", "`stories`: `10x`: not a duration"),
    ("retention: {stories: 0d}", "1:22", "must be longer than nothing"),
    ("retention: {max_size: lots}", "1:23", "`max_size`: `lots`: not a size"),
    ("channels: {a: {slack: '#a', digest: sometimes}}", "1:37", "not a schedule"),
    ("channels: {a: {slack: '#a', digest: '0 8 1 * *'}}", "1:37", "days of the month"),
    ("channels: {a: {slack: '#a', throttle: 10}}", "1:39", "not a throttle"),
    ("channels: {a: {slack: '#a', hours: late}}", "1:36", "not active hours"),
    ("channels: {a: {slack: '#a', quiet_hours: {from: '25:00', to: '06:00'}}}", "1:49", "time"),
    ("channels: {a: {slack: '#a', live: maybe}}", "1:35", "neither true nor false"),
    ("channels: {a: {slack: '#a', console: true}}", "1:12", "2 destinations: slack, console"),
    ("channels: {a: {live: true}}", "1:12", "no destination"),
    ("channels: {a: {slack: 'two words'}}", "1:23", "can't be a Slack channel"),
    ("channels: [a]", "1:11", "`channels` must be a mapping"),
    ("rules: {a: b}", "1:8", "`rules` must be a list"),
    ("rules: [{any: [x]}]", "1:9", "`name` is missing"),
    ("rules: [{name: R}]", "1:9", "says nothing to look for"),
    ("rules: [{name: R, any: [x], severity: hihg}]", "1:39", "can't be `hihg`, only info"),
    ("rules: [{name: R, any: [x], min_score: 2}]", "1:40", "less than or equal to 1"),
    ("rules: [{name: R, any: [x], volume: {per: 1h}}]", "1:29", "needs `more_than` or `spike`"),
    ("rules: [{name: R, any: [x], max_age: soon}]", "1:38", "not a duration"),
    ("rules: [{name: R, match: [a, b]}]", "1:26", "must be a text, not a list"),
    ("rules: [{name: R, any: [x]}, {name: R, any: [y]}]", "1:37", "two rules are called `R`"),
    ("entities: {A: {valid: {to: never}}}", "1:28", "not a date"),
    ("entities: {A: {type: gadget}}", "1:22", "can't be `gadget`"),
    ("routes: [{when: {sevrity: high}}]", "1:18", "unknown label"),
    ("routes: [{when: {severity: hihg}}]", "1:28", "unknown severity `hihg`"),
    ("inhibit: [{when: {rule: R}, mute: {tag: x}, equal: [colour]}]", "1:53", "unknown label"),
    ("network: {allow: [10.0.0.0/99]}", "1:19", "is not a network"),
    ("polling: {min: 2d}", "1:16", "`min` is longer than `max`"),
    ("polling: {budget_per_day: 0}", "1:27", "greater than 0"),
    ("web: {enabled: true, listen: '0.0.0.0:80'}", "1:30", "open to the network"),
    ("web: {listen: nowhere}", "1:15", "can't be listened on"),
    ("state: mysql://h/db", "1:8", "can't be kept in `mysql:`"),
    ("slack: {api_url: 'http://evil.example/'}", "1:18", "plain http is for this machine only"),
]


@pytest.mark.parametrize(("text", "at", "message"), WRONG, ids=[row[0] for row in WRONG])
def test_wrong_values_with_their_place(tmp_path: Path, text: str, at: str, message: str) -> None:
    problems = refused(tmp_path, text + "\n")
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    place = found[0].place
    assert place is not None
    assert f"{place.line}:{place.column}" == at


HINTS = [
    ("defaults: {timezone: Europe/Pariss}", "did you mean `Europe/Paris`?"),
    ("rules: [{name: R, any: [x], severity: hihg}]", "did you mean `high`?"),
    ("rules: [{name: R, nay: [x]}]", "did you mean `any`?"),
    ("channels: {news: {console: true}}\ndefaults: {channel: mews}", "did you mean `news`?"),
    ("feeds: [{url: 'https://x.org/', country: UK}]", "write GB"),
    ("feeds: [{url: 'https://x.org/', country: gb}]", "write GB"),
    ("feeds: [{url: 'https://x.org/', contry: GB}]", "did you mean `country`?"),
    ("routes: [{when: {sevrity: high}}]", "did you mean `severity`?"),
    ("channels: {a: {slack: '#desk'}}\ndefaults: {channel: '#desk'}", "write `a`"),
    ("channels: {a: {slack: '#desk'}}\ndefaults: {channel: desk}", "write `a`"),
    ("rules: [{name: R, all: [{anny: [x]}]}]", "did you mean `any`?"),
    ("slack: {tokn: x}", "did you mean `token`?"),
    ("channels: {a: {slack: '#a', quiet_hours: {form: '22:00', to: '6:00'}}}", "did you mean"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS, ids=[row[0] for row in HINTS])
def test_did_you_mean(tmp_path: Path, text: str, hint: str) -> None:
    assert any(hint in problem.hint for problem in refused(tmp_path, text + "\n"))


@pytest.mark.parametrize("where", ["to", "route", "default", "unanswered"])
def test_unknown_channels(tmp_path: Path, where: str) -> None:
    text = {
        "to": "rules: [{name: R, any: [x], to: [news, nowhere]}]",
        "route": "routes: [{to: nowhere}]",
        "default": "defaults: {channel: nowhere}",
        "unanswered": "routes: [{to: news, unanswered: {after: 10m, to: nowhere}}]",
    }[where]
    (problem,) = refused(tmp_path, f"channels: {{news: {{console: true}}}}\n{text}\n")
    assert "unknown channel `nowhere`" in problem.message
    assert problem.place is not None
    line = text[problem.place.column - 1 :]
    assert line.startswith("nowhere")


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = """\
defaults: {timezone: Mars/Base, chanel: x}
feeds:
  - htp://example.org/
  - {url: "https://example.org/", country: UK, every: soon}
rules:
  - name: A
    any: [coup: Mali]
    any: [x]
    to: nowhere
    severity: hihg
  - {name: B, nay: [x]}
"""
    problems = refused(tmp_path, text)
    lines = [problem.place.line for problem in problems if problem.place]
    assert lines == sorted(lines)
    assert {1, 3, 4, 7, 8, 9, 10, 11} <= set(lines)
    assert len(problems) >= 10


def test_a_problem_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "defaults: {chanel: 'a\n\n b'}\n")
    from monitor.config.load import load
    from monitor.errors import ConfigError

    with pytest.raises(ConfigError) as raised:
        load(path, {})
    assert str(raised.value) == (
        f"{path}:1:12: error: unknown key `chanel` in `defaults` (did you mean `channel`?)"
    )


def test_settings_are_immutable_and_strict() -> None:
    with pytest.raises(ValueError, match="extra"):
        RuleSettings.model_validate({"name": "R", "match": "x", "extra": 1})
    feed = FeedSettings(url="https://example.org/")
    with pytest.raises(ValueError, match="frozen"):
        feed.url = "https://example.com/"  # type: ignore[misc]

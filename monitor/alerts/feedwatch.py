"""Which feeds fail, which have gone silent, and what ops is told of them. Pure.

One message covers what began together and is edited in place until all is well again, so that ops
is never noisier than the news. A feed that fails again within a day takes up its old message. When
most feeds fail at once that is one outage, not a message for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from monitor.store.port import FeedState
from monitor.values import Alert, Feed, Severity

FAILURES = 3  # in a row, and
FAILING_FOR = timedelta(hours=1)  # for so long, before ops is told
# A feed is silent, by its own measure, when twelve entries were to be expected since the last one
# (for independent arrivals a chance of e^-12), but not sooner than a weekend; as `feeds health`.
SILENT_ENTRIES = 12
SILENT_LEAST, SILENT_MOST = timedelta(days=2), timedelta(days=60)
QUIET_BETWEEN = timedelta(minutes=10)  # between two messages about newly failing feeds
REOPENED = timedelta(days=1)  # a feed that fails again so soon takes up its old message
OUTAGE_SHARE, OUTAGE_OVER = 0.5, 0.25  # of all feeds: an outage begins, and is over
OUTAGE_FEEDS = 5  # below this number of failing feeds each is told of by itself
OUTAGE_FAILURES = 2
LISTED = 15  # feeds named in one message

Kind = Literal["failing", "silent", "outage"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A feed with its state, and how many entries a day it usually brings (0: not known)."""

    feed: Feed
    state: FeedState
    per_day: float = 0.0


@dataclass(slots=True)
class Trouble:
    """One feed in an episode."""

    name: str
    reason: str
    since: datetime
    over: datetime | None = None


@dataclass(slots=True)
class Episode:
    """What began together and is told in one message. ``revision`` counts its edits."""

    id: str
    kind: Kind
    opened: datetime
    feeds: dict[str, Trouble] = field(default_factory=dict)
    revision: int = 0
    over: datetime | None = None


@dataclass(slots=True)
class FeedWatch:
    """What ops has been told of the feeds."""

    episodes: list[Episode] = field(default_factory=list)


def look(watch: FeedWatch, feeds: Sequence[Watched], channel: str, now: datetime) -> list[Alert]:
    """Compare the feeds with what ops knows; return the messages and edits due.

    ``watch`` is changed in place. An alert with a revision above 0 is an edit of the episode's
    message.
    """
    active = {each.feed.key: each for each in feeds}
    changed: list[Episode] = []
    outage = _outage(watch, feeds, changed, now)
    changed.extend(e for e in watch.episodes if e.kind != "outage" and _settle(e, active, now))
    if not outage:
        for kind in ("failing", "silent"):
            _open(watch, _troubles(kind, feeds, now), kind, changed, now)
    watch.episodes = [
        each for each in watch.episodes if each.over is None or now - each.over < REOPENED
    ]
    out = []
    for episode in {each.id: each for each in changed}.values():
        out.append(alert_of(episode, channel, now))
        episode.revision += 1
    return out


def failing(each: Watched, now: datetime) -> Trouble | None:
    """Return what is wrong with a feed that fails for long enough, or None."""
    state = each.state
    if state.disabled_reason:
        return Trouble(each.feed.name, state.disabled_reason, now)
    since = _since(state)
    if state.failures < FAILURES or since is None or now - since < FAILING_FOR:
        return None
    return Trouble(each.feed.name, state.last_status, since)


def silent(each: Watched, now: datetime) -> Trouble | None:
    """Return the trouble of a feed that answers but brings nothing new, or None.

    Counted up to its last good answer: while we were down or it failed it wasn't silent.
    """
    state, limit = each.state, each.feed.alarm_if_silent
    span = _silence(state, now)
    if span is None:
        return None
    since, until = span
    learned = limit is None
    if limit is None:
        if each.per_day <= 0:
            return None
        expected = timedelta(days=SILENT_ENTRIES / each.per_day)
        limit = min(max(expected, SILENT_LEAST), SILENT_MOST)
    if until - since < limit:
        return None
    usual = f"usually {each.per_day:.1f} a day" if learned else f"alarm after {_span(limit)}"
    return Trouble(each.feed.name, f"nothing new for {_span(until - since)} ({usual})", since)


def may_be_silent(state: FeedState, now: datetime) -> bool:
    """Tell whether a feed has brought nothing for so long that its usual rate is worth knowing."""
    span = _silence(state, now)
    return span is not None and span[1] - span[0] >= SILENT_LEAST


def _silence(state: FeedState, now: datetime) -> tuple[datetime, datetime] | None:
    """Return from when until when a feed that answers well has brought nothing new."""
    if state.failures or state.disabled_reason or state.baselined_at is None:
        return None
    if state.last_ok_at is None:
        return None
    since = max(filter(None, (state.last_new_at, state.baselined_at)))
    return since, min(now, state.last_ok_at)


def _since(state: FeedState) -> datetime | None:
    value = state.extra.get("failing_since")
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _troubles(kind: str, feeds: Iterable[Watched], now: datetime) -> dict[str, Trouble]:
    judge = failing if kind == "failing" else silent
    found = ((each.feed.key, judge(each, now)) for each in feeds)
    return {key: trouble for key, trouble in found if trouble is not None}


# Episodes ----------------------------------------------------------------------------------------


def _outage(
    watch: FeedWatch, feeds: Sequence[Watched], changed: list[Episode], now: datetime
) -> bool:
    """Open or close the episode of an outage; tell whether there is one."""
    down = [each for each in feeds if each.state.failures >= OUTAGE_FAILURES]
    open_one = next((e for e in watch.episodes if e.kind == "outage" and e.over is None), None)
    if open_one is None:
        if len(down) < OUTAGE_FEEDS or len(down) < OUTAGE_SHARE * len(feeds):
            return False
        episode = Episode(_ident("outage", now), "outage", now)
        episode.feeds = {
            each.feed.key: Trouble(each.feed.name, each.state.last_status, now) for each in down
        }
        watch.episodes.append(episode)
        changed.append(episode)
        return True
    if len(down) > OUTAGE_OVER * len(feeds):
        return True
    open_one.over = now
    changed.append(open_one)
    return False


def _settle(episode: Episode, active: dict[str, Watched], now: datetime) -> bool:
    """Note which feeds of an episode are well again, or no longer watched."""
    changed = False
    for key, trouble in episode.feeds.items():
        if trouble.over is not None:
            continue
        each = active.get(key)
        if each is not None and _still(episode, each, trouble):
            continue
        trouble.over = now
        changed = True
    if changed and all(each.over is not None for each in episode.feeds.values()):
        episode.over = now
    return changed


def _still(episode: Episode, each: Watched, trouble: Trouble) -> bool:
    state = each.state
    if episode.kind == "failing":
        return state.failures > 0 or state.disabled_reason is not None
    return state.last_new_at is None or state.last_new_at <= trouble.since


def _open(
    watch: FeedWatch,
    troubles: dict[str, Trouble],
    kind: Kind,
    changed: list[Episode],
    now: datetime,
) -> None:
    """Put feeds newly in trouble into their old episode, or together into a new one."""
    mine = [episode for episode in watch.episodes if episode.kind == kind]
    known = {key for e in mine for key, t in e.feeds.items() if t.over is None}
    fresh = {key: trouble for key, trouble in troubles.items() if key not in known}
    for episode in mine:
        again = [key for key in fresh if key in episode.feeds]
        for key in again:
            episode.feeds[key] = fresh.pop(key)
            episode.over = None
        if again:
            changed.append(episode)
    if not fresh or any(timedelta(0) <= now - e.opened < QUIET_BETWEEN for e in mine):
        return
    episode = Episode(_ident(kind, now), kind, now, fresh)
    watch.episodes.append(episode)
    changed.append(episode)


def _ident(kind: str, now: datetime) -> str:
    return f"feeds/{kind}/{int(now.timestamp())}"


# Words -------------------------------------------------------------------------------------------


def alert_of(episode: Episode, channel: str, now: datetime) -> Alert:
    """Return the message that tells how an episode stands."""
    left = [each for each in episode.feeds.values() if each.over is None]
    over = [each for each in episode.feeds.values() if each.over is not None]
    lines = [(each.name, f"{each.reason}, since {each.since:%F %R} UTC") for each in left]
    lines += [(each.name, f"well again at {each.over:%F %R} UTC") for each in over]
    more = len(lines) - LISTED
    totals = lines[:LISTED]
    if more > 0:
        totals.append(("and", f"{more} more (see `feeds health`)"))
    return Alert(
        kind="ops",
        channel=channel,
        story_id=episode.id,
        title=_title(episode, left, over),
        reason=_advice(episode),
        first_seen=now,
        severity=Severity.NORMAL if episode.over is None else Severity.INFO,
        revision=episode.revision,
        totals=tuple(totals) if episode.kind != "outage" else (),
    )


def _title(episode: Episode, left: Sequence[Trouble], over: Sequence[Trouble]) -> str:
    number = len(left) + len(over)
    if episode.kind == "outage":
        if episode.over is not None:
            return f"The feeds answer again (from {episode.opened:%R} to {episode.over:%R} UTC)"
        return f"Most feeds fail ({number})"
    fails, is_silent, well = (
        ("fails", "is silent", "works again")
        if number == 1
        else ("fail", "are silent", "work again")
    )
    verb = fails if episode.kind == "failing" else is_silent
    if number == 1:
        return f"Feed {(*left, *over)[0].name} {verb if left else well}"
    if not left:
        return f"{number} feeds {well}"
    return f"{len(left)} of {number} feeds {verb}" if over else f"{number} feeds {verb}"


def _advice(episode: Episode) -> str:
    if episode.over is not None:
        return ""
    if episode.kind == "outage":
        return (
            "All at once, so it is probably this machine's network or name service. "
            "They are tried again; what they published meanwhile is not lost while they list it."
        )
    return ""


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"

"""`stats`: what the rules' alerts were worth, and what would have kept the bad ones away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.alerts.notices import counted
from monitor.alerts.stats import (
    SHARES,
    Latencies,
    Percentiles,
    RuleStats,
    Told,
    latencies,
    repeats,
    sparkline,
    stories_of,
)
from monitor.cli.common import (
    Span,
    config_option,
    emit,
    json_option,
    load_watch,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.clock import SystemClock
from monitor.config.load import feeds
from monitor.delivery.text import clean
from monitor.review.figures import Period, figures_of, proposals, read_period
from monitor.review.proposals import Proposal

MONTH = timedelta(days=30)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@click.command()
@config_option
@json_option
@click.option("--since", type=Span(), default=MONTH, show_default="30d", help="How far back.")
def stats(config_path: Path, as_json: bool, since: timedelta) -> None:
    """Show each rule's alerts, what people said of them (precision by week), how fast they came,
    and terms for `none` that would have kept the rejected ones away."""
    watch = load_watch(config_path, tolerant=True)
    now = SystemClock().now()

    async def read() -> Period:
        async with opened_store(watch.loaded) as store:
            return await read_period(store, now - since, now)

    period = run_async(read)
    settings = watch.loaded.settings
    figures = figures_of(settings, period)
    known = {feed.key: feed for feed in feeds(watch.loaded)}
    proposed = proposals(settings, watch.compiled.ruleset.rules, known, period)
    if as_json:
        emit(_as_json(period, figures, proposed))
    else:
        _show(stdout_console(), period, figures, proposed)


# For machines ------------------------------------------------------------------------------------


def _as_json(
    period: Period, figures: Sequence[RuleStats], proposed: Mapping[str, Sequence[Proposal]]
) -> dict[str, object]:
    roots = [each for each in period.sent if each.is_root]
    return {
        "since": _iso(period.since),
        "until": _iso(period.now),
        "alerts": len(roots),
        "updates": len(period.sent) - len(roots),
        "stories": len(stories_of(period.sent, period.entries)),
        "entries": len(period.entries),
        "duplicates_saved": repeats(period.entries),
        "latency": _latency_json(latencies(roots)),
        "rules": [_rule_json(each, proposed.get(each.rule, ())) for each in figures],
    }


def _rule_json(each: RuleStats, proposed: Sequence[Proposal]) -> dict[str, object]:
    return {
        "rule": each.rule,
        "alerts": each.alerts,
        "updates": each.updates,
        "stories": each.stories,
        "entries": each.entries,
        "duplicates_saved": each.repeats,
        **each.said,
        "accepted": each.accepted,
        "rejected": each.rejected,
        "precision": _rounded(each.precision),
        "weeks": [
            {
                "week": week.starts.isoformat(),
                "alerts": week.alerts,
                "accepted": week.accepted,
                "rejected": week.rejected,
                "precision": _rounded(week.precision),
            }
            for week in each.weeks
        ],
        "latency": _latency_json(each.latencies),
        "proposals": [
            {
                "none": one.term,
                "rejected": one.rejected,
                "rejected_of": one.rejected_of,
                "accepted": one.accepted,
                "accepted_of": one.accepted_of,
                "unjudged": one.unjudged,
                "unjudged_of": one.unjudged_of,
            }
            for one in proposed
        ],
    }


def _latency_json(each: Latencies) -> dict[str, object]:
    return {
        "published_to_seen": _percentiles_json(each.published_to_seen),
        "seen_to_posted": _percentiles_json(each.seen_to_posted),
    }


def _percentiles_json(each: Percentiles | None) -> dict[str, float] | None:
    """Return seconds by percentile ("p50")."""
    if each is None:
        return None
    named = {
        f"p{share * 100:.0f}": round(seconds, 3)
        for share, seconds in zip(SHARES, each.seconds, strict=True)
    }
    return {"count": each.count, **named}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# For people --------------------------------------------------------------------------------------


def _show(
    console: Console,
    period: Period,
    figures: Sequence[RuleStats],
    proposed: Mapping[str, Sequence[Proposal]],
) -> None:
    alive = [each for each in figures if each.alerts or each.entries or sum(each.said.values())]
    if not alive:
        console.print(f"No alert and no match since {period.since:%F %R} UTC.")
        return
    console.print(_rules_table(alive))
    judged = [each for each in alive if each.precision is not None]
    if judged:
        console.print()
        console.print(_weeks_table(judged))
    console.print()
    console.print(_latency_table([each for each in period.sent if each.is_root], alive))
    if proposed:
        console.print()
        console.print(_proposals_table(proposed))
    console.print()
    alerts = counted("alert", sum(each.is_root for each in period.sent))
    entries = counted("entry", len(period.entries))
    console.print(
        f"{alerts} since {period.since:%F %R} UTC; {entries} matched,"
        f" {repeats(period.entries)} of them more of a story that had one"
    )
    if silent := len(figures) - len(alive):
        console.print(f"rules that matched nothing: {silent}")
    if not judged:
        console.print("Nobody has pressed a button yet, so precision isn't known.")


def _rules_table(figures: Sequence[RuleStats]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    names = "alerts", "updates", "stories", "entries", "saved", "read", "not relevant", "follow"
    for name in (*names, "precision"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in figures:
        numbers = (each.alerts, each.updates, each.stories, each.entries, each.repeats)
        table.add_row(
            Text(clean(each.rule)),
            *(str(number) for number in (*numbers, *each.said.values())),
            _percent(each.precision),
        )
    return table


def _weeks_table(figures: Sequence[RuleStats]) -> Table:
    """Precision by week; the newest weeks, as many as fit beside each other."""
    starts = [week.starts for week in figures[0].weeks][-8:]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("precision, week of")
    for start in starts:
        table.add_column(f"{start:%m-%d}", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in figures:
        by_start = {week.starts: week for week in each.weeks}
        cells = [_percent(by_start[start].precision) for start in starts]
        line = sparkline(week.precision for week in each.weeks[-26:])
        table.add_row(Text(clean(each.rule)), *cells, Text(line, "cyan"))
    return table


def _latency_table(roots: Sequence[Told], figures: Sequence[RuleStats]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("within")
    shares = [f"{share * 100:.0f} %" for share in SHARES]
    for way in ("published → seen", "seen → posted"):
        for name in (f"{way} {shares[0]}", *shares[1:]):
            table.add_column(name, justify="right", no_wrap=True)
    named = [("all", latencies(roots)), *((each.rule, each.latencies) for each in figures)]
    for name, each in named:
        ways = (each.published_to_seen, each.seen_to_posted)
        if any(ways):
            cells = [_time(one) for way in ways for one in (way.seconds if way else _NONE)]
            table.add_row(Text(clean(name)), *cells)
    return table


_NONE: tuple[None, ...] = (None,) * len(SHARES)


def _proposals_table(proposed: Mapping[str, Sequence[Proposal]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    table.add_column("proposed for none")
    for name in ("would veto: rejected", "accepted", "not judged"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule, terms in proposed.items():
        for each in terms:
            table.add_row(
                Text(clean(rule)),
                Text(clean(each.term)),
                f"{each.rejected} of {each.rejected_of}",
                Text(f"{each.accepted} of {each.accepted_of}", "red" if each.accepted else ""),
                f"{each.unjudged} of {each.unjudged_of}",
            )
    return table


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.0%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"

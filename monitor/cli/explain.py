"""`explain`, `why-not`, `backtest`, `rules vetoes`: why stories match, or don't."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from monitor.cli.common import (
    Span,
    Watch,
    config_option,
    emit,
    json_option,
    load_watch,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.cli.rules import days, marked, rules, stored_documents
from monitor.cli.stories import read_story
from monitor.config.load import feeds
from monitor.config.models import Settings
from monitor.errors import EXIT_FINDINGS, UsageError
from monitor.pipeline.documents import document_of_stored
from monitor.rules import RuleSet, compile_rules, plain
from monitor.rules.explain import Explanation
from monitor.rules.explain import explain as explain_rule
from monitor.store.port import FoundEntry
from monitor.values import TEXT_FIELDS, Document, Match

MONTH = timedelta(days=30)
_CONTEXT = 200


# ---------------------------------------------------------------------------------------- explain
@click.command()
@click.argument("rule")
@click.argument("story")
@config_option
@json_option
def explain(rule: str, story: str, config_path: Path, as_json: bool) -> None:
    """Show clause by clause why RULE matches STORY: an entry's id or URL, or a file with a story
    (JSON,
    or plain text)."""
    watch = load_watch(config_path, tolerant=True)
    documents = [document for document, _ in _documents(watch, story)]
    if not documents:
        raise UsageError(f"no stored entry and no file is called {story!r}")
    document = documents[0]
    try:
        found = explain_rule(watch.loaded.settings, rule, document)
    except KeyError:
        raise UsageError(f"there is no rule {rule!r} that compiles") from None
    if as_json:
        emit(_as_data(found, document))
        return
    console = stdout_console()
    verdict = ("fires", "bold green") if found.fires else ("doesn't fire", "bold red")
    console.print(
        Text.assemble(f"{rule} ", verdict, f": {found.first_failure}" * (not found.fires))
    )
    for step in found.steps:
        sign = ("✓ ", "green") if step.holds else ("✗ ", "red")
        where = ", ".join(f"{h.field}:{h.start}-{h.end} {h.text!r}" for h in step.hits[:6])
        console.print(Text.assemble("  ", sign, step.text, (f"   {where}" if where else "", "dim")))
    if found.score is not None:
        console.print(
            f"  score {found.score:.3f}" + (f", needed {found.needed}" * (found.needed > 0))
        )
    for name in TEXT_FIELDS:
        text = document.text(name)
        here = [hit for hit in found.hits if hit.field == name]
        if text and (here or name == "title"):
            end = max((hit.end for hit in here), default=0) + _CONTEXT
            console.print(Text.assemble((f"{name}: ", "dim"), marked(text, here, name)[:end]))


def _as_data(found: Explanation, document: Document) -> dict[str, object]:
    return {
        "rule": found.rule,
        "story": document.id,
        "fires": found.fires,
        "score": found.score,
        "needed": found.needed,
        "why_not": found.first_failure or None,
        "clauses": [
            {
                "clause": step.text,
                "holds": step.holds,
                "veto": step.veto,
                "hits": [
                    {
                        "term": h.term, "entity": h.entity, "field": h.field,
                        "start": h.start, "end": h.end, "text": h.text,
                    }
                    for h in step.hits
                ],
            }
            for step in found.steps
        ],
    }  # fmt: skip


def _documents(watch: Watch, story: str) -> list[tuple[Document, FoundEntry | None]]:
    """Return the stories that ``story`` names: stored entries, or the contents of a file."""
    path = Path(story)
    if "://" not in story and path.is_file():
        return [(_read_file(path), None)]
    known = {feed.key: feed for feed in feeds(watch.loaded)}

    async def main() -> Sequence[FoundEntry]:
        async with opened_store(watch.loaded) as store:
            return await store.find_entries(story)

    return [(document_of_stored(each, known), each) for each in run_async(main)]


def _read_file(path: Path) -> Document:
    """Read a story: one JSON object as `replay` takes it, else text whose first line is the
    title."""
    text = path.read_text("utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        try:
            story = read_story(json.dumps(json.loads(text)), 1)
        except ValueError:
            story = read_story(text.strip().splitlines()[0], 1)
        if story.document is None:
            raise UsageError(f"{path}: {story.error}")
        return plain(story.document)
    title, _, body = text.strip().partition("\n")
    if "<" in title:  # a page: its own title isn't its first line
        return plain(Document(path.name, "", "", text))
    return plain(Document(path.name, title.strip(), "", body))


# ---------------------------------------------------------------------------------------- why-not
@click.command(name="why-not")
@click.argument("story", metavar="URL|FILE")
@config_option
@json_option
@click.option("--rule", "only", help="Only this rule.")
@click.pass_context
def why_not(
    ctx: click.Context, story: str, config_path: Path, as_json: bool, only: str | None
) -> None:
    """Say why a story made no alert: the first stage that stopped it, and for each rule the first
    term
    that failed or vetoed. Exits 1 when the story is not known."""
    watch = load_watch(config_path, tolerant=True)
    settings = watch.loaded.settings
    names = [rule.name for rule in settings.rules if rule.enabled and only in (None, rule.name)]
    if only is not None and not names:
        raise UsageError(f"there is no rule {only!r}")
    documents = _documents(watch, story)
    if not documents:
        said = _not_stored(watch, story)
        if as_json:
            emit({"story": story, "stage": "not seen", "reason": said})
        else:
            click.echo(said)
        ctx.exit(EXIT_FINDINGS)
    for document, stored in documents:
        stage = stored.entry.outcome if stored else "read from a file: only the rules are looked at"
        reasons: dict[str, str] = {}
        for name in names:
            try:
                found = explain_rule(settings, name, document)
            except KeyError:
                reasons[name] = "the rule has an error: see `newswatch check`"
                continue
            reasons[name] = "it fires" if found.fires else found.first_failure
        if as_json:
            emit({
                "story": document.id, "title": document.title,
                "stage": stage, "matched": list(stored.rules) if stored else None, "rules": reasons,
            })  # fmt: skip
            continue
        console = stdout_console()
        console.print(marked(document.title, (), "title"), style="bold")
        console.print(Text(f"  {stage}"))
        if stored is not None:
            seen = stored.entry.first_seen
            console.print(Text(f"  first seen {seen:%F %R} UTC in {stored.feed_key}"))
        for name, reason in reasons.items():
            console.print(Text(f"  {name}: {reason}"))


def _not_stored(watch: Watch, story: str) -> str:
    """Say why a story is not in the store, as far as the feeds' states tell."""

    async def main() -> Mapping[str, str]:
        async with opened_store(watch.loaded) as store:
            states = await store.feed_states()
        return {key: state.last_status for key, state in states.items()}

    statuses = run_async(main)
    failing = [f"{key}: {said}" for key, said in statuses.items() if not said.startswith("ok")]
    said = f"{story}: never seen in any of the {len(statuses)} feeds polled"
    if not statuses:
        said = f"{story}: no feed has been polled yet; start `newswatch run`"
    return said + ("".join(f"\n  {each}" for each in failing[:20]))


# --------------------------------------------------------------------------------------- backtest
@click.command()
@config_option
@json_option
@click.option("--since", type=Span(), default=MONTH, show_default="30d", help="How far back.")
@click.option(
    "--against", type=click.Path(path_type=Path, exists=True), help="Another configuration."
)
@click.pass_context
def backtest(
    ctx: click.Context, config_path: Path, as_json: bool, since: timedelta, against: Path | None
) -> None:
    """Run the rules on the stored stories: alerts per day and per rule. With --against: what the
    rules of
    this configuration would match that the other's don't, and the reverse."""
    watch = load_watch(config_path)
    documents = stored_documents(watch, since)
    found = _run(watch.compiled.ruleset, documents)
    if against is not None:
        other = load_watch(against)
        _compare(
            documents, found, _run(other.compiled.ruleset, documents), against, as_json=as_json
        )
        return
    counts = Counter(match.rule for matches in found for match in matches)
    per_day = _per_day(documents, found)
    span = max(since / timedelta(days=1), 1e-9)
    names = list(watch.compiled.ruleset.rules)
    silent = [name for name in names if not counts[name]]
    if as_json:
        emit({
            "stories": len(documents), "since_days": round(span, 3),
            "rules": {name: counts[name] for name in names},
            "per_day": dict(per_day), "never_matched": silent,
        })  # fmt: skip
        return
    console = stdout_console()
    table = Table("rule", "stories", "a day", "", box=None, pad_edge=False)
    top = max(counts.values(), default=1)
    for name in sorted(names, key=lambda each: -counts[each]):
        bar = "█" * round(24 * counts[name] / top)
        table.add_row(
            Text(name), str(counts[name]), f"{counts[name] / span:.1f}", Text(bar, "cyan")
        )
    console.print(table)
    if per_day:
        console.print()
        most = max(per_day.values())
        for day, number in per_day.items():
            console.print(f"{day}  {number:5}  " + "█" * round(40 * number / max(most, 1)))
    matched = sum(1 for matches in found if matches)
    click.echo(f"{matched} of {len(documents)} stories in the last {days(since)} match a rule")
    if silent:
        click.echo("never matched: " + ", ".join(silent))
    ctx.exit(EXIT_FINDINGS if silent and documents else 0)


def _run(ruleset: RuleSet, documents: Sequence[Document]) -> list[tuple[Match, ...]]:
    return ruleset.match_many(documents)


def _per_day(documents: Sequence[Document], found: Sequence[Sequence[Match]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for document, matches in zip(documents, found, strict=True):
        day = f"{document.published:%F}" if document.published else "undated"
        out[day] = out.get(day, 0) + bool(matches)
    return dict(sorted(out.items()))


def _compare(
    documents: Sequence[Document],
    mine: Sequence[Sequence[Match]],
    other: Sequence[Sequence[Match]],
    against: Path,
    *,
    as_json: bool,
) -> None:
    """Show the stories that only one of two configurations matches."""
    rows: list[tuple[str, Document, list[str]]] = []
    for document, a, b in zip(documents, mine, other, strict=True):
        here, there = {m.rule for m in a}, {m.rule for m in b}
        if a and not b:
            rows.append(("new", document, sorted(here)))
        elif b and not a:
            rows.append(("lost", document, sorted(there)))
        elif here != there:
            rows.append(("rules", document, sorted(here ^ there)))
    new, lost = (sum(1 for kind, _, _ in rows if kind == each) for each in ("new", "lost"))
    for kind, document, names in rows:
        if as_json:
            emit({"change": kind, "id": document.id, "title": document.title, "rules": names})
        else:
            style = {"new": "green", "lost": "red", "rules": "yellow"}[kind]
            shown = Text.assemble((f"{kind:6}", style), marked(document.title, (), "title"))
            stdout_console().print(shown + Text(f"  [{', '.join(names)}]", "dim"))
    if not as_json:
        click.echo(f"{new} new and {lost} lost against {against}, of {len(documents)} stories")


# ----------------------------------------------------------------------------------------- vetoes
@rules.command(name="vetoes")
@config_option
@json_option
@click.option("--since", type=Span(), default=MONTH, show_default="30d", help="How far back.")
def vetoes(config_path: Path, as_json: bool, since: timedelta) -> None:
    """Show what each `none` term took away: stories that would have matched without it."""
    watch = load_watch(config_path)
    settings = watch.loaded.settings
    documents = stored_documents(watch, since)
    table = Table("rule", "veto", "stories", "for example", box=None, pad_edge=False)
    for rule in settings.rules:
        if not rule.enabled or rule.none is None:
            continue
        free = rule.model_copy(update={"none": None})
        free.model_fields_set.discard("none")
        alone = settings.model_copy(update={"rules": [free]})
        if not any(
            getattr(free, each) for each in ("any", "all", "min", "near", "entities", "match")
        ):
            continue
        taken = _taken(alone, settings, rule.name, documents)
        for veto, titles in sorted(taken.items(), key=lambda item: -len(item[1])):
            if as_json:
                emit(
                    {"rule": rule.name, "veto": veto, "stories": len(titles), "titles": titles[:10]}
                )
            else:
                table.add_row(Text(rule.name), Text(veto), str(len(titles)), Text(titles[0][:80]))
    if not as_json:
        if table.row_count:
            stdout_console().print(table)
        else:
            click.echo(f"no veto took anything away in the last {days(since)}")


def _taken(
    free: Settings, settings: Settings, name: str, documents: Sequence[Document]
) -> dict[str, list[str]]:
    """Return, for each veto of a rule, the titles of the stories that only it took away."""
    out: dict[str, list[str]] = {}
    ruleset = compile_rules(free).ruleset
    for document in documents:
        if not ruleset.match(document):
            continue
        steps = explain_rule(settings, name, document).steps
        for step in steps:
            if step.veto and not step.holds:
                out.setdefault(step.text.removeprefix("NOT "), []).append(document.title)
    return out

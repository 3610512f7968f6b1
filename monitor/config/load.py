"""From files to settings: read, merge, replace references, validate; all problems at once.

``load`` is the one way a configuration comes in. Rules stay raw clauses here
(``monitor.rules`` compiles them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from monitor.config import explain
from monitor.config.checks import check_settings
from monitor.config.clauses import Finding, check_rule, check_texts
from monitor.config.feeds import feed_names as feed_names
from monitor.config.feeds import feeds as feeds
from monitor.config.include import Merged, read_all
from monitor.config.loaded import Loaded as Loaded
from monitor.config.models import Settings
from monitor.config.positions import Positions
from monitor.config.secrets import LITERAL_TOKEN, Resolved, resolve
from monitor.config.yaml import TEXT_SECTIONS, Empty, YamlError
from monitor.errors import ConfigError, Place, Problem

TELLING = 4  # characters of a value below which it can't be told from a word
MASKED_FROM = 8  # characters by which a value is known again where it is cut short


def load(
    path: FilePath,
    env: Mapping[str, str],
    *,
    overlay: Mapping[FilePath, bytes] | None = None,
) -> Loaded:
    """Return the configuration in ``path`` with its includes.

    ``env`` holds the variables that ``${NAME}`` refers to. ``overlay`` gives files (by resolved
    path) another content than they have: to see whether a change would load.
    Raises ``ConfigError`` with every problem found, each with its place.
    """
    try:
        merged = read_all(path, overlay or {})
    except YamlError as error:
        raise ConfigError([_in_one_line(error.problem)]) from None
    positions = Positions(merged.sources, merged.segments, merged.owners)
    problems = list(merged.problems)
    problems += _literal_tokens(merged)
    problems += _empty_values(merged.empties)
    data = merged.data
    _expand_short_forms(data)
    addresses = _addresses(data)
    folder = path.parent
    resolved = resolve(
        data,
        env,
        folder,
        positions.place,
        references_in_text=any("${" in source.text for source in merged.sources),
    )
    problems += resolved.problems
    problems += _clause_problems(data, positions)
    settings: Settings | None = None
    usable = True
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        known = {problem.place for problem in problems if problem.level == "error"}
        problems += [
            problem
            for problem in explain.problems(error, positions, resolved.removed)
            if problem.place not in known
        ]
        settings, addresses = _with_stand_ins(data, addresses, error)
        usable = False
    if settings is not None:
        problems += check_settings(settings, addresses, positions, folder)
        if resolved.literal:
            problems += _mode_warning(path)
    problems = _in_order([_without_values(each, resolved) for each in problems], merged)
    if settings is None or not usable or any(problem.level == "error" for problem in problems):
        raise ConfigError(problems)
    return Loaded(
        settings=settings,
        path=path,
        files=tuple(merged.files),
        digest=_digest(merged.raw, resolved),
        warnings=tuple(problems),
        positions=positions,
        secrets=frozenset(resolved.values),
        secret_files=tuple(resolved.files),
        addresses=addresses,
    )


def _with_stand_ins(
    data: dict[str, Any], addresses: tuple[str, ...], error: ValidationError
) -> tuple[Settings | None, tuple[str, ...]]:
    """Put harmless values where the broken ones stand, so that the other checks can still run."""
    urls = list(addresses)
    for each in error.errors(include_url=False, include_input=False):
        section, step, key = (*each["loc"], None, None, None)[:3]
        items = data.get(str(section))
        item = items[step] if isinstance(items, list) and isinstance(step, int) else None
        if isinstance(item, dict) and key in item and key not in {"name", "url"}:
            del item[key]
            if section == "rules":
                item.setdefault("match", "broken")  # it had a clause, if not one that can be read
        elif section in _STAND_INS and isinstance(items, list) and isinstance(step, int):
            items[step] = _STAND_INS[str(section)](step)
            if section == "feeds":
                urls[step] = items[step]["url"]
        elif section == "channels" and isinstance(items, dict) and step in items:
            items[step] = {"console": True}
        elif isinstance(items, dict) and step in items:
            del items[step]
        elif not isinstance(items, dict) or step is None:
            data.pop(str(section), None)
            urls = [] if section == "feeds" else urls
    try:
        return Settings.model_validate(data), tuple(urls)
    except ValidationError:
        return None, ()


# `.invalid` never resolves (RFC 2606 §2); a stand-in is never run anyway.
_STAND_INS: dict[str, Callable[[int], dict[str, Any]]] = {
    "feeds": lambda index: {"url": f"https://broken-{index}.invalid/"},
    "rules": lambda index: {"name": f"broken \x00 {index}", "match": "broken"},
    "routes": lambda index: {},
    "inhibit": lambda index: {"when": {"rule": ["*"]}, "mute": {"rule": ["*"]}},
}


def _expand_short_forms(data: dict[str, Any]) -> None:
    """Write out what may be said shorter: a feed as its URL, an entity as its aliases."""
    feeds = data.get("feeds")
    if isinstance(feeds, list):
        data["feeds"] = [{"url": feed} if isinstance(feed, str) else feed for feed in feeds]
    entities = data.get("entities")
    if isinstance(entities, dict):
        for name, value in entities.items():
            if isinstance(value, list | str):
                entities[name] = {"aliases": value}
    lists = data.get("lists")
    if isinstance(lists, dict):
        for name, value in lists.items():
            if isinstance(value, str):
                lists[name] = [value]


def _addresses(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the feeds' URLs before variables are replaced: keys that carry no secret."""
    feeds = data.get("feeds")
    if not isinstance(feeds, list):
        return ()
    return tuple(str(feed.get("url", "")) if isinstance(feed, dict) else "" for feed in feeds)


def _empty_values(empties: list[Empty]) -> list[Problem]:
    problems = []
    for empty in empties:
        path = empty.path
        if isinstance(path[-1], int):
            hint = "quote it or write list:arms"
            if empty.commented:
                hint = f'quote it ("#{empty.commented}") or write list:{empty.commented}'
            message = "an empty item: `#` starts a comment in YAML"
        elif len(path) == 1 or path[0] == "slack":
            continue  # a section that isn't filled in yet, a token that isn't there
        elif len(path) > 2 and path[0] in TEXT_SECTIONS and isinstance(path[-2], int):
            message = f"YAML read `{path[-1]}:` as a mapping"
            hint = f'quote it: "{path[-1]}:"'
            if path[0] in {"rules"} and len(path) == 3:
                message, hint = _no_value(empty)
        else:
            message, hint = _no_value(empty)
        problems.append(Problem(message, empty.place, hint))
    return problems


def _no_value(empty: Empty) -> tuple[str, str]:
    key = empty.path[-1]
    if empty.commented:
        return f"`{key}` has no value", (
            f'`#` starts a comment in YAML: quote it ("#{empty.commented}")'
        )
    return f"`{key}` has no value", "give it one, or remove the key"


def _literal_tokens(merged: Merged) -> list[Problem]:
    problems = []
    for source in merged.sources:
        for found in LITERAL_TOKEN.finditer(source.text):
            start = source.text.rfind("\n", 0, found.start()) + 1
            if source.text[start : found.start()].lstrip().startswith("#"):
                continue
            line = source.text.count("\n", 0, start) + 1
            problems.append(
                Problem(
                    "a token in plain text",
                    Place(source.file, line, found.start() - start + 1),
                    "take it back (it is known to all who saw this file), put the new one in the "
                    "environment and write ${NAME}",
                )
            )
    return problems


def _clause_problems(data: dict[str, Any], positions: Positions) -> list[Problem]:
    found: list[Finding] = []
    rules = data.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            check_rule(rule, ("rules", index), found)
    for section in ("lists", "ignore"):
        values = data.get(section)
        for name, terms in values.items() if isinstance(values, dict) else ():
            check_texts(terms, (section, name), found)
    entities = data.get("entities")
    for name, entity in entities.items() if isinstance(entities, dict) else ():
        if isinstance(entity, dict):
            for key in ("aliases", "not_in"):
                check_texts(entity.get(key), ("entities", name, key), found)
    return [
        Problem(problem.message, positions.place(path), problem.hint) for path, problem in found
    ]


def _mode_warning(path: FilePath) -> list[Problem]:
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if not mode & 0o044:
        return []
    return [
        Problem(
            f"the file holds an address with a secret, and others may read it "
            f"(mode {mode & 0o777:04o})",
            Place(str(path), 1, 1),
            "chmod 600, or write ${NAME}",
            level="warning",
        )
    ]


def _in_order(problems: list[Problem], merged: Merged) -> list[Problem]:
    """Sort by file and place, without repeats; errors of the whole file first."""
    rank = {source.file: index for index, source in enumerate(merged.sources)}

    def key(problem: Problem) -> tuple[int, int, int]:
        place = problem.place
        return (rank.get(place.file, 0), place.line, place.column) if place else (-1, 0, 0)

    return sorted(dict.fromkeys(map(_in_one_line, problems)), key=key)


def _without_values(problem: Problem, resolved: Resolved) -> Problem:
    """Name the variable where its value would be shown: it may be a secret in a wrong place."""
    stand_ins = dict.fromkeys(resolved.values, "…")
    stand_ins |= {value: f"${{{name}}}" for name, value in resolved.used.items() if value}
    texts = [problem.message, problem.hint, problem.excerpt]
    for value in sorted(stand_ins, key=len, reverse=True):
        if len(value) >= TELLING:
            texts = [_masked(text, value, stand_ins[value]) for text in texts]
    return replace(problem, message=texts[0], hint=texts[1], excerpt=texts[2])


def _masked(text: str, value: str, stand_in: str) -> str:
    """Put ``stand_in`` in the place of ``value``, also where that is cut short."""
    begins, at = value[:MASKED_FROM], 0
    while (at := text.find(begins, at)) >= 0:
        same = zip(text[at:], value, strict=False)
        shown = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same))
        text = text[:at] + stand_in + text[at + shown :]
        at += len(stand_in)
    return text


def _in_one_line(problem: Problem) -> Problem:
    """Show control characters in a quoted value as escapes: a problem is one line."""
    if problem.message.isprintable() and problem.hint.isprintable():
        return problem
    message, hint = (
        "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
        for text in (problem.message, problem.hint)
    )
    return Problem(message, problem.place, hint, problem.level, problem.excerpt)


def _digest(files: list[bytes], resolved: Resolved) -> str:
    total = hashlib.sha256()
    for raw in (*files, *resolved.files.values()):
        total.update(hashlib.sha256(raw).digest())
    for name, value in sorted(resolved.used.items()):
        said = (
            "-" if value is None else hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
        )
        total.update(f"{name}={said}\n".encode())
    return total.hexdigest()

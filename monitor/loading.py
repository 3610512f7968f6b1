"""From a configuration file to compiled rules: what commands and the daemon share of it.

Apart from ``monitor.daemon.assembly``, so that a command that only reads doesn't load the daemon.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from monitor.config.load import Loaded
from monitor.config.models import Settings
from monitor.errors import ConfigError, Problem
from monitor.rules import Compiled, RuleSet, compile_rules
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.ruleset import difference

log = logging.getLogger(__name__)

MANY_RULES = 1_000
"""Rules from which a look of the garbage collector at everything is felt: some 50 ms more."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from running within.

    With 100,000 rules in memory each look at everything holds up all threads for seconds
    (``benchmarks.reloading``).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def out_of_sight(settings: Settings) -> None:
    """Take what is in memory out of the garbage collector's sight, where it is much; what of it is
    let go later goes by its reference counts."""
    if len(settings.rules) >= MANY_RULES:
        gc.freeze()


def slim(settings: Settings) -> Settings:
    """Return ``settings`` with one feed for each set of tags, which is all that rules are judged
    by: a hundred thousand feeds as they were written take 90 MB."""
    tagged = {tuple(each.tags): each for each in settings.feeds}
    return settings.model_copy(update={"feeds": list(tagged.values())})


def rule_problems(loaded: Loaded, compiled: Compiled) -> tuple[Problem, ...]:
    """Return the rule compiler's findings with their places in the configuration files."""
    out = []
    for problem in compiled.problems:
        place = None
        if problem.offset is not None:
            place = loaded.positions.in_scalar(problem.path, problem.offset)
        place = place or loaded.positions.place(problem.path)
        out.append(Problem(problem.message, place, problem.hint, problem.level, problem.excerpt))
    return tuple(out)


def compiled_watch(
    loaded: Loaded, *, lenient: bool = False, frequencies: Frequencies | None = None
) -> tuple[Compiled, tuple[Problem, ...]]:
    """Compile a loaded configuration's rules; raises ``ConfigError`` with every error found.

    ``frequencies`` is what earlier rules learned of how common terms are. ``lenient`` lets a rule
    pass that can't fire (only ``none``). Returns the compiled rules and all warnings and notes.
    """
    compiled = compile_rules(slim(loaded.settings), None, frequencies, lenient=lenient)
    return compiled, loaded.warnings + _passed(loaded, compiled)


def recompiled_watch(
    fresh: Loaded, before: Settings, ruleset: RuleSet
) -> tuple[Loaded, Compiled, tuple[Problem, ...]]:
    """Compile a changed configuration's rules; raises ``ConfigError`` with every error found.

    ``ruleset`` are the rules of ``before``. Where nothing but single rules changed, they are
    changed in it and the others keep their index; otherwise all are compiled anew, with what
    ``ruleset`` learned. Returns the configuration, its unchanged rules being those in memory, the
    compiled rules, and all warnings and notes; ``fresh`` itself is used up.
    """
    found = difference(before, fresh.settings)
    compiled = None
    if found is not None:
        settings, change = found
        twins = fresh.settings.rules
        fresh = replace(fresh, settings=settings)
        while twins:  # piece by piece: the end of all at once would hold up every thread
            del twins[-1_000:]
        compiled = ruleset.edited(slim(settings), change)
        if compiled is not None and change:
            log.info("rules edited, the others kept", extra={"rules": len(change)})
    if compiled is None:
        log.info("all rules compiled anew", extra={"rules": len(fresh.settings.rules)})
        compiled = compile_rules(slim(fresh.settings), None, ruleset.frequencies())
    return fresh, compiled, fresh.warnings + _passed(fresh, compiled)


def _passed(loaded: Loaded, compiled: Compiled) -> tuple[Problem, ...]:
    """Return the rules' findings; raises ``ConfigError`` where there are errors among them."""
    problems = rule_problems(loaded, compiled)
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        raise ConfigError(errors)
    return problems


def state_target(loaded: Loaded) -> str:
    """Return where the state lives: a directory relative to the configuration, or a URL."""
    state = loaded.settings.state
    return state if "://" in state else str((loaded.path.parent / state).resolve())

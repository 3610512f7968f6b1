"""From a configuration file to compiled rules: what commands and the daemon share of it.

Apart from ``monitor.assembly``, so that a command that only reads doesn't load the whole daemon.
"""

from __future__ import annotations

from monitor.config.load import Loaded
from monitor.errors import ConfigError, Problem
from monitor.rules import Compiled, compile_rules
from monitor.rules.index.frequencies import Frequencies


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
    compiled = compile_rules(loaded.settings, None, frequencies, lenient=lenient)
    problems = rule_problems(loaded, compiled)
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        raise ConfigError(errors)
    return compiled, loaded.warnings + problems


def state_target(loaded: Loaded) -> str:
    """Return where the state lives: a directory relative to the configuration, or a URL."""
    state = loaded.settings.state
    return state if "://" in state else str((loaded.path.parent / state).resolve())

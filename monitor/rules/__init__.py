"""Rules: what to watch for. Compiles the configuration's rules and says which hold for a document.

Contains no I/O and knows no other stage: values in, values out.
"""

from __future__ import annotations

from monitor.rules.problems import RuleProblem
from monitor.rules.ruleset import Compiled, RuleSet, compile_rules
from monitor.rules.text import plain, words_of

__all__ = ["Compiled", "RuleProblem", "RuleSet", "compile_rules", "plain", "words_of"]

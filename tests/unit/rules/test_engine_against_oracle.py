"""The engine and the reference matcher agree on random stories and rules."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.models import Settings
from monitor.rules import compile_rules
from monitor.rules.index.wording import could_have
from monitor.rules.ruleset import difference
from monitor.rules.text import search_tokens
from monitor.values import TEXT_FIELDS, AllOf, Document, Expression, Word, Wording

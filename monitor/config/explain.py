"""Validation errors in plain words, with their places."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from monitor.config.models import Settings
from monitor.config.positions import Positions
from monitor.config.secrets import is_secret
from monitor.config.suggest import did_you_mean
from monitor.config.yaml import MAX_FINDINGS, Path
from monitor.errors import Problem

_MAX_VALUE = 60
# Words for pydantic's error types (pydantic.dev/errors); others are shown as pydantic says them.
_WORDS = {
    "string_type": "must be a text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "is_instance_of": "has the wrong type",
    "time_delta_type": "must be a duration",
    "date_type": "must be a date",
    "time_type": "must be a time of day",
    "frozen_set_type": "must be a list",
}


def problems(
    error: ValidationError, positions: Positions, removed: Collection[Path] = ()
) -> list[Problem]:
    """Return one problem per validation error; what is missing because it was ``removed`` for a
    reason reported already is no news."""
    return [
        _problem(each, positions)
        for each in error.errors(include_url=False)[:MAX_FINDINGS]
        if each["type"] != "missing" or each["loc"] not in removed
    ]


def _problem(error: Any, positions: Positions) -> Problem:
    path = tuple(step for step in error["loc"] if step != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    last = next((step for step in reversed(path) if isinstance(step, str)), "")
    value = error.get("input")
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), keys_at(path[:-1]))
        where = _section(path[:-1])
        return Problem(
            f"unknown key `{_short(str(path[-1]))}`{where}", positions.key_place(path), hint
        )
    if kind == "missing":
        return Problem(f"`{path[-1]}` is missing{_section(path[:-1])}", positions.place(path[:-1]))
    shown = "" if is_secret(path) or not isinstance(value, str) else f": `{_short(value)}`"
    if kind == "literal_error":
        choices = str(context.get("expected", "")).replace("'", "")
        known = [word.strip() for part in choices.split(",") for word in part.split(" or ")]
        bad_key = error["loc"] and error["loc"][-1] == "[key]"
        place = positions.key_place(path) if bad_key else positions.place(path)
        what = f"unknown label{shown}" if bad_key else f"`{last}` can't be{shown[1:] or ' that'}"
        return Problem(
            f"{what}, only {choices}",
            place,
            did_you_mean(value, known) if isinstance(value, str) else "",
        )
    if kind == "setting":
        message, hint = str(context["message"]), str(context.get("hint", ""))
        return Problem(f"`{last}`{shown}: {message}", positions.place(path), hint)
    if kind == "string_type" and isinstance(value, dict | list):
        found = "a list" if isinstance(value, list) else "a mapping"
        return Problem(
            f"`{last}` must be a text, not {found}", positions.place(path), "quote the text"
        )
    if kind in _WORDS:
        shown = f" is `{_short(value)}`, but" if shown else ""
        return Problem(f"`{last}`{shown} {_WORDS[kind]}", positions.place(path))
    message = error["msg"].replace("Input should", "should")
    return Problem(f"`{last}`{shown}: {message}", positions.place(path))


def _section(path: Sequence[Any]) -> str:
    names = [str(step) for step in path if isinstance(step, str)]
    return f" in `{'.'.join(names)}`" if names else ""


def _short(text: str) -> str:
    clean = text.replace("\n", " ")
    return clean if len(clean) <= _MAX_VALUE else clean[: _MAX_VALUE - 1] + "…"


def keys_at(path: Sequence[Any]) -> tuple[str, ...]:
    """Return the keys that may stand in the mapping at ``path``."""
    kind: Any = Settings
    for step in path:
        kind = next(_inside(kind, step), None)
        if kind is None:
            return ()
    model = next(_models(kind), None)
    if model is None:
        return ()
    return tuple(info.alias or name for name, info in model.model_fields.items())


def _inside(kind: Any, step: Any) -> Iterator[Any]:
    """Yield the types that may stand at ``step`` of a value of ``kind``."""
    for each in _alternatives(kind):
        if isinstance(each, type) and issubclass(each, BaseModel):
            for name, info in each.model_fields.items():
                if step in (name, info.alias):
                    yield info.annotation
        elif typing.get_origin(each) in (list, dict):
            yield typing.get_args(each)[-1]


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    for each in _alternatives(kind):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each


def _alternatives(kind: Any) -> Iterator[Any]:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(kind)[0])
    elif origin in (typing.Union, types.UnionType):
        for each in typing.get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind

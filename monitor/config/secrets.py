"""Secrets: ``${ENV}`` and ``*_file`` replaced, literal tokens refused, values never shown.

Variables are replaced where a setting may need one (addresses, tokens, the state), never in rules,
lists or entities, and never twice: a value that contains ``${…}`` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from monitor.config.yaml import TEXT_SECTIONS, Path
from monitor.errors import Problem

if TYPE_CHECKING:
    from monitor.errors import Place

# Slack's token prefixes and webhook addresses (docs.slack.dev/authentication/tokens).
LITERAL_TOKEN = re.compile(
    r"xox[a-z](?:\.xox[a-z])?-[\w-]{6,}|xapp-[\w-]{6,}|hooks\.slack\.com/\w+/\w+"
    r"|discord(?:app)?\.com/api/webhooks/\d+"
)
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Keys whose value is a secret, by section; their errors never show it.
SECRET_KEYS = frozenset(
    {"token", "app_token", "webhook", "secret", "apprise", "discord", "password", "cookie", "proxy"}
)
# Keys that must come from outside the file: a literal there is a secret in version control.
_BY_REFERENCE = frozenset({"token", "app_token", "secret", "password", "cookie", "discord"})
_SECRET_HEADERS = re.compile(r"authorization|cookie|token|secret|api-?key", re.IGNORECASE)
_UNSET = " is not set"
_MAX_SECRET_FILE = 65_536


@dataclass(slots=True)
class Resolved:
    """What replacing found: problems, the variables used, secret values, files read.

    ``off`` are channels whose variables aren't set, ``removed`` the keys left out for that.
    """

    problems: list[Problem] = field(default_factory=list)
    used: dict[str, str | None] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    files: dict[FilePath, bytes] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    literal: bool = False


def is_secret(path: Path) -> bool:
    """Tell whether the value at ``path`` must never be shown."""
    names = [step for step in path if isinstance(step, str)]
    if not names or names[0] in TEXT_SECTIONS:
        return False
    last = names[-1].removesuffix("_file")
    return (
        last in SECRET_KEYS
        or "headers" in names
        or last == "state"
        or (names[0] == "feeds" and last in {"url", "feeds"})
    )


def resolve(
    data: dict[str, Any],
    env: Mapping[str, str],
    folder: FilePath,
    place: Callable[[Path], Place | None],
    *,
    references_in_text: bool = True,
) -> Resolved:
    """Replace references in ``data`` (in place) and return what was found.

    ``env`` holds the variables, ``folder`` is what ``*_file`` paths are relative to.
    ``references_in_text`` False spares the look for them in rules.
    """
    work = _Resolver(env, folder, place)
    for section in [key for key in data if key not in TEXT_SECTIONS]:
        path: Path = (section,)
        value = data[section]
        if isinstance(value, str):
            replaced = work.text(value, path)
            if replaced is None:
                del data[section]
            else:
                data[section] = replaced
        else:
            work.walk(value, path)
    for section in TEXT_SECTIONS & set(data) if references_in_text else ():
        work.refuse_references(data[section], (section,))
    for name in work.found.off:
        channels = data.get("channels")
        if isinstance(channels, dict) and isinstance(channels.get(name), dict):
            channels[name]["enabled"] = "false"
    return work.found


class _Resolver:
    def __init__(
        self,
        env: Mapping[str, str],
        folder: FilePath,
        place: Callable[[Path], Place | None],
    ) -> None:
        self._env = env
        self._folder = folder
        self._place = place
        self.found = Resolved()

    def walk(self, value: Any, path: Path) -> None:
        if isinstance(value, dict):
            for key in list(value):
                item, at = value[key], (*path, key)
                if isinstance(item, str):
                    self._set(value, key, item, at)
                else:
                    self.walk(item, at)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                at = (*path, index)
                if isinstance(item, str):
                    replaced = self.text(item, at)
                    value[index] = item if replaced is None else replaced
                else:
                    self.walk(item, at)

    def _set(self, owner: dict[str, Any], key: str, item: str, at: Path) -> None:
        base = key.removesuffix("_file")
        if key != base and base in SECRET_KEYS:
            if base in owner:
                self._error(f"`{base}` and `{key}` are both given", at, "keep one of them")
                return
            read = self._from_file(item, at)
            del owner[key]
            if read is None:
                self.found.removed.add((*at[:-1], base))
            else:
                owner[base] = read
            return
        replaced = self.text(item, at)
        if replaced is None:
            del owner[key]
            self.found.removed.add(at)
        else:
            owner[key] = replaced

    def text(self, text: str, path: Path) -> str | None:
        """Return ``text`` with its variables; None where one is unset (then it is reported)."""
        if "${" not in text:
            self._check_literal(text, path)
            return text
        missing: list[str] = []
        values: list[str] = []

        def value_of(found: re.Match[str]) -> str:
            name = found[1]
            if not _NAME.fullmatch(name):
                self._error(
                    f"`{found[0][:40]}` is not a variable", path, "write ${NAME}, a name alone"
                )
                return ""
            # Compose files pass a variable that isn't set as an empty one: the same here.
            value = self._env.get(name) or None
            self.found.used[name] = value
            if value is None:
                missing.append(name)
                return ""
            values.append(value)
            return value

        result = _REFERENCE.sub(value_of, text)
        if missing:
            self._unset(missing, path)
            return None
        if is_secret(path):
            self._remember(path, result, values)
        return result

    def _remember(self, path: Path, result: str, values: list[str]) -> None:
        """Keep what must not be shown; a plain address in a feed's URL is no secret."""
        if path[0] == "feeds" and path[-1] not in SECRET_KEYS and "headers" not in path:
            self.found.values |= {value for value in values if not _plain_address(value)}
            return
        if path[0] == "state":
            password = _password(result)
            self.found.values |= {password} if password else set()
            return
        self.found.values |= {result, *values}

    def _unset(self, missing: list[str], path: Path) -> None:
        names = ", ".join(f"${{{name}}}" for name in missing)
        if path[0] == "slack":
            return
        if path[0] == "channels" and len(path) > 2 and isinstance(path[1], str):
            self.found.off.add(path[1])
            self.found.problems.append(
                Problem(
                    f"{names} is not set: the channel `{path[1]}` is off",
                    self._place(path),
                    "set it in the environment, or remove the channel",
                    level="warning",
                )
            )
            return
        self._error(f"{names}{_UNSET}", path, "set it in the environment")

    def _from_file(self, name: str, path: Path) -> str | None:
        expanded = self.text(name, path) if "${" in name else name
        if expanded is None:
            return None
        file = self._folder / FilePath(expanded).expanduser()
        try:
            raw = file.read_bytes()
            mode = file.stat().st_mode
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._error(f"`{path[-1]}`: {expanded}: {reason}", path)
            return None
        if len(raw) > _MAX_SECRET_FILE:
            self._error(f"`{path[-1]}`: {expanded} is too large for a secret", path)
            return None
        self.found.files[file] = raw
        value = raw.decode("utf-8", "replace").strip()
        if not value:
            self._error(f"`{path[-1]}`: {expanded} is empty", path)
            return None
        if mode & 0o077:
            self.found.problems.append(
                Problem(
                    f"{expanded} holds a secret and others may read it (mode {mode & 0o777:04o})",
                    self._place(path),
                    "chmod 600",
                    level="warning",
                )
            )
        self.found.values.add(value)
        return value

    def _check_literal(self, text: str, path: Path) -> None:
        last = path[-1]
        if LITERAL_TOKEN.search(text):
            return  # reported once, by the look at the whole file
        by_reference = last in _BY_REFERENCE or (
            len(path) > 1 and path[-2] == "headers" and _SECRET_HEADERS.search(str(last))
        )
        if by_reference and path[0] in {"slack", "channels", "feeds", "web"}:
            self._error(
                f"`{last}` holds a secret in plain text",
                path,
                "put it in the environment and write ${NAME}, or use a file",
            )
        elif last in {"webhook", "apprise"} or (last in {"state", "proxy"} and _password(text)):
            self.found.literal = True
            self.found.values.add((_password(text) or "") if last in {"state", "proxy"} else text)
            self.found.values.discard("")

    def refuse_references(self, value: Any, path: Path) -> None:
        """Report ``${NAME}`` in rules, lists and entities, where text is text."""
        if isinstance(value, str):
            found = _REFERENCE.search(value) if "${" in value else None
            if found and _NAME.fullmatch(found[1]):
                self._error(
                    f"`{found[0]}`: variables are not replaced in `{path[0]}`",
                    path,
                    "write the text itself",
                )
        elif isinstance(value, dict):
            for key, item in value.items():
                self.refuse_references(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.refuse_references(item, (*path, index))

    def _error(self, message: str, path: Path, hint: str = "") -> None:
        self.found.problems.append(Problem(message, self._place(path), hint))


def _plain_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and parts.hostname) and "@" not in parts.netloc and not parts.query


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def is_unset(problem: Problem) -> bool:
    """Tell whether ``problem`` is a variable that isn't set."""
    return problem.message.endswith(_UNSET)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret value replaced by asterisks, longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "**********")
    return text

"""Included files: which ones, and how they and the main file make one configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from monitor.config.positions import Positions, Source
from monitor.config.suggest import did_you_mean
from monitor.config.yaml import Empty, Path, YamlError, decode, parse
from monitor.errors import Place, Problem

INCLUDABLE = ("rules", "entities", "lists", "routes", "ignore")
_MERGED_LISTS = ("rules", "routes")
MAX_FILES = 1_000


@dataclass(slots=True)
class Merged:
    """One configuration from several files: data, where each part came from, what was found."""

    data: dict[str, Any]
    files: list[FilePath]
    sources: list[Source]
    raw: list[bytes]
    segments: dict[str, list[tuple[Source, int]]] = field(default_factory=dict)
    owners: dict[tuple[str, str], Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    empties: list[Empty] = field(default_factory=list)


def read_all(path: FilePath, overlay: Mapping[FilePath, bytes]) -> Merged:
    """Read ``path`` and what it includes; ``overlay`` stands for files' contents.

    Raises ``YamlError`` where the main file can't be read;
    a broken included file is a problem among the others.
    """
    raw = _read(path, overlay)
    text = decode(raw, str(path))
    parsed = parse(text, str(path))
    source = Source(str(path), text)
    data = {} if parsed.data is None else parsed.data
    if not isinstance(data, dict):
        raise YamlError(
            Problem(
                "a configuration is a mapping of sections",
                Place(str(path), 1, 1),
                "start with `feeds:` and `rules:`",
            )
        )
    merged = Merged(data, [path], [source], [raw], {}, {}, parsed.problems, parsed.empties)
    for section in _MERGED_LISTS:
        if isinstance(data.get(section), list):
            merged.segments[section] = [(source, len(data[section]))]
    patterns = data.get("include")
    if isinstance(patterns, str):
        patterns = [patterns]
    if not isinstance(patterns, list):
        return merged
    from_main = {
        (section, key): source
        for section in ("entities", "lists", "ignore")
        if isinstance(data.get(section), dict)
        for key in data[section]
    }
    merged.owners.update(from_main)
    for index, pattern in enumerate(patterns):
        if isinstance(pattern, str):
            _include(merged, path, pattern, ("include", index), overlay)
    return merged


def _read(path: FilePath, overlay: Mapping[FilePath, bytes]) -> bytes:
    if overlay and path.resolve() in overlay:
        return overlay[path.resolve()]
    try:
        return path.read_bytes()
    except IsADirectoryError:
        message, hint = "this is a folder, not a configuration file", "name the file in it"
    except FileNotFoundError:
        message, hint = "there is no such file", "make one with `newswatch init`, or use --config"
    except PermissionError:
        message, hint = "the file may not be read", "check its owner and mode"
    except (OSError, ValueError) as error:
        message, hint = f"the file can't be read: {error}", ""
    raise YamlError(Problem(message, Place(str(path), 1, 1), hint))


def matching_files(folder: FilePath, pattern: str) -> list[FilePath]:
    """Return the files ``pattern`` names under ``folder``, in order of their names.

    Raises ``ValueError`` with plain words for a pattern that leads out of the folder.
    """
    if not pattern or FilePath(pattern).is_absolute() or ".." in FilePath(pattern).parts:
        raise ValueError("only files under the configuration's folder can be included")
    if "**" in pattern or "\x00" in pattern:
        raise ValueError("`**` is not supported: name the folder")
    root = folder.resolve()
    found = sorted(each for each in folder.glob(pattern) if not each.name.startswith("."))
    for each in found:
        if not each.resolve().is_relative_to(root):
            raise ValueError(f"{each.name} is a link out of the configuration's folder")
    return [each for each in found if each.is_file()]


def _include(
    merged: Merged,
    main: FilePath,
    pattern: str,
    at: Path,
    overlay: Mapping[FilePath, bytes],
) -> None:
    place = _pattern_place(merged.sources[0], at)
    try:
        found = matching_files(main.parent, pattern)
    except ValueError as error:
        merged.problems.append(Problem(f"include `{pattern}`: {error}", place))
        return
    found = sorted({*found, *_new_files(main.parent, pattern, overlay)})
    if not found and not any(sign in pattern for sign in "*?["):
        merged.problems.append(Problem(f"include `{pattern}`: there is no such file", place))
    known = {each.resolve() for each in merged.files}
    for file in found:
        if file.resolve() == main.resolve():
            merged.problems.append(Problem(f"include `{pattern}`: the file includes itself", place))
            continue
        if file.resolve() in known:
            continue
        if len(merged.files) > MAX_FILES:
            merged.problems.append(Problem(f"more than {MAX_FILES:,} files included", place))
            return
        merged.files.append(file)
        try:
            raw = _read(file, overlay)
            text = decode(raw, str(file))
            parsed = parse(text, str(file))
        except YamlError as error:
            merged.problems.append(error.problem)
            continue
        merged.raw.append(raw)
        merged.problems.extend(parsed.problems)
        source = Source(str(file), text)
        merged.sources.append(source)
        _merge(merged, parsed.data, source, parsed.empties)


def _new_files(folder: FilePath, pattern: str, overlay: Mapping[FilePath, bytes]) -> list[FilePath]:
    """Return the files of ``overlay`` that don't exist yet and that ``pattern`` will name."""
    root = folder.resolve()
    return [
        folder / file.relative_to(root)
        for file in overlay
        if file.is_relative_to(root)
        and not file.exists()
        and fnmatchcase(file.relative_to(root).as_posix(), pattern.removeprefix("./"))
    ]


def _pattern_place(source: Source, at: Path) -> Place | None:
    return Positions([source]).place(at)


def _merge(merged: Merged, data: Any, source: Source, empties: list[Empty]) -> None:
    places = Positions([source])
    if data is None:
        return
    if not isinstance(data, dict):
        merged.problems.append(
            Problem("an included file is a mapping: `rules:` …", Place(source.file, 1, 1))
        )
        return
    offsets: dict[str, int] = {}
    for section, value in data.items():
        if section not in INCLUDABLE:
            merged.problems.append(_not_includable(section, places.key_place((section,))))
        elif section in _MERGED_LISTS:
            if not isinstance(value, list):
                merged.problems.append(
                    Problem(f"`{section}` must be a list", places.place((section,)))
                )
                continue
            target = merged.data.setdefault(section, [])
            if not isinstance(target, list):
                continue
            offsets[section] = len(target)
            target.extend(value)
            merged.segments.setdefault(section, []).append((source, len(value)))
        else:
            _merge_mapping(merged, section, value, source, places.key_place)
    merged.empties.extend(
        Empty(
            (each.path[0], int(each.path[1]) + offsets[str(each.path[0])], *each.path[2:]),
            each.place,
            each.commented,
        )
        if len(each.path) > 1 and each.path[0] in offsets
        else each
        for each in empties
    )


def _not_includable(section: str, place: Place | None) -> Problem:
    if section == "include":
        return Problem("an included file can't include others", place, "name it in the main file")
    if section == "feeds":
        return Problem("feeds stand in the main file only", place, "move them there")
    hint = did_you_mean(section, INCLUDABLE)
    return Problem(
        f"`{section}` can't stand in an included file",
        place,
        hint or f"an included file has {', '.join(INCLUDABLE)}",
    )


def _merge_mapping(
    merged: Merged,
    section: str,
    value: Any,
    source: Source,
    key_place: Callable[[Path], Place | None],
) -> None:
    if not isinstance(value, dict):
        merged.problems.append(Problem(f"`{section}` must be a mapping", key_place((section,))))
        return
    target = merged.data.setdefault(section, {})
    if not isinstance(target, dict):
        return
    for key, item in value.items():
        if key not in target:
            target[key] = item
            merged.owners[section, key] = source
        elif section == "ignore":
            # Every desk may add to what is left out; the values are united.
            both = [*_as_list(target[key]), *_as_list(item)]
            target[key] = list(dict.fromkeys(both)) if all(map(_is_text, both)) else both
        else:
            first = _first_place(merged, (section, key))
            merged.problems.append(
                Problem(
                    f"`{key}` is in `{section}` twice",
                    key_place((section, key)),
                    f"first: {first}" if first else "",
                )
            )


def _first_place(merged: Merged, path: Path) -> Place | None:
    return Positions(merged.sources, merged.segments, merged.owners).key_place(path)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)

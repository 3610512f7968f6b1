"""The configured feeds as the pipeline wants them: keys, names, files, authentication."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path as FilePath

from monitor.config.addresses import local_file, split_web_address
from monitor.config.loaded import Loaded
from monitor.config.models import FeedSettings
from monitor.values import Feed


def feeds(loaded: Loaded) -> tuple[Feed, ...]:
    """Return the enabled feeds, in the order of the file."""
    folder = loaded.path.parent
    names = feed_names(loaded.settings.feeds)
    return tuple(
        _feed(setting, address, name, folder)
        for setting, address, name in zip(
            loaded.settings.feeds, loaded.addresses, names, strict=True
        )
        if setting.enabled
    )


def feed_names(settings: Iterable[FeedSettings]) -> tuple[str, ...]:
    """Return each feed's name: as configured, else its host, with the path where hosts repeat."""
    all_settings = list(settings)
    parts = [_default_name(each.url) for each in all_settings]
    hosts = Counter(host for host, _ in parts)
    taken = {each.name for each in all_settings if each.name}
    used: Counter[str] = Counter()
    names: list[str] = []
    for each, (host, rest) in zip(all_settings, parts, strict=True):
        if each.name:
            names.append(each.name)
            continue
        base = host if hosts[host] == 1 else (host + rest).rstrip("/")
        name = base
        while name in taken:
            used[base] += 1
            name = f"{base} ({used[base] + 1})"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _default_name(url: str) -> tuple[str, str]:
    if url.lower().startswith("file:"):
        return FilePath(url[5:]).stem or url, ""
    parts = split_web_address(url)
    return (parts.hostname or url).removeprefix("www."), parts.path


def _copied(text: str) -> str:
    """Return ``text`` in memory of its own: what the loader made of a file lies in between what is
    let go soon, and of a hundred thousand feeds would keep 100 MB from being given back."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def _shared(every: timedelta | None) -> timedelta | None:
    return every  # the first of those that are equal


def _feed(setting: FeedSettings, address: str, name: str, folder: FilePath) -> Feed:
    url = _copied(setting.url)
    key = url if address == url else _copied(address)
    if url.lower().startswith("file:"):
        target = local_file(url, folder)
        url = target.as_uri()
        key = f"file:{target.relative_to(folder.resolve()).as_posix()}"
    headers = [(key, value.get_secret_value()) for key, value in setting.headers.items()]
    if setting.cookie is not None:
        headers.append(("Cookie", setting.cookie.get_secret_value()))
    auth = setting.auth
    return Feed(
        key=key,
        url=url,
        name=_copied(name),
        tags=tuple(setting.tags),
        country=setting.country,
        language=setting.language,
        every=_shared(setting.every),
        first_run=setting.first_run,
        identity=setting.identity,
        full_text=setting.full_text,
        alarm_if_silent=setting.alarm_if_silent,
        user_agent=setting.user_agent,
        headers=tuple(headers),
        basic_auth=(auth.user, auth.password.get_secret_value()) if auth else None,
    )

"""Pages from templates: what every page has around its own content."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from monitor.web.guard import FormToken
from monitor.web.words import count, link, moment, percent, plain, seconds

SAYINGS = 50  # kept until the page asks for them
HERE = Path(__file__).parent
PAGES = (
    ("/", "Now"),
    ("/feeds", "Feeds"),
    ("/lab", "Rule lab"),
    ("/quality", "Quality"),
    ("/routes", "Routes"),
    ("/outbox", "Outbox"),
    ("/silences", "Silences"),
)


class Renderer:
    """Writes pages; ``form_token`` goes into their forms, ``now`` dates them."""

    def __init__(self, form_token: FormToken, now: Callable[[], datetime]) -> None:
        self._now = now
        self._sayings: dict[str, str] = {}
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            link=link, plain=plain, seconds=seconds, percent=percent, count=count
        )
        for name in self._templates.list_templates():
            self._templates.get_template(name)  # read now, not for the first who asks
        self._templates.globals.update(moment=moment, form_token=form_token.value, pages=PAGES)

    def part(self, name: str, **values: Any) -> str:
        """Return a template's text by itself."""
        return self._templates.get_template(f"{name}.html").render(now=self._now(), **values)

    def back(self, path: str, said: str = "", **query: str) -> Response:
        """Return the redirect after a change, so that a reload doesn't repeat it; ``said`` is said
        there once. ``path`` is one of ours: an address elsewhere becomes the first page."""
        if not path.startswith("/") or path.startswith(("//", "/\\")):
            path = "/"
        if said:
            # Kept here, not written into the address: a link of somebody else's says nothing.
            query["said"] = secrets.token_urlsafe(8)
            self._sayings[query["said"]] = said
            while len(self._sayings) > SAYINGS:
                del self._sayings[next(iter(self._sayings))]
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)

    def said(self, request: Request) -> str:
        """Return what is to be said on a page that ``back`` led to."""
        return self._sayings.pop(request.query_params.get("said", ""), "")

    def page(
        self, name: str, here: str, status: int = 200, *, title: str = "", notice: str = "",
        problem: str = "", **values: Any,
    ) -> Response:  # fmt: skip
        """Return a page from its template. ``here`` is the address in the navigation; ``notice``
        and ``problem`` are said above the content."""
        values |= {
            "title": title or dict(PAGES).get(here, name),
            "here": here,
            "notice": notice,
            "problem": problem,
        }
        return HTMLResponse(self.part(name, **values), status)

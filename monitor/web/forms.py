"""What people send: POSTs with our form token, and changes of the configuration that are shown
before they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from monitor.errors import ConfigError
from monitor.web.changes import Change, Changes
from monitor.web.guard import FormToken
from monitor.web.render import Renderer

FIELDS = 20  # the most fields a form of ours has
PART_MAX = 1_000_000  # bytes of one field

Handler = Callable[[Request, FormData], Awaitable[Response]]


class Forms:
    """Takes forms, and keeps the changes that they propose until they are written."""

    def __init__(self, renderer: Renderer, form_token: FormToken, env: Mapping[str, str]) -> None:
        self._renderer = renderer
        self._token = form_token
        self._env = env
        self._changes = Changes()

    def routes(self) -> list[Route]:
        """Return the routes that all forms share."""
        return [self.post("/changes", self._write)]

    def post(self, path: str, handler: Handler, *, files: int = 0) -> Route:
        """Return the route of a form at ``path``, which answers POST with our token only."""

        async def take(request: Request) -> Response:
            try:
                form = await request.form(
                    max_files=files, max_fields=FIELDS, max_part_size=PART_MAX
                )
            except HTTPException:
                return PlainTextResponse("This is no form of ours.\n", 400)
            if not self._token.fits(form.get("form_token")):
                return PlainTextResponse("This form is from before a restart: load it anew.\n", 403)
            return await handler(request, form)

        return Route(path, take, methods=["POST"])

    def propose(self, change: Change, here: str, said: str, again: str = "") -> Response:
        """Show what ``change`` does to the file, with a button that writes it; then ``said`` is
        said on the page ``here``. ``again`` is the rule that the lab goes on with otherwise."""
        if change.after == change.before:
            return self._renderer.back(here, said="Nothing would change in the file.")
        return self._renderer.page(
            "change",
            here,
            title="Change the configuration",
            file=change.file.name,
            lines=change.lines(),
            again=again,
            change=self._changes.keep(change, said),
        )

    async def _write(self, request: Request, form: FormData) -> Response:
        here = text(form, "here")
        try:
            said = await asyncio.to_thread(self._changes.write, text(form, "change"), self._env)
        except ConfigError as error:
            problem = "; ".join(each.message for each in error.problems)
            title = "Change the configuration"
            return self._renderer.page("unchanged", here, 409, title=title, problem=problem)
        return self._renderer.back(here, said=said)


def text(form: FormData, name: str) -> str:
    """Return a form's field as text, "" where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""

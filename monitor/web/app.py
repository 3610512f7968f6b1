"""The application: routes behind the guard, and what an error looks like."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from monitor.errors import StateError
from monitor.web.actions import Actions
from monitor.web.guard import FormToken, Guard
from monitor.web.lab_page import LabPage
from monitor.web.machines import machine_routes
from monitor.web.pages import HERE, Pages
from monitor.web.source import Source

log = logging.getLogger(__name__)


def web_app(source: Source) -> Starlette:
    """Return the ASGI application over ``source``."""
    settings = source.watching().settings.web
    token = settings.token.get_secret_value() if settings.token else None
    form_token = FormToken()
    pages = Pages(source, form_token)
    actions = Actions(source, pages, form_token)
    lab = LabPage(source, pages, actions)
    static = Mount("/static", StaticFiles(directory=HERE / "static"))
    return Starlette(
        routes=[*machine_routes(source), *pages.routes(), *actions.routes(), *lab.routes(), static],
        middleware=[Middleware(Guard, token=token, url=settings.url)],
        exception_handlers={StateError: _store_failed},
    )


async def _store_failed(_: Request, error: Exception) -> Response:
    log.error("the status page could not read the store", extra={"reason": str(error)})
    return PlainTextResponse("The store does not answer; the log says why.\n", 503)

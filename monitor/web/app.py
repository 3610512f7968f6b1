"""The application: routes behind the guard, and what an error looks like."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from monitor.errors import StateError
from monitor.web.feeds_page import FeedsPage
from monitor.web.forms import Forms
from monitor.web.guard import FormToken, Guard
from monitor.web.lab_page import LabPage
from monitor.web.machines import machine_routes
from monitor.web.now_page import NowPage
from monitor.web.outbox_page import OutboxPage
from monitor.web.quality_page import QualityPage
from monitor.web.render import HERE, Renderer
from monitor.web.routes_page import RoutesPage
from monitor.web.silences_page import SilencesPage
from monitor.web.source import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebApp:
    """The ASGI application, and what ends its streams and its work aside before it stops."""

    asgi: Starlette
    close: Callable[[], None]


def web_app(source: Source) -> WebApp:
    """Return the application over ``source``."""
    settings = source.watching().settings.web
    token = settings.token.get_secret_value() if settings.token else None
    form_token = FormToken()
    renderer = Renderer(form_token, source.clock.now)
    forms = Forms(renderer, form_token, source.env)
    now = NowPage(source, renderer)
    lab = LabPage(source, renderer, forms)
    quality = QualityPage(source, renderer)
    parts = (
        now,
        FeedsPage(source, renderer, forms),
        lab,
        quality,
        RoutesPage(source, renderer, forms),
        OutboxPage(source, renderer, forms),
        SilencesPage(source, renderer, forms),
        forms,
    )

    def close() -> None:
        now.hub.close()
        lab.close()
        quality.close()
        source.close()

    static = Mount("/static", StaticFiles(directory=HERE / "static"))
    asgi = Starlette(
        routes=[
            *machine_routes(source),
            *(each for part in parts for each in part.routes()),
            static,
        ],
        middleware=[Middleware(Guard, token=token, url=settings.url)],
        exception_handlers={StateError: _store_failed},
    )
    return WebApp(asgi, close)


async def _store_failed(_: Request, error: Exception) -> Response:
    log.error("the status page could not read the store", extra={"reason": str(error)})
    return PlainTextResponse("The store does not answer; the log says why.\n", 503)

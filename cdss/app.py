"""One port, two applications: the HTTP interface (FastAPI) and the viewer (Dash), behind a small dispatcher.

They are kept apart because a Dash application answers every path it does not know with its own page: mounted on the
interface it would turn every 404 into a 200.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import MutableHeaders

from cdss import __version__
from cdss.api import health, problems, projections
from cdss.reference import Reference
from cdss.settings import Settings
from reference_db.errors import ReleaseError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

VIEWER = "/viewer/"
LARGEST_BODY = 1_000_000
"""Bytes; a patient of interest needs less than one thousandth of it."""

_DESCRIPTION = """\
Given a patient of interest, answers what became of the most similar patients of an anonymous synthetic reference
database under each treatment, with its uncertainty.

Research prototype: descriptive, not causal; not a medical device. Nothing that is sent here is stored or logged.
"""

_LANDING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Patients of reference in multiple sclerosis</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem}}</style>
<main><h1>Patients of reference in multiple sclerosis</h1>
<p>What became of the patients most like this one under each treatment, from an anonymous synthetic reference
database, with honest uncertainty.</p>
<ul><li><a href="/viewer/">Open the viewer</a></li><li><a href="/docs">HTTP interface</a></li>
<li><a href="/readyz">State of the service</a></li></ul>
<p><strong>Research prototype: descriptive, not causal; not a medical device.</strong> Version {version}.</p></main>
</html>"""


def create_interface(reference: Reference) -> FastAPI:
    """Build the HTTP interface on a reference database."""
    app = FastAPI(
        title="Patients of reference in multiple sclerosis",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redoc_url=None,
    )
    app.state.reference = reference
    problems.install(app)
    app.include_router(health.router)
    app.include_router(projections.router, prefix="/api/v1")
    _describe(app)

    @app.get("/", include_in_schema=False)
    def landing() -> HTMLResponse:
        return HTMLResponse(_LANDING.format(version=__version__))

    @app.get("/viewer", include_in_schema=False)
    def to_viewer() -> RedirectResponse:
        return RedirectResponse(VIEWER)

    return app


def _describe(app: FastAPI) -> None:
    """Add the schemas of what is parsed and serialised by hand to the OpenAPI document."""
    document = app.openapi()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(projections.PROJECTION_DEFINITIONS | projections.PATIENT_DEFINITIONS)


class Service:
    """The ASGI application: the viewer below ``/viewer/``, the interface everywhere else.

    Parameters
    ----------
    settings : Settings
        Where the releases are and which one to serve.
    """

    def __init__(self, settings: Settings) -> None:
        self._reference = Reference(settings)
        self._interface = create_interface(self._reference)
        self._viewer: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._interface(scope, receive, send)
            return
        if _body_length(scope) > LARGEST_BODY:
            answer = problems.problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may hold {LARGEST_BODY:,} bytes at most."
            )
            await answer(scope, receive, send)
            return
        app = self._viewer_app() if scope["path"].startswith(VIEWER) else self._interface
        await app(scope, receive, _with_safe_headers(send))

    def _viewer_app(self) -> ASGIApp:
        if self._viewer is None:
            from viewer import create_viewer

            try:
                projector = self._reference.projector()
            except ReleaseError:
                return _unavailable
            self._viewer = create_viewer(projector, prefix=VIEWER).server
        return self._viewer

    def warm_up(self) -> None:
        """Open the release and build the viewer before the first request.

        Raises
        ------
        ReleaseError
            If no release can be served; the service still starts, and says so in ``/readyz``.
        """
        self._reference.projector()
        self._viewer_app()


def create_app(settings: Settings) -> Service:
    """Build the service."""
    return Service(settings)


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    answer = HTMLResponse(
        "<!doctype html><title>Not ready</title><p>The reference database is not available: see "
        '<a href="/readyz">the state of the service</a>.',
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
    )
    await answer(scope, receive, send)


def _body_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _with_safe_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["X-Frame-Options"] = "SAMEORIGIN"
        await send(message)

    return sending

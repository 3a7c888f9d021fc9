"""One port, two applications: the HTTP interface (FastAPI) and the viewer (Dash), behind a small dispatcher.

They are kept apart because a Dash application answers every path it does not know with its own page: mounted on the
interface it would turn every 404 into a 200.
"""

from __future__ import annotations

from functools import partial
from html import escape
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from cdss import __version__
from cdss.api import (
    documentation,
    evaluation,
    evaluation_pages,
    exports,
    exports_page,
    features,
    health,
    problems,
    projections,
    question,
    releases,
    session,
)
from cdss.api.exports import finish_checks
from cdss.audit import AuditWriter, audit_key, open_trail
from cdss.ehr.configuration import ehr_configuration
from cdss.ehr.doors import install_doors
from cdss.ehr.handover import handover_key
from cdss.ehr.patient_record import read_bundle
from cdss.evidence import known_evidence
from cdss.exports import ExportDesk
from cdss.metrics import Metrics
from cdss.persistence import Database, open_database
from cdss.reference import Reference
from cdss.security.guard import Guard
from cdss.security.revoked import RevokedSessions
from cdss.security.tokens import Provider, Sessions
from cdss.settings import Settings
from cdss.viewer_door import ViewerDoor, sealing
from reference_db.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

VIEWER = "/viewer/"

_DESCRIPTION = """\
Given a patient of interest, answers what became of the most similar patients of an anonymous synthetic reference
database under each treatment, with its uncertainty.

Research prototype: descriptive, not causal; not a medical device. Nothing that is sent here is stored or logged.
"""

_LANDING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Patients of reference in multiple sclerosis</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem}}
.sandbox{{border:3px solid #b3261e;background:#fdecea;color:#410e0b;padding:.2rem 1rem}}</style>
<main><h1>Patients of reference in multiple sclerosis</h1>
{sandbox}<p>What became of the patients most like this one under each treatment, from an anonymous synthetic reference
database, with honest uncertainty.</p>
<ul><li><a href="/viewer/">Open the viewer</a></li><li><a href="/docs">HTTP interface</a></li>
<li><a href="/evaluation">Evaluation of the tool: trials</a></li>
<li><a href="/exports">Exports of anonymous data</a></li>
<li><a href="/readyz">State of the service</a></li></ul>
<p><strong>Research prototype: descriptive, not causal; not a medical device.</strong> Version {version}.</p></main>
</html>"""


def create_interface(
    reference: Reference, database: Database, sessions: Sessions, provider: Provider | None = None
) -> FastAPI:
    """Build the HTTP interface on a reference database."""
    app = FastAPI(
        title="Patients of reference in multiple sclerosis",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = reference.settings
    app.state.reference = reference
    app.state.database = database
    app.state.sessions = sessions
    app.state.provider = provider
    problems.install(app)
    app.include_router(health.router)
    app.include_router(documentation.router)
    for router in (projections.router, features.router, releases.router):
        app.include_router(router, prefix="/api/v1")
    app.include_router(session.router, prefix="/api/v1")
    app.include_router(evaluation.router, prefix="/api/v1")
    app.include_router(evaluation_pages.router)
    app.include_router(session.login)
    app.include_router(exports.router, prefix="/api/v1")
    app.include_router(exports_page.router)
    key = audit_key(reference.settings)
    install_doors(
        app,
        ehr_configuration(reference.settings),
        secret=partial(key.digest, "clinical systems"),
        handover_key=handover_key(reference.settings, key),
    )
    _describe(app)

    @app.get("/", include_in_schema=False)
    def landing() -> HTMLResponse:
        trusted = app.state.doors.configuration.trusted_in_words()
        return HTMLResponse(_LANDING.format(version=__version__, sandbox=_sandbox(trusted)))

    @app.get("/viewer", include_in_schema=False)
    def to_viewer() -> RedirectResponse:
        return RedirectResponse(VIEWER)

    return app


def _sandbox(trusted: Sequence[str]) -> str:
    """Return the warning of a service that lets in more than its partners; empty when it does not."""
    if not trusted:
        return ""
    rows = "".join(f"<li>{escape(each)}</li>" for each in trusted)
    return (
        '<section class="sandbox" role="alert"><p><strong>Sandbox (profile dev): never with a real record.</strong> '
        f"This service lets in, beyond its partners:</p><ul>{rows}</ul></section>"
    )


def _describe(app: FastAPI) -> None:
    """Add the schemas of what is parsed and serialised by hand, and of problems, to the OpenAPI document."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        generated = generate()
        schemas = generated.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(question.DEFINITIONS)
        schemas["Problem"] = problems.SCHEMA
        for path, operations in generated["paths"].items():
            for operation in operations.values():
                operation["responses"].setdefault("default", _otherwise(path))
                if path.startswith("/fhir"):
                    for response in operation["responses"].values():
                        response.setdefault("content", {}).setdefault("application/fhir+json", {})
        return generated

    app.openapi = document  # type: ignore[method-assign]  # the documented way to extend the document


def _otherwise(path: str) -> dict[str, Any]:
    """Return what is said of answers that are not described: problems, in the words of whoever asks."""
    if path.startswith("/fhir"):
        return {"description": "An OperationOutcome.", "content": {"application/fhir+json": {}}}
    if path.startswith("/smart"):
        return {"description": "A page or an OAuth error.", "content": {"text/html": {}, "application/json": {}}}
    return problems.DESCRIBED


class Service:
    """The ASGI application: the viewer below ``/viewer/``, the interface everywhere else.

    Parameters
    ----------
    settings : Settings
        Where the releases are and which one to serve.
    """

    def __init__(self, settings: Settings) -> None:
        self._metrics = Metrics(settings)
        self._reference = Reference(settings, observe=self._metrics.observe_projection)
        self._database = open_database(settings)
        self._audit = AuditWriter(open_trail(settings, self._database))
        sessions = Sessions(audit_key(settings), RevokedSessions(self._database))
        provider = Provider(settings) if settings.login_required else None
        self._interface = create_interface(self._reference, self._database, sessions, provider)
        self._interface.state.metrics = self._metrics
        self._viewer: ASGIApp | None = None
        self._script_hashes: tuple[str, ...] = ()
        self._guard = Guard(
            app=self._dispatch,
            settings=settings,
            sessions=sessions,
            provider=provider,
            audit=self._audit,
            surroundings=self,
            resources=_resources(self._interface),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "http":
            await self._guard(scope, receive, send)
            return
        await self._interface(scope, receive, send)
        if scope["type"] == "lifespan":
            self.close()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._viewer_app() if scope["path"].startswith(VIEWER) else self._interface
        await app(scope, receive, send)

    @property
    def settings(self) -> Settings:
        """Settings of the installation."""
        return self._reference.settings

    @property
    def trusts_unproven(self) -> Sequence[str]:
        """What a sandbox lets in beyond its partners, in words; empty for any other service."""
        trusted: Sequence[str] = self._interface.state.doors.configuration.trusted_in_words()
        return trusted

    def release_version(self) -> str:
        """Return the version that is served; empty when none is."""
        return self._reference.version

    def script_hashes(self) -> Collection[str]:
        """Return the hashes of the viewer's inline scripts, for the content security policy."""
        return self._script_hashes

    def observe_request(self, kind: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._metrics.observe_request(kind, status, seconds)

    def after_fork(self, *, first: bool) -> None:
        """Let go of connections that the parent opened; the first child finishes export checks."""
        self._database.forget_connections()
        if first:
            self.finish_checks()

    def finish_checks(self) -> None:
        """Check, beside the requests, exports whose check was interrupted by a stop."""
        desk = ExportDesk(self._reference.settings, self._database)
        Thread(target=finish_checks, args=(desk,), name="export checks", daemon=True).start()

    def close(self) -> None:
        """Keep the records that are waiting, and close the database."""
        self._audit.close()
        self._database.close()

    def _viewer_app(self) -> ASGIApp:
        if self._viewer is None:
            from viewer import create_viewer

            try:
                projector = self._reference.projector()
            except ReleaseError:
                return _unavailable
            handover = self._interface.state.doors.handover
            viewer = create_viewer(
                projector,
                prefix=VIEWER,
                read_bundle=read_bundle,
                open_patient=handover.open,
                seal=sealing(handover),
                events=evaluation.EVENTS,
                evidence=partial(known_evidence, self.settings.home, projector.release.version),
            )
            self._script_hashes = tuple(f"'{digest.strip(chr(39))}'" for digest in viewer.csp_hashes())
            self._viewer = ViewerDoor(viewer.server, VIEWER, viewer.callback_map)
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


def _resources(app: FastAPI) -> frozenset[str]:
    """Return the first part of every path below ``/api/v1/``."""
    api = "/api/v1/"
    return frozenset(
        path.removeprefix(api).partition("/")[0] for path in app.openapi()["paths"] if path.startswith(api)
    )

"""Whether the service lives, and whether it can answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cdss.api.dependencies import database, reference
from cdss.errors import DatabaseUnavailable
from cdss.persistence import Database
from cdss.reference import Reference
from reference_db.errors import ReleaseError

router = APIRouter(tags=["service"])

_log = structlog.get_logger()

LONGEST_REASON = 600
"""Characters; a release may miss hundreds of targets, and `cdss release show` lists them all."""


def shortened(reason: str) -> str:
    """Return a reason, its end left out when it is long."""
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}... (see `cdss release show`)"


def _log_change(request: Request, reason: str) -> None:
    """Log what is wrong once, when it begins or becomes something else, and that it is over."""
    before = getattr(request.app.state, "not_ready_for", "")
    request.app.state.not_ready_for = reason
    if reason and reason != before:
        _log.error("not_ready", reason=reason)
    elif before and not reason:
        _log.info("ready_again")


@router.get("/healthz")
def alive() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"description": "Measures in the format of Prometheus."}},
)
def metrics(request: Request) -> PlainTextResponse:
    """Return what is counted: requests, times, patients of reference, refusals, verdicts of the gates."""
    return PlainTextResponse(request.app.state.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


@router.get("/readyz", responses={503: {"description": "What is missing, with the reason."}})
def ready(
    request: Request,
    reference: Annotated[Reference, Depends(reference)],
    database: Annotated[Database, Depends(database)],
) -> JSONResponse:
    """Answer 200 when projections can be made and recorded; 503 with the reason otherwise.

    A sandbox names what it trusts beyond its partners under ``trusts_unproven``.
    """
    try:
        release = reference.projector().release
        reference.check()
        database.check()
    except (ReleaseError, DatabaseUnavailable) as error:
        # Where the folders are is nobody's business.
        reason = shortened(str(error).replace(str(reference.settings.home), "CDSS_HOME"))
        _log_change(request, reason)
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    _log_change(request, "")
    state: dict[str, Any] = {
        "status": "ready",
        "release": release.version,
        "patients": len(release.episodes),
        "database": database.name,
    }
    trusted = request.app.state.doors.configuration.trusted_in_words()
    return JSONResponse({**state, "trusts_unproven": list(trusted)} if trusted else state)

"""Whether the service lives, and whether it can answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from cdss.api.dependencies import reference
from cdss.reference import Reference
from reference_db.errors import ReleaseError

router = APIRouter(tags=["service"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "No release can be served, with the reason."}})
def ready(reference: Annotated[Reference, Depends(reference)]) -> JSONResponse:
    """Answer 200 when a release is open and projections can be made; 503 with the reason otherwise."""
    try:
        release = reference.projector().release
    except ReleaseError as error:
        return JSONResponse({"status": "not ready", "reason": str(error)}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ready", "release": release.version, "patients": len(release.episodes)})

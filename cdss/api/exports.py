"""Governed exports over HTTP: request, see, decide, receive."""

from __future__ import annotations

import io
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from cdss.api.dependencies import caller, desk
from cdss.exports import ExportDesk, ExportRequest
from cdss.metrics import Metrics
from cdss.security.roles import Caller
from reference_db.errors import CdssError
from reference_db.release.export import Purpose

router = APIRouter(
    tags=["exports"],
    responses={
        401: {"description": "Nobody in particular is asking (RFC 9457)."},
        403: {"description": "The caller may not do this, or not in this state (RFC 9457)."},
        503: {"description": "The database or the release is not available (RFC 9457)."},
    },
)

_log = structlog.get_logger()

Identifier = Annotated[
    str, InPath(pattern="^x[0-9a-f]{10}$", description="Identifier of a request.", examples=["x0123456789"])
]
_Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x08]*$")]
_MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such export (RFC 9457)."}}


class Decision(StrEnum):
    """What can be done with a request."""

    APPROVE = "approve"
    REJECT = "reject"
    RECHECK = "recheck"
    CANCEL = "cancel"


class ExportWish(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose = Field(description="Why the data set leaves; it decides its shape.")
    release: str = Field(min_length=1, max_length=80, pattern=r"^[\w.-]+$", description="Version of the release.")
    size: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Patients (N' < N) or avatars per original (1-X)."
    )
    recipient: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x08]*$", description="To whom it goes.")
    reason: _Text = Field(min_length=1, description="What for.")


class Comment(BaseModel):
    """Why something is decided."""

    model_config = ConfigDict(extra="forbid")

    comment: _Text = Field(default="", description="Must be given for a rejection.")


class Check(BaseModel):
    """What one automatic check found."""

    name: str
    passed: bool
    detail: str


class Happened(BaseModel):
    """One thing that happened to a request."""

    at: str
    verb: str
    state: str
    by: str
    comment: str


class Export(BaseModel):
    """A request."""

    identifier: str
    created: str
    state: str
    purpose: str
    release: str
    size: int | None
    requester: str
    recipient: str
    reason: str
    sha256: str
    checks: list[Check]

    @classmethod
    def of(cls, filed: ExportRequest) -> Export:
        """Return what is told about a request."""
        names = set(cls.model_fields) - {"created", "checks"}
        return cls(
            created=filed.created.isoformat(),
            checks=[Check(**check) for check in filed.checks],
            **{name: getattr(filed, name) for name in names},
        )


class ExportWithHistory(BaseModel):
    """A request and everything that happened to it."""

    export: Export
    history: list[Happened]


def check_in_background(desk: ExportDesk, identifier: str, metrics: Metrics) -> None:
    """Check a request after it was answered; what cannot be done now is done when the service starts again."""
    try:
        checked = desk.check(identifier)
    except CdssError as error:
        _log.error("export_not_checked", export=identifier, kind=type(error).__name__)
    else:
        metrics.export_checks.labels(checked.state).inc()


def finish_checks(desk: ExportDesk) -> None:
    """Check every request whose check was interrupted; a fault now leaves them for the next start."""
    try:
        desk.check_waiting()
    except CdssError as error:
        _log.error("exports_not_checked", kind=type(error).__name__)


@router.post(
    "/exports", status_code=201, responses={422: {"description": "What cannot be used, and why (RFC 9457)."}}
)
def request_export(
    wish: ExportWish,
    request: Request,
    later: BackgroundTasks,
    asking: Annotated[Caller, Depends(caller)],
    desk: Annotated[ExportDesk, Depends(desk)],
) -> Export:
    """Request an export (steward). Its checks follow at once; ask again for what they found."""
    request.state.action = "exports.request"
    filed = desk.request(
        asking,
        purpose=wish.purpose,
        release=wish.release,
        size=wish.size,
        recipient=wish.recipient,
        reason=wish.reason,
    )
    request.state.subject = filed.identifier
    later.add_task(check_in_background, desk, filed.identifier, request.app.state.metrics)
    return Export.of(filed)


@router.get("/exports")
def list_exports(
    request: Request, asking: Annotated[Caller, Depends(caller)], desk: Annotated[ExportDesk, Depends(desk)]
) -> list[Export]:
    """List requests, the latest first: a steward's own, every one for a manager."""
    request.state.action = "exports.list"
    return [Export.of(filed) for filed in desk.list_for(asking)]


@router.get("/exports/{identifier}", responses=_MISSING)
def show_export(
    identifier: Identifier,
    request: Request,
    asking: Annotated[Caller, Depends(caller)],
    desk: Annotated[ExportDesk, Depends(desk)],
) -> ExportWithHistory:
    """Return a request with its checks and everything that happened to it."""
    request.state.action = "exports.show"
    filed = desk.visible(asking, identifier)
    request.state.subject = filed.identifier
    return ExportWithHistory(
        export=Export.of(filed),
        history=[
            Happened(at=event.at.isoformat(), verb=event.verb, state=event.state, by=event.by, comment=event.comment)
            for event in desk.history(identifier)
        ],
    )


@router.post("/exports/{identifier}/deliver", responses={**_MISSING, 200: {"content": {"application/zip": {}}}})
def deliver_export(
    identifier: Identifier,
    request: Request,
    asking: Annotated[Caller, Depends(caller)],
    desk: Annotated[ExportDesk, Depends(desk)],
) -> Response:
    """Hand the data of an approved request to its requester, as a ZIP file."""
    request.state.action = "exports.deliver"
    request.state.subject = identifier
    return zipped(desk.deliver(asking, identifier))


@router.post("/exports/{identifier}/{decision}", responses=_MISSING)
def decide_export(
    identifier: Identifier,
    decision: Decision,
    request: Request,
    later: BackgroundTasks,
    asking: Annotated[Caller, Depends(caller)],
    desk: Annotated[ExportDesk, Depends(desk)],
    why: Comment | None = None,
) -> Export:
    """Approve, reject or recheck a request (a manager who is not its requester), or cancel it (its requester)."""
    request.state.action = f"exports.{decision}"
    request.state.subject = identifier
    filed = desk.decide(asking, identifier, decision, comment=why.comment if why else "")
    if decision is Decision.RECHECK:
        later.add_task(check_in_background, desk, identifier, request.app.state.metrics)
    return Export.of(filed)


def zipped(folder: Path) -> Response:
    """Return the files of a folder as one download."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    named = {"Content-Disposition": f'attachment; filename="export-{folder.name}.zip"'}
    return Response(content.getvalue(), media_type="application/zip", headers=named)

"""Every error as a problem detail (RFC 9457), mapped from the exception tree at this one place."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cdss.api.language import language_asked
from cdss.errors import DatabaseUnavailable, NotAllowed, NotAuthenticated, NotFound
from cdss.security.roles import RoleUnfit
from reference_db.errors import CdssError, FieldProblem, InvalidInput, ReleaseError

_log = structlog.get_logger()

_TEXT = {"type": "string"}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": _TEXT, "message": _TEXT, "allowed": _TEXT}},
        },
    },
}
"""A problem detail in the OpenAPI document."""

DESCRIBED: dict[str, Any] = {
    "description": "What is wrong and how to mend it (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
"""What the OpenAPI document says of every answer that it does not describe otherwise."""

_STATUS: dict[type[CdssError], HTTPStatus] = {
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
}
"""Subclasses before their parents."""


def problem(status: HTTPStatus, detail: str, *, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """Build a problem detail.

    Parameters
    ----------
    status : HTTPStatus
        Status of the answer; gives the title.
    detail : str
        What is wrong and how to mend it.
    errors : list of dict, optional
        One entry per field: ``field``, ``message``, ``allowed``.
    """
    content: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    if errors is not None:
        content["errors"] = errors
    return JSONResponse(content, status_code=status, media_type="application/problem+json")


def _entry(field: FieldProblem) -> dict[str, str]:
    return {"field": field.field, "message": field.message, "allowed": field.allowed}


def install(app: FastAPI) -> None:
    """Let an application answer every error with a problem detail."""

    @app.exception_handler(CdssError)
    def _(request: Request, error: CdssError) -> JSONResponse:
        if isinstance(error, InvalidInput):
            fields = [_entry(field) for field in error.problems]
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(str, error.problems)), errors=fields)
        if isinstance(error, ReleaseError):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The reference database is not available: see /readyz.")
        if isinstance(error, RoleUnfit):
            said = error.said(language_asked(request.headers.get("accept-language")))
            return problem(HTTPStatus.FORBIDDEN, f"{said[0].upper()}{said[1:]}.")
        for kind, status in _STATUS.items():
            if isinstance(error, kind):
                return problem(status, f"{error}.".capitalize())
        if isinstance(error, DatabaseUnavailable):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database is not available: see /readyz.")
        _log.error("unexpected_error", path=request.url.path, kind=type(error).__name__)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The request could not be answered.")

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            _entry(FieldProblem(".".join(str(part) for part in fault["loc"]), fault["msg"]))
            for fault in error.errors()
        ]
        detail = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=fields)

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(HTTPStatus(error.status_code), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def _(request: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected_error", path=request.url.path, kind=type(error).__name__)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The request could not be answered.")

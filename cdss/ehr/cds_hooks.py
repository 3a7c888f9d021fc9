"""The routes of CDS Hooks 2.0: discovery, the service, its feedback."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from cdss.api.answers import answer
from cdss.api.dependencies import reference
from cdss.api.problems import problem
from cdss.ehr.cards import CardContext, make_card
from cdss.ehr.configuration import LOOPBACK
from cdss.ehr.doors import Doors, bare_401, doors
from cdss.ehr.examples import FEEDBACK, HOOK_CALL
from cdss.ehr.feedback import parse_feedback
from cdss.ehr.fhir_server import FhirServer
from cdss.ehr.hook_request import HOOKS, ORDER_HOOKS, HookRequest, json_object, parse_hook_request
from cdss.ehr.mapping_report import MappingReport
from cdss.ehr.medications import library_of, treatment_of
from cdss.ehr.patient_record import read_record
from cdss.ehr.prefetch import DataMissing, Gathered, gather, medications_referred_to, templates
from cdss.ehr.trust import NotTrusted
from cdss.reference import Reference
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment

router = APIRouter(tags=["CDS Hooks"])

SERVICE = "ms-treatment-projection"

_TITLE = "Multiple sclerosis: patients like this one"
_DESCRIPTIONS = {
    "patient-view": "Shows, for a patient with multiple sclerosis, what became of the most similar patients of an "
    "anonymous synthetic reference database under each class of disease-modifying treatment.",
    "order-select": "The same, when a disease-modifying treatment of multiple sclerosis is selected for an order.",
    "order-sign": "The same, when an order for a disease-modifying treatment of multiple sclerosis is being signed.",
}
_REQUIREMENTS = (
    "For patients with multiple sclerosis whose course, EDSS of the last 24 months and birth date are recorded. "
    "Research prototype: descriptive, not causal; not a medical device."
)

_log = structlog.get_logger()


@router.get("/cds-services")
def discovery() -> JSONResponse:
    """List the services: one per hook, all under the same id, so that a newer card replaces an older one."""
    services = [
        {
            "hook": hook,
            "title": _TITLE,
            "description": _DESCRIPTIONS[hook],
            "id": SERVICE,
            "prefetch": templates(),
            "usageRequirements": _REQUIREMENTS,
        }
        for hook in HOOKS
    ]
    return JSONResponse({"services": services})


def _body(description: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "description": description}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
    }


@router.post(
    "/cds-services/{service}",
    openapi_extra=_body("A call of a hook, CDS Hooks 2.0.", HOOK_CALL),
    responses={
        400: {"description": "The call cannot be read; names every element (RFC 9457)."},
        401: {"description": "The client is not trusted; nothing more is said."},
        404: {"description": "There is no such service (RFC 9457)."},
        412: {"description": "Required data cannot be had; `missing` names the prefetch keys (RFC 9457)."},
        503: {"description": "No release can be served (RFC 9457)."},
    },
)
async def call(
    service: str,
    request: Request,
    doors: Annotated[Doors, Depends(doors)],
    reference: Annotated[Reference, Depends(reference)],
) -> Response:
    """Answer a hook with one card, or with none when there is nothing to say."""
    refused = await _refusal(request, doors, service)
    if refused is not None:
        return refused
    try:
        asked = parse_hook_request(await request.body())
    except InvalidInput as error:
        return _unreadable(error)
    server = _server(asked, doors)
    ordered: tuple[Treatment, ...] = ()
    if asked.hook in ORDER_HOOKS:
        ordered = await _ordered(asked, server)
        if not ordered:
            return answer({"cards": []})
    try:
        gathered = await gather(
            asked.prefetch,
            patient=asked.patient,
            templates=templates(),
            server=server,
        )
        card = await reference.compute(lambda: _card(gathered, asked, ordered, doors, reference))
    except DataMissing as error:
        return _missing(error)
    return answer({"cards": [card] if card is not None else []})


@router.post(
    "/cds-services/{service}/feedback",
    openapi_extra=_body("What became of cards, CDS Hooks 2.0.", FEEDBACK),
    responses={400: {"description": "The feedback cannot be read (RFC 9457)."}, 401: {"description": "Not trusted."}},
)
async def feedback(service: str, request: Request, doors: Annotated[Doors, Depends(doors)]) -> Response:
    """Take in what became of cards. Sending the same again changes nothing; comments are not kept."""
    refused = await _refusal(request, doors, service)
    if refused is not None:
        return refused
    try:
        reports = parse_feedback(json_object(await request.body()))
    except InvalidInput as error:
        return _unreadable(error)
    await run_in_threadpool(doors.feedback.record, reports)
    # Not an empty object: CDS Hooks allows none, and clients expect JSON.
    return JSONResponse({"received": len(reports)})


async def _refusal(request: Request, doors: Doors, service: str) -> Response | None:
    """Return the refusal of a call: over an open line, by someone unknown, or of a service that is not there."""
    client = request.client.host if request.client else ""
    if request.url.scheme != "https" and client not in LOOPBACK:
        return problem(HTTPStatus.FORBIDDEN, "Use HTTPS.")
    own = f"/cds-services/{service}"
    audiences = {f"{base}{path}" for base in doors.base_urls(request) for path in (own, request.url.path)}
    try:
        await doors.trust.verify(request.headers.get("authorization"), audiences)
    except NotTrusted as reason:
        _log.warning("cds_client_refused", kind=str(reason))
        return bare_401()
    if service != SERVICE:
        return problem(HTTPStatus.NOT_FOUND, "There is no such service: see /cds-services.")
    return None


def _unreadable(error: InvalidInput) -> Response:
    fields = [{"field": one.field, "message": one.message, "allowed": one.allowed} for one in error.problems]
    return problem(HTTPStatus.BAD_REQUEST, "; ".join(map(str, error.problems)), errors=fields)


def _missing(error: DataMissing) -> Response:
    refused: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus.PRECONDITION_FAILED.phrase,
        "status": int(HTTPStatus.PRECONDITION_FAILED),
        "detail": "Required data are neither in the prefetch nor to be had from the FHIR server.",
        "missing": [{"key": key, "reason": reason} for key, reason in error.missing.items()],
    }
    return JSONResponse(refused, HTTPStatus.PRECONDITION_FAILED, media_type="application/problem+json")


def _server(asked: HookRequest, doors: Doors) -> FhirServer | None:
    """Return the FHIR server that the call lets us read, if it is one that may be read."""
    if not asked.fhir_server or not doors.configuration.may_read(asked.fhir_server):
        return None
    if not asked.access_token and not doors.configuration.dev:
        return None
    return FhirServer(asked.fhir_server, asked.access_token)


async def _ordered(asked: HookRequest, server: FhirServer | None) -> tuple[Treatment, ...]:
    """Return the classes of the orders being written, in the order of the vocabulary."""
    report, library = MappingReport(), dict(asked.library)
    if server is not None:
        library |= library_of(await medications_referred_to([*library.values(), *asked.draft_orders], server))
    named = (treatment_of(order, library, report) for order in asked.draft_orders)
    classes = {taken.treatment for taken in named if taken is not None}
    return tuple(treatment for treatment in Treatment if treatment in classes)


def _card(
    gathered: Gathered, asked: HookRequest, ordered: tuple[Treatment, ...], doors: Doors, reference: Reference
) -> dict[str, Any] | None:
    reading = read_record(gathered.resources, today=doors.today())
    if reading.subject and reading.subject != f"Patient/{asked.patient}":
        raise DataMissing({"patient": "is another patient than the one of the context"})
    if reading.patient is None or not reading.has_ms or reading.deceased:
        return None
    projection = reference.projector().project(reading.patient)
    context = CardContext(doors.configuration.public_url, reading, gathered.incomplete, ordered)
    return make_card(projection, context)

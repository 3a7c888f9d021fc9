"""The routes under ``/fhir/``: terminology for reading, and projections of a record that is sent along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import structlog
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import reference
from cdss.api.language import language_asked
from cdss.ehr.capability import READABLE, capability_statement, smart_configuration
from cdss.ehr.configuration import LOOPBACK
from cdss.ehr.document import projection_pdf
from cdss.ehr.doors import Doors, bare_401, doors
from cdss.ehr.elements import Json, first, objects
from cdss.ehr.examples import RECORD
from cdss.ehr.fhir_results import document_reference, outcome_of_error, risk_assessment
from cdss.ehr.fhir_server import bundled
from cdss.ehr.hook_request import json_object
from cdss.ehr.machine_access import require_scope
from cdss.ehr.patient_record import RecordReading, read_record
from cdss.ehr.terminology import terminology
from cdss.ehr.trust import NotTrusted
from cdss.reference import Reference
from projection import Projection
from reference_db.errors import InvalidInput, ReleaseError

router = APIRouter(prefix="/fhir", tags=["FHIR"])

_STARTED = datetime.now(UTC)
_MEDIA_TYPE = "application/fhir+json"
_log = structlog.get_logger()

Made = Callable[[Projection, RecordReading, datetime], Json]
DoorsHere = Annotated[Doors, Depends(doors)]
ReferenceHere = Annotated[Reference, Depends(reference)]

_OPERATION: dict[int | str, dict[str, Any]] = {
    400: {"description": "The record cannot be read (OperationOutcome)."},
    401: {"description": "No access token, or one that does not cover this."},
    422: {"description": "The record lacks what a projection needs (OperationOutcome)."},
    503: {"description": "No release can be served (OperationOutcome)."},
}
_RECORD = {
    "requestBody": {
        "required": True,
        "content": {
            _MEDIA_TYPE: {
                "schema": {"type": "object", "description": "A Bundle of the patient's resources."},
                "example": RECORD,
            }
        },
    }
}


def _answer(resource: Json, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(resource), status, media_type=_MEDIA_TYPE)


def _error(status: HTTPStatus, code: str, diagnostics: dict[str, str]) -> Response:
    return _answer(outcome_of_error(diagnostics, code), status)


@router.get("/metadata")
def metadata(doors: DoorsHere) -> Response:
    """Return the CapabilityStatement."""
    return _answer(capability_statement(doors.configuration.public_url, _STARTED))


@router.get("/.well-known/smart-configuration")
def discover_smart(doors: DoorsHere) -> Response:
    """Return how backend services get an access token."""
    return Response(orjson.dumps(smart_configuration(doors.configuration.public_url)), media_type="application/json")


@router.get("/{kind}")
def search(kind: str, doors: DoorsHere, url: str | None = None, _id: str | None = None) -> Response:
    """Search conformance resources by their canonical address or id."""
    if kind not in READABLE:
        return _error(HTTPStatus.NOT_FOUND, "not-supported", {"": "There are no resources of that type here."})
    base = doors.configuration.public_url
    found = [
        one
        for (of_kind, identifier), one in terminology(base).items()
        if of_kind == kind and url in (None, one["url"]) and _id in (None, identifier)
    ]
    asked = {name: value for name, value in (("url", url), ("_id", _id)) if value is not None}
    own = f"{base}/fhir/{kind}{'?' + urlencode(asked) if asked else ''}"
    entries = [{"fullUrl": one["url"], "resource": one, "search": {"mode": "match"}} for one in found]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": "self", "url": own}],
    }
    return _answer({**bundle, "entry": entries} if entries else bundle)


@router.get("/{kind}/{identifier}")
def read(kind: str, identifier: str, doors: DoorsHere) -> Response:
    """Return one conformance resource."""
    found = terminology(doors.configuration.public_url).get((kind, identifier))
    if found is None:
        return _error(HTTPStatus.NOT_FOUND, "not-found", {"": "There is no such resource here."})
    return _answer(found)


@router.post("/RiskAssessment/$project", responses=_OPERATION, openapi_extra=_RECORD)
async def project_as_risk_assessment(request: Request, doors: DoorsHere, reference: ReferenceHere) -> Response:
    """Project the patient of a record, as a RiskAssessment."""

    def made(projection: Projection, reading: RecordReading, now: datetime) -> Json:
        return risk_assessment(projection, reading, base=doors.configuration.public_url, now=now)

    return await _projected(request, doors, reference, "system/RiskAssessment.c", made)


@router.post("/DocumentReference/$project", responses=_OPERATION, openapi_extra=_RECORD)
async def project_as_document(request: Request, doors: DoorsHere, reference: ReferenceHere) -> Response:
    """Project the patient of a record, as a DocumentReference that holds a PDF, in the language that is accepted."""
    language = language_asked(request.headers.get("accept-language"))

    def made(projection: Projection, reading: RecordReading, now: datetime) -> Json:
        pdf = projection_pdf(projection, reading, now=now, language=language)
        base = doors.configuration.public_url
        return document_reference(pdf, projection, reading, base=base, now=now, language=language)

    return await _projected(request, doors, reference, "system/DocumentReference.c", made)


@router.post("/$patient-of-interest", responses=_OPERATION, openapi_extra=_RECORD)
async def patient_of_interest(request: Request, doors: DoorsHere) -> Response:
    """Read a record into a patient of interest, with the report of how each part was read."""
    record = await _record(request, doors, "system/RiskAssessment.c")
    if isinstance(record, Response):
        return record
    reading = await run_in_threadpool(read_record, record, today=doors.today())
    report = reading.report
    parameters: list[dict[str, Any]] = [
        {"name": "patient", "valueString": orjson.dumps(reading.document).decode()},
        {"name": "hasMultipleSclerosis", "valueBoolean": reading.has_ms},
        *({"name": "missing", "valueString": name} for name in reading.missing),
    ]
    for finding in report.findings:
        parts = [{"name": name, "valueString": str(value)} for name, value in asdict(finding).items() if value]
        parameters.append({"name": "finding", "part": parts})
    for kind, count in sorted(report.beside_the_point.items()):
        counted: list[dict[str, Any]] = [
            {"name": "type", "valueString": kind},
            {"name": "count", "valueInteger": count},
        ]
        parameters.append({"name": "besideThePoint", "part": counted})
    return _answer({"resourceType": "Parameters", "parameter": parameters})


async def _record(request: Request, doors: Doors, scope: str) -> list[Json] | Response:
    """Return the resources that were sent, or the refusal."""
    client = request.client.host if request.client else ""
    if request.url.scheme != "https" and client not in LOOPBACK:
        return _error(HTTPStatus.FORBIDDEN, "security", {"": "Use HTTPS."})
    try:
        require_scope(request, doors, scope)
    except NotTrusted as reason:
        _log.warning("fhir_client_refused", kind=str(reason))
        return bare_401()
    try:
        document = json_object(await request.body())
    except InvalidInput as error:
        return _error(HTTPStatus.BAD_REQUEST, "structure", {"": str(error)})
    if document.get("resourceType") == "Parameters":
        named = (one for one in objects(document.get("parameter")) if one.get("name") == "record")
        document = first(next(named, {}).get("resource"))
    if document.get("resourceType") != "Bundle":
        return _error(HTTPStatus.BAD_REQUEST, "structure", {"": "Send a Bundle, or Parameters with a record."})
    return bundled(document)


async def _projected(request: Request, doors: Doors, reference: Reference, scope: str, made: Made) -> Response:
    record = await _record(request, doors, scope)
    if isinstance(record, Response):
        return record

    def compute() -> Response:
        reading = read_record(record, today=doors.today())
        if not reading.has_ms:
            return _error(
                HTTPStatus.UNPROCESSABLE_ENTITY, "business-rule", {"Condition": "No multiple sclerosis is recorded."}
            )
        if reading.deceased:
            return _error(
                HTTPStatus.UNPROCESSABLE_ENTITY, "business-rule", {"Patient": "The patient is recorded as deceased."}
            )
        if reading.patient is None:
            lacking = dict.fromkeys(reading.missing, "Is missing, or outside the range of the reference.")
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "required", lacking)
        try:
            projection = reference.projector().project(reading.patient)
        except ReleaseError:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "transient", {"": "The reference is not available."})
        return _answer(made(projection, reading, datetime.now(UTC)))

    return await reference.compute(compute)

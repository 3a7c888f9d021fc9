"""Projections for one patient of interest. Nothing about the patient is stored or logged."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from cdss.api.answers import answer, answer_schema
from cdss.api.dependencies import reference
from cdss.reference import Reference
from projection import Projection
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.vocabulary import Treatment
from selection import PatientOfInterest, parse_patient

router = APIRouter(tags=["projections"])

EXAMPLE_PATIENT = {
    "age": 34,
    "sex": "female",
    "phenotype": "RRMS",
    "years_since_onset": 5,
    "edss": 2.5,
    "relapses_12m": 1,
    "gd_lesions": 0,
    "t2_lesions": "10-20",
    "prior_treatment": "none",
    "history": [{"months": -12, "edss": 2.0}],
}

_PROJECTION_SCHEMA, PROJECTION_DEFINITIONS = answer_schema(Projection)
_PATIENT_SCHEMA = PatientOfInterest.model_json_schema(ref_template="#/components/schemas/{model}")
PATIENT_DEFINITIONS: dict[str, Any] = _PATIENT_SCHEMA.pop("$defs", {})


async def patient_of_interest(request: Request) -> PatientOfInterest:
    """Read the patient of interest from the body.

    Raises
    ------
    InvalidInput
        Naming every field that cannot be used and its allowed range.
    """
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidInput.of("body", "not JSON", "a JSON object with at least age, phenotype and edss") from error
    return parse_patient(given)


def weights(
    weight: Annotated[
        list[str] | None,
        Query(
            description="Weight of a feature in the similarity, as `feature:number`; 0 ignores it. Repeatable.",
            examples=[["age:2", "sex:0"]],
        ),
    ] = None,
) -> dict[str, float] | None:
    """Read the weights from the query string.

    Raises
    ------
    InvalidInput
        If one is not a feature and a number.
    """
    if not weight:
        return None
    parsed: dict[str, float] = {}
    problems = []
    for item in weight:
        feature, _, number = item.rpartition(":")
        try:
            parsed[feature] = float(number)
        except ValueError:
            problems.append(FieldProblem("weight", f"{item!r} is not a weight", "feature:number, such as age:2"))
    if problems:
        raise InvalidInput(problems)
    return parsed


@router.post(
    "/projections",
    responses={
        200: {
            "description": "What became of the patients of reference, per treatment class.",
            "content": {"application/json": {"schema": _PROJECTION_SCHEMA}},
        },
        422: {"description": "Every field that cannot be used, with its allowed range (RFC 9457)."},
        503: {"description": "No release can be served (RFC 9457)."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _PATIENT_SCHEMA, "example": EXAMPLE_PATIENT}},
        }
    },
)
async def create_projection(
    patient: Annotated[PatientOfInterest, Depends(patient_of_interest)],
    weights: Annotated[dict[str, float] | None, Depends(weights)],
    reference: Annotated[Reference, Depends(reference)],
    k: Annotated[int | None, Query(description="Patients of reference per class.")] = None,
    classes: Annotated[list[Treatment] | None, Query(description="Treatment classes; all by default.")] = None,
) -> Response:
    """Project the course of one patient of interest under each treatment class."""
    projected = await run_in_threadpool(
        lambda: reference.projector().project(patient, k=k, weights=weights, classes=classes)
    )
    return answer(projected)

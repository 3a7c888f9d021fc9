"""What became of the patients of reference of one patient of interest. Nothing of the patient is kept or logged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from cdss.api.answers import answer
from cdss.api.dependencies import reference
from cdss.api.question import PATIENT_BODY, PatientRoute, Similarity, described, patient_of_interest, similarity
from cdss.reference import Reference
from projection import Contrasts, Projection
from reference_db.vocabulary import Treatment
from selection import Explanation, PatientOfInterest

router = APIRouter(tags=["patient of interest"], route_class=PatientRoute)

_Patient = Annotated[PatientOfInterest, Depends(patient_of_interest)]
_Similarity = Annotated[Similarity, Depends(similarity)]
_Reference = Annotated[Reference, Depends(reference)]


@router.post(
    "/projections",
    responses=described(Projection, "Outcomes per treatment class, with intervals."),
    openapi_extra=PATIENT_BODY,
)
async def create_projection(
    patient: _Patient,
    asked: _Similarity,
    reference: _Reference,
    estimator: Annotated[
        str,
        Query(
            description="`corrected` for the features and sources in which patients of reference differ, and "
            "composed with what the whole class tells of patients like this one, each by its certainty; `local`, "
            "corrected for features by a regression among the patients of reference alone; or `plain`."
        ),
    ] = "corrected",
) -> Response:
    """Project the course of one patient of interest under each treatment class."""
    return answer(await reference.project(patient, {"estimator": estimator, **asked.options()}))


@router.post(
    "/contrasts",
    responses=described(Contrasts, "Differences between each class and the one compared with, with intervals."),
    openapi_extra=PATIENT_BODY,
)
async def create_contrasts(
    patient: _Patient,
    asked: _Similarity,
    reference: _Reference,
    against: Annotated[Treatment, Query(description="The class that the others are compared with.")] = (
        Treatment.UNTREATED
    ),
    estimator: Annotated[
        str, Query(description="`corrected`, `plain`, or `overlap`: each pair weighed to what both have in common.")
    ] = "corrected",
) -> Response:
    """Compare treatment classes with one of them for one patient of interest, over 24 months."""
    return answer(
        await reference.compute(
            lambda: reference.projector().contrast(patient, reference=against, estimator=estimator, **asked.options())
        )
    )


@router.post(
    "/patients-of-reference",
    responses=described(Explanation, "Who the patients of reference are, per class, and how they differ."),
    openapi_extra=PATIENT_BODY,
)
async def describe_patients_of_reference(patient: _Patient, asked: _Similarity, reference: _Reference) -> Response:
    """Describe the patients of reference: counts, distances, features, balance between classes, sources."""
    return answer(await reference.compute(lambda: reference.projector().explain(patient, **asked.options())))

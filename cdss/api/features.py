"""The features of the similarity, with their default weights in the served release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from cdss.api.answers import answer, answer_schema
from cdss.api.dependencies import reference
from cdss.api.question import DEFINITIONS
from cdss.reference import Reference
from selection.features import FEATURES

router = APIRouter(tags=["reference database"])


@dataclass(frozen=True, slots=True)
class FeatureOfSimilarity:
    """One feature.

    Attributes
    ----------
    name, label, unit : str
    levels : tuple of str
        Values of a category; empty for a number.
    default_weight : float
        Learned from the reference database for prognostic relevance.
    """

    name: str
    label: str
    unit: str
    levels: tuple[str, ...]
    default_weight: float


@dataclass(frozen=True, slots=True)
class Features:
    """Every feature of the similarity, in the order in which it is shown."""

    release: str
    features: tuple[FeatureOfSimilarity, ...]


_SCHEMA, _definitions = answer_schema(Features)
DEFINITIONS.update(_definitions)
_EXAMPLE = {
    "release": "r1-0123456789ab",
    "features": [
        {"name": "age", "label": "Age", "unit": "years", "levels": [], "default_weight": 0.1},
        {"name": "sex", "label": "Sex", "unit": "", "levels": ["female", "male"], "default_weight": 0.02},
    ],
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The features.", "content": {"application/json": {"schema": _SCHEMA, "example": _EXAMPLE}}},
    503: {"description": "No release can be served (RFC 9457)."},
}


@router.get("/features", responses=_RESPONSES)
def list_features(reference: Annotated[Reference, Depends(reference)]) -> Response:
    """List the features by which patients are compared, with their default weights."""
    selector = reference.projector().selector
    return answer(
        Features(
            release=selector.release.version,
            features=tuple(
                FeatureOfSimilarity(
                    feature.name, feature.label, feature.unit, feature.levels, selector.default_weights[feature.name]
                )
                for feature in FEATURES
            ),
        )
    )

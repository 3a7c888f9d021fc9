"""Examples of questions and answers for the OpenAPI document, made of the types that they are examples of.

Figures of answers are invented and short: one class, three months.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from projection import ClassProjection, Contrast, Contrasts, Curve, EdssCourse, Estimate, Projection
from projection.projector import CAVEATS
from reference_db.vocabulary import Treatment
from selection.explanation import ClassExplanation, Explanation, FeatureComparison
from selection.patient import EXAMPLE

PATIENTS: Mapping[str, Mapping[str, Any]] = {
    "active": {"summary": "Relapsing-remitting, one relapse in the last year", "value": EXAMPLE},
    "least": {
        "summary": "The three features that must be known",
        "value": {"age": 52, "phenotype": "SPMS", "edss": 5.5},
    },
}
"""Patients of interest, for every route that takes one."""

_RELEASE = "r1-0123456789ab"
_TREATMENT = Treatment.NATALIZUMAB.value
_SOURCES = {"AFFIRM": 130, "OFSEP": 50, "other": 20}


def _curve(value: list[float], lower: list[float], upper: list[float]) -> Curve:
    months = np.array([0.0, 12.0, 24.0])
    return Curve(months, np.array(value), np.array(lower), np.array(upper), np.array([200.0, 155.0, 135.0]))


def _projection() -> Projection:
    course = EdssCourse(
        _curve([2.5, 2.4, 2.4], [2.5, 2.2, 2.1], [2.5, 2.6, 2.7]),
        *(np.array([2.5, at, at]) for at in (1.5, 2.0, 2.5, 3.0, 3.5)),
    )
    part = ClassProjection(
        treatment=_TREATMENT,
        n_eligible=945,
        n=200,
        refusal=None,
        edss=course,
        probabilities={"worsening_24w": _curve([0.0, 0.04, 0.07], [0.0, 0.02, 0.03], [0.0, 0.09, 0.14])},
        annualised_relapse_rate=Estimate(0.24, 0.15, 0.38, 195),
        sources=_SOURCES,
    )
    return Projection(_RELEASE, 200, {"age": 0.1, "edss": 0.2}, (part,), CAVEATS)


def _contrasts() -> Contrasts:
    compared = Contrast(
        treatment=_TREATMENT,
        refusal=None,
        n=200,
        edss=Estimate(-0.2, -0.5, 0.1, 400),
        risks={"relapse": Estimate(-0.27, -0.4, -0.14, 400)},
        event_free_months={"relapse": Estimate(4.1, 2.2, 6.0, 400)},
        hazard_ratios={"relapse": Estimate(0.45, 0.3, 0.68, 400)},
    )
    return Contrasts(_RELEASE, Treatment.UNTREATED.value, 200, "corrected", (compared,), CAVEATS)


def _explanation() -> Explanation:
    age = FeatureComparison("age", "Age", "years", 34.0, 1.0, 34.6, 30.1, 38.9, {}, 0.06)
    part = ClassExplanation(
        treatment=_TREATMENT,
        n_eligible=945,
        n_within_caliper=880,
        n=200,
        refusal=None,
        distance=(0.1, 0.24, 0.3, 0.35, 0.41),
        features=(age,),
        from_trials=0.65,
        sources=_SOURCES,
    )
    return Explanation(_RELEASE, 200, {"age": 0.1, "edss": 0.2}, (part,), (_TREATMENT,), {})


def example_of(answer_type: type) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return an example of an answer, as JSON holds it."""
    made = {Projection: _projection, Contrasts: _contrasts, Explanation: _explanation}[answer_type]()
    return orjson.loads(orjson.dumps(made, option=orjson.OPT_SERIALIZE_NUMPY))

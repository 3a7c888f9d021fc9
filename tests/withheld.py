"""Projections in which a class could not be observed for as long as the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from projection.result import Curve, Projection
from reference_db.vocabulary import Treatment


def observed_until(projection: Projection, treatment: Treatment, outcome: str, month: float) -> Projection:
    """Return the projection with an outcome, or ``edss``, of a class withheld after a month; at 0 nothing is left."""
    classes = []
    for one in projection.classes:
        if one.treatment != treatment:
            classes.append(one)
        elif outcome == "edss" and one.edss is not None:
            classes.append(replace(one, edss=replace(one.edss, expected=_cut(one.edss.expected, month))))
        else:
            cut = {**one.probabilities, outcome: _cut(one.probabilities[outcome], month)}
            classes.append(replace(one, probabilities=cut))
    return replace(projection, classes=tuple(classes))


def _cut(curve: Curve, month: float) -> Curve:
    shown = curve.months <= month
    value, lower, upper = (np.where(shown, values, np.nan) for values in (curve.value, curve.lower, curve.upper))
    return Curve(curve.months, value, lower, upper, np.where(shown, curve.n, 0.0))

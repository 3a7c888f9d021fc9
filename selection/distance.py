"""The weighted, masked distance between patients, as one inner product.

For a patient of interest q with weights w, and a patient of reference x, both standardised::

    distance^2 = sum_j w_j (q_j - x_j)^2  =  w.q^2 - ( [2wq, -w] . [x, x^2] )

so the nearest patients are those with the largest inner product, and an exact inner-product index answers with other
weights at every question. A feature that the patient of interest does not have gets weight 0. A feature that the
patient of reference does not have counts as its expectation over the reference database, x -> 0 and x^2 -> its
variance: not knowing is as far away as a patient drawn at random, never nearer.

Weights are made to sum to 1 over the known features, so the distance reads as standard deviations per feature and
one caliper serves every patient and every choice of weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reference_db.errors import FieldProblem, InvalidInput
from selection.features import COLUMN_FEATURE, FEATURE_NAMES, FEATURES, NUMERIC

Floats = NDArray[np.float64]

LARGEST_WEIGHT = 1000.0


def checked_weights(weights: Mapping[str, float], default: Mapping[str, float]) -> dict[str, float]:
    """Complete a user's weights with the default ones.

    Parameters
    ----------
    weights : mapping of str to float
        Weight of some features, 0 (ignored) to 1000; only their ratios matter.
    default : mapping of str to float
        Weight of every feature.

    Raises
    ------
    InvalidInput
        For an unknown feature, a weight out of range, or weights that are all zero.
    """
    problems = [
        FieldProblem(f"weights.{name}", "is not a feature", ", ".join(FEATURE_NAMES))
        for name in weights
        if name not in FEATURE_NAMES
    ]
    problems += [
        FieldProblem(f"weights.{name}", f"{weight:g} is out of range", f"0 to {LARGEST_WEIGHT:g}")
        for name, weight in weights.items()
        if not 0 <= weight <= LARGEST_WEIGHT
    ]
    complete = {name: float(weights.get(name, default[name])) for name in FEATURE_NAMES}
    if not problems and not any(complete.values()):
        problems.append(
            FieldProblem("weights", "are all zero: no feature is left to compare", "at least one above 0")
        )
    if problems:
        raise InvalidInput(problems)
    return complete


def stored(standardised: Floats) -> Floats:
    """Return [x, x^2] for patients of reference: shape (patients, 2 columns).

    Unknown numbers become their expectation 0 and 1; unknown levels become 0 and the variance of their column.
    """
    unknown = np.isnan(standardised)
    known = np.where(unknown, 0.0, standardised)
    square = known**2
    count = np.maximum((~unknown).sum(axis=0), 1)
    expected_square = np.where(NUMERIC, 1.0, square.sum(axis=0) / count)
    return np.concatenate([known, np.where(unknown, expected_square, square)], axis=1)


def column_weights(weights: Mapping[str, float], standardised: Floats) -> Floats:
    """Return the weight of each column for each patient of interest: shape (patients, columns).

    A feature that is not known has 0; the features of one patient sum to 1, or to 0 when none that counts is known.
    """
    per_feature = np.array([weights[feature.name] for feature in FEATURES])
    first = np.searchsorted(COLUMN_FEATURE, np.arange(len(FEATURES)))
    known = ~np.isnan(standardised[:, first])
    used = np.where(known, per_feature, 0.0)
    total = used.sum(axis=1, keepdims=True)
    share: Floats = np.divide(used, total, out=np.zeros_like(used), where=total > 0)
    return share[:, COLUMN_FEATURE]


def question(standardised: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return [2wq, -w] for patients of interest, shape (patients, 2 columns), and their constants w.q^2."""
    known = np.where(np.isnan(standardised), 0.0, standardised)
    return np.concatenate([2 * weights * known, -weights], axis=1), (weights * known**2).sum(axis=1)

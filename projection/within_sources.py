"""What features are worth, learned within sources: differences between sources must not pass for effects of features.

Every outcome is regressed on what predicts it among the patients of a class, each source of the class with a level of
its own. Effects that all classes share are learned from all of them; how a class deviates is learned from its own
patients, and shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selection.features import COLUMN_FEATURE, FEATURES

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

FEWEST_PER_SOURCE = 40
"""Patients of a source under a class from which its deviation is taken."""

_RIDGE = 20.0
_RIDGE_OF_CLASS = 200.0
"""Penalties, in patients, on effects that all classes share and on how the effects in one class deviate from them."""

_HINGES = (2.0, 4.0, 5.0, 6.0)
"""EDSS at which the slope on it may change: walking decides from 4, is limited from 5 and needs help from 6."""


_LEVELS = ((0.0, 0.5), (0.5, 1.25))
"""EDSS from and below which 0 and 1.0 stand."""


@dataclass(frozen=True)
class Slopes:
    """Effects of what predicts outcomes.

    Attributes
    ----------
    coefficients : ndarray, shape (classes, terms, outcomes)
    uncertainty : ndarray, shape (classes, terms, terms)
        Covariance of the coefficients for residuals of variance 1, from the patients in whom one outcome is known.
    residual : ndarray, shape (patients, outcomes)
        What is left, the level of the source included; NaN where not observed.
    source : ndarray of int, shape (patients,)
    group : ndarray of int, shape (patients,)
        Source within class of each patient.
    """

    coefficients: Floats
    uncertainty: Floats
    residual: Floats
    source: Indices
    group: Indices


def _regressed() -> Indices:
    """Columns of the regression: numbers, and all levels but the first of each category."""
    chosen, at = [], 0
    for feature in FEATURES:
        chosen += [at] if not feature.levels else list(range(at + 1, at + feature.width))
        at += feature.width
    return np.array(chosen)


REGRESSED: Indices = _regressed()
"""Columns of the features that enter regressions."""

PHENOTYPES: Indices = np.flatnonzero(np.array([FEATURES[at].name == "phenotype" for at in COLUMN_FEATURE]))
"""Columns of the phenotype."""

_RELAPSES = next(i for i, at in enumerate(REGRESSED) if FEATURES[COLUMN_FEATURE[at]].name == "relapses_12m")


def terms(columns: Floats, edss: Floats) -> Floats:
    """Return what predicts outcomes: features, what is unknown of them, and the EDSS where its scale bends.

    Parameters
    ----------
    columns : ndarray, shape (patients, columns)
        Standardised features, NaN where unknown.
    edss : ndarray, shape (patients,)

    Notes
    -----
    At EDSS 0 a fluctuation can only be seen upwards, and 0.5 does not exist: 0 and 1.0 have levels of their own. Nor
    can anybody recover below 0, so what recent relapses tell is another thing there.
    """
    features = columns[:, REGRESSED]
    known = np.nan_to_num(features)
    bends = [np.maximum(edss - start, 0.0) for start in _HINGES]
    levels = [(edss >= low) & (edss < high) for low, high in _LEVELS]
    recovering = [level * known[:, _RELAPSES] for level in levels]
    return np.column_stack([known, np.isnan(features), *bends, *levels, *recovering]).astype(np.float64)


def not_known(columns: Floats) -> NDArray[np.bool_]:
    """Tell which of the `terms` rest on a feature that is not known: shape (patients, terms)."""
    unknown = np.isnan(columns[:, REGRESSED])
    of_edss = np.zeros((len(columns), len(_HINGES) + len(_LEVELS)), dtype=np.bool_)
    relapses = np.repeat(unknown[:, _RELAPSES, None], len(_LEVELS), axis=1)
    return np.concatenate([unknown, unknown, of_edss, relapses], axis=1)


def slopes_within_sources(
    outcomes: Floats, predictors: Floats, source: Indices, treatment: Indices, *, classes: int, judged_by: int
) -> Slopes:
    """Learn the effects.

    Parameters
    ----------
    outcomes : ndarray, shape (patients, outcomes)
        NaN where not observed.
    predictors : ndarray, shape (patients, terms)
        As `terms` returns them.
    source, treatment : ndarray of int, shape (patients,)
        Numbers of the source and of the class.
    classes : int
        How many there are.
    judged_by : int
        The outcome whose patients tell how uncertain coefficients are.
    """
    width = predictors.shape[1]
    group = np.unique(source * classes + treatment, return_inverse=True)[1].reshape(-1)
    coefficients = np.zeros((classes, width, outcomes.shape[1]))
    uncertainty = np.tile(np.eye(width) * (1.0 / _RIDGE + 1.0 / _RIDGE_OF_CLASS), (classes, 1, 1))
    known = ~np.isnan(outcomes)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        columns = np.flatnonzero(which.reshape(-1) == number)
        seen = np.flatnonzero(pattern)
        if len(seen) < FEWEST_PER_SOURCE:
            continue
        x = centred(predictors[seen], group[seen])
        y = centred(outcomes[np.ix_(seen, columns)], group[seen])
        scatter = x.T @ x + _RIDGE * np.eye(width)
        shared = np.linalg.solve(scatter, x.T @ y)
        left = y - x @ shared
        for one in range(classes):
            of_class = treatment[seen] == one
            part = x[of_class]
            penalised = part.T @ part + _RIDGE_OF_CLASS * np.eye(width)
            coefficients[one][:, columns] = shared + np.linalg.solve(penalised, part.T @ left[of_class])
            if judged_by in columns:
                uncertainty[one] = np.linalg.inv(scatter) + np.linalg.inv(penalised)
    residual = np.empty_like(outcomes)
    for one in range(classes):
        of_class = treatment == one
        residual[of_class] = outcomes[of_class] - predictors[of_class] @ coefficients[one]
    return Slopes(coefficients, uncertainty, residual, source, group)


def centred(values: Floats, group: Indices) -> Floats:
    """Subtract from each column the mean of the patient's group over the patients in whom it is known."""
    known = ~np.isnan(values)
    size = np.stack([np.bincount(group, weights=column) for column in known.T], axis=1)
    total = np.stack([np.bincount(group, weights=column) for column in np.nan_to_num(values).T], axis=1)
    away: Floats = values - (total / np.maximum(size, 1.0))[group]
    return away

"""The change of the EDSS as a model: what features predict, what is left of it, and how sources differ in it.

Patients of reference are never quite like the patient of interest. What a difference in a feature is worth is learned
from all patients of the class (Abadie and Imbens' correction of matching; `projection.within_sources`). What the
features do not predict, the residual of each patient, is what patients of reference bring.

Visits are missing: schedules differ, patients leave. A missing residual is expected from those of the patient that
were observed and from the mean of the group, with the covariance that residuals have over months in the whole
database. So every month of a course rests on the same patients of reference, those who left are not forgotten, and a
course does not jump where its patients change. It is right when leaving depends on what was observed before.

References
----------
Abadie and Imbens, J Bus Econ Stat 2011, doi 10.1198/jbes.2009.07333. Little and Rubin, Statistical Analysis with
Missing Data, 3rd ed., 2019, chapter 7 (monotone and general patterns under normality).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.within_sources import Slopes, centred

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_START, _ROUNDS = 0.5, 25
"""Correlation over months that is started from, and rounds after which it hardly moves any more."""

_LEAST = 1e-6
"""Least variance of a residual: at baseline, where nothing has changed, there is none."""


@dataclass(frozen=True)
class ChangeModel:
    """Change of EDSS since baseline on the grid.

    Attributes
    ----------
    coefficients : ndarray, shape (classes, terms, grid)
    variance : ndarray, shape (grid,)
        Of the residuals.
    completed : ndarray, shape (patients, grid)
        Residuals, those not observed expected from those that were, in a group whose mean residual is 0.
    pattern : ndarray of int, shape (patients,)
        Which months each patient was observed at.
    seen : ndarray of bool, shape (patterns, grid)
        The months of each pattern.
    operators : ndarray, shape (patterns, grid, grid)
        What expects the residuals of all months from those of the months of the pattern.
    """

    coefficients: Floats
    variance: Floats
    completed: Floats
    pattern: Indices
    seen: NDArray[np.bool_]
    operators: Floats


def change_model_of(slopes: Slopes) -> ChangeModel:
    """Lay out the model from the slopes of the changes at every month of the grid, the first being the baseline."""
    residual = slopes.residual
    patterns, pattern = np.unique(~np.isnan(residual), axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    covariance = _covariance(residual, slopes.group, patterns, pattern)
    operators = _completing(patterns, covariance)
    completed = _completed(np.nan_to_num(residual), operators, pattern)
    return ChangeModel(slopes.coefficients, np.diag(covariance).copy(), completed, pattern, patterns, operators)


def _covariance(residual: Floats, group: Indices, patterns: NDArray[np.bool_], pattern: Indices) -> Floats:
    """Return the covariance of residuals over months within groups, by expectation and maximisation.

    Covariances of those who happen to be seen at two months would be those of a selection: who stays is not like who
    leaves.
    """
    seen = ~np.isnan(residual)
    size = np.maximum(np.bincount(group), 1)[:, None]
    count = np.bincount(pattern, minlength=len(patterns)).astype(np.float64)
    squares = np.nan_to_num(centred(residual, group) ** 2).sum(axis=0)
    spread = np.sqrt(np.maximum(squares / np.maximum(seen.sum(axis=0), 1), _LEAST))
    covariance = np.outer(spread, spread) * (_START + (1.0 - _START) * np.eye(residual.shape[1]))
    known = np.nan_to_num(residual)
    mean = np.zeros((len(size), residual.shape[1]))
    for _ in range(_ROUNDS):
        operators = _completing(patterns, covariance)
        away = _completed(np.where(seen, known - mean[group], 0.0), operators, pattern)
        step = np.stack([np.bincount(group, weights=column) for column in away.T], axis=1) / size
        mean += step
        away -= step[group]
        left = covariance - operators @ covariance
        covariance = (away.T @ away + np.tensordot(count, left, axes=1)) / max(len(residual), 1)
        covariance = (covariance + covariance.T) / 2.0 + _LEAST * np.eye(len(covariance))
    return covariance


def _completing(patterns: NDArray[np.bool_], covariance: Floats) -> Floats:
    """Return what expects the residuals of all months from those seen; the baseline, which is 0, tells nothing."""
    used = patterns.astype(np.float64)
    used[:, 0] = 0.0
    inner = covariance * used[:, :, None] * used[:, None, :] + np.eye(patterns.shape[1]) * (1.0 - used[:, :, None])
    operators: Floats = (covariance * used[:, None, :]) @ np.linalg.inv(inner) * used[:, None, :]
    operators[:, 0, :] = 0.0
    operators[:, 0, 0] = 1.0
    return operators


def _completed(residual: Floats, operators: Floats, pattern: Indices) -> Floats:
    """Apply to each patient the operator of their pattern; missing residuals are 0."""
    order = np.argsort(pattern, kind="stable")
    found = np.empty(residual.shape)
    starts = np.searchsorted(pattern[order], np.arange(len(operators) + 1))
    for number, operator in enumerate(operators):
        rows = order[starts[number] : starts[number + 1]]
        found[rows] = residual[rows] @ operator.T
    return found

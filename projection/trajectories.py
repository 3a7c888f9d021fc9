"""The course of the EDSS: what is expected, and where single patients end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.change_model import ChangeModel
from projection.composite import EDSS, Composition, departure_of
from projection.endpoints import GRID, HORIZON
from projection.local_regression import LocalRegression
from projection.standardised import Standardised
from projection.survival import Z95
from reference_db.schema import EDSS_SCALE
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

QUANTILES: Floats = np.array([0.10, 0.25, 0.50, 0.75, 0.90])
"""Quantiles of the individual courses that are shown."""


@dataclass(frozen=True, slots=True)
class Courses:
    """Courses of the EDSS of groups of patients of reference, seen from their patients of interest.

    Attributes
    ----------
    value, error, number : ndarray, shape (groups, grid)
        Expected EDSS, its standard error, and the patients observed. NaN where fewer than the small-cell threshold.
    quantiles : ndarray, shape (quantiles, groups, grid)
        Of the individual courses.
    repeated : ndarray, shape (groups, grid)
        Part of the squared error that stands for what a synthetic database is off by, the same way in all classes.
    """

    value: Floats
    error: Floats
    number: Floats
    quantiles: Floats
    repeated: Floats

    def interval(self) -> tuple[Floats, Floats]:
        """Return the 95 % interval of the expected EDSS, within the scale."""
        half = Z95 * self.error
        return np.clip(self.value - half, *_ENDS), np.clip(self.value + half, *_ENDS)


_ENDS = (EDSS_SCALE[0], EDSS_SCALE[-1])

_AT = int(np.searchsorted(GRID, HORIZON))


@dataclass(frozen=True, slots=True)
class Levels:
    """What features do not predict of the change of EDSS, of groups.

    Attributes
    ----------
    level, variance : ndarray, shape (groups, grid)
        Mean residual and its sampling variance; 0 where too few were observed.
    number : ndarray, shape (groups, grid)
        Patients observed.
    shown : ndarray of bool, shape (groups, grid)
        Whether these are enough.
    completed : ndarray, shape (groups, k, grid)
        Residuals of the patients, missing ones expected from those observed.
    observed : ndarray of bool, shape (groups, k, grid)
    """

    level: Floats
    variance: Floats
    number: Floats
    shown: NDArray[np.bool_]
    completed: Floats
    observed: NDArray[np.bool_]


def levels(rows: Indices, group: Standardised, change: ChangeModel) -> Levels:
    """Return the mean residuals of groups.

    Parameters
    ----------
    rows : ndarray of int, shape (groups, k)
        Patients of reference.
    group : Standardised
        Their weights.
    change : ChangeModel

    Returns
    -------
    Levels
        Missing residuals are expected from the others (see `projection.change_model`), with the mean residual of the
        group as the solution of ``mean(expected) = mean``. The variance is that of a weighted mean, with each
        patient's own residual as its error.
    """
    completed = change.completed.take(rows, axis=0)
    grid = completed.shape[2]
    patterns, place = _numbered(change.pattern.take(rows), len(change.operators))
    seen, member = change.seen.take(patterns, axis=0), group.weights > 0
    observed = seen.take(place, axis=0) & member[:, :, None]
    at = np.arange(len(rows))[:, None] * len(patterns) + place

    def by_pattern(of_patient: Floats) -> Floats:
        summed = np.bincount(at.ravel(), weights=of_patient.ravel(), minlength=len(rows) * len(patterns))
        return summed.astype(np.float64).reshape(len(rows), len(patterns))

    # Patients of one pattern are counted together: there are fewer patterns than patients, by far.
    number = by_pattern(member.astype(np.float64)) @ seen.astype(np.float64)
    shown = number >= SMALL_CELL
    smoother = group.weights / np.maximum(group.weights.sum(axis=1), 1e-12)[:, None]
    operators = change.operators.take(patterns, axis=0)
    system = by_pattern(smoother) @ operators.reshape(len(patterns), grid * grid)
    system = system.reshape(len(rows), grid, grid)
    # Months that too few were observed at are not estimated, and tell the others nothing.
    inverse = np.linalg.inv(np.where(shown[:, :, None], system, np.eye(grid)))
    level = np.matmul(smoother[:, None, :], completed) * shown[:, None, :]
    level = np.matmul(level, inverse.transpose(0, 2, 1))[:, 0]
    expected = (level @ operators.reshape(len(patterns) * grid, grid).T).reshape(-1, grid)
    deviation = completed - expected.take(at, axis=0)
    influence = np.matmul(deviation * smoother[:, :, None], inverse.transpose(0, 2, 1))
    members = member.sum(axis=1)[:, None]
    variance = np.einsum("gkm,gkm->gm", influence, influence) * members / np.maximum(members - 1.0, 1.0)
    return Levels(level, variance, number, shown, completed, observed)


def composed_courses(
    own: Floats,
    predicted: Floats,
    near: Levels,
    group: Standardised,
    class_level: Floats,
    class_variance: Floats,
    by: Composition,
    residual_variance: Floats,
) -> tuple[Courses, Floats]:
    """Project the EDSS: own state, the change that features predict, and what patients under the class add to it.

    Parameters
    ----------
    own : ndarray, shape (groups,)
        EDSS of the patient of interest of each group.
    predicted : ndarray, shape (groups, grid)
        Change that the features of the patient of interest predict under the class.
    near : Levels
        Of the patients of reference.
    group : Standardised
        Their weights.
    class_level, class_variance : ndarray, shape (groups, grid)
        Of all patients of the class and phenotype.
    by : Composition
    residual_variance : ndarray, shape (grid,)

    Returns
    -------
    Courses
    ndarray, shape (groups,)
        Weights of the patients of reference.

    Notes
    -----
    Both levels are composed with the weight that makes the error at 24 months least, at all months: a course does not
    change hands. The standard error is that of the composed level, of what features are worth, and of the sources.
    Individual courses are those of the patients of reference about the expected one.
    """
    apart = by.departure.edss
    # Judged at the last month up to 24 that both tell something of.
    told = near.shown & np.isfinite(class_variance)
    judged = (_AT - told[:, _AT::-1].argmax(axis=1))[:, None]
    group_of = np.arange(len(told))[:, None]
    whole = np.where(told, class_variance, np.inf)
    weight = by.weight(apart[judged], near.variance[group_of, judged], whole[group_of, judged])
    level = weight * near.level + (1.0 - weight) * class_level
    once = np.where(near.shown, by.sampled(weight, near.variance, class_variance), 0.0)
    variance = by.sampling * once + by.variance_along_gap(weight, EDSS) * residual_variance
    variance += (1.0 - weight) ** 2 * apart
    away = weight[:, :, None] * group.away_of(near.observed) + (1.0 - weight[:, :, None]) * by.class_away[:, None]
    variance += by.between.edss * (away**2).sum(axis=2)
    value = own[:, None] + predicted + level
    # Where a residual was observed, the completed one is the same.
    quantiles = individual_quantiles(
        value - near.level, near.completed.transpose(0, 2, 1), near.observed.transpose(0, 2, 1), near.number
    )
    courses = Courses(
        value=np.where(near.shown, np.clip(value, *_ENDS), np.nan),
        error=np.where(near.shown, np.sqrt(variance), np.nan),
        number=np.where(near.shown, near.number, np.nan),
        quantiles=np.where(near.shown, quantiles, np.nan),
        repeated=(by.sampling - 1.0) * once,
    )
    return courses, weight[:, 0]


def departure_of_courses(
    near: Levels, class_level: Floats, class_variance: Floats, counted: float, explained: Floats, poi: Indices
) -> tuple[Floats, Floats]:
    """Return how far the levels of neighbourhoods depart, and the part that all classes share: shape (grid,) each.

    A group counts as much as it is certain. See `composite.departure_of`.

    Parameters
    ----------
    near : Levels
        Of many groups.
    class_level, class_variance : ndarray, shape (groups, grid)
    counted : float
        How often the sampling of a group counts in how far it is from its class.
    explained : ndarray, shape (groups, grid)
        Variance of that by sources and by what features are worth.
    poi : ndarray of int, shape (groups,)
        Number of the patient of interest of each group.
    """
    usable = near.shown & np.isfinite(class_variance) & (near.variance > 0)
    counts = np.divide(1.0, near.variance**2, out=np.zeros_like(near.variance), where=usable)
    sampled = counted * np.where(usable, np.maximum(near.variance - class_variance, 0.0), 0.0)
    return departure_of(near.level - class_level, sampled + explained, counts, poi)


def _numbered(values: Indices, most: int) -> tuple[Indices, Indices]:
    """Return the values that occur, from 0 to `most`, and which of them each value is."""
    occurs = np.zeros(most, dtype=np.bool_)
    occurs[values] = True
    found = np.flatnonzero(occurs)
    number = np.zeros(most, dtype=np.intp)
    number[found] = np.arange(len(found))
    return found, number.take(values)


def edss_courses(own: Floats, change: Floats, regression: LocalRegression, between: Floats) -> Courses:
    """Project the EDSS: own state plus the corrected change of the patients of reference.

    Parameters
    ----------
    own : ndarray, shape (groups,)
        EDSS of the patient of interest of each group.
    change : ndarray, shape (groups, grid, k)
        EDSS of the patients of reference minus their EDSS at baseline; NaN where not observed.
    regression : LocalRegression
        Of the same groups.
    between : ndarray, shape (groups or 1, grid)
        Variance between sources of the change at each step.

    Returns
    -------
    Courses
        The standard error is that of a weighted sum of the outcomes with the residuals of the regression as their
        errors, widened by the degrees of freedom that the regression takes (HC1), and by the variance between
        sources. The individual courses are own state plus each patient's change, corrected by the regression for
        that patient's difference.
    """
    missing = np.isnan(change)
    observed = (~missing & (regression.weights[:, None, :] > 0)).astype(np.float64)
    number = observed.sum(axis=2)
    known = np.where(observed > 0, change, 0.0)
    smoother = regression.smoother(observed)
    expected = (smoother * known).sum(axis=2)
    slopes = regression.slopes(observed, known)
    adjusted = known - np.matmul(slopes, regression.differences.transpose(0, 2, 1))
    residual = (adjusted - expected[:, :, None]) * observed
    taken = regression.degrees_of_freedom(number)
    variance = (smoother**2 * residual**2).sum(axis=2) * number / np.maximum(number - taken, 1.0)
    variance += between * regression.concentration(smoother)
    shown = number >= SMALL_CELL
    return Courses(
        value=np.where(shown, np.clip(own[:, None] + expected, *_ENDS), np.nan),
        error=np.where(shown, np.sqrt(variance), np.nan),
        number=np.where(shown, number, np.nan),
        quantiles=np.where(shown, individual_quantiles(own[:, None], adjusted, observed > 0, number), np.nan),
        repeated=np.zeros_like(variance),
    )


def individual_quantiles(start: Floats, change: Floats, observed: NDArray[np.bool_], number: Floats) -> Floats:
    """Return quantiles of the courses of single patients, interpolated as `numpy.quantile` does.

    Parameters
    ----------
    start : ndarray, shape (groups, grid)
        What the changes are added to; sums beyond the scale are at its ends.
    change : ndarray, shape (groups, grid, k)
    observed : ndarray of bool, shape (groups, grid, k)
        Whose change counts.
    number : ndarray, shape (groups, grid)
        How many these are.

    Returns
    -------
    ndarray, shape (quantiles, groups, grid)
        NaN where nobody is observed.
    """
    # In one piece, each group's values beside each other: sorting along a stride takes twice the time.
    ordered = np.ascontiguousarray(np.where(observed, change, np.inf))
    ordered.sort(axis=-1)
    last = np.maximum(number - 1.0, 0.0)
    place = last * QUANTILES[:, None, None]
    below = np.floor(place)
    steps = np.array([below, np.minimum(below + 1.0, last)]).astype(np.intp)
    # Adding and bounding keep the order: of each month only the values between which quantiles are need it.
    found = ordered.take(np.arange(0, ordered.size, ordered.shape[-1]).reshape(last.shape) + steps)
    low, high = np.clip(start + found, *_ENDS)
    return np.where(number > 0, low + (high - low) * (place - below), np.nan)

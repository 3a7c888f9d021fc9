"""Annualised relapse rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.local_regression import Weighing
from projection.survival import Z95
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]

_LARGEST = 30.0
"""Largest correction or half-width on the logarithm that is carried out."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Relapses per patient-year of groups.

    Attributes
    ----------
    value, lower, upper, error, number : ndarray, shape (groups,)
        Rate, its 95 % interval and standard error, and the patients observed; NaN where they are too few.
    """

    value: Floats
    lower: Floats
    upper: Floats
    error: Floats
    number: Floats


def relapse_rates(
    relapses: Floats,
    years: Floats,
    regression: Weighing,
    between: Floats,
    *,
    shift: Floats | None = None,
    unsure: Floats | None = None,
    sampling: float = 1.0,
) -> Rates:
    """Estimate relapses per patient-year.

    Parameters
    ----------
    relapses, years : ndarray, shape (groups, k)
        Relapses and the patient-years over which they were counted; 0 years where nothing was observed.
    regression : Weighing
        Of the same groups; corrects the contribution of each patient to the ratio.
    between : ndarray, shape (groups or 1,)
        Variance between sources, relative to the rate.
    shift, unsure : ndarray, shape (groups,), optional
        What features are worth over the gap between a group and its patient of interest, as the logarithm of a ratio
        of rates, and its variance.
    sampling : float
        Factor on the sampling variance.

    Returns
    -------
    Rates
        The ratio of sums with its sandwich error, which holds whatever the spread of relapses between patients; the
        interval is taken on the logarithm. Without any relapse the upper bound is the exact Poisson one.
    """
    observed = (years > 0) & (regression.weights > 0)
    used = regression.weights * observed
    exposure = (used * years).sum(axis=1)
    total = (used * relapses).sum(axis=1)
    number = observed.sum(axis=1).astype(np.float64)
    some = exposure > 0
    rate = np.divide(total, exposure, out=np.zeros_like(total), where=some)
    mean_years = np.divide(exposure, used.sum(axis=1), out=np.ones_like(exposure), where=some)
    contribution = rate[:, None] + (relapses - rate[:, None] * years) / mean_years[:, None]
    smoother = regression.smoother(observed[:, None, :].astype(np.float64))
    spread = between * rate**2 * regression.concentration(smoother)[:, 0]
    smoother = smoother[:, 0]
    estimate = (smoother * contribution).sum(axis=1)
    deviation = (contribution - estimate[:, None]) * observed
    positive = rate > 0
    correction = np.divide(estimate - rate, rate, out=np.zeros_like(rate), where=positive)
    if shift is not None and unsure is not None:
        correction = correction + shift
        spread = spread + unsure * rate**2
    # Downwards the correction is a factor, so that a rate stays above 0; upwards its first step.
    corrected = rate * np.where(correction < 0, np.exp(np.minimum(correction, 0.0)), 1.0 + correction)
    taken = regression.degrees_of_freedom(number[:, None])[:, 0]
    variance = sampling * (smoother**2 * deviation**2).sum(axis=1) * number / np.maximum(number - taken, 1.0) + spread
    relative = np.divide(np.sqrt(variance), rate, out=np.zeros_like(rate), where=positive)
    error = relative * corrected
    half = np.exp(np.minimum(Z95 * relative, _LARGEST))
    none = -np.log(0.025) / np.where(some, exposure, 1.0)
    lower = np.where(positive, corrected / half, 0.0)
    upper = np.where(positive, corrected * half, none)
    shown = number >= SMALL_CELL
    return Rates(*(np.where(shown, array, np.nan) for array in (corrected, lower, upper, error, number)))

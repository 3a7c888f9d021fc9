"""Annualised relapse rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.class_outcomes import ClassOutcomes
from projection.composite import RATE, Composition, departure_of
from projection.local_regression import LocalRegression
from projection.standardised import Standardised
from projection.survival import Z95
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_LARGEST = 30.0
"""Largest correction or half-width on the logarithm that is carried out."""

_NONE = float(-np.log(0.025))
"""Upper 95 % limit of the expected number of relapses where none was seen."""


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

    @classmethod
    def where_enough(cls, value: Floats, lower: Floats, upper: Floats, error: Floats, number: Floats) -> Rates:
        """Return the rates of groups of which enough patients were observed."""
        shown = number >= SMALL_CELL
        return cls(*(np.where(shown, array, np.nan) for array in (value, lower, upper, error, number)))


@dataclass(frozen=True, slots=True)
class RateParts:
    """The two estimates that are composed, shape (groups,) each.

    Attributes
    ----------
    near, expected : ndarray
        Relapses a year, of the patients of reference and of their whole class, both moved to the features of the
        patient of interest.
    near_variance, class_variance : ndarray
        Sampling variances under the expected rate; infinite where the class has too few patients.
    number, exposure : ndarray
        Patients of reference observed, and their patient-years.
    """

    near: Floats
    expected: Floats
    near_variance: Floats
    class_variance: Floats
    number: Floats
    exposure: Floats


def rate_parts(
    relapses: Floats,
    years: Floats,
    group: Standardised,
    near_shift: Floats,
    whole: ClassOutcomes,
    class_shift: Floats,
) -> RateParts:
    """Estimate both parts.

    Parameters
    ----------
    relapses, years : ndarray, shape (groups, k)
        Relapses and the patient-years over which they were counted; 0 years where nothing was observed.
    group : Standardised
    near_shift, class_shift : ndarray, shape (groups,)
        What features are worth over the gap between the patients of reference, or their class, and the patient of
        interest, as a logarithm of the ratio of rates.
    whole : ClassOutcomes
        Of the class of each group.

    Returns
    -------
    RateParts
        Relapses scatter by their number times the dispersion of the class. Where the class has too few patients of
        the phenotype, or no relapse, the patients of reference stand for it.
    """
    exposure = (group.weights * years).sum(axis=1)
    total = (group.weights * relapses).sum(axis=1)
    near = _moved(np.divide(total, exposure, out=np.zeros_like(total), where=exposure > 0), near_shift)
    known = whole.rate_information > 0
    expected = np.where(known, _moved(whole.rate, class_shift), near)
    spread = expected * whole.dispersion
    observed = (years > 0) & (group.weights > 0)
    return RateParts(
        near,
        expected,
        spread * (group.weights**2 * years).sum(axis=1) / np.maximum(exposure, 1e-12) ** 2,
        np.divide(spread, whole.rate_information, out=np.full_like(spread, np.inf), where=known),
        observed.sum(axis=1).astype(np.float64),
        (observed * years).sum(axis=1),
    )


def _moved(rate: Floats, shift: Floats) -> Floats:
    """Move rates by what features are worth: downwards by a factor, upwards by its first step."""
    moved: Floats = rate * np.where(shift < 0, np.exp(np.clip(shift, -_LARGEST, 0.0)), 1.0 + shift)
    return moved


def departure_of_rates(found: RateParts, counted: float, explained: Floats, poi: Indices) -> float:
    """Return how far neighbourhoods depart, relative to the rate; a group counts as much as it has relapses.

    Parameters
    ----------
    found : RateParts
        Of many groups.
    counted : float
        How often the sampling of a group counts in how far it is from its class.
    explained : ndarray, shape (groups,)
        Variance of that by sources and by what features are worth, relative to the squared rate.
    poi : ndarray of int, shape (groups,)
        Number of the patient of interest of each group.
    """
    usable = np.isfinite(found.class_variance) & (found.near_variance > 0) & (found.expected > 0)
    squared = np.where(usable, found.expected**2, 1.0)
    counts = np.where(usable, squared / np.where(usable, found.near_variance, 1.0), 0.0)
    sampled = np.maximum(np.where(usable, found.near_variance - found.class_variance, 0.0), 0.0) / squared
    apart = (found.near - found.expected) / np.sqrt(squared)
    variance, _ = departure_of(apart[:, None], (counted * sampled + explained)[:, None], counts[:, None] ** 2, poi)
    return float(variance[0])


def composed_rates(found: RateParts, by: Composition) -> Rates:
    """Compose both parts, with the weight that makes the error least.

    Parameters
    ----------
    found : RateParts
    by : Composition

    Returns
    -------
    Rates
        With limits on the logarithm; beyond a factor of e the upper one goes on along its tangent.
    """
    near, whole = found.near_variance[:, None], found.class_variance[:, None]
    apart = by.departure.rate * found.expected[:, None] ** 2
    weight = by.weight(apart, near, whole)
    b = weight[:, 0]
    value = b * found.near + (1.0 - b) * found.expected
    relative = by.variance_along_gap(weight, RATE)[:, 0] + by.between.rate * (by.away(weight)[:, 0] ** 2).sum(axis=1)
    variance = (by.sampling * by.sampled(weight, near, whole) + (1.0 - weight) ** 2 * apart)[:, 0]
    error = np.sqrt(variance + relative * value**2)
    some = value > 0
    half = Z95 * np.divide(error, value, out=np.zeros_like(value), where=some)
    factor = np.where(half > 1.0, np.e * half, np.exp(np.minimum(half, 1.0)))
    upper = np.maximum(value * factor, _NONE / np.maximum(found.exposure, 1e-12))
    return Rates.where_enough(value, value * np.exp(-np.minimum(half, _LARGEST)), upper, error, found.number)


def relapse_rates(relapses: Floats, years: Floats, regression: LocalRegression, between: Floats) -> Rates:
    """Estimate relapses per patient-year from patients of reference alone.

    Parameters
    ----------
    relapses, years : ndarray, shape (groups, k)
        Relapses and the patient-years over which they were counted; 0 years where nothing was observed.
    regression : LocalRegression
        Of the same groups; corrects the contribution of each patient to the ratio.
    between : ndarray, shape (groups or 1,)
        Variance between sources, relative to the rate.

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
    shift = np.divide(estimate - rate, rate, out=np.zeros_like(rate), where=positive)
    corrected = _moved(rate, shift)
    taken = regression.degrees_of_freedom(number[:, None])[:, 0]
    variance = (smoother**2 * deviation**2).sum(axis=1) * number / np.maximum(number - taken, 1.0) + spread
    relative = np.divide(np.sqrt(variance), rate, out=np.zeros_like(rate), where=positive)
    half = np.exp(np.minimum(Z95 * relative, _LARGEST))
    lower = np.where(positive, corrected / half, 0.0)
    upper = np.where(positive, corrected * half, _NONE / np.where(some, exposure, 1.0))
    return Rates.where_enough(corrected, lower, upper, relative * corrected, number)

"""Composite estimation: a few patients alike, and what their whole class tells of patients like them.

Two hundred patients of reference have some twenty events: alone they give risks that scatter more than patients do.
What the whole class shows, moved to the features of the patient of interest, scatters little, and misses what is
special about a neighbourhood. The estimate is the mean of both, weighed by how certain each is. How far
neighbourhoods depart from what features tell is learned from the database itself.

References
----------
Fay and Herriot, J Am Stat Assoc 1979, doi 10.1080/01621459.1979.10482505; composite estimators in Rao and Molina,
Small Area Estimation, 2nd ed., 2015, chapters 3 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.heterogeneity import Heterogeneity

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


EDSS, RATE, EVENTS = slice(0, 1), slice(1, 2), slice(2, None)
"""Places of outcomes of whose effects of features it is known how uncertain they are."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Variance of neighbourhoods about what features tell, beyond sampling.

    Attributes
    ----------
    events : ndarray, shape (endpoints,)
        Of the probability of each event by month 24, on the scale of log(-log S).
    edss : ndarray, shape (grid,)
        Of the change of EDSS.
    rate : float
        Of relapses a year, relative to the rate.
    shared_events, shared_edss : ndarray, shapes (endpoints,) and (grid,)
        Part of it that a neighbourhood has in common under all classes: it cancels between two classes.
    """

    events: Floats
    edss: Floats
    rate: float
    shared_events: Floats
    shared_edss: Floats


def departure_of(apart: Floats, explained: Floats, counts: Floats, poi: Indices) -> tuple[Floats, Floats]:
    """Return how far neighbourhoods depart, and the part that all classes share, by the method of moments.

    Parameters
    ----------
    apart, explained : ndarray, shape (groups, outcomes)
        How far patients of reference are from what their class tells, and the variance that sampling explains of it.
    counts : ndarray, shape (groups, outcomes)
        How much each group counts; 0 where it tells nothing.
    poi : ndarray of int, shape (groups,)
        Number of the patient of interest of each group; groups of one are of different classes, so of different
        patients.

    Returns
    -------
    variance, shared : ndarray, shape (outcomes,)
        At least 0; shared at most the variance.
    """
    patients = int(poi.max(initial=-1)) + 1

    def mean(products: Floats, weights: Floats) -> Floats:
        total = weights.sum(axis=0)
        found: Floats = np.divide(products.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
        return found

    def per_patient(values: Floats) -> Floats:
        summed = np.zeros((patients, values.shape[1]))
        np.add.at(summed, poi, values)
        return summed

    variance = np.maximum(mean(counts * (apart**2 - explained), counts), 0.0)
    root = np.sqrt(counts)
    products = per_patient(root * apart) ** 2 - per_patient(counts * apart**2)
    shared = mean(products, per_patient(root) ** 2 - per_patient(counts))
    return variance, np.clip(shared, 0.0, variance)


@dataclass(frozen=True, slots=True)
class Composition:
    """How groups and their classes are composed, and what the error of that is made of beside sampling.

    Attributes
    ----------
    departure : Departure
    sampling : float
        Factor on sampling variances.
    forms : ndarray, shape (groups, judged, 3)
        Variance of what features are worth over the gaps, as `forms_along` returns it, by outcome: of the `EDSS` for
        residuals of variance 1; of the `RATE` and of `EVENTS` as logarithms of ratios.
    shared_coefficients : ndarray, shape (judged, terms, terms)
        Covariance of the effects which all classes share.
    near_gap, class_gap : ndarray, shape (groups, terms)
        Between the patients of reference, or their class, and the patient of interest.
    near_away, class_away : ndarray, shape (groups, sources)
        How far the shares of sources are from their mix.
    between : Heterogeneity
        Of these groups.
    """

    departure: Departure
    sampling: float
    forms: Floats
    shared_coefficients: Floats
    near_gap: Floats
    class_gap: Floats
    near_away: Floats
    class_away: Floats
    between: Heterogeneity

    def weight(self, apart: Floats, near: Floats, whole: Floats) -> Floats:
        """Return the weight of the patients of reference that makes the error least.

        With v their sampling variance, w that of the class, of whom they are a part, and t how far neighbourhoods
        depart, it is ``(t + w) / (t + w + v)``.

        Parameters
        ----------
        apart, near, whole : ndarray, shape (groups, outcomes)
            t, v and w; infinite w where the class has too few patients to tell anything.
        """
        prior = apart + self.sampling * whole
        total = prior + self.sampling * near
        shares = np.divide(prior, total, out=np.ones_like(total), where=np.isfinite(total) & (total > 0))
        return np.asarray(shares, dtype=np.float64)

    def of_step(self) -> tuple[Floats, Floats]:
        """Return what lies between patients of reference and their class beside sampling and departures.

        Returns
        -------
        sources : ndarray, shape (groups,)
            Variance of the difference by which sources they rest on, for sources of variance 1.
        features : ndarray, shape (groups, judged)
            Variance of what features are worth over it, on the scale of `forms`.
        """
        return ((self.near_away - self.class_away) ** 2).sum(axis=1), self.forms[:, :, 2]

    def sampled(self, weight: Floats, near: Floats, whole: Floats) -> Floats:
        """Return the sampling variance of composed estimates, of which both parts hold the patients of the group."""
        return weight**2 * near + (1.0 - weight**2) * np.where(weight < 1.0, whole, 0.0)

    def variance_along_gap(self, weight: Floats, outcomes: slice) -> Floats:
        """Return the variance of what features are worth over composed gaps, on the scale of `forms`.

        Parameters
        ----------
        weight : ndarray, shape (groups, outcomes)
            Of the patients of reference.
        outcomes : slice
            `EDSS`, `RATE` or `EVENTS`.
        """
        forms = self.forms[:, outcomes]
        of_far, of_both, of_step = forms[..., 0], forms[..., 1], forms[..., 2]
        return np.asarray(of_far + 2.0 * weight * of_both + weight**2 * of_step, dtype=np.float64)

    def away(self, weight: Floats) -> Floats:
        """Return how far the sources of composed estimates are from their mix: (groups, outcomes, sources)."""
        b = weight[:, :, None]
        composed: Floats = b * self.near_away[:, None] + (1.0 - b) * self.class_away[:, None]
        return composed

    def in_common(self, weight: Floats, pair: tuple[int, int], outcome: int) -> tuple[float, float, float]:
        """Return what two composed estimates have in common, so that it cancels in their difference.

        Parameters
        ----------
        weight : ndarray, shape (groups,)
            Of the patients of reference, for one outcome.
        pair : tuple of int
            Groups of one patient of interest.
        outcome : int
            Which one, in the order of `forms`.

        Returns
        -------
        sources, features, departure : float
            Covariances: for sources of variance 1, on the scale of `forms`, for shared departures of variance 1.
        """
        b = weight[:, None]
        first, second = pair
        away = b * self.near_away + (1.0 - b) * self.class_away
        gap = b * self.near_gap + (1.0 - b) * self.class_gap
        rest = 1.0 - weight
        return (
            float(away[first] @ away[second]),
            float(gap[first] @ self.shared_coefficients[outcome] @ gap[second]),
            float(rest[first] * rest[second]),
        )


def forms_along(coefficients: Floats, near_gap: Floats, class_gap: Floats) -> Floats:
    """Return the quadratic forms that the variance along any composed gap is made of.

    Parameters
    ----------
    coefficients : ndarray, shape (groups, terms, judged * terms)
        Covariances of what features are worth, side by side.
    near_gap, class_gap : ndarray, shape (groups, terms)

    Returns
    -------
    ndarray, shape (groups, judged, 3)
        Of the gap of the class, of it with the step from there to that of the patients of reference, and of the step.
    """
    ends = np.stack([class_gap, near_gap - class_gap], axis=1)
    groups, width = class_gap.shape
    judged = coefficients.shape[2] // width
    once = np.matmul(ends, coefficients).reshape(groups, 2 * judged, width)
    products = np.matmul(once, ends.transpose(0, 2, 1)).reshape(groups, 2, judged, 2)
    forms: Floats = np.stack([products[:, 0, :, 0], products[:, 0, :, 1], products[:, 1, :, 1]], axis=2)
    return forms

"""Patients of reference weighed so that classes that come from different sources can be compared.

A class comes from few sources, and what these differ in beyond features would pass for an effect of the class. With
pi the share of a source among all patients of the phenotype, t the variance between sources and s / n the variance of
the mean of its n patients of reference, the variance ``sum t (share - pi)^2 + share^2 s / n`` of the estimate is
least for ``share = (t pi + c) / (t + s / n)``; c makes the shares sum to 1. Within a source all patients count the
same. Where sources hardly differ it is the plain mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Standardised:
    """Weights of the patients of reference of groups.

    Attributes
    ----------
    weights : ndarray, shape (groups, k)
        Of mean 1 over the members of a group; 0 for places that nobody fills.
    sources : ndarray, shape (groups, k, sources)
        1 in the column of each patient's source, 0 elsewhere.
    mix : ndarray, shape (groups, sources)
        Share of each source in the population.
    """

    weights: Floats
    sources: Floats
    mix: Floats

    def smoother(self, observed: Floats) -> Floats:
        """Return the share of each patient among those observed; see `LocalRegression.smoother`."""
        used = observed * self.weights[:, None, :]
        total = used.sum(axis=2, keepdims=True)
        share: Floats = np.divide(used, total, out=np.zeros_like(used), where=total > 0)
        return share

    def concentration(self, smoother: Floats) -> Floats:
        """Return how far the sources of an estimate are from their mix: sum of squared differences of shares."""
        away = np.matmul(smoother, self.sources) - self.mix[:, None, :]
        squared: Floats = (away**2).sum(axis=2)
        return squared

    def concentration_of(self, observed: NDArray[np.bool_]) -> Floats:
        """Return the same for outcomes observed in some patients, (groups, k, outcomes): shape (groups, outcomes)."""
        weighed = (self.sources * self.weights[:, :, None]).transpose(0, 2, 1)
        size = np.matmul(weighed, observed.astype(np.float64))
        total = size.sum(axis=1, keepdims=True)
        away = np.divide(size, total, out=np.zeros_like(size), where=total > 0) - self.mix[:, :, None]
        squared: Floats = (away**2).sum(axis=1)
        return squared

    def degrees_of_freedom(self, number: Floats) -> Floats:
        """Return what the mean takes."""
        return np.ones_like(number)


def source_weights(member: Floats, sources: Floats, mix: Floats, ratio: Floats | float) -> Floats:
    """Return the weights of patients by their source.

    Parameters
    ----------
    member : ndarray, shape (groups, k)
        1 for patients of reference, 0 for places that nobody fills.
    sources : ndarray, shape (groups, k, sources)
    mix : ndarray, shape (groups, sources)
    ratio : ndarray, shape (groups,), or float
        Variance between sources as a share of that between patients of one source.

    Returns
    -------
    ndarray, shape (groups, k)
        Of mean 1 over the members.
    """
    size = np.matmul(member[:, None, :], sources)[:, 0]
    ratio = np.reshape(ratio, (-1, 1))
    precision = size / (ratio * size + 1.0)
    constant = (1.0 - (ratio * mix * precision).sum(axis=1)) / np.maximum(precision.sum(axis=1), 1e-12)
    share = np.maximum(ratio * mix + constant[:, None], 0.0) * precision
    each = np.divide(share, size, out=np.zeros_like(share), where=size > 0)
    weights = member * np.matmul(sources, each[:, :, None])[:, :, 0]
    scale = member.sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
    balanced: Floats = weights * scale[:, None]
    return balanced

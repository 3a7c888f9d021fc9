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


_RIDGE = 20.0
"""Penalty, in patients, on what a feature tells of the source."""


@dataclass(frozen=True, slots=True)
class SourceMix:
    """Which sources patients with given features come from.

    A linear regression of the sources on the features within each phenotype. Features tell sources apart: trials ask
    for relapses in the year before, and scan everybody.

    Attributes
    ----------
    overall : ndarray, shape (phenotypes, sources)
        Share of each source among the patients of the phenotype; 0 where there are none.
    coefficients : ndarray, shape (phenotypes, terms, sources)
    centre : ndarray, shape (phenotypes, terms)
        Mean of what predicts.
    """

    overall: Floats
    coefficients: Floats
    centre: Floats

    @classmethod
    def of(cls, sources: Floats, predictors: Floats, phenotype: NDArray[np.intp], phenotypes: int) -> SourceMix:
        """Learn it.

        Parameters
        ----------
        sources : ndarray, shape (patients, sources)
            1 in the column of each patient's source.
        predictors : ndarray, shape (patients, terms)
        phenotype : ndarray of int, shape (patients,)
        phenotypes : int
            How many there are.
        """
        overall = np.zeros((phenotypes, sources.shape[1]))
        centre = np.zeros((phenotypes, predictors.shape[1]))
        coefficients = np.zeros((phenotypes, predictors.shape[1], sources.shape[1]))
        for at in np.unique(phenotype):
            own, rows = sources[phenotype == at], predictors[phenotype == at]
            overall[at], centre[at] = own.mean(axis=0), rows.mean(axis=0)
            away = rows - centre[at]
            scatter = away.T @ away + _RIDGE * np.eye(rows.shape[1])
            coefficients[at] = np.linalg.solve(scatter, away.T @ (own - overall[at]))
        return cls(overall, coefficients, centre)

    def of_patients(self, predictors: Floats, phenotype: NDArray[np.intp]) -> Floats:
        """Return the share of each source among patients like these, shape (patients, sources)."""
        away = predictors - self.centre[phenotype]
        shares = self.overall[phenotype] + np.matmul(away[:, None, :], self.coefficients[phenotype])[:, 0]
        shares = np.maximum(shares, 0.0) * (self.overall[phenotype] > 0)
        total = shares.sum(axis=1, keepdims=True)
        mix: Floats = np.divide(shares, total, out=self.overall[phenotype].copy(), where=total > 0)
        return mix


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

    def away_of(self, observed: NDArray[np.bool_]) -> Floats:
        """Return how far sources are from their mix among those observed, (groups, k, outcomes).

        Returns
        -------
        ndarray, shape (groups, outcomes, sources)
        """
        weighed = self.sources * self.weights[:, :, None]
        size = np.matmul(observed.transpose(0, 2, 1).astype(np.float64), weighed)
        total = size.sum(axis=2, keepdims=True)
        away: Floats = np.divide(size, total, out=np.zeros_like(size), where=total > 0) - self.mix[:, None, :]
        return away


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

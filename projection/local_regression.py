"""How much each patient of reference counts: the bias-corrected matching estimator as weights.

Patients of reference are never quite like the patient of interest. The estimator of Abadie and Imbens takes the mean
of the matched patients and corrects it by a regression for the features in which they still differ. Ridge regression
is linear in the outcomes, so mean and correction together are one weighted sum::

    estimate = sum_i l_i y_i,    l_i = w_i (1 / W - (x_i - m) . (S + r)^-1 (m - q)),    sum_i l_i = 1

with w_i the weights (1 each), W their sum, m and S the mean and the scatter of the features of the patients of
reference, q the patient of interest and r the ridge. The same l_i serve every outcome: changes of EDSS, pseudo-values
of survival curves, relapse counts. With r infinite it is the plain mean.

References
----------
Abadie and Imbens, J Bus Econ Stat 2011, doi 10.1198/jbes.2009.07333.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LocalRegression:
    """Ridge regressions around patients of interest, one per group of patients of reference.

    Attributes
    ----------
    differences : ndarray, shape (groups, k, features)
        Features of the patients of reference minus those of the patient of interest, standardised; 0 where either is
        unknown.
    sources : ndarray, shape (groups, k, sources)
        1 in the column of each patient's source, 0 elsewhere.
    weights : ndarray, shape (groups, k)
        Weight of each patient of reference; 0 for places that nobody fills.
    values : ndarray, shape (groups, features)
    vectors : ndarray, shape (groups, features, features)
        Eigenvalues and eigenvectors of the scatter of the features, per unit of weight.
    ridge : float
        Penalty, in patients: the correction of a feature is halved when the patients of reference tell as much about
        it as that many patients drawn at random would.
    """

    differences: Floats
    sources: Floats
    weights: Floats
    values: Floats
    vectors: Floats
    ridge: float

    @classmethod
    def around(cls, differences: Floats, sources: Floats, weights: Floats, ridge: float) -> LocalRegression:
        """Prepare the regressions; an infinite ridge gives plain means."""
        total = np.maximum(weights.sum(axis=1), 1e-12)
        mean = np.einsum("gk,gkf->gf", weights, differences) / total[:, None]
        centred = differences - mean[:, None, :]
        scatter = np.matmul((centred * weights[:, :, None]).transpose(0, 2, 1), centred) / total[:, None, None]
        values, vectors = np.linalg.eigh(scatter)
        return cls(differences, sources, weights, np.maximum(values, 0.0), vectors, ridge)

    def smoother(self, observed: Floats) -> Floats:
        """Return the weights l of each patient for outcomes observed in some of them.

        Parameters
        ----------
        observed : ndarray, shape (groups, outcomes, k)
            1 where the outcome of the patient is known, 0 elsewhere.

        Returns
        -------
        ndarray, shape (groups, outcomes, k)
            Rows sum to 1; zero where nothing was observed.
        """
        used = observed * self.weights[:, None, :]
        total = used.sum(axis=2)
        mean = np.matmul(used, self.differences) / np.maximum(total, 1e-12)[:, :, None]
        direction = self._solve(mean, total)
        tilt = np.matmul(direction, self.differences.transpose(0, 2, 1))
        tilt -= (direction * mean).sum(axis=2)[:, :, None]
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        weights: Floats = used * (share[:, :, None] - tilt)
        return weights

    def slopes(self, smoothed: Floats, outcomes: Floats) -> Floats:
        """Return the ridge coefficients of outcomes: shape (groups, outcomes, features).

        Parameters
        ----------
        smoothed : ndarray, shape (groups, outcomes, k)
            1 where the outcome is known, 0 elsewhere.
        outcomes : ndarray, shape (groups, outcomes, k)
            0 where not known.
        """
        used = smoothed * self.weights[:, None, :]
        total = np.maximum(used.sum(axis=2), 1e-12)
        mean = np.matmul(used, self.differences) / total[:, :, None]
        product = used * outcomes
        level = product.sum(axis=2)
        cross = np.matmul(product, self.differences) - mean * level[:, :, None]
        return self._solve(cross, total)

    def concentration(self, smoother: Floats) -> Floats:
        """Return how far estimates rest on few sources: 1 for one source, 1/m for m sources of equal share.

        Parameters
        ----------
        smoother : ndarray, shape (groups, outcomes, k)
            As `smoother` returns it.
        """
        share = np.matmul(smoother, self.sources)
        concentrated: Floats = (share**2).sum(axis=2)
        return concentrated

    def degrees_of_freedom(self, number: Floats) -> Floats:
        """Return what mean and slopes take together, for groups of `number` patients: shape (groups, outcomes)."""
        scatter = self.values[:, None, :] * number[:, :, None]
        taken: Floats = 1.0 + (scatter / (scatter + self.ridge)).sum(axis=2)
        return taken

    def _solve(self, right: Floats, total: Floats) -> Floats:
        """Apply the inverse of (scatter of `total` patients + ridge), shape (groups, outcomes, features)."""
        rotated = np.matmul(right, self.vectors)
        rotated /= self.values[:, None, :] * total[:, :, None] + self.ridge
        solved: Floats = np.matmul(rotated, self.vectors.transpose(0, 2, 1))
        return solved

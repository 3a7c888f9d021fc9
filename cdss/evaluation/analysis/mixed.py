"""The linear mixed model with nested random intercepts, by restricted maximum likelihood.

Patients in cells (neurologist and period) in clusters (neurologists): with the two variances given relative to the
residual one, the inverse of the covariance is known (Woodbury), so the likelihood needs sums per cell and cluster
only, and what is left is a search over one ratio (over two in a stepped wedge). That takes a few milliseconds and
does not stop short where the variance between clusters is nil, as general optimisers do; agreement with
``statsmodels.MixedLM`` is tested.

References
----------
Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38:963-974, doi 10.2307/2529876.
Intervals of the correlation by the profile likelihood: Pawitan Y. In All Likelihood. Oxford University Press 2001,
chapter 3; at the boundary of nil they hold the truth in more than is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

_LARGEST_RATIO = 100.0
"""Of a variance between clusters to the residual one: an intra-cluster correlation of 0.99."""

_GRID = (0.0, 0.1, 0.25, 0.5, 1.0, 3.0)
"""Square roots of ratios among which a search over two begins."""


@dataclass(frozen=True, slots=True)
class MixedFit:
    """A fitted model.

    Attributes
    ----------
    coefficients : ndarray, shape (columns,)
    covariance : ndarray, shape (columns, columns)
    between_clusters, between_cells, residual : float
        Variances.
    """

    coefficients: Array
    covariance: Array
    between_clusters: float
    between_cells: float
    residual: float


@dataclass(frozen=True)
class _Sums:
    """Sums of ``[X, y]``: over patients (cross-products) and per cell, with the cell's cluster."""

    cross: Array
    by_cell: Array
    cell_sizes: Array
    cluster_of_cell: Codes
    clusters: int


def fit_mixed(outcome: Array, exog: Array, cluster: Codes, cell: Codes | None = None) -> MixedFit:
    """Fit a linear mixed model with a random intercept per cluster and, when given, per cell within cluster.

    Parameters
    ----------
    outcome : ndarray, shape (patients,)
    exog : ndarray, shape (patients, columns)
        Fixed effects, of full rank.
    cluster : ndarray of int, shape (patients,)
        Codes from 0.
    cell : ndarray of int, optional
        Codes from 0 of the cells; each lies in one cluster.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the fixed effects are not of full rank.
    """
    sums, n = _sums(outcome, exog, cluster, cell), len(outcome)

    def criterion(between_clusters: float, between_cells: float) -> float:
        return _criterion(sums, n, between_clusters, between_cells)

    ratios = _search_one(criterion) if cell is None else _search_two(criterion)
    weighted, _ = _weighted(sums, ratios[0], ratios[1])
    columns = exog.shape[1]
    inverse: Array = np.linalg.inv(weighted[:columns, :columns]).astype(np.float64)
    coefficients = inverse @ weighted[:columns, columns]
    residual = _residual(weighted, n)
    return MixedFit(coefficients, residual * inverse, residual * ratios[0], residual * ratios[1], residual)


def correlation_interval(
    outcome: Array, exog: Array, cluster: Codes, cell: Codes | None = None, *, alpha: float
) -> tuple[float, float]:
    """Return the interval of the intra-cluster correlation, by the profile of the restricted likelihood.

    Parameters
    ----------
    outcome, exog, cluster, cell
        As `fit_mixed` takes them. With cells it is the correlation of two patients of one cell.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    tuple of float
        Lower and upper limit, from 0 to 0.99; the lower one is 0 where no variance between clusters is as likely.
    """
    from scipy import stats

    sums, n = _sums(outcome, exog, cluster, cell), len(outcome)

    def profile(ratio: float) -> float:
        """Minus twice the log-likelihood for a sum of both ratios, at its best division."""
        if cell is None or ratio == 0.0:
            return _criterion(sums, n, ratio, 0.0)

        def divided(share: float) -> float:
            return _criterion(sums, n, ratio * share, ratio * (1.0 - share))

        found = optimize.minimize_scalar(divided, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-4})
        return min(float(found.fun), divided(0.0), divided(1.0))

    fitted = fit_mixed(outcome, exog, cluster, cell)
    best = (fitted.between_clusters + fitted.between_cells) / fitted.residual
    highest = profile(best) + float(stats.chi2.ppf(1.0 - alpha, 1))

    def beyond(ratio: float) -> float:
        return profile(ratio) - highest

    lower = float(optimize.brentq(beyond, 0.0, best)) if best > 0 and beyond(0.0) > 0 else 0.0
    is_bounded = best < _LARGEST_RATIO and beyond(_LARGEST_RATIO) > 0
    upper = float(optimize.brentq(beyond, best, _LARGEST_RATIO)) if is_bounded else _LARGEST_RATIO
    return lower / (1.0 + lower), upper / (1.0 + upper)


def _sums(outcome: Array, exog: Array, cluster: Codes, cell: Codes | None) -> _Sums:
    of_cell = cluster if cell is None else cell
    joined = np.column_stack([exog, outcome])
    cells = int(of_cell.max()) + 1
    by_cell = np.zeros((cells, joined.shape[1]))
    np.add.at(by_cell, of_cell, joined)
    cluster_of_cell = np.zeros(cells, dtype=np.intp)
    cluster_of_cell[of_cell] = cluster
    sizes = np.bincount(of_cell, minlength=cells).astype(float)
    return _Sums(joined.T @ joined, by_cell, sizes, cluster_of_cell, int(cluster.max()) + 1)


def _weighted(sums: _Sums, between_clusters: float, between_cells: float) -> tuple[Array, float]:
    """Return ``[X, y]' V^-1 [X, y]`` and the logarithm of the determinant of V, the residual variance set to 1."""
    grow = 1.0 + between_cells * sums.cell_sizes
    shrink = between_cells / grow
    weighted = sums.cross - (sums.by_cell * shrink[:, None]).T @ sums.by_cell
    by_cluster = np.zeros((sums.clusters, sums.by_cell.shape[1]))
    np.add.at(by_cluster, sums.cluster_of_cell, sums.by_cell / grow[:, None])
    size = np.bincount(sums.cluster_of_cell, weights=sums.cell_sizes / grow, minlength=sums.clusters)
    grow_cluster = 1.0 + between_clusters * size
    weighted -= (by_cluster * (between_clusters / grow_cluster)[:, None]).T @ by_cluster
    return weighted, float(np.log(grow).sum() + np.log(grow_cluster).sum())


def _residual(weighted: Array, n: int) -> float:
    columns = len(weighted) - 1
    solved = np.linalg.solve(weighted[:columns, :columns], weighted[:columns, columns])
    return max(float(weighted[columns, columns] - weighted[:columns, columns] @ solved) / (n - columns), 1e-12)


def _criterion(sums: _Sums, n: int, between_clusters: float, between_cells: float) -> float:
    """Return minus twice the restricted log-likelihood, the residual variance profiled out, up to a constant."""
    weighted, log_determinant = _weighted(sums, between_clusters, between_cells)
    columns = len(weighted) - 1
    _, of_fixed = np.linalg.slogdet(weighted[:columns, :columns])
    return (n - columns) * float(np.log(_residual(weighted, n))) + log_determinant + float(of_fixed)


def _search_one(criterion: Callable[[float, float], float]) -> tuple[float, float]:
    def along(root: float) -> float:
        return criterion(root**2, 0.0)

    found = optimize.minimize_scalar(
        along, bounds=(0.0, _LARGEST_RATIO**0.5), method="bounded", options={"xatol": 1e-7}
    )
    root = float(found.x)
    return (0.0, 0.0) if along(0.0) <= along(root) + 1e-10 else (root**2, 0.0)


def _search_two(criterion: Callable[[float, float], float]) -> tuple[float, float]:
    def along(roots: Array) -> float:
        return criterion(float(roots[0]) ** 2, float(roots[1]) ** 2)

    corners = [np.array(corner) for corner in itertools.product(_GRID, repeat=2)]
    height = np.array([along(corner) for corner in corners])
    start = corners[int(height.argmin())]
    simplex = start + np.array([(0.0, 0.0), (0.05, 0.0), (0.0, 0.05)])
    found = optimize.minimize(
        along,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-9, "maxiter": 400},
    )
    return float(found.x[0]) ** 2, float(found.x[1]) ** 2

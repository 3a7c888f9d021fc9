"""Distributions fixed by what publications print: a mean, a standard deviation, a range, a share of zeros."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

_QUANTILE_NODES = np.concatenate([np.linspace(0.0, 0.9, 181)[1:], 1.0 - np.geomspace(0.1, 1e-7, 200)[1:]])


@cache
def maximum_entropy(support: tuple[float, ...], mean: float, sd: float) -> Array:
    """Return the probabilities on a discrete support that have a given mean and standard deviation, and are flattest.

    The solution is ``p(x) ~ exp(a x + b x^2)``; `a` and `b` minimise the convex dual by damped Newton steps. A pair
    that no distribution on the support has is approached as far as the support allows.

    Returns
    -------
    ndarray, shape (support,)
    """
    x = np.asarray(support)
    if sd <= 0.0 or len(x) == 1:
        return np.asarray(x == x[np.argmin(np.abs(x - mean))], dtype=np.float64)
    scaled = (x - mean) / sd
    basis = np.stack([scaled, scaled**2])
    target = np.array([0.0, 1.0])
    theta = np.array([0.0, -0.5])

    def dual(values: Array) -> float:
        return float(special.logsumexp(values @ basis) - values @ target)

    for _ in range(200):
        probability = special.softmax(theta @ basis)
        moments = basis @ probability
        gradient = moments - target
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (basis * probability) @ basis.T - np.outer(moments, moments) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while dual(theta - size * step) > dual(theta) and size > 1e-6:
            size /= 2
        theta = np.clip(theta - size * step, -60.0, 60.0)
    return np.asarray(special.softmax(theta @ basis), dtype=np.float64)


def discrete_quantile(support: tuple[float, ...], probability: Array, u: Array) -> Array:
    """Return the values of a discrete distribution at probabilities `u`."""
    cumulative = np.cumsum(probability)
    position = np.searchsorted(cumulative, u * cumulative[-1], side="right")
    values: Array = np.asarray(support, dtype=np.float64)
    return np.asarray(values[np.minimum(position, len(support) - 1)], dtype=np.float64)


def gamma_frailty(u: Array, shape: float) -> Array:
    """Return gamma frailties of mean 1 at probabilities `u`, from a table of quantiles (accurate to about 1e-3).

    Parameters
    ----------
    u : ndarray
        Probabilities, inside (0, 1).
    shape : float
        Gamma shape; the variance is ``1 / shape``.
    """
    table = _gamma_table(round(float(shape), 6))
    return np.asarray(np.interp(u, _QUANTILE_NODES, table), dtype=np.float64)


@cache
def _gamma_table(shape: float) -> Array:
    table = stats.gamma.ppf(_QUANTILE_NODES, shape) / shape
    table.flags.writeable = False
    return np.asarray(table, dtype=np.float64)


def gamma_quantile(u: Array, mean: float, sd: float) -> Array:
    """Return the values at probabilities `u` of the gamma distribution with a mean and a standard deviation."""
    return mean * gamma_frailty(u, (mean / sd) ** 2)


@cache
def hurdle_counts(mean: float, sd: float, positive_share: float, largest: int) -> Array:
    """Return probabilities of counts 0..largest with a mean, a standard deviation and a share above zero.

    Zero has its own probability; above it, one plus a negative binomial.
    """
    mean_positive = max(mean / positive_share, 1.02)
    second = (sd**2 + mean**2) / positive_share
    extra = mean_positive - 1.0
    variance = max(second - mean_positive**2, extra * 1.05)
    size = extra**2 / (variance - extra)
    counts = np.arange(largest)
    above = stats.nbinom.pmf(counts, size, size / (size + extra))
    return np.concatenate([[1.0 - positive_share], positive_share * above / above.sum()])


def negative_binomial_zero(mean: float, sd: float) -> float:
    """Return the probability of zero of the negative binomial with a mean and a standard deviation."""
    size = mean**2 / max(sd**2 - mean, 1e-3)
    return float((size / (size + mean)) ** size)


def normal_scores(correlation: Array, n: int, rng: np.random.Generator) -> Array:
    """Return correlated uniforms, (variables, n), each variable spread evenly over (0, 1).

    Even spread means that an arm's margins come out as published at every seed, as they do in the one trial that was
    held, while the patients differ.
    """
    factor = np.linalg.cholesky(correlation)
    z = factor @ rng.standard_normal((len(correlation), n))
    rank = z.argsort(axis=1).argsort(axis=1)
    return np.asarray((rank + rng.uniform(0.02, 0.98, size=z.shape)) / n, dtype=np.float64)

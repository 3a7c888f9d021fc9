"""From the neighbours of a record to its avatar: random convex weights, means, residuals and draws.

The weights are those of Guillaudeux et al., npj Digital Medicine 2023 (doi 10.1038/s41746-023-00771-5): neighbour j
of record i weighs ``P_ij = 1/d_ij * R_ij * C_ij`` before scaling to sum 1, with ``R_ij`` exponential of mean 1 and
``C_ij = 2^-s_i(j)`` for a fresh random order ``s_i`` of the neighbours.

The published method puts the barycentre back through the inverse of the FAMD. With all axes kept that equals the
weighted mean of the neighbours' raw numbers and a weighted draw over their levels, so no inverse is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Codes
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]

MOST_FAVOURED = 4.0
"""Factor by which raking makes a donor more or less likely at most."""

RAKINGS = 29
"""Steps of the search for these factors at most."""

_LEVEL_RAKINGS = 6
_LEVELS_RAKED_ON = 5000
"""Steps and avatars that tell the factors of the levels of a column; more do not change what is drawn."""

_CHUNK_CELLS = 4_000_000
"""Cells of the largest temporary array of a draw."""


@dataclass(frozen=True, slots=True)
class Donors:
    """Who lends to each avatar, and how much.

    Attributes
    ----------
    rows : ndarray of int, shape (avatars, k)
        Records.
    weights : ndarray of float, shape (avatars, k)
        Each row sums to 1.
    """

    rows: NDArray[np.intp]
    weights: Floats


def donor_weights(distances: Floats, *, least: float, limit: float, rng: np.random.Generator) -> Floats:
    """Draw the weights of the neighbours of each record.

    Parameters
    ----------
    distances : ndarray, shape (records, k)
        To the neighbours.
    least : float
        What is nearer than this share of the mean distance weighs as if it were that far; with 0, records at distance
        0 share the whole weight.
    limit : float
        Largest weight of one neighbour, from 1/k (all weigh the same) to 1 (no limit). What a neighbour has above it
        is given to the others in proportion to their weights.
    rng : Generator

    Returns
    -------
    ndarray, shape (records, k)
        Rows sum to 1.
    """
    n, k = distances.shape
    floor = max(least * float(distances.mean()), 1e-300)
    halving = rng.permuted(np.broadcast_to(0.5 ** np.minimum(np.arange(1.0, k + 1), 1000.0), (n, k)), axis=1)
    weights = rng.exponential(size=(n, k)) * halving / np.maximum(distances, floor)
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=np.full_like(weights, 1.0 / k), where=np.isfinite(total) & (total > 0))
    return limited(weights, limit)


def limited(weights: Floats, limit: float) -> Floats:
    """Return convex weights of which none exceeds `limit`, the excess shared in proportion by those below it."""
    k = weights.shape[1]
    if limit >= 1:
        return weights
    limit = max(limit, 1.0 / k)
    ordered = -np.sort(-weights, axis=1)
    # With the m largest at the limit, the others are scaled to fill 1 - m * limit; m is the first count at which the
    # next largest, so scaled, fits. The last count always does.
    tail = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1]
    room = np.maximum(1.0 - limit * np.arange(k), 0.0)
    scale = np.divide(room, tail, out=np.full_like(tail, np.inf), where=tail > 0)
    fits = (ordered * np.where(np.isfinite(scale), scale, 0.0) <= limit * (1 + 1e-12)) & np.isfinite(scale)
    fits[:, -1] |= ~fits.any(axis=1)
    count = fits.argmax(axis=1)
    rows = np.arange(len(weights))
    factor = np.where(np.isfinite(scale[rows, count]), scale[rows, count], 0.0)
    capped = np.minimum(weights * factor[:, None], limit)
    # Weights that vanished numerically cannot take what is left: the least of it goes to all alike.
    left = np.maximum(1.0 - capped.sum(axis=1, keepdims=True), 0.0)
    space = limit - capped
    shared: Floats = capped + left * space / np.maximum(space.sum(axis=1, keepdims=True), 1e-300)
    return shared


def mix_numbers(numbers: Floats, donors: Donors, *, residual: float, rng: np.random.Generator) -> Floats:
    """Return the weighted means of the donors' numbers, with a share of the local covariance put back.

    The mean alone is less spread than its donors. The residual ``residual * sum_j s_j sqrt(w_j) (x_j - mean)``, with
    independent random signs ``s_j``, has expectation 0 and, at ``residual = 1``, exactly the donors' weighted
    covariance over all columns at once; it copies nobody, since no donor enters with more than ``w_j + sqrt(w_j)``.

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)
        NaN where missing: such a donor does not count in that column.
    donors : Donors
    residual : float
        From 0 (means only) to 1 (the whole covariance).
    rng : Generator

    Returns
    -------
    ndarray, shape (avatars, columns)
        NaN where no donor has a number.
    """
    from scipy.sparse import csr_array

    avatars, k = donors.rows.shape
    observed = ~np.isnan(numbers)
    complete = bool(observed.all())
    values = np.where(observed, numbers, 0.0)
    # Values are taken around their column's mean, or a large constant would drown the residual.
    centre = values.sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    values = np.where(observed, numbers - centre, 0.0)
    pointers = np.arange(0, avatars * k + 1, k)
    shape = (avatars, len(numbers))
    share = csr_array((donors.weights.ravel(), donors.rows.ravel(), pointers), shape=shape)
    weight = np.ones((1, 1)) if complete else share @ observed.astype(np.float64)
    weight = np.where(weight > 0, weight, np.nan)
    mean = (share @ values) / weight
    if residual > 0:
        signs = rng.integers(0, 2, size=donors.weights.shape) * 2.0 - 1.0
        signed = signs * np.sqrt(donors.weights)
        noise = csr_array((signed.ravel(), donors.rows.ravel(), pointers), shape=shape)
        spread = signed.sum(axis=1, keepdims=True) if complete else noise @ observed.astype(np.float64)
        mean = mean + residual * ((noise @ values) - mean * spread) / np.sqrt(weight)
    return np.asarray(mean + centre, dtype=np.float64)


def draw_donors(donors: Donors, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw one donor per avatar by weight; record numbers, shape (avatars,)."""
    cumulated = np.cumsum(donors.weights, axis=1)
    return _drawn(donors.rows, cumulated, rng)


def favours(
    kinds: NDArray[np.intp], weights: Floats, counts: NDArray[np.intp], *, steps: int = RAKINGS
) -> NDArray[np.float64]:
    """Return the factor of each kind of donor at which every kind is drawn as often as it is among the records.

    Records at the edge of a table are neighbours of few, and what they have would be lost with them (raking: Deming
    and Stephan, Ann Math Stat 1940;11:427-444, doi 10.1214/aoms/1177731829).

    Parameters
    ----------
    kinds : ndarray of int, shape (avatars, k)
        Kind of each donor.
    weights : ndarray, shape (avatars, k)
    counts : ndarray of int, shape (kinds,)
        Records of each kind. What fewer than `SMALL_CELL` are is not looked at.
    steps : int

    Returns
    -------
    ndarray, shape (kinds,)
        From 1 / `MOST_FAVOURED` to `MOST_FAVOURED`.
    """
    wanted = counts * (len(kinds) / counts.sum())
    factors = np.ones(len(counts))
    for _ in range(steps):
        drawn = weights * factors[kinds]
        drawn /= drawn.sum(axis=1, keepdims=True)
        expected = np.bincount(kinds.ravel(), drawn.ravel(), minlength=len(counts))
        factors *= np.where((expected > 0) & (counts >= SMALL_CELL), wanted / np.maximum(expected, 1e-300), 1.0)
        factors = np.clip(factors, 1 / MOST_FAVOURED, MOST_FAVOURED)
    return factors


def draw_levels(codes: Codes, donors: Donors, rng: np.random.Generator, *, as_often: bool = False) -> Codes:
    """Draw the level of each categorical column from the donors, by weight, each column on its own.

    Parameters
    ----------
    codes : ndarray of int, shape (records, columns)
        -1 where missing: such a donor does not count in that column.
    donors : Donors
    rng : Generator
    as_often : bool
        Favour donors so that each level is expected as often as among the records (`favours`).

    Returns
    -------
    ndarray of int, shape (avatars, columns)
        -1 where no donor has a level.
    """
    favoured = [_level_favours(codes[:, column], donors) if as_often else None for column in range(codes.shape[1])]
    drawn = np.empty((len(donors.rows), codes.shape[1]), dtype=np.int32)
    step = max(1, _CHUNK_CELLS // max(donors.rows.shape[1], 1))
    for start in range(0, len(donors.rows), step):
        chunk = slice(start, start + step)
        rows, weights = donors.rows[chunk], donors.weights[chunk]
        cumulated = np.cumsum(weights, axis=1)
        for column, factors in enumerate(favoured):
            lent = codes[:, column]
            if factors is not None:
                chosen = _drawn(rows, np.cumsum(weights * factors[lent][rows], axis=1), rng)
            elif (lent >= 0).all():
                chosen = _drawn(rows, cumulated, rng)
            else:
                chosen = _drawn(rows, np.cumsum(weights * (lent[rows] >= 0), axis=1), rng)
            drawn[chunk, column] = lent[chosen]
    return drawn


def _level_favours(lent: NDArray[np.int32], donors: Donors) -> Floats:
    """Return the factors of the levels of a column, and last, where code -1 finds it, that of a missing level: 0."""
    few = slice(None, None, max(1, len(donors.rows) // _LEVELS_RAKED_ON))
    levels = int(lent.max(initial=0)) + 1
    kinds = np.where(lent < 0, levels, lent)
    counts = np.bincount(kinds, minlength=levels + 1)
    factors = favours(kinds[donors.rows[few]], donors.weights[few], counts, steps=_LEVEL_RAKINGS)
    factors[-1] = 0.0
    return factors


def _drawn(rows: NDArray[np.intp], cumulated: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    threshold = rng.random((len(rows), 1)) * cumulated[:, -1:]
    position = np.minimum((cumulated <= threshold).sum(axis=1), rows.shape[1] - 1)
    chosen: NDArray[np.intp] = rows[np.arange(len(rows)), position]
    return chosen

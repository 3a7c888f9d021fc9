"""Marginal distributions: to normal scores before mixing, and back through smoothed quantiles.

Mixing happens on normal scores, so that a single extreme value counts as a rank and not as a distance. Afterwards
each column gets its smoothed distribution (`quantiles`) back by rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.quantiles import Margin

Floats = NDArray[np.float64]

SERIES_COHERENCE = 0.9
"""Correlation between the order of equal values in a series and the rest of the series; .9 gives back the shares of
unchanged EDSS and of confirmed worsening of the originals (docs/decisions/0006-avatar-defaults.md)."""

TIE_SWEEPS = 3
"""Times that the order of equal values is drawn anew in all columns, each given the others."""

TIE_RIDGE = 0.02
"""Part of a variance that is added to each predictor: small strata foretell by chance."""

MOST_FORETOLD = 0.9
"""Share of the variance of a column that the others foretell at most."""

MOST_STRETCH = 2.0
"""Factor by which restoring the covariance stretches or presses a direction at most."""

LEAST_EIGENVALUE = 1e-6
"""Share of the largest eigenvalue of a covariance under which one is numerical noise."""


def normal_scores(
    numbers: Floats, *, series: Sequence[int], labels: Sequence[int] = (), rng: np.random.Generator
) -> Floats:
    """Return the normal quantile of each value's rank in its column; NaN where missing.

    Equal values share their mid-rank, but in two kinds of columns. In a series of visits on a coarse scale they are
    ordered by the rest of the record's series, and a little by chance (`SERIES_COHERENCE`): half of all consecutive
    EDSS are equal, and mixing equal scores gives back courses that flicker. Levels with an order are ordered by what
    the rest of the record foretells (`_order_ties`).

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)
    series : sequence of int
        Columns that are one measure over time.
    labels : sequence of int
        Columns of codes of ordered levels.
    rng : Generator

    Returns
    -------
    ndarray, shape (records, columns)
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.full(numbers.shape, np.nan)
    beside = _rest_of_series(numbers, series, rng)
    for column in range(numbers.shape[1]):
        observed = ~np.isnan(numbers[:, column])
        if column in beside:
            order = np.lexsort((beside[column][observed], numbers[observed, column]))
            ranks = np.empty(len(order))
            ranks[order] = np.arange(1, len(order) + 1)
        else:
            ranks = rankdata(numbers[observed, column])
        scores[observed, column] = ndtri((ranks - 0.5) / max(len(ranks), 1))
    return _order_ties(numbers, scores, labels, rng)


def _order_ties(numbers: Floats, scores: Floats, tied: Sequence[int], rng: np.random.Generator) -> Floats:
    """Order the equal values of columns as a normal variable behind them would, given the rest of the record.

    A count or a label is the interval in which a normal variable lies. A mid-rank in its place weakens every
    correlation; a place drawn from the normal distribution given the other scores, within the interval, keeps them
    (the extended rank likelihood of Hoff, Ann Appl Stat 2007;1:265-283, doi 10.1214/07-AOAS107, of which this is a
    few steps of the sampler).
    """
    from scipy.special import ndtr, ndtri

    filled = np.nan_to_num(scores)
    for _ in range(TIE_SWEEPS if tied else 0):
        for column in tied:
            known = ~np.isnan(scores[:, column])
            if not known.any():
                continue
            foretold, spread = _foretold(filled, column, known)
            values = numbers[known, column]
            levels, level = np.unique(values, return_inverse=True)
            ends = np.concatenate([[0.0], np.cumsum(np.bincount(level, minlength=len(levels))) / len(values)])
            low, high = (ndtr((ndtri(bound[level]) - foretold) / spread) for bound in (ends[:-1], ends[1:]))
            drawn = foretold + spread * ndtri(np.clip(low + (high - low) * rng.random(len(values)), 1e-12, 1 - 1e-12))
            ranks = np.empty(len(values))
            ranks[np.lexsort((drawn, values))] = np.arange(len(values))
            filled[known, column] = ndtri((ranks + 0.5) / len(values))
    return np.asarray(np.where(np.isnan(scores), np.nan, filled))


def _foretold(scores: Floats, column: int, known: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return what the other columns foretell of one, and the standard deviation of what they do not."""
    others = np.delete(scores[known], column, axis=1)
    products = others.T @ others
    ridge = TIE_RIDGE * max(float(np.trace(products)) / max(len(products), 1), 1.0)
    slopes = np.linalg.solve(products + ridge * np.eye(len(products)), others.T @ scores[known, column])
    foretold = others @ slopes
    left = float(np.mean((scores[known, column] - foretold) ** 2))
    return foretold, float(np.sqrt(max(left, 1 - MOST_FORETOLD)))


def _rest_of_series(numbers: Floats, series: Sequence[int], rng: np.random.Generator) -> dict[int, Floats]:
    """For each column of a series, the standardised sum of its other columns, blurred by chance."""
    known = [column for column in series if not np.isnan(numbers[:, column]).all()]
    if not known:
        return {}
    values = numbers[:, known]
    spread = np.nanstd(values, axis=0)
    standardised = np.nan_to_num((values - np.nanmean(values, axis=0)) / np.where(spread > 0, spread, np.inf))
    rest = standardised.sum(axis=1, keepdims=True) - standardised
    rest /= np.maximum(rest.std(axis=0), 1e-12)
    blur = np.sqrt(1 - SERIES_COHERENCE**2) * rng.normal(size=rest.shape)
    return dict(zip(known, (SERIES_COHERENCE * rest + blur).T, strict=True))


def restore_margins(mixed: Floats, margins: Sequence[Margin | None], rng: np.random.Generator) -> Floats:
    """Give each column of mixed scores the smoothed distribution of the originals, by rank.

    Parameters
    ----------
    mixed : ndarray, shape (avatars, columns)
        Scores; NaN where the avatar's cell is missing.
    margins : sequence of Margin or None
        Of the originals' columns (`column_margins`).
    rng : Generator

    Returns
    -------
    ndarray, shape (avatars, columns)
    """
    restored = np.full(mixed.shape, np.nan)
    for column, margin in enumerate(margins):
        wanted = np.flatnonzero(~np.isnan(mixed[:, column]))
        if not len(wanted) or margin is None:
            continue
        # Equal scores are put in random order, or the first rows would take the lower values.
        order = wanted[np.lexsort((rng.random(len(wanted)), mixed[wanted, column]))]
        restored[order, column] = margin.values(len(wanted), rng)
    return restored


def restore_covariance(mixed: Floats, scores: Floats) -> Floats:
    """Give mixed scores the covariance of the originals, moving them as little as possible.

    Records at the edge of a table have their neighbours on one side and are less often neighbours themselves, so that
    mixing narrows a table more where it is narrow already, and correlations grow. The linear map that undoes this
    with the least movement is the optimal transport between two normal distributions (Olkin and Pukelsheim, Linear
    Algebra Appl 1982;48:257-263, doi 10.1016/0024-3795(82)90112-4).

    Parameters
    ----------
    mixed : ndarray, shape (avatars, columns)
    scores : ndarray, shape (records, columns)
        NaN where missing.

    Returns
    -------
    ndarray, shape (avatars, columns)
    """
    usable = np.intersect1d(_varied(scores), _varied(mixed))
    if len(usable) < 2 or len(scores) <= len(usable):
        return mixed
    wanted, found = _covariance(scores[:, usable]), _covariance(mixed[:, usable])
    root = _power(found, 0.5)
    inverse = _power(found, -0.5)
    map_ = inverse @ _power(root @ wanted @ root, 0.5) @ inverse
    # What would need to be stretched or pressed further is noise of a few records.
    values, axes = np.linalg.eigh(map_)
    map_ = (axes * np.clip(values, 1 / MOST_STRETCH, MOST_STRETCH)) @ axes.T
    moved = mixed.copy()
    centre = np.nanmean(mixed[:, usable], axis=0)
    deviations = mixed[:, usable] - centre
    known = ~np.isnan(deviations)
    stretched = np.where(known, deviations, 0.0) @ map_ + centre
    moved[:, usable] = np.where(known, stretched, np.nan)
    return moved


def _varied(values: Floats) -> NDArray[np.intp]:
    """Return the columns that take two values or more."""
    known = ~np.isnan(values)
    highest = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    lowest = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    return np.flatnonzero(highest > lowest)


def _covariance(values: Floats) -> Floats:
    """Covariance over the pairs of columns that are both known."""
    known = ~np.isnan(values)
    deviations = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    pairs = known.astype(np.float64).T @ known.astype(np.float64)
    return np.asarray(deviations.T @ deviations / np.maximum(pairs, 1.0))


def _power(matrix: Floats, exponent: float) -> Floats:
    """Power of a symmetric matrix, whose eigenvalues are kept positive."""
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    floor = LEAST_EIGENVALUE * max(float(values.max(initial=0.0)), LEAST_EIGENVALUE)
    return np.asarray((axes * np.maximum(values, floor) ** exponent) @ axes.T)

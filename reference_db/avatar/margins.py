"""Marginal distributions: to normal scores before mixing, and back through smoothed quantiles.

Mixing happens on normal scores, so that a single extreme value counts as a rank and not as a distance. Afterwards
each column gets its distribution back by rank. The quantiles it gets are means of groups of `GROUP` neighbouring
values: no single value of an original, and no extreme in particular, can come back as it was. A rare count has most
of its spread in the highest of these groups, so its highest values are drawn anew (`_rare_counts`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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

GROUP = 5
"""Originals behind each quantile that is given back."""


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


def restore_margins(
    mixed: Floats, numbers: Floats, steps: tuple[float | None, ...], rng: np.random.Generator
) -> Floats:
    """Give each column of mixed scores the smoothed distribution of the originals, by rank.

    Columns on a grid (counts, scales) are rounded up or down at random, in proportion, so that the mean
    is kept: rounding a rare count to the nearest integer would always give 0. Of rare counts, most of which are the
    lowest, the highest values are drawn from a distribution (`_rare_counts`).

    Parameters
    ----------
    mixed : ndarray, shape (avatars, columns)
        Scores; NaN where the avatar's cell is missing.
    numbers : ndarray, shape (records, columns)
        The originals.
    steps : tuple of float or None
        Grid step of each column; None is continuous.
    rng : Generator

    Returns
    -------
    ndarray, shape (avatars, columns)
    """
    restored = np.full(mixed.shape, np.nan)
    for column, step in enumerate(steps):
        wanted = np.flatnonzero(~np.isnan(mixed[:, column]))
        known = numbers[~np.isnan(numbers[:, column]), column]
        if not len(wanted) or not len(known):
            continue
        # Equal scores are put in random order, or the first rows would take the lower values.
        order = wanted[np.lexsort((rng.random(len(wanted)), mixed[wanted, column]))]
        levels = (np.arange(len(wanted)) + 0.5) / len(wanted)
        values = smoothed_quantiles(known, levels)
        if step is not None:
            if np.median(known) == known.min():
                values = _rare_counts(known, levels, step, rng)
            values = np.floor(values / step + rng.random(len(values))) * step
        restored[order, column] = values
    return restored


def _rare_counts(values: Floats, levels: Floats, step: float, rng: np.random.Generator) -> Floats:
    """Return smoothed quantiles of which those of the highest group have its spread, where its tail is long.

    The mean of five enhancing lesions, four of which are one and one nine, loses most of the variance of the
    column. What is over the lowest of the group is drawn from the generalised Pareto distribution with its mean and
    variance (Hosking and Wallis, Technometrics 1987;29:339-349, doi 10.1080/00401706.1987.10488243), less the
    variance that rounding adds, and scaled to the mean of the group. Where the tail is shorter than that of an
    exponential distribution a mean does little harm, and nothing is drawn. A scale may end where the originals do:
    what would lie beyond the highest of them is put anywhere between the two highest. What is drawn rests on the five
    together, and does not tell where the highest of them lay.

    Parameters
    ----------
    values : ndarray, shape (n,)
    levels : ndarray
        Ascending, from 0 to 1.
    step : float
        Grid step of the column.
    rng : Generator

    Returns
    -------
    ndarray
        Ascending.
    """
    ordered = np.sort(values)
    size = GROUP if len(values) >= 2 * GROUP else len(values)
    rest, highest = np.split(ordered, [len(values) - size])
    over = highest - highest[0]
    mean = float(over.mean())
    between = mean / step % 1
    variance = float(over.var()) - step**2 * between * (1 - between)
    if mean == 0 or variance < mean**2:
        return smoothed_quantiles(values, levels)
    share = len(rest) / len(values)
    is_high = levels > share
    shape = (1 - mean**2 / variance) / 2
    number = int(is_high.sum())
    if number == 0:
        return smoothed_quantiles(values, levels)
    left = 1 - (np.arange(number) + rng.random(number)) / number
    drawn = -np.log(left) if shape == 0 else (left**-shape - 1) / shape
    drawn = highest[0] + mean / drawn.mean() * drawn
    beyond = drawn > highest[-1]
    drawn[beyond] = rng.uniform(highest[-2], highest[-1], size=int(beyond.sum()))
    drawn.sort()
    if not len(rest):
        return np.asarray(drawn, dtype=np.float64)
    below = smoothed_quantiles(rest, levels[~is_high] / share)
    return np.asarray(np.sort(np.concatenate([below, drawn])), dtype=np.float64)


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


def smoothed_quantiles(values: Floats, levels: Floats) -> Floats:
    """Return quantiles of which each rests on at least `GROUP` values (all of them, where there are fewer).

    Parameters
    ----------
    values : ndarray, shape (n,)
    levels : ndarray
        From 0 to 1.

    Returns
    -------
    ndarray
        Interpolated between the means of consecutive groups of ordered values.
    """
    ordered = np.sort(values)
    number = max(1, len(values) // GROUP)
    # The first groups take one more each until everybody has a place.
    sizes = np.full(number, len(values) // number)
    sizes[: len(values) % number] += 1
    ends = np.cumsum(sizes)
    centres = (ends - sizes / 2) / len(values)
    means = np.add.reduceat(ordered, ends - sizes) / sizes
    if number > 1:
        # The outermost groups lean outwards too, or their means would be drawn towards the middle; but
        # not beyond the mean of the two most extreme values.
        lowest = max(means[0] - (means[1] - means[0]) / 4, ordered[:2].mean())
        highest = min(means[-1] + (means[-1] - means[-2]) / 4, ordered[-2:].mean())
        # What the ends lean outwards the outermost groups give back, so that the mean is that of the values.
        means[0] += (means[0] - lowest) / 3
        means[-1] -= (highest - means[-1]) / 3
        centres = np.concatenate([[0.0], centres, [1.0]])
        means = np.concatenate([[lowest], means, [highest]])
    return np.asarray(np.interp(levels, centres, means), dtype=np.float64)

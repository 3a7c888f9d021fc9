"""Marginal distributions: to normal scores before mixing, and back through smoothed quantiles.

Mixing happens on normal scores, so that a single extreme value counts as a rank and not as a distance. Afterwards
each column gets its distribution back by rank. The quantiles it gets are means of groups of `GROUP` neighbouring
values: no single value of an original, and no extreme in particular, can come back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SERIES_COHERENCE = 0.9
"""Correlation between the order of equal values in a series and the rest of the series; .9 gives back the shares of
unchanged EDSS and of confirmed worsening of the originals (docs/decisions/0006-avatar-defaults.md)."""

GROUP = 5
"""Originals behind each quantile that is given back."""


def normal_scores(numbers: Floats, *, series: Sequence[int], rng: np.random.Generator) -> Floats:
    """Return the normal quantile of each value's rank in its column; NaN where missing.

    Equal values share their mid-rank. In a series of visits on a coarse scale that would lose how steady a course
    is: half of all consecutive EDSS are equal, and mixing equal scores gives back courses that flicker. There, equal
    values are ordered by the rest of the record's series, and a little by chance (`SERIES_COHERENCE`).

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)
    series : sequence of int
        Columns that are one measure over time.
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
    return scores


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
    is kept: rounding a rare count to the nearest integer would always give 0.

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
            values = np.floor(values / step + rng.random(len(values))) * step
        restored[order, column] = values
    return restored


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
    groups = np.array_split(ordered, max(1, len(values) // GROUP))
    sizes = np.array([len(group) for group in groups])
    centres = (np.cumsum(sizes) - sizes / 2) / len(values)
    means = np.array([group.mean() for group in groups])
    if len(groups) > 1:
        # The outermost groups lean outwards too, or their means would be drawn towards the middle; but
        # not beyond the mean of the two most extreme values.
        lowest = max(means[0] - (means[1] - means[0]) / 4, ordered[:2].mean())
        highest = min(means[-1] + (means[-1] - means[-2]) / 4, ordered[-2:].mean())
        centres = np.concatenate([[0.0], centres, [1.0]])
        means = np.concatenate([[lowest], means, [highest]])
    return np.asarray(np.interp(levels, centres, means), dtype=np.float64)

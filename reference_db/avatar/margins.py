"""Marginal distributions: to normal scores before mixing, and back through smoothed quantiles.

Mixing happens on normal scores, so that a single extreme value counts as a rank and not as a distance. Afterwards
each column gets its distribution back by rank. The quantiles it gets are means of groups of `GROUP` neighbouring
values: no single value of an original, and no extreme in particular, can come back as it was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROUP = 5
"""Originals behind each quantile that is given back."""


def normal_scores(numbers: Floats) -> Floats:
    """Return the normal quantile of each value's mid-rank in its column; NaN where missing.

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)

    Returns
    -------
    ndarray, shape (records, columns)
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.full(numbers.shape, np.nan)
    for column in range(numbers.shape[1]):
        observed = ~np.isnan(numbers[:, column])
        ranks = rankdata(numbers[observed, column])
        scores[observed, column] = ndtri((ranks - 0.5) / max(len(ranks), 1))
    return scores


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

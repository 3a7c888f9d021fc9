"""Smoothed distributions: the quantiles that a column of avatars gets back.

Each is the mean of a group of `GROUP` neighbouring values: no single value of an original, and no extreme in
particular, can come back as it was. A rare count has most of its spread in the highest of these groups, so its
highest values are drawn anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROUP = 5
"""Originals behind each quantile that is given back."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles interpolated between the means of groups of ordered values.

    Attributes
    ----------
    centres : ndarray
        Levels of the groups, ascending, from 0 to 1.
    means : ndarray
    """

    centres: Floats
    means: Floats

    @classmethod
    def of(cls, ordered: Floats) -> Quantiles:
        """Group ascending values."""
        number = max(1, len(ordered) // GROUP)
        # The first groups take one more each until everybody has a place.
        sizes = np.full(number, len(ordered) // number)
        sizes[: len(ordered) % number] += 1
        ends = np.cumsum(sizes)
        centres = (ends - sizes / 2) / len(ordered)
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
        return cls(centres, means)

    def at(self, levels: Floats) -> Floats:
        """Return the quantiles at levels from 0 to 1."""
        return np.asarray(np.interp(levels, self.centres, self.means), dtype=np.float64)


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
    return Quantiles.of(np.sort(values)).at(levels)


@dataclass(frozen=True, slots=True)
class LongTail:
    """The highest group of a rare count.

    The mean of five enhancing lesions, four of which are one and one nine, loses most of the variance of the
    column. What is over the lowest of the group is drawn from the generalised Pareto distribution with its mean and
    variance (Hosking and Wallis, Technometrics 1987;29:339-349, doi 10.1080/00401706.1987.10488243), less the
    variance that rounding adds, and scaled to the mean of the group. Where the tail is shorter than that of an
    exponential distribution a mean does little harm, and nothing is drawn. A scale may end where the originals do:
    what would lie beyond the highest of them is put anywhere between the two highest. What is drawn rests on the five
    together, and does not tell where the highest of them lay.

    Attributes
    ----------
    below : Quantiles or None
        Of the values under the group; None where there are none.
    share : float
        Of the values under the group.
    lowest, second, highest : float
        Lowest and two highest values of the group.
    mean : float
        Of what is over the lowest.
    shape : float
        Of the generalised Pareto distribution, 0 to 1/2.
    """

    below: Quantiles | None
    share: float
    lowest: float
    second: float
    highest: float
    mean: float
    shape: float

    @classmethod
    def of(cls, ordered: Floats, step: float) -> LongTail | None:
        """Describe the tail of ascending values on a grid; None where it is short, or the count is not rare."""
        if np.median(ordered) > ordered[0]:
            return None
        size = GROUP if len(ordered) >= 2 * GROUP else len(ordered)
        rest, group = np.split(ordered, [len(ordered) - size])
        over = group - group[0]
        mean = float(over.mean())
        between = mean / step % 1
        variance = float(over.var()) - step**2 * between * (1 - between)
        if mean == 0 or variance < mean**2:
            return None
        return cls(
            below=Quantiles.of(rest) if len(rest) else None,
            share=len(rest) / len(ordered),
            lowest=float(group[0]),
            second=float(group[-2]),
            highest=float(group[-1]),
            mean=mean,
            shape=(1 - mean**2 / variance) / 2,
        )

    def drawn(self, number: int, rng: np.random.Generator) -> Floats:
        """Draw values of the highest group, ascending."""
        left = 1 - (np.arange(number) + rng.random(number)) / number
        drawn = -np.log(left) if self.shape == 0 else (left**-self.shape - 1) / self.shape
        drawn = self.lowest + self.mean / drawn.mean() * drawn
        beyond = drawn > self.highest
        drawn[beyond] = rng.uniform(self.second, self.highest, size=int(beyond.sum()))
        return np.asarray(np.sort(drawn), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Margin:
    """The distribution that a column gets back.

    Attributes
    ----------
    quantiles : Quantiles
    step : float or None
        Grid step of the values; None is continuous.
    tail : LongTail or None
    """

    quantiles: Quantiles
    step: float | None
    tail: LongTail | None

    @classmethod
    def of(cls, values: Floats, step: float | None) -> Margin:
        """Smooth the values of a column, shape (n,), none missing."""
        ordered = np.sort(values)
        return cls(Quantiles.of(ordered), step, None if step is None else LongTail.of(ordered, step))

    def values(self, number: int, rng: np.random.Generator) -> Floats:
        """Return so many values, ascending but for rounding.

        Those on a grid are rounded up or down at random, in proportion, so that the mean is kept: rounding a rare
        count to the nearest integer would always give 0.
        """
        levels = (np.arange(number) + 0.5) / number
        if self.step is None:
            return self.quantiles.at(levels)
        values = self.quantiles.at(levels)
        if self.tail is not None:
            is_high = levels > self.tail.share
            if is_high.any():
                parts = [self.tail.drawn(int(is_high.sum()), rng)]
                if self.tail.below is not None:
                    parts.insert(0, self.tail.below.at(levels[~is_high] / self.tail.share))
                values = np.sort(np.concatenate(parts))
        return np.asarray(np.floor(values / self.step + rng.random(number)) * self.step)


def column_margins(numbers: Floats, steps: tuple[float | None, ...]) -> tuple[Margin | None, ...]:
    """Return the margin of each column, None where nothing is known.

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)
        NaN where missing.
    steps : tuple of float or None
        Grid step of each column; None is continuous.
    """
    known = ~np.isnan(numbers)
    return tuple(
        Margin.of(numbers[known[:, column], column], step) if known[:, column].any() else None
        for column, step in enumerate(steps)
    )

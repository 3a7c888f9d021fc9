"""Whether an avatar is more like one original than chance makes it: a record that was kept as it was, or nearly so.

An avatar that equals an original says nothing in a table of few values, in which others equal it too, and everything
in a rich one, in which nobody else comes near it. So what two records have in common is counted in information, and
what chance brings is read from how many others, avatars and originals, are how near to the same original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.privacy.direct_match import comparable_values

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

NEARLY_ALL = 0.95
"""Share of what an original tells that an avatar must have in common with it for the original to be looked at."""

MOST_LOOKED_AT = 200
"""Originals that are looked at, those that tell most first: by chance avatars are like those that tell little."""

_AROUND = (2, 5, 20)
"""Others that are counted around an original, the nearest ones."""

_ENOUGH = 5
"""Others from which on their distances tell the dimension."""

_GRAIN = 1.0
"""Distance in nats that counts as none: nearer than this, values are rather equal than near."""

_SURELY = 3
"""Added to a small count for a number that it hardly would exceed by chance (the rule of three)."""

_CHUNK_CELLS = 4_000_000


def likeness_by_chance(
    originals: EncodedTable, avatars: EncodedTable, closest: Rows, origin: Rows | None = None
) -> float:
    """Return the probability with which chance makes some avatar as like an original as one is.

    What two numbers have in common is ``-log`` of the share of originals from one to the other; two levels only
    something if they are the same, as have two cells of which both are missing or neither (agreement weighed by how
    rare it is: Goodall, Biometrics 1966;22:882-907). The pattern of missing cells as a whole
    tells no more than how rare it is. What an avatar lacks of what an original tells is its distance, in nats. The
    number of others within a distance grows as a power of it, whose exponent is the local dimension (estimated as by
    Levina and Bickel, NIPS 2004;17:777-784), and at most what the number of columns that tell allows. So the avatars
    expected as near as the nearest one follow from how many others are within larger distances: avatars and
    originals, 2, 5 and 20 of them. The greatest of these numbers counts, with the smallest of the dimensions.

    Parameters
    ----------
    originals, avatars : EncodedTable
    closest : ndarray of int, shape (avatars,)
        Original nearest to each avatar in some space: only these are looked at.
    origin : ndarray of int, shape (avatars,), optional
        Original of each avatar. The own one is rarely the nearest: where it is, chance does it as much more rarely.

    Returns
    -------
    float
        Over all originals; 1 when no avatar has `NEARLY_ALL` of an original.
    """
    if len(originals) < 2:
        return 1.0
    mine, theirs = _Cells.of(originals, originals), _Cells.of(avatars, originals)
    of_pattern = mine.of_pattern()
    pieces = np.hstack([mine.of_values(), of_pattern.sum(axis=1, keepdims=True)])
    told = pieces.sum(axis=1)
    # As many columns as would tell as evenly if each told as much as the others; the pattern counts as one.
    columns = told**2 / np.maximum((pieces**2).sum(axis=1), 1e-300)
    common = mine.at(closest).in_common(theirs, of_pattern[closest])
    alike = np.unique(closest[(common >= NEARLY_ALL * told[closest]) & (told[closest] > _GRAIN)])
    alike = alike[np.argsort(-told[alike], kind="stable")][:MOST_LOOKED_AT]
    own_share = 1.0
    if origin is not None:
        own_share = min(1.0, (np.count_nonzero(origin == closest) + _SURELY) / len(avatars))
    least = np.inf
    step = max(1, _CHUNK_CELLS // (len(originals) + len(avatars)))
    for start in range(0, len(alike), step):
        rows = alike[start : start + step]
        each, here, weights = np.arange(len(rows)), mine.at(rows[:, None]), of_pattern[rows[:, None]]
        of_avatars, of_others = (
            np.maximum(told[rows, None] - here.in_common(cells.at(None), weights), _GRAIN) for cells in (theirs, mine)
        )
        nearest = of_avatars.argmin(axis=1)
        distance = of_avatars[each, nearest]
        of_avatars[each, nearest] = np.inf
        of_others[each, rows] = np.inf
        around = [(of_avatars, 1.0), (of_others, len(avatars) / (len(originals) - 1))]
        expected = _expected(distance, around, columns[rows])
        if origin is not None:
            expected[origin[nearest] == rows] *= own_share
        least = min(least, float(expected.min()))
    return float(-np.expm1(-len(originals) * least))


def _expected(distance: Floats, around: Sequence[tuple[Floats, float]], dimension: Floats) -> Floats:
    """Return how many avatars are expected within a distance of each original, shape (originals,).

    Parameters
    ----------
    distance : ndarray, shape (originals,)
    around : sequence of (ndarray of shape (originals, others), float)
        Distances of others, infinite for the one itself, and how many avatars each of them stands for.
    dimension : ndarray, shape (originals,)
        At most.
    """
    counted = []
    for far, stands_for in around:
        most = far.shape[1] - 1
        others = np.sort(np.partition(far, min(_AROUND[-1], most), axis=1)[:, : _AROUND[-1]], axis=1)
        for number in _AROUND if most else ():
            reach = others[:, [min(number, most) - 1]]
            within = far <= reach
            count = within.sum(axis=1)
            counted.append((stands_for * count, reach[:, 0]))
            if number >= _ENOUGH:
                steps = np.log(reach / np.where(within, far, reach)).sum(axis=1)
                dimension = np.minimum(dimension, (count - 1) / np.maximum(steps, 1e-9))
    return np.asarray(
        np.max([number * (distance / reach) ** dimension for number, reach in counted], axis=0), dtype=np.float64
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of records and where they stand among the originals, shape (..., columns).

    Attributes
    ----------
    values : ndarray
        NaN where missing.
    below, up_to : ndarray
        Share of the known values of the originals that are lower, and that are not higher; 0 and 1 of missing cells.
    numeric : int
        Columns that are numbers, the first ones; the others are levels.
    """

    values: Floats
    below: Floats
    up_to: Floats
    numeric: int

    @classmethod
    def of(cls, table: EncodedTable, originals: EncodedTable) -> _Cells:
        values, reference = comparable_values(table), np.sort(comparable_values(originals), axis=0)
        below, up_to = np.zeros(values.shape), np.ones(values.shape)
        for column, known in enumerate(np.count_nonzero(~np.isnan(reference), axis=0)):
            here = ~np.isnan(values[:, column]) & (known > 0)
            ordered, cells = reference[:known, column], values[here, column]
            below[here, column] = np.searchsorted(ordered, cells, "left") / known
            up_to[here, column] = np.searchsorted(ordered, cells, "right") / known
        return cls(values, below, up_to, originals.numbers.shape[1])

    def at(self, rows: Rows | None) -> _Cells:
        """Return some records, in the shape of `rows`; None is all of them, to be set against each of some others."""
        return _Cells(self.values[rows], self.below[rows], self.up_to[rows], self.numeric)

    def of_values(self) -> Floats:
        """Return the nats that each value tells, 0 where it is missing."""
        return np.asarray(-np.log(self.up_to - self.below))

    def of_pattern(self) -> Floats:
        """Return the nats that each cell tells by being known or missing, of the originals themselves.

        Cells are missing together, as after somebody left; so they share what the pattern tells where that is less.
        """
        missing = np.isnan(self.values)
        share = missing.mean(axis=0)
        cells = -np.log(np.where(missing, share, 1 - share))
        _, pattern, having = np.unique(np.packbits(missing, axis=1), axis=0, return_inverse=True, return_counts=True)
        whole = -np.log(having[pattern.ravel()] / len(missing))
        return np.asarray(cells * np.minimum(1, whole / np.maximum(cells.sum(axis=1), 1e-12))[:, None])

    def in_common(self, others: _Cells, of_pattern: Floats) -> Floats:
        """Return the nats that others have in common with these records; the shapes of records are broadcast."""
        total = np.zeros(np.broadcast_shapes(self.values.shape[:-1], others.values.shape[:-1]))
        for column in range(self.values.shape[-1]):
            mine, theirs = self.values[..., column], others.values[..., column]
            between = np.maximum(self.up_to[..., column], others.up_to[..., column])
            between = between - np.minimum(self.below[..., column], others.below[..., column])
            if column >= self.numeric:
                between = np.where(mine == theirs, between, 1.0)
            total -= np.log(between)
            if of_pattern[..., column].any():
                total += np.where(np.isnan(mine) == np.isnan(theirs), of_pattern[..., column], 0.0)
        return total

"""Which cells of an avatar are missing.

A pattern of missing cells is information about a patient, and where cells are many it is as good as a name: of the
1,300 records of one registry stratum 970 have a pattern of their own, and an avatar that takes over the pattern of
one donor tells that this donor was in the table. So an avatar takes over a whole pattern only when several records
share it. Otherwise each cell, or group of cells that are known together, is missing as it is in a donor of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.avatar.sampling import Donors
from reference_db.small_cells import SMALL_CELL

Booleans = NDArray[np.bool_]

FEWEST_LENDERS = 5
"""Fewest donors of whom cells are mixed."""


@dataclass(frozen=True, slots=True)
class Together:
    """Cells of which one donor says whether they are missing.

    Attributes
    ----------
    columns : tuple of int
        Numeric columns first.
    time : float or None
        When they are observed, in the unit of the end of observation; only a donor who was observed so long lends,
        and they are missing in an avatar that was not. None where they have no time.
    """

    columns: tuple[int, ...]
    time: float | None = None


def missing_cells(table: EncodedTable) -> Booleans:
    """Return which cells are missing, shape (records, columns), numeric columns first."""
    return np.hstack([np.isnan(table.numbers), table.codes < 0])


def known_together(missing: Booleans) -> tuple[Together, ...]:
    """Group the columns that are always missing in the same records."""
    partly = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0))
    if not len(partly):
        return ()
    _, group = np.unique(missing[:, partly], axis=1, return_inverse=True)
    return tuple(Together(tuple(partly[group.ravel() == number].tolist())) for number in range(int(group.max()) + 1))


def draw_missing(
    missing: Booleans,
    donors: Donors,
    main: NDArray[np.intp],
    groups: Sequence[Together],
    *,
    end: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> Booleans:
    """Return which cells of each avatar are missing, shape (avatars, columns).

    Parameters
    ----------
    missing : ndarray of bool, shape (records, columns)
    donors : Donors
    main : ndarray of int, shape (avatars,)
        The donor who lends a common pattern, and the end of observation.
    groups : sequence of Together
    end : ndarray, shape (records,), optional
        End of observation.
    rng : Generator
    """
    drawn = missing[main]
    is_rare = _sharing(missing) < SMALL_CELL
    rare = np.flatnonzero(is_rare[main])
    if not len(rare):
        return drawn
    rows, weights = _lenders(Donors(donors.rows[rare], donors.weights[rare]), main[rare], is_rare, rng)
    everyone = np.arange(len(rare))
    for group in groups:
        columns = np.array(group.columns)
        lent = weights
        if group.time is not None and end is not None:
            lent = weights * (end[rows] >= group.time)
        cumulated = np.cumsum(lent, axis=1)
        threshold = rng.random((len(rare), 1)) * cumulated[:, -1:]
        position = np.minimum((cumulated <= threshold).sum(axis=1), rows.shape[1] - 1)
        cells = missing[rows[everyone, position]][:, columns]
        if group.time is not None and end is not None:
            cells |= (end[main[rare]] < group.time)[:, None]
        drawn[rare[:, None], columns] = cells
    return drawn


def _sharing(missing: Booleans) -> NDArray[np.intp]:
    """Return how many records have the cells missing that each record has, shape (records,)."""
    packed = np.packbits(missing, axis=1)
    # One string of bytes per record: hashing these is 20 times faster than sorting rows of booleans.
    pattern, _ = pd.factorize(packed.view(f"S{packed.shape[1]}").ravel())
    return np.bincount(pattern)[pattern]


def _lenders(
    donors: Donors, main: NDArray[np.intp], is_rare: Booleans, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return who may lend to the avatars without a common pattern: donors without one, or cells would fill up.

    Where these are too few to be mixed, others of the stratum without a common pattern stand in for the donors.
    """
    rows, weights = donors.rows.copy(), donors.weights * is_rare[donors.rows]
    few = np.flatnonzero((weights > 0).sum(axis=1) < FEWEST_LENDERS)
    if len(few):
        rows[few] = rng.choice(np.flatnonzero(is_rare), size=(len(few), rows.shape[1]))
        # The main donor, whose end of observation it is, always remains as one of them.
        rows[few, -1] = main[few]
        weights[few] = 1.0
    return rows, weights

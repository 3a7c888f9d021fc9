"""Which cells of an avatar are missing.

A pattern of missing cells is information about a patient, and where cells are many it is as good as a name: of the
1,300 records of one registry stratum 970 have a pattern of their own, and an avatar that takes over the pattern of
one donor tells that this donor was in the table. So an avatar takes over a whole pattern only when several records
share it. Otherwise each cell, or group of cells that are known together, is missing as it is in a donor of its own.

Records at the edge of a table are neighbours of few, and what they lack would be lost with them: donors who lack what
too many avatars have are drawn more often, so that each pattern and each cell is missing as often as in the originals
(raking: Deming and Stephan, Ann Math Stat 1940;11:427-444, doi 10.1214/aoms/1177731829).
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

MOST_FAVOURED = 4.0
"""Factor by which raking makes a donor more or less likely at most."""

RAKINGS = 30
"""Steps of the search for these factors; it halves an interval, or nears its end by a constant factor, in each."""


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
    is_rare = _sharing(missing)[1] < SMALL_CELL
    rare = np.flatnonzero(is_rare[main])
    if not len(rare):
        return drawn
    rows, weights = _lenders(Donors(donors.rows[rare], donors.weights[rare]), main[rare], is_rare, rng)
    everyone = np.arange(len(rare))
    for group in groups:
        columns = np.array(group.columns)
        lent = weights
        over: Booleans = np.zeros(len(rare), dtype=bool)
        if group.time is not None and end is not None:
            lent = weights * (end[rows] >= group.time)
            over = np.asarray(end[main[rare]] < group.time)
        lacking: Booleans = np.asarray(missing[:, columns].any(axis=1))
        common = drawn[np.ix_(~is_rare[main], columns)].any(axis=1)
        wanted = lacking.mean() * len(drawn) - np.sum(common) - over.sum()
        if min(lacking.sum(), (~lacking).sum()) >= SMALL_CELL:
            lacks = lacking[rows]
            lent = lent * np.where(lacks, _favour(lent[~over], lacks[~over], float(wanted)), 1.0)
        cumulated = np.cumsum(lent, axis=1)
        threshold = rng.random((len(rare), 1)) * cumulated[:, -1:]
        position = np.minimum((cumulated <= threshold).sum(axis=1), rows.shape[1] - 1)
        drawn[rare[:, None], columns] = missing[rows[everyone, position]][:, columns] | over[:, None]
    return drawn


def raked(donors: Donors, missing: Booleans) -> Donors:
    """Return donors with the weights at which each pattern of missing cells is expected as often as in the originals.

    Each pattern that `SMALL_CELL` records or more have counts on its own, all others together.

    Parameters
    ----------
    donors : Donors
    missing : ndarray of bool, shape (records, columns)
    """
    pattern, sharing = _sharing(missing)
    kinds, kind = np.unique(np.where(sharing < SMALL_CELL, -1, pattern), return_inverse=True)
    if len(kinds) < 2:
        return donors
    counts = np.bincount(kind)
    lender = kind[donors.rows]
    favour = np.ones(len(kinds))
    for _ in range(RAKINGS):
        weights = donors.weights * favour[lender]
        weights /= weights.sum(axis=1, keepdims=True)
        expected = np.bincount(lender.ravel(), weights.ravel(), minlength=len(kinds))
        wanted = counts * (len(lender) / len(missing))
        favour *= np.where((expected > 0) & (counts >= SMALL_CELL), wanted / np.maximum(expected, 1e-300), 1.0)
        favour = np.clip(favour, 1 / MOST_FAVOURED, MOST_FAVOURED)
    return Donors(donors.rows, weights)


def _favour(weights: NDArray[np.float64], lacking: Booleans, wanted: float) -> float:
    """Return the factor for donors who lack a cell at which as many avatars as wanted are expected to lack it."""
    without, total = (weights * lacking).sum(axis=1), weights.sum(axis=1)
    without, known = without[total > 0], (total - without)[total > 0]
    low, high = -np.log(MOST_FAVOURED), np.log(MOST_FAVOURED)
    for _ in range(RAKINGS):
        middle = (low + high) / 2
        favoured = without * np.exp(middle)
        low, high = (middle, high) if (favoured / (favoured + known)).sum() < wanted else (low, middle)
    return float(np.exp((low + high) / 2))


def _sharing(missing: Booleans) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each record's pattern of missing cells, and how many records have it, shape (records,)."""
    packed = np.packbits(missing, axis=1)
    # One string of bytes per record: hashing these is 20 times faster than sorting rows of booleans.
    pattern, _ = pd.factorize(packed.view(f"S{packed.shape[1]}").ravel())
    return pattern, np.bincount(pattern)[pattern]


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

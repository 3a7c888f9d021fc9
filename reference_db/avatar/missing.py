"""Which cells of an avatar are missing.

A pattern of missing cells is information about a patient, and where cells are many it is as good as a name: of the
1,300 records of one registry stratum 970 have a pattern of their own, and an avatar that takes over the pattern of
one donor tells that this donor was in the table. So an avatar takes over a whole pattern only when several records
share it. Otherwise each cell, or group of cells that are known together, is missing as it is in a donor of its own.

Records at the edge of a table are neighbours of few, and what they lack would be lost with them: donors who lack what
too many avatars have are drawn more often, so that each pattern and each cell is missing as often as in the originals
(`sampling.favours`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.avatar.sampling import MOST_FAVOURED, RAKINGS, Donors, draw_donors, favours
from reference_db.small_cells import SMALL_CELL

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]

FEWEST_LENDERS = 5
"""Fewest donors of whom cells are mixed."""

SURE = 1e-3
"""Logarithm of a factor within which its search ends."""


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
    varied = [group for group in groups if missing[:, group.columns].any()]
    if not len(rare) or not varied:
        return drawn
    lenders = _lenders(Donors(donors.rows[rare], donors.weights[rare]), main[rare], is_rare, rng)
    lacking = np.column_stack([missing[:, group.columns].any(axis=1) for group in varied])
    lends = np.column_stack([_observed(group, end, len(missing)) for group in varied])
    over = ~lends[main[rare]]
    lacked, known = (_weight(lenders, lends & each) for each in (lacking, ~lacking))
    chance = rng.random(over.shape)
    for at, group in enumerate(varied):
        columns = np.array(group.columns)
        without, within = lacked[:, at], known[:, at]
        if min(lacking[:, at].sum(), (~lacking[:, at]).sum()) >= SMALL_CELL:
            common = drawn[np.ix_(~is_rare[main], columns)].any(axis=1)
            wanted = lacking[:, at].mean() * len(drawn) - common.sum() - over[:, at].sum()
            lent = ~over[:, at]
            without = without * _favour(without[lent], within[lent], float(wanted))
        lacks = chance[:, at] * (without + within) < without
        drawn[rare[:, None], columns] = (lacks | over[:, at])[:, None]
        if missing[:, columns].any(axis=1).sum() > missing[:, columns].all(axis=1).sum():
            # Some lack a part of these cells only: which, one donor who lacks any of them says.
            who = np.flatnonzero(lacks & ~over[:, at])
            weights = lenders.weights[who] * (lends & lacking)[:, at][lenders.rows[who]]
            lender = draw_donors(Donors(lenders.rows[who], weights), rng)
            drawn[rare[who][:, None], columns] = missing[lender][:, columns]
    return drawn


def _observed(group: Together, end: Floats | None, records: int) -> Booleans:
    """Return which records were observed as long as the cells of a group ask for, shape (records,)."""
    if group.time is None or end is None:
        return np.ones(records, dtype=bool)
    return np.asarray(end >= group.time)


def _weight(donors: Donors, records: Booleans) -> Floats:
    """Return the weight of those donors who are among some records, shape (avatars, columns of `records`)."""
    from scipy.sparse import csr_array

    avatars, k = donors.rows.shape
    pointers = np.arange(0, avatars * k + 1, k)
    shares = csr_array((donors.weights.ravel(), donors.rows.ravel(), pointers), shape=(avatars, len(records)))
    return np.asarray(shares @ records.astype(np.float64))


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
    weights = donors.weights * favours(lender, donors.weights, counts)[lender]
    return Donors(donors.rows, weights / weights.sum(axis=1, keepdims=True))


def _favour(lacking: Floats, known: Floats, wanted: float) -> float:
    """Return the factor for donors who lack a cell at which as many avatars as wanted are expected to lack it.

    Parameters
    ----------
    lacking, known : ndarray, shape (avatars,)
        Weight of the donors who lack the cell, and of those who do not.
    wanted : float
    """
    both = (lacking > 0) & (known > 0)
    # Whoever has donors of one kind only lacks it or not, whatever the factor.
    wanted -= float((lacking > 0)[known <= 0].sum())
    odds = np.log(lacking[both] / known[both])
    low, high = -np.log(MOST_FAVOURED), np.log(MOST_FAVOURED)
    factor = 0.0
    for _ in range(RAKINGS):
        share = 1 / (1 + np.exp(-odds - factor))
        expected = float(share.sum())
        low, high = (factor, high) if expected < wanted else (low, factor)
        # Newton's step where it stays between the bounds, their middle otherwise.
        slope = float((share * (1 - share)).sum())
        step = factor + (wanted - expected) / slope if slope > 0 else np.inf
        nearer = step if low < step < high else (low + high) / 2
        if abs(nearer - factor) < SURE:
            return float(np.exp(nearer))
        factor = nearer
    return float(np.exp(factor))


def _sharing(missing: Booleans) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each record's pattern of missing cells, and how many records have it, shape (records,)."""
    packed = np.packbits(missing, axis=1)
    # One string of bytes per record: hashing these is 20 times faster than sorting rows of booleans.
    pattern, _ = pd.factorize(packed.view(f"S{packed.shape[1]}").ravel())
    return pattern, np.bincount(pattern)[pattern]


def _lenders(donors: Donors, main: NDArray[np.intp], is_rare: Booleans, rng: np.random.Generator) -> Donors:
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
    return Donors(rows, weights)

"""Values and rows of the originals that come back exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_DECIMALS = 9
"""Numbers that agree to this many decimals are the same number."""


CHANCE = 1e-3
"""Probability with which chance makes a column look more copied than it is; strata of a release have some thousand
columns, none of which is copied."""

LESS_ALIKE = 1.5
"""Times as many cells as those of the nearest others differ in a space, from which on avatars were not made there."""

_TELLING = 7
"""Cells expected to differ from which on a column tells something of a space."""


def row_protection(originals: EncodedTable, avatars: EncodedTable) -> float:
    """Return the percentage of originals whose complete row appears nowhere among the avatars.

    Missing equals missing.
    """
    known = np.unique(_keys(avatars))
    return float(100 * (1 - np.isin(_keys(originals), known).mean()))


def column_protection(
    originals: EncodedTable,
    avatars: EncodedTable,
    origin: Rows,
    alike: Sequence[tuple[Rows, Rows]],
    *,
    apart: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return, per column, how little a value tells who an avatar was made from.

    The least of three readings:

    - ``100 * (1 - matches * distinct / n)``: the share of avatars with exactly the value of their original, weighed
      by how identifying the column is (1 when every record has a value of its own);
    - ``100 * (1 - (matches - usual))``, with the share of originals whose nearest other has their value: a mixture of
      others agrees with its original no more often than they do, and a column that is copied does, however few values
      it has;
    - ``100 * (1 - matches) / (1 - usual)``, at its upper confidence limit: what of a value the nearest others leave
      open, the avatar leaves open too. By it a column of two values is found copied, in which most others agree. They
      are sought in several spaces, since an avatar may be made in any, and the fewest that differ count; but a space
      is left out where avatars, by the median of the columns, differ from their originals `LESS_ALIKE` times as often
      as the nearest others do, because they were not made there. A column that is nearly constant, or that the others
      give away, leaves too little open to tell: some 14 cells have to be expected to differ.

    A cell that is missing in the original cannot match.

    Parameters
    ----------
    originals, avatars : EncodedTable
    origin : ndarray of int, shape (avatars,)
        Original of each avatar.
    alike : sequence of pairs of ndarray of int, shapes (some,) and (some, others)
        Some originals and their nearest other originals, nearest first, in several spaces. The nearest in the last
        counts for the second reading.
    apart : ndarray of bool, shape (columns,), optional
        Columns whose values are kept by design, to which only the first reading applies.

    Returns
    -------
    ndarray, shape (columns,)
        Percentages, numeric columns first.
    """
    mine, theirs = comparable_values(originals), comparable_values(avatars)
    matched, asked = _matches(mine[origin], theirs)
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in mine.T])
    matches = matched / np.maximum(asked, 1)
    rows, nearest = alike[-1]
    agree, of = _matches(mine[rows], mine[nearest[:, :1].ravel()])
    usual = agree / np.maximum(of, 1)
    identifying = 1 - matches * distinct / len(originals)
    # Several avatars of one original tell no more of it than one does.
    told = np.minimum(asked, np.count_nonzero(~np.isnan(mine), axis=0))
    differ = np.array([1 - _agreement(mine, rows, nearest) for rows, nearest in alike])
    copied = np.minimum(1 - np.maximum(matches - usual, 0.0), _left_open((1 - matches) * told, differ * told))
    if apart is not None:
        copied[apart] = 1.0
    return np.asarray(100 * np.minimum(identifying, copied), dtype=np.float64)


def _left_open(differing: Floats, usually: Floats) -> Floats:
    """Return the upper confidence limit of how often cells differ, compared with what is usual, at most 1.

    The limit is that of a Poisson count (Garwood, Biometrika 1936;28:437-442, doi 10.1093/biomet/28.3-4.437).

    Parameters
    ----------
    differing : ndarray, shape (columns,)
        Cells of avatars that are not their originals'.
    usually : ndarray, shape (spaces, columns)
        Cells of the nearest others that are not.
    """
    from scipy.special import gammaincinv

    times = np.array(
        [
            np.median(differing[telling] / space[telling]) if (telling := space >= _TELLING).any() else 0.0
            for space in usually
        ]
    )
    expected = usually[(times <= LESS_ALIKE) | (times == times.min())].min(axis=0)
    limit = gammaincinv(differing + 1, 1 - CHANCE)
    return np.asarray(np.minimum(limit / np.maximum(expected, 1e-9), 1.0), dtype=np.float64)


def _agreement(mine: Floats, rows: Rows, nearest: Rows) -> Floats:
    """Return, per column, the share of the nearest others with the value of some originals; 1 where none is known."""
    agree, known = np.sum([_matches(mine[rows], mine[others]) for others in nearest.T], axis=0)
    return np.asarray(np.divide(agree, known, out=np.ones_like(agree), where=known > 0), dtype=np.float64)


def _matches(wanted: Floats, found: Floats) -> tuple[Floats, Floats]:
    """Return, per column, how many known cells are found as they are, and how many are known."""
    known = ~np.isnan(wanted)
    return ((wanted == found) & known).sum(axis=0).astype(np.float64), known.sum(axis=0).astype(np.float64)


def comparable_values(encoded: EncodedTable) -> Floats:
    """Return one number per cell, shape (rows, columns): equal for the same value or level, NaN where missing."""
    codes = np.where(encoded.codes < 0, np.nan, encoded.codes)
    return np.hstack([np.round(encoded.numbers, _DECIMALS) + 0.0, codes])


def _keys(encoded: EncodedTable) -> NDArray[np.void]:
    """One comparable value per row. Missing is written as one number that no cell has."""
    values = np.ascontiguousarray(np.nan_to_num(comparable_values(encoded), nan=np.finfo(np.float64).min))
    return values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()

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
    - ``100 * (1 - matches) / (1 - usual)``, at its upper confidence limit: what of a value the nearest other leaves
      open, the avatar leaves open too. By it a column of two values is found copied, in which most others agree.
      A column that is nearly constant, or that the others give away, leaves too little open to tell.

    A cell that is missing in the original cannot match.

    Parameters
    ----------
    originals, avatars : EncodedTable
    origin : ndarray of int, shape (avatars,)
        Original of each avatar.
    alike : sequence of pairs of ndarray of int
        Some originals and the nearest other original of each, in several spaces, of which the last counts for the
        second reading, and for the third that in which they agree most: an avatar may be made in any of them.
    apart : ndarray of bool, shape (columns,), optional
        Columns whose values are kept by design, to which only the first reading applies.

    Returns
    -------
    ndarray, shape (columns,)
        Percentages, numeric columns first.
    """
    mine, theirs = _values(originals), _values(avatars)
    matched, asked = _matches(mine[origin], theirs)
    others = [_matches(mine[rows], mine[nearest]) for rows, nearest in alike]
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in mine.T])
    matches, usual = (found / np.maximum(of, 1) for found, of in ((matched, asked), others[-1]))
    identifying = 1 - matches * distinct / len(originals)
    left = [_left_open(asked - matched, asked, of - found, of) for found, of in others]
    copied = np.minimum(1 - np.maximum(matches - usual, 0.0), np.max(left, axis=0))
    if apart is not None:
        copied[apart] = 1.0
    return np.asarray(100 * np.minimum(identifying, copied), dtype=np.float64)


def _left_open(differing: Floats, of: Floats, usually: Floats, of_others: Floats) -> Floats:
    """Return the upper confidence limit of a ratio of two rates of differing cells, at most 1.

    The first count given the sum of both is binomial; its limit is that of Clopper and Pearson (Biometrika
    1934;26:404-413, doi 10.1093/biomet/26.4.404).
    """
    from scipy.special import betaincinv

    share = betaincinv(differing + 1, np.maximum(usually, 1), 1 - CHANCE)
    ratio = share / (1 - share) * of_others / np.maximum(of, 1)
    return np.asarray(np.where(usually > 0, np.minimum(ratio, 1.0), 1.0), dtype=np.float64)


def _matches(wanted: Floats, found: Floats) -> tuple[Floats, Floats]:
    """Return, per column, how many known cells are found as they are, and how many are known."""
    known = ~np.isnan(wanted)
    return ((wanted == found) & known).sum(axis=0).astype(np.float64), known.sum(axis=0).astype(np.float64)


def _values(encoded: EncodedTable) -> Floats:
    codes = np.where(encoded.codes < 0, np.nan, encoded.codes)
    return np.hstack([np.round(encoded.numbers, _DECIMALS) + 0.0, codes])


def _keys(encoded: EncodedTable) -> NDArray[np.void]:
    """One comparable value per row. Missing is written as one number that no cell has."""
    values = np.ascontiguousarray(np.nan_to_num(_values(encoded), nan=np.finfo(np.float64).min))
    return values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()

"""Values and rows of the originals that come back exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_DECIMALS = 9
"""Numbers that agree to this many decimals are the same number."""


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
    alike: tuple[Rows, Rows],
    *,
    apart: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return, per column, how little a value tells who an avatar was made from.

    The lesser of two readings. ``100 * (1 - matches * distinct / n)``: the share of avatars with exactly the value of
    their original, weighed by how identifying the column is (1 when every record has a value of its own). And ``100 *
    (1 - (matches - usual))``, with the share of originals whose nearest other has their value: a mixture of others
    agrees with its original no more often than they do, and a column that is copied does, however few values it has.
    A cell that is missing in the original cannot match.

    Parameters
    ----------
    originals, avatars : EncodedTable
    origin : ndarray of int, shape (avatars,)
        Original of each avatar.
    alike : pair of ndarray of int
        Some originals, and the nearest other original of each.
    apart : ndarray of bool, shape (columns,), optional
        Columns whose values are kept by design, to which the second reading does not apply.

    Returns
    -------
    ndarray, shape (columns,)
        Percentages, numeric columns first.
    """
    mine, theirs = _values(originals), _values(avatars)
    matches, usual = _matches(mine[origin], theirs), _matches(mine[alike[0]], mine[alike[1]])
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in mine.T])
    copied = np.maximum(matches - usual, 0.0)
    if apart is not None:
        copied[apart] = 0.0
    return np.asarray(100 * (1 - np.maximum(matches * distinct / len(originals), copied)), dtype=np.float64)


def _matches(wanted: Floats, found: Floats) -> Floats:
    """Return, per column, the share of known cells that are found as they are."""
    known = ~np.isnan(wanted)
    return np.asarray(((wanted == found) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1), dtype=np.float64)


def _values(encoded: EncodedTable) -> Floats:
    codes = np.where(encoded.codes < 0, np.nan, encoded.codes)
    return np.hstack([np.round(encoded.numbers, _DECIMALS) + 0.0, codes])


def _keys(encoded: EncodedTable) -> NDArray[np.void]:
    """One comparable value per row. Missing is written as one number that no cell has."""
    values = np.ascontiguousarray(np.nan_to_num(_values(encoded), nan=np.finfo(np.float64).min))
    return values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()

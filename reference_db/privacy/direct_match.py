"""Values and rows of the originals that come back exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable

Floats = NDArray[np.float64]

_DECIMALS = 9
"""Numbers that agree to this many decimals are the same number."""


def row_protection(originals: EncodedTable, avatars: EncodedTable) -> float:
    """Return the percentage of originals whose complete row appears nowhere among the avatars.

    Missing equals missing.
    """
    known = np.unique(_keys(avatars))
    return float(100 * (1 - np.isin(_keys(originals), known).mean()))


def column_protection(originals: EncodedTable, avatars: EncodedTable, origin: NDArray[np.intp]) -> Floats:
    """Return, per column, how little a value tells who an avatar was made from.

    ``100 * (1 - matches * distinct / n)``: the share of avatars with exactly the value of their original, weighed by
    how identifying the column is (1 when every record has a value of its own). A cell that is missing in the original
    cannot match.

    Parameters
    ----------
    originals, avatars : EncodedTable
    origin : ndarray of int, shape (avatars,)
        Original of each avatar.

    Returns
    -------
    ndarray, shape (columns,)
        Percentages, numeric columns first.
    """
    mine, theirs = _values(originals), _values(avatars)
    known = ~np.isnan(mine[origin])
    matches = ((mine[origin] == theirs) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    distinct = np.array([len(np.unique(column[~np.isnan(column)])) for column in mine.T])
    return np.asarray(100 * (1 - matches * distinct / len(originals)), dtype=np.float64)


def _values(encoded: EncodedTable) -> Floats:
    codes = np.where(encoded.codes < 0, np.nan, encoded.codes)
    return np.hstack([np.round(encoded.numbers, _DECIMALS) + 0.0, codes])


def _keys(encoded: EncodedTable) -> NDArray[np.void]:
    """One comparable value per row. Missing is written as one number that no cell has."""
    values = np.ascontiguousarray(np.nan_to_num(_values(encoded), nan=np.finfo(np.float64).min))
    return values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()

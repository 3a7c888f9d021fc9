"""The small-cell rule: what may be shown about a group of patients.

A figure that rests on fewer than `SMALL_CELL` patients is not given out, by whatever door.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALL_CELL = 10
"""Fewest patients behind any figure that leaves the reference database."""


def is_shown(counts: ArrayLike) -> NDArray[np.bool_]:
    """Tell which counts are large enough for the figures behind them to be shown.

    Parameters
    ----------
    counts : array_like of int
        Patients behind each figure.

    Returns
    -------
    ndarray of bool
        Same shape; False where the figure must be withheld.
    """
    return np.asarray(counts) >= SMALL_CELL

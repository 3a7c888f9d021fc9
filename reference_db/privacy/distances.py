"""How near avatars come to originals, whoever they were made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.neighbours import nearest_records

Floats = NDArray[np.float64]


def two_nearest(originals: Floats, avatars: Floats) -> Floats:
    """Return the distances from each avatar to its nearest and second nearest original, shape (avatars, 2).

    A table of one original has it at both places.
    """
    k = min(2, len(originals))
    _, distances = nearest_records(originals, avatars, k)
    return np.hstack([distances, distances[:, -1:]])[:, :2]


def distance_ratio(nearest: Floats) -> Floats:
    """Return nearest over second nearest distance; 1 where both are 0, since no single original is then meant.

    Parameters
    ----------
    nearest : ndarray, shape (avatars, 2)

    Returns
    -------
    ndarray, shape (avatars,)
    """
    first, second = nearest[:, 0], nearest[:, 1]
    return np.divide(first, second, out=np.ones_like(first), where=second > 0)

"""How near avatars come to originals, whoever they were made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.neighbours import nearest_records

Floats = NDArray[np.float64]

ISOLATED = 2.0
GIVEN_AWAY = 0.05


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


def outlier_protection(originals: Floats, avatars: Floats) -> float | None:
    """Return the percentage of isolated originals that no avatar gives away; None where nobody is isolated.

    An original is isolated when its nearest other is more than `ISOLATED` times as far as usual, and given away by an
    avatar within `GIVEN_AWAY` of the distance to its nearest other.

    Parameters
    ----------
    originals, avatars : ndarray, shape (records, axes)
    """
    if len(originals) < 3:
        return None
    own = nearest_records(originals, originals, 1, others_of=np.arange(len(originals)))[1][:, 0]
    isolated = np.flatnonzero(own > ISOLATED * np.median(own))
    if not len(isolated) or not np.median(own) > 0:
        return None
    nearest = nearest_records(avatars, originals[isolated], 1)[1][:, 0]
    return float(100 * (nearest > GIVEN_AWAY * own[isolated]).mean())

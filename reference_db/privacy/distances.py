"""How near avatars come to originals, whoever they were made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.neighbours import nearest_records

Floats = NDArray[np.float64]

ISOLATED = 2.0
"""Times as far from its nearest other as usual, from which an original is isolated."""

MOST_OUTLIERS = 99
"""Outliers that are looked at: among more, one that is given away would be less than a hundredth."""

GIVEN_AWAY = 0.05
"""Share of the distance to its nearest other within which an avatar gives an original away."""

_SPARSE = 5
"""Dimensions from which on chance hardly brings an avatar within `GIVEN_AWAY`."""


def two_nearest(originals: Floats, avatars: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the nearest original of each avatar, and the distances to it and to the second nearest.

    A table of one original has it at both places.

    Returns
    -------
    closest : ndarray of int, shape (avatars,)
    distances : ndarray, shape (avatars, 2)
    """
    k = min(2, len(originals))
    records, distances = nearest_records(originals, avatars, k)
    return records[:, 0], np.hstack([distances, distances[:, -1:]])[:, :2]


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


def outlier_protection(originals: Floats, avatars: Floats, extreme: NDArray[np.intp]) -> float | None:
    """Return the percentage of outliers that no avatar gives away; None where there is none.

    Outliers are originals whose nearest other is more than `ISOLATED` times as far as usual, and those alone with the
    lowest or highest value of a column. `MOST_OUTLIERS` are looked at, extreme ones first, then the most isolated.
    One is given away by an avatar within `GIVEN_AWAY` of the distance to its nearest other. In fewer than `_SPARSE`
    dimensions chance brings avatars so near; there the share is smaller, so that chance does it as rarely as in so
    many.

    Parameters
    ----------
    originals, avatars : ndarray, shape (records, axes)
    extreme : ndarray of int
        Originals alone with an extreme value (`alone_at_the_ends`).
    """
    if len(originals) < 3:
        return None
    own = nearest_records(originals, originals, 1, others_of=np.arange(len(originals)))[1][:, 0]
    is_extreme = np.isin(np.arange(len(originals)), extreme) & (own > 0)
    usual = float(np.median(own))
    is_outlier = is_extreme | (own > ISOLATED * usual if usual > 0 else False)
    order = np.lexsort((-own, ~is_extreme))
    outliers = order[is_outlier[order]][:MOST_OUTLIERS]
    if not len(outliers):
        return None
    nearest = nearest_records(avatars, originals[outliers], 1)[1][:, 0]
    share = GIVEN_AWAY ** (_SPARSE / min(originals.shape[1], _SPARSE))
    return float(100 * (nearest > share * own[outliers]).mean())


def alone_at_the_ends(numbers: Floats) -> NDArray[np.intp]:
    """Return the records that alone have the lowest or the highest value of a column.

    Parameters
    ----------
    numbers : ndarray, shape (records, columns)
        NaN where missing.
    """
    found = []
    for column in numbers.T:
        known = column[~np.isnan(column)]
        for end in (known.min(), known.max()) if len(known) else ():
            holders = np.flatnonzero(column == end)
            found += holders.tolist() if len(holders) == 1 else []
    return np.unique(np.array(found, dtype=np.intp))

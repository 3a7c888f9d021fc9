"""How well each original is hidden among the avatars of others: local cloaking and hidden rate.

Guillaudeux et al., npj Digital Medicine 2023, doi 10.1038/s41746-023-00771-5. Ties matter on tables of few values:
here an avatar exactly as far as the own one counts as cloaking, and avatars that are nearest together share the
place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.neighbours import TREE_DIMENSIONS

Floats = NDArray[np.float64]

_TOLERANCE = 1e-9
"""Relative: distances closer than this are equal."""

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Cloaking:
    """Per original that has an avatar.

    Attributes
    ----------
    others : ndarray of int, shape (originals,)
        Other avatars at most as far as the own avatar.
    exposed : ndarray of float, shape (originals,)
        Probability that the nearest avatar is the own one, avatars at the same distance being equally likely.
    """

    others: NDArray[np.intp]
    exposed: Floats

    @property
    def local_cloaking(self) -> float:
        """Median number of cloaking avatars."""
        return float(np.median(self.others))

    @property
    def hidden_rate(self) -> float:
        """Percentage of originals whose nearest avatar is not their own."""
        return float(100 * (1 - self.exposed.mean()))


def cloaking(originals: Floats, avatars: Floats, origin: NDArray[np.intp], *, most: int | None = None) -> Cloaking:
    """Compare each original's own avatar with those of the others.

    Parameters
    ----------
    originals : ndarray, shape (originals, axes)
        Coordinates.
    avatars : ndarray, shape (avatars, axes)
        Coordinates in the same space.
    origin : ndarray of int, shape (avatars,)
        Original of each avatar. An original with several is judged by the nearest of them; one with none is left out.
    most : int, optional
        Judge about this many originals, evenly spaced, rather than all: for a quick estimate on a large table.

    Returns
    -------
    Cloaking
    """
    own = np.linalg.norm(originals[origin] - avatars, axis=1)
    nearest_own = np.full(len(originals), np.inf)
    np.minimum.at(nearest_own, origin, own)
    judged = spaced(np.flatnonzero(np.isfinite(nearest_own)), most)
    radius = nearest_own[judged]
    slack = _TOLERANCE * max(float(radius.max(initial=0.0)), 1e-300)
    within = _avatars_within(avatars, originals[judged], radius + slack)
    nearer = _avatars_within(avatars, originals[judged], radius - slack)
    within = np.maximum(within, 1)
    return Cloaking(others=within - 1, exposed=np.where(nearer == 0, 1.0 / within, 0.0))


def spaced(rows: NDArray[np.intp], most: int | None) -> NDArray[np.intp]:
    """Return about `most` of the rows, evenly spaced; all when there are no more, or for None."""
    return rows if most is None else rows[:: max(1, len(rows) // most)]


def _avatars_within(avatars: Floats, originals: Floats, radius: Floats) -> NDArray[np.intp]:
    """Count the avatars within each original's radius; a negative radius holds none."""
    if originals.shape[1] == 0:
        return np.where(radius >= 0, len(avatars), 0)
    counts = np.zeros(len(originals), dtype=np.intp)
    possible = np.flatnonzero(radius >= 0)
    if originals.shape[1] <= TREE_DIMENSIONS:
        from scipy.spatial import cKDTree

        tree = cKDTree(avatars)
        counts[possible] = tree.query_ball_point(originals[possible], radius[possible], return_length=True)
        return counts
    step = max(1, _CHUNK_CELLS // len(avatars))
    from scipy.spatial.distance import cdist

    for start in range(0, len(possible), step):
        rows = possible[start : start + step]
        counts[rows] = (cdist(originals[rows], avatars) <= radius[rows, None]).sum(axis=1)
    return counts

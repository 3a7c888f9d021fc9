"""A map of patients: the plane in which the features of the reference database vary most.

The first two axes of a factor analysis of mixed data (FAMD): numbers divided by their standard deviation, levels as
0/1 columns divided by the square root of their share, then principal axes (Pagès 2004, "Analyse factorielle de
données mixtes", Revue de statistique appliquée 52(4)). What is unknown of a patient stands at the mean and pulls
nowhere. The map is made once per release, weighs every feature the same, and is for looking at only: patients of
reference are selected in all dimensions, by the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.small_cells import CellKeys, is_shown, rounded_counts
from selection.features import COLUMN_FEATURE, FEATURES, NUMERIC, columns_of_patients
from selection.patient import PatientOfInterest

Floats = NDArray[np.float64]

CELL = 0.4
"""Width of the squares in which patients are counted, in units of the axes."""

WEAKEST = 0.5
"""Loading, as a share of the strongest, from which a feature names an axis."""


Loading = tuple[str, str]
"""A feature and, of a category, the level that loads."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis of the map means.

    Attributes
    ----------
    share : float
        Of the variance of all features.
    low, high : tuple of (feature, level)
        What loads on its lower and on its upper end, the strongest first.
    """

    share: float
    low: tuple[Loading, ...]
    high: tuple[Loading, ...]


@dataclass(frozen=True, slots=True)
class FeaturePlane:
    """The fitted map.

    Attributes
    ----------
    centre, spread : ndarray, shape (columns,)
        Of the columns that `selection.features.columns_of` lays out.
    loadings : ndarray, shape (columns, 2)
    axes : tuple of Axis
    points : ndarray, shape (patients, 2)
        Where the patients of the reference database stand.
    """

    centre: Floats
    spread: Floats
    loadings: Floats
    axes: tuple[Axis, Axis]
    points: Floats

    @classmethod
    def of(cls, natural: Floats, *, named: int = 4) -> FeaturePlane:
        """Fit the map.

        Parameters
        ----------
        natural : ndarray, shape (patients, columns)
            Features as `selection.features.columns_of` lays them out, NaN where unknown.
        named : int
            Features by which an axis is named at most.
        """
        known = ~np.isnan(natural)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, natural, 0.0).sum(axis=0) / count
        variance = np.where(known, (natural - centre) ** 2, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(NUMERIC, variance, centre))
        spread = np.where(spread > 0, spread, np.inf)
        standard = np.where(known, natural - centre, 0.0) / spread
        variances, vectors = np.linalg.eigh(standard.T @ standard / max(len(standard), 1))
        loadings = vectors[:, ::-1][:, :2]
        # An axis has no direction of its own: its heaviest column points up.
        loadings = loadings * np.sign(loadings[np.abs(loadings).argmax(axis=0), range(2)])
        shares = variances[::-1][:2] / max(variances.sum(), 1e-12)
        first, second = (_axis(loadings[:, at], float(shares[at]), named) for at in range(2))
        return cls(centre, spread, loadings, (first, second), standard @ loadings)

    def place(self, patients: Sequence[PatientOfInterest]) -> Floats:
        """Return where patients of interest stand, shape (patients, 2)."""
        columns = columns_of_patients(patients)
        known = ~np.isnan(columns)
        placed: Floats = (np.where(known, columns - self.centre, 0.0) / self.spread) @ self.loadings
        return placed

    def scatter(self, rows: NDArray[np.intp], keys: CellKeys) -> Floats:
        """Return where patients stand, each moved a little, shape (patients, 2); none when they are too few.

        The same patients are always moved the same way, so that asking again teaches nothing.
        """
        if not bool(is_shown(len(rows))):
            return np.empty((0, 2))
        moved = np.random.default_rng(int(keys.key(rows))).uniform(-CELL / 4, CELL / 4, size=(len(rows), 2))
        return self.points[rows] + moved

    def density(self, rows: NDArray[np.intp], keys: CellKeys) -> tuple[Floats, Floats, Floats]:
        """Count patients per square of the map.

        Parameters
        ----------
        rows : ndarray of int
            Rows of the reference database.
        keys : CellKeys
            Of the release; they decide how counts are rounded.

        Returns
        -------
        x, y : ndarray, shape (across,), (down,)
            Middles of the squares.
        count : ndarray, shape (down, across)
            Patients as they may be given out; NaN in squares with too few of them.
        """
        cells = np.floor(self.points[rows] / CELL).astype(np.intp)
        if not len(cells):
            return np.empty(0), np.empty(0), np.empty((0, 0))
        low = cells.min(axis=0)
        across, down = cells.max(axis=0) - low + 1
        place = (cells[:, 1] - low[1]) * across + cells[:, 0] - low[0]
        number = np.bincount(place, minlength=across * down)
        key = np.zeros(across * down, dtype=np.uint64)
        np.add.at(key, place, keys.of_rows[rows])
        shown = np.where(is_shown(number), rounded_counts(number, key), np.nan).reshape(down, across)
        middles = ((np.arange(size) + start + 0.5) * CELL for size, start in zip((across, down), low, strict=True))
        x, y = middles
        return x, y, shown


def _axis(loading: Floats, share: float, named: int) -> Axis:
    ends: dict[bool, list[Loading]] = {False: [], True: []}
    used: set[int] = set()
    for column in np.argsort(-np.abs(loading), kind="stable"):
        feature = int(COLUMN_FEATURE[column])
        if len(used) == named or abs(loading[column]) < WEAKEST * np.abs(loading).max():
            break
        if feature in used:
            continue
        used.add(feature)
        levels = FEATURES[feature].levels
        level = levels[column - int(np.flatnonzero(feature == COLUMN_FEATURE)[0])] if levels else ""
        ends[bool(loading[column] > 0)].append((FEATURES[feature].name, str(level)))
    return Axis(share, tuple(ends[False]), tuple(ends[True]))

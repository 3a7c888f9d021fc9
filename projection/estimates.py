"""All outcomes of groups of patients of reference, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.activity import Rates, relapse_rates
from projection.endpoints import GRID, Endpoints
from projection.heterogeneity import NONE, heterogeneity_of
from projection.local_regression import LocalRegression
from projection.probabilities import Probabilities, probabilities
from projection.survival import code, tally
from projection.trajectories import Courses, edss_courses
from reference_db.episodes import Episodes
from selection.features import FEATURES

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

RIDGE = 100.0
"""Penalty of the regression correction, in patients (decision 0009)."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Outcomes of groups: one group is the patients of reference of one patient of interest under one class."""

    courses: Courses
    probabilities: Probabilities
    rates: Rates


class Outcomes:
    """What is needed of every patient of the reference database to estimate outcomes, laid out once.

    Parameters
    ----------
    endpoints : Endpoints
    columns : ndarray, shape (patients, columns)
        Standardised features, NaN where unknown.
    episodes : Episodes
        Whose outcomes these are; tells sources and classes apart.
    """

    def __init__(self, endpoints: Endpoints, columns: Floats, episodes: Episodes) -> None:
        self._change = endpoints.change
        self._codes = code(endpoints.step, endpoints.event)
        self._relapses, self._years = endpoints.relapses, endpoints.years
        features = columns[:, REGRESSED]
        self._known = (~np.isnan(features)).astype(np.float64)
        self._features = np.nan_to_num(features)
        names, source = np.unique(episodes.table["source"].to_numpy().astype(str), return_inverse=True)
        self._sources = np.eye(len(names))[source]
        self.heterogeneity = heterogeneity_of(endpoints, self._features, source, episodes.rows_by_treatment)

    def regression(self, pois: Floats, rows: Indices, weights: Floats, ridge: float) -> LocalRegression:
        """Prepare the regressions of groups.

        Parameters
        ----------
        pois : ndarray, shape (groups, columns)
            Standardised features of the patient of interest of each group, NaN where unknown.
        rows : ndarray of int, shape (groups, k)
            Patients of reference; any row where the weight is 0.
        weights : ndarray, shape (groups, k)
        ridge : float
            Infinite for plain means.
        """
        poi = pois[:, REGRESSED]
        differences = self._features[rows]
        differences -= np.nan_to_num(poi)[:, None, :]
        known = self._known[rows]
        known *= (weights > 0)[:, :, None]
        differences *= known
        # An unknown feature of a patient of reference is taken as the mean of the others: it pulls nowhere. One of
        # the patient of interest is left out of the regression.
        mean = differences.sum(axis=1) / np.maximum(known.sum(axis=1), 1.0)
        np.subtract(1.0, known, out=known)
        known *= mean[:, None, :]
        differences += known
        differences *= ~np.isnan(poi)[:, None, :]
        return LocalRegression.around(differences, self._sources[rows], weights, ridge)

    def tally(self, rows: Indices, endpoint: int) -> Floats:
        """Count patients by step and kind of end: shape (grid, 2), as `survival.tally`."""
        group = np.zeros(len(rows), dtype=np.intp)
        counts: Floats = tally(self._codes[rows, endpoint], group, (1,), len(GRID), None)[0]
        return counts

    def known_features(self, rows: Indices) -> Floats:
        """Return the features of the regression, unknown ones as their mean over the reference database."""
        known: Floats = self._features[rows]
        return known

    def estimate(
        self,
        own: Floats,
        pois: Floats,
        rows: Indices,
        weights: Floats,
        *,
        ridge: float = RIDGE,
        restricted_to: int | None = None,
    ) -> Estimates:
        """Estimate every outcome of groups.

        Parameters
        ----------
        own : ndarray, shape (groups,)
            EDSS of the patient of interest of each group.
        pois, rows, weights, ridge
            As `regression` takes them.
        restricted_to : int, optional
            Step of the grid up to which the error of restricted mean times is wanted.
        """
        regression = self.regression(pois, rows, weights, ridge)
        plain = not np.isfinite(ridge) and bool(np.isin(weights, (0.0, 1.0)).all())
        between = NONE if plain else self.heterogeneity
        change = self._change[rows].transpose(0, 2, 1)
        return Estimates(
            courses=edss_courses(own, change, regression, between.edss),
            probabilities=probabilities(
                self._codes[rows],
                regression,
                GRID,
                between=between.events,
                between_event_free=between.event_free,
                corrected=bool(np.isfinite(ridge)),
                restricted_to=restricted_to,
            ),
            rates=relapse_rates(self._relapses[rows], self._years[rows], regression, between.rate),
        )


def _regressed() -> Indices:
    """Columns of the regression: numbers, and all levels but the first of each category."""
    chosen, at = [], 0
    for feature in FEATURES:
        chosen += [at] if not feature.levels else list(range(at + 1, at + feature.width))
        at += feature.width
    return np.array(chosen)


REGRESSED: Indices = _regressed()
"""Columns of the features that enter the regression correction."""

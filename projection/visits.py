"""EDSS visits and relapses side by side, packed for array code over all patients at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference_db.errors import InvalidInput

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits packed to the left of each row in order of day.

    Attributes
    ----------
    edss, day : ndarray, shape (patients, visits)
        NaN after a patient's last visit.
    count : ndarray, shape (patients,)
        Visits of each patient.
    since_relapse, until_relapse : ndarray, shape (patients, visits)
        Days from the relapse before and to the relapse after each visit; infinity where there is none.
    relapses_before, relapses_until : ndarray of int, shape (patients, visits)
        Relapses before the day of the visit, and up to and including it.
    """

    edss: Floats
    day: Floats
    count: Indices
    since_relapse: Floats
    until_relapse: Floats
    relapses_before: Indices
    relapses_until: Indices

    def relapse_between(self, rows: Indices, first: Indices, last: Indices) -> Booleans:
        """Tell whether a relapse stands between two visits, both days included."""
        return self.relapses_until[rows, last] > self.relapses_before[rows, first]


def packed_visits(edss: ArrayLike, days: ArrayLike, relapse_days: ArrayLike | None, influence: float) -> Visits:
    """Drop missing visits, order the others by day, and keep the last of those on one day.

    Raises
    ------
    InvalidInput
        When the relapses do not have one row per patient.
    """
    value = np.atleast_2d(np.asarray(edss, dtype=np.float64))
    day = np.broadcast_to(np.asarray(days, dtype=np.float64), value.shape)
    day = np.where(np.isnan(value) | np.isnan(day), np.inf, day)
    for _ in range(2):
        order = np.argsort(day, axis=1, kind="stable")
        day, value = np.take_along_axis(day, order, axis=1), np.take_along_axis(value, order, axis=1)
        repeated = np.zeros_like(day, dtype=np.bool_)
        repeated[:, :-1] = (day[:, :-1] == day[:, 1:]) & np.isfinite(day[:, :-1])
        if not repeated.any():
            break
        day = np.where(repeated, np.inf, day)
    value = np.where(np.isfinite(day), value, np.nan)
    day = np.where(np.isfinite(day), day, np.nan)
    relapse = np.empty((len(value), 0)) if relapse_days is None else np.asarray(relapse_days, dtype=np.float64)
    if relapse.ndim != 2 or len(relapse) != len(value):
        raise InvalidInput.of(
            "relapse_days", f"shape {relapse.shape} for {len(value)} patients", "patients x relapses"
        )
    # A relapse long before the first visit says nothing about any visit.
    relapse = np.where(relapse >= day[:, :1] - influence, relapse, np.nan)
    since = np.full(day.shape, np.inf)
    until = np.full(day.shape, np.inf)
    before = np.zeros(day.shape, dtype=np.intp)
    up_to = np.zeros(day.shape, dtype=np.intp)
    for column in relapse.T:
        gap = day - column[:, None]
        past, coming = gap >= 0, gap <= 0
        since = np.where(past, np.minimum(since, gap), since)
        until = np.where(coming, np.minimum(until, -gap), until)
        before += gap > 0
        up_to += past
    return Visits(value, day, (~np.isnan(day)).sum(axis=1), since, until, before, up_to)


def first_true(mask: Booleans) -> Indices:
    """Return the first True of each row, the number of columns where there is none."""
    found: Indices = np.where(mask.any(axis=1), mask.argmax(axis=1), mask.shape[1])
    return found

"""What became of every patient of the reference database, as events on the grid of months.

An endpoint is, per patient, the step of the grid at which the event was first seen, or at which observation of it
ended. Time is discrete, as the schedules are: an event between two visits stands at the visit that found it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.worsening import confirmed_improvement, confirmed_worsening
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_MONTHS, MRI_MONTHS, RELAPSE_MONTHS

Floats = NDArray[np.float64]
Steps = NDArray[np.int8]

ENDPOINTS: tuple[str, ...] = (
    "worsening_24w",
    "worsening_12w",
    "pira",
    "raw",
    "improvement",
    "relapse",
    "new_lesions",
    "loss_of_neda3",
)
"""Names of the endpoints, the keys of `ClassProjection.probabilities`, in the order in which they are shown."""

NEDA3 = ENDPOINTS.index("loss_of_neda3")
"""Position of the composite endpoint."""

NEDA3_PARTS: tuple[int, ...] = tuple(ENDPOINTS.index(name) for name in ("worsening_24w", "relapse", "new_lesions"))
"""Positions of the endpoints of which it is the first."""

GRID: Floats = np.array(EDSS_MONTHS, dtype=np.float64)
"""Months of the grid."""

HORIZON = 24
"""Months over which rates are computed and classes compared."""

RELAPSE_TO_VISIT_DAYS = 30.0
"""The episode table knows the interval of a relapse, not its day. It is placed that many days before the visit that
closes the interval, the farthest at which a relapse still influences a visit: worsening first seen at the visit that
closes an interval with a relapse is relapse-associated, and such a visit confirms nothing."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Endpoints:
    """Events of every patient.

    Attributes
    ----------
    step : ndarray of int8, shape (patients, endpoints)
        Position on the grid of the event, or of the end of observation; 0 when nothing was observed.
    event : ndarray of bool, shape (patients, endpoints)
        Whether the event happened at that step.
    change : ndarray, shape (patients, grid)
        EDSS minus EDSS at baseline, NaN where not observed.
    relapses, years : ndarray, shape (patients,)
        Relapses over the first 24 months and the patient-years over which they were counted.
    """

    step: Steps
    event: NDArray[np.bool_]
    change: Floats
    relapses: Floats
    years: Floats

    def months(self, endpoint: str) -> tuple[Floats, NDArray[np.bool_]]:
        """Return months to the event or the end of observation, and whether it is an event."""
        at = ENDPOINTS.index(endpoint)
        return GRID[self.step[:, at]], self.event[:, at]


def endpoints_of(episodes: Episodes) -> Endpoints:
    """Compute every endpoint of every patient.

    Worsening and improvement are counted from the EDSS at baseline and confirmed as `projection.worsening` says. They
    are observed until the last visit that a later one can confirm: an onset after it could not be seen, and counting
    the patient as free of worsening until the last visit would flatten the curve towards the end of every trial.
    Relapses are observed until the last counted interval, lesions until the last scan, NEDA-3 until the earliest of
    the last EDSS, interval and scan.
    """
    edss = episodes.edss
    unit = episodes.days_per_month
    days = GRID * unit[:, None]
    relapse_days = np.where(episodes.relapses > 0, days[:, 1:] - RELAPSE_TO_VISIT_DAYS, np.nan)
    last_edss = _last_step(~np.isnan(edss))
    columns: dict[str, tuple[Steps, NDArray[np.bool_]]] = {}
    for name, weeks, day in (
        ("worsening_24w", 24, confirmed_worsening(edss, days, weeks=24, relapse_days=relapse_days).day),
        ("worsening_12w", 12, confirmed_worsening(edss, days, weeks=12, relapse_days=relapse_days).day),
        ("pira", 24, confirmed_worsening(edss, days, relapse_days=relapse_days, kind="PIRA").day),
        ("raw", 24, confirmed_worsening(edss, days, relapse_days=relapse_days, kind="RAW").day),
        ("improvement", 24, confirmed_improvement(edss, days, relapse_days=relapse_days).day),
    ):
        columns[name] = _event_or_end(_step_of(day / unit), _last_confirmable(edss, days, weeks))
    counted = ~np.isnan(episodes.relapses)
    columns["relapse"] = _event_or_end(_first_step(episodes.relapses > 0), _unbroken(counted))
    columns["new_lesions"] = _new_lesions(episodes)
    # As trials count it: no evidence of disease activity needs no proof that none was about to be confirmed.
    worsening = _event_or_end(
        np.where(columns["worsening_24w"][1], columns["worsening_24w"][0], 0).astype(np.int8), last_edss
    )
    columns["loss_of_neda3"] = _earliest([worsening, columns["relapse"], columns["new_lesions"]])
    to_horizon = RELAPSE_MONTHS.index(HORIZON) + 1
    lengths = np.diff([0.0, *RELAPSE_MONTHS])[:to_horizon]
    observed = counted[:, :to_horizon]
    return Endpoints(
        step=np.stack([columns[name][0] for name in ENDPOINTS], axis=1),
        event=np.stack([columns[name][1] for name in ENDPOINTS], axis=1),
        change=edss - edss[:, :1],
        relapses=np.where(observed, episodes.relapses[:, :to_horizon], 0.0).sum(axis=1),
        years=(observed * lengths).sum(axis=1) * unit / 365.25,
    )


def _step_of(months: Floats) -> Steps:
    """Return positions on the grid, 0 for NaN."""
    found = np.searchsorted(GRID, np.nan_to_num(months) - _ROUNDING)
    return np.where(np.isnan(months), 0, found).astype(np.int8)


def _last_step(seen: NDArray[np.bool_]) -> Steps:
    """Return the last step at which something was seen, 0 when nothing ever was."""
    last = seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    return np.where(seen.any(axis=1), last, 0).astype(np.int8)


def _last_confirmable(edss: Floats, days: Floats, weeks: int) -> Steps:
    """Return the last visit that a later one can confirm: an onset after it could not have been seen."""
    seen = ~np.isnan(edss)
    last = np.where(seen, days, -np.inf).max(axis=1)
    return _last_step(seen & (days + 7.0 * weeks <= last[:, None] + _ROUNDING))


def _first_step(happened: NDArray[np.bool_]) -> Steps:
    """Return the step that closes the first interval in which something happened, 0 when nothing did."""
    return np.where(happened.any(axis=1), happened.argmax(axis=1) + 1, 0).astype(np.int8)


def _unbroken(seen: NDArray[np.bool_]) -> Steps:
    """Return the step up to which every interval was observed."""
    reached: Steps = np.where(seen.all(axis=1), seen.shape[1], (~seen).argmax(axis=1)).astype(np.int8)
    return reached


def _event_or_end(event: Steps, end: Steps) -> tuple[Steps, NDArray[np.bool_]]:
    """Combine the step of an event (0: none) with the end of observation; an event after it was not observed."""
    happened = (event > 0) & (event <= end)
    return np.where(happened, event, end).astype(np.int8), happened


def _new_lesions(episodes: Episodes) -> tuple[Steps, NDArray[np.bool_]]:
    """First scan with an enhancing or a new or enlarging lesion."""
    scanned = ~np.isnan(episodes.new_t2) | ~np.isnan(episodes.gd)
    active = (episodes.new_t2 > 0) | (episodes.gd > 0)
    step_of_scan = np.searchsorted(GRID, np.array(MRI_MONTHS, dtype=np.float64)).astype(np.int8)
    last = np.where(scanned.any(axis=1), step_of_scan[_last_step(scanned)], 0).astype(np.int8)
    first = np.where(active.any(axis=1), step_of_scan[active.argmax(axis=1)], 0).astype(np.int8)
    return _event_or_end(first, last)


def _earliest(parts: list[tuple[Steps, NDArray[np.bool_]]]) -> tuple[Steps, NDArray[np.bool_]]:
    """Join endpoints into the first of them, observed as long as all of them are."""
    steps = np.stack([step for step, _ in parts], axis=1)
    events = np.stack([event for _, event in parts], axis=1)
    never = len(GRID)
    first = np.where(events, steps, never).min(axis=1)
    end = np.where(events, never, steps).min(axis=1)
    happened = first <= end
    return np.where(happened, first, end).astype(np.int8), happened & (first < never)

"""Each published figure's counterpart in simulated outcomes.

A measure takes the outcomes of an arm (and of its comparator for a ratio) and returns the number that the publication
prints, in the publication's unit. What the sources do not record has no measure, and `NOT_COMPARABLE` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.calibration.outcomes import Outcomes, hazard_ratio, kaplan_meier

Array = NDArray[np.float64]

_YEAR = 365.25
_VISIT_WINDOW = 7.0
"""Days by which the last scan of a schedule may precede the horizon."""


@dataclass(frozen=True)
class Arms:
    """An arm with the arm it is compared with, and the horizon of the comparison in days."""

    arm: Outcomes
    comparator: Outcomes | None
    horizon: float

    @property
    def other(self) -> Outcomes:
        """The comparator of a ratio."""
        if self.comparator is None:
            raise LookupError("this measure compares two arms")
        return self.comparator


Measure = Callable[[Arms], float]


def relapse_rate(outcomes: Outcomes, horizon: float) -> float:
    """Return relapses per patient-year up to the horizon."""
    relapses = np.nansum(outcomes.relapse_days <= horizon)
    return float(relapses / (np.minimum(outcomes.last_day, horizon).sum() / _YEAR))


def _completed_scans(outcomes: Outcomes, horizon: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return Gd and new T2 counts of patients scanned at the end, and the mask of scans in time."""
    in_time = (outcomes.scan_days > 0) & (outcomes.scan_days <= horizon + _VISIT_WINDOW)
    last = int(np.flatnonzero(in_time)[-1])
    complete = outcomes.scanned & ~np.isnan(outcomes.gd[:, last])
    return outcomes.gd[complete], outcomes.new_t2[complete], in_time


def _last_gd(outcomes: Outcomes, horizon: float) -> Array:
    gd, _, in_time = _completed_scans(outcomes, horizon)
    return np.asarray(gd[:, int(np.flatnonzero(in_time)[-1])], dtype=np.float64)


def _total(counts: Array, in_time: NDArray[np.bool_]) -> Array:
    return np.asarray(np.nansum(counts[:, in_time], axis=1), dtype=np.float64)


def new_lesions(outcomes: Outcomes, horizon: float) -> Array:
    """Return the new or enlarging T2 lesions of each patient who was scanned to the end."""
    _, new, in_time = _completed_scans(outcomes, horizon)
    return _total(new, in_time)


def enhancing_lesions(outcomes: Outcomes, horizon: float) -> Array:
    """Return the enhancing lesions summed over scans of each patient who was scanned to the end."""
    gd, _, in_time = _completed_scans(outcomes, horizon)
    return _total(gd, in_time)


def _of_patients(outcomes: Outcomes, kept: NDArray[np.bool_], event: Array) -> tuple[Array, Array]:
    return event[kept], outcomes.last_day[kept]


def loss_of_neda(outcomes: Outcomes, *, clinical: bool, mri: bool) -> tuple[Array, Array]:
    """Return the day on which evidence of disease activity was first seen, and the last day observed.

    Clinical evidence is a relapse or 12-week confirmed worsening; that of MRI an enhancing or a new T2 lesion. Where
    MRI counts, patients of the MRI subset.
    """
    event = np.full(len(outcomes.last_day), np.inf)
    if clinical:
        event = np.minimum(event, np.minimum(outcomes.first_relapse, outcomes.worsening_12w))
    if mri:
        event = np.minimum(event, outcomes.first_lesion())
    kept = outcomes.scanned if mri else np.ones(len(event), dtype=np.bool_)
    return _of_patients(outcomes, kept, event)


def converted(outcomes: Outcomes, *, by_disability: bool) -> Array:
    """Return the day of conversion to clinically definite disease: a second attack, or also confirmed worsening."""
    if by_disability:
        return np.minimum(outcomes.first_relapse, outcomes.worsening_12w)
    return outcomes.first_relapse


def _probability(event: Callable[[Outcomes], Array]) -> Measure:
    return lambda a: 100.0 * kaplan_meier(event(a.arm), a.arm.last_day, a.horizon)


def _ratio_of_hazards(event: Callable[[Outcomes], tuple[Array, Array]]) -> Measure:
    return lambda a: hazard_ratio(event(a.arm), event(a.other), a.horizon)[0]


def _everyone(event: Callable[[Outcomes], Array]) -> Callable[[Outcomes], tuple[Array, Array]]:
    return lambda o: (event(o), o.last_day)


def _neda(*, clinical: bool, mri: bool) -> Measure:
    def share(a: Arms) -> float:
        event, last_day = loss_of_neda(a.arm, clinical=clinical, mri=mri)
        return 100.0 * (1.0 - kaplan_meier(event, last_day, a.horizon))

    return share


def _odds_ratio(first: float, second: float) -> float:
    return (first / (1.0 - first)) / (second / (1.0 - second)) if first < 1.0 and 0.0 < second < 1.0 else np.nan


def _edss_change(outcomes: Outcomes, horizon: float, kept: NDArray[np.bool_]) -> float:
    days = np.where(np.isnan(outcomes.edss), np.nan, np.abs(outcomes.visit_days - horizon))
    nearest = np.nanargmin(days, axis=1)
    rows = np.arange(len(nearest))
    seen = kept & (days[rows, nearest] < 60.0)
    return float(np.mean(outcomes.edss[rows, nearest][seen] - outcomes.edss[seen, 0]))


def _high_activity(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Two or more relapses in the year before."""
    return np.asarray(outcomes.patients["relapses_12m"].to_numpy(dtype=np.int64) >= 2, dtype=np.bool_)


def _dropped_out(outcomes: Outcomes, horizon: float) -> NDArray[np.bool_]:
    """Return who left before the horizon, but for those whom a second attack took out of the trial that day."""
    converted_that_day = np.nanmax(outcomes.relapse_days == outcomes.last_day[:, None], axis=1)
    return np.asarray((outcomes.last_day < horizon) & ~converted_that_day, dtype=np.bool_)


def _relapse_count_share(count: int, *, or_more: bool = False) -> Measure:
    def share(a: Arms) -> float:
        complete = (a.arm.last_day >= a.horizon - _VISIT_WINDOW) | (a.arm.last_day > 0)
        relapses = (a.arm.relapse_days <= a.horizon).sum(axis=1)[complete]
        return 100.0 * float(np.mean(relapses >= count if or_more else relapses == count))

    return share


def _worsening_12w(o: Outcomes) -> Array:
    return o.worsening_12w


def _worsening_24w(o: Outcomes) -> Array:
    return o.worsening_24w


def _first_relapse(o: Outcomes) -> Array:
    return o.first_relapse


MEASURES: Mapping[str, Measure] = {
    "ARR": lambda a: relapse_rate(a.arm, a.horizon),
    "ARR ratio": lambda a: relapse_rate(a.arm, a.horizon) / relapse_rate(a.other, a.horizon),
    "relapsed": _probability(_first_relapse),
    "HR time to first relapse": _ratio_of_hazards(_everyone(_first_relapse)),
    "OR relapse-free": lambda a: _odds_ratio(
        1.0 - kaplan_meier(a.arm.first_relapse, a.arm.last_day, a.horizon),
        1.0 - kaplan_meier(a.other.first_relapse, a.other.last_day, a.horizon),
    ),
    "patients with 0 relapses": _relapse_count_share(0),
    "patients with 1 relapses": _relapse_count_share(1),
    "patients with 2 relapses": _relapse_count_share(2),
    "patients with 3 relapses": _relapse_count_share(3),
    "patients with >=4 relapses": _relapse_count_share(4, or_more=True),
    "CDW12": _probability(_worsening_12w),
    "CDW24": _probability(_worsening_24w),
    "EDSS component (CDW24)": _probability(_worsening_24w),
    "HR CDW12": _ratio_of_hazards(_everyone(_worsening_12w)),
    "HR CDW24": _ratio_of_hazards(_everyone(_worsening_24w)),
    "HR CDW24 (high relapse activity subgroup)": _ratio_of_hazards(
        lambda o: _of_patients(o, _high_activity(o), o.worsening_24w)
    ),
    "EDSS change mean": lambda a: _edss_change(a.arm, a.horizon, np.ones(len(a.arm.last_day), dtype=np.bool_)),
    "EDSS change mean (RES subgroup)": lambda a: _edss_change(
        a.arm, a.horizon, _high_activity(a.arm) & (a.arm.gd[:, 0] > 0)
    ),
    "new/enlarging T2 mean": lambda a: float(new_lesions(a.arm, a.horizon).mean()),
    "new/enlarging T2 ratio": lambda a: float(
        new_lesions(a.arm, a.horizon).mean() / new_lesions(a.other, a.horizon).mean()
    ),
    "new/enlarging T2 cumulative median": lambda a: float(np.median(new_lesions(a.arm, a.horizon))),
    "free of new/enlarging T2": lambda a: 100.0 * float(np.mean(new_lesions(a.arm, a.horizon) == 0)),
    "active T2 mean": lambda a: float(
        new_lesions(a.arm, a.horizon).mean() / ((a.arm.scan_days > 0) & (a.arm.scan_days <= a.horizon)).sum()
    ),
    "Gd+ mean": lambda a: float(_last_gd(a.arm, a.horizon).mean()),
    "Gd+ mean cumulative": lambda a: float(enhancing_lesions(a.arm, a.horizon).mean()),
    "Gd+ mean per scan": lambda a: float(
        enhancing_lesions(a.arm, a.horizon).mean() / ((a.arm.scan_days > 0) & (a.arm.scan_days <= a.horizon)).sum()
    ),
    "Gd+ odds ratio": lambda a: _odds_ratio(
        float(np.mean(_last_gd(a.arm, a.horizon) > 0)), float(np.mean(_last_gd(a.other, a.horizon) > 0))
    ),
    "Gd+ ratio": lambda a: float(
        enhancing_lesions(a.arm, a.horizon).mean() / enhancing_lesions(a.other, a.horizon).mean()
    ),
    "Gd+ cumulative median": lambda a: float(np.median(enhancing_lesions(a.arm, a.horizon))),
    "free of Gd+": lambda a: 100.0 * float(np.mean(_last_gd(a.arm, a.horizon) == 0)),
    "free of Gd+ on every scan": lambda a: 100.0 * float(np.mean(enhancing_lesions(a.arm, a.horizon) == 0)),
    "NEDA-3": _neda(clinical=True, mri=True),
    "NEDA clinical": _neda(clinical=True, mri=False),
    "NEDA MRI": _neda(clinical=False, mri=True),
    "HR loss of NEDA-3": _ratio_of_hazards(lambda o: loss_of_neda(o, clinical=True, mri=True)),
    "HR loss of clinical NEDA": _ratio_of_hazards(lambda o: loss_of_neda(o, clinical=True, mri=False)),
    "HR loss of MRI NEDA": _ratio_of_hazards(lambda o: loss_of_neda(o, clinical=False, mri=True)),
    "CDMS (Poser)": _probability(lambda o: converted(o, by_disability=False)),
    "CDMS (2nd attack or confirmed EDSS)": _probability(lambda o: converted(o, by_disability=True)),
    "HR CDMS": _ratio_of_hazards(_everyone(lambda o: converted(o, by_disability=False))),
    "HR CDMS or worsening": _ratio_of_hazards(_everyone(lambda o: converted(o, by_disability=True))),
    "dropout": lambda a: 100.0 * float(np.mean(_dropped_out(a.arm, a.horizon))),
}

NOT_COMPARABLE: Mapping[str, str] = {
    "completed 96 wk on treatment": "stopping treatment inside the study is not simulated",
    "T2 volume change median": "no lesion volumes are recorded",
    "T2 volume change mean": "no lesion volumes are recorded",
    "composite progression (EDSS/T25FW/9HPT, 6-month confirmed)": "walking and hand tests are not recorded",
    "OR composite progression": "walking and hand tests are not recorded",
    "T25FW component": "walking tests are not recorded",
    "9HPT component": "hand tests are not recorded",
    "McDonald 2005 MS": "dissemination in space and time of lesions is not recorded",
    "HR McDonald 2005 MS": "dissemination in space and time of lesions is not recorded",
    "CUA ratio": "combined unique active lesions are not recorded: new and enhancing lesions are counted apart",
    "CUA cumulative median": "combined unique active lesions are not recorded",
    "CUA lesions per scan mean": "combined unique active lesions are not recorded",
    "free of CUA": "combined unique active lesions are not recorded",
    "rescue therapy": "rescue treatment inside the study is not simulated",
    "lymphopenia": "safety is not recorded",
}
"""Published outcomes that have no counterpart in the tables, and why."""

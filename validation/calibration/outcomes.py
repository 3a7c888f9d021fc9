"""Outcomes of a trial arm from its long tables, by the definitions of the trial reports.

One `Outcomes` holds, per patient, the times of first events and what was counted on scans; means, shares and hazard
ratios are computed from it. Times are days since baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from projection import confirmed_worsening
from reference_db.schema import LongTables

Array = NDArray[np.float64]

HALF_STEP_FROM = {"CLARITY": 5.0}
"""Baseline EDSS from which half a step is worsening, where a trial's own definition differs (Giovannoni et al. 2010):
+1.0 up to 4.5, +0.5 from 5.0. ASCEND asked for +1.0 up to 5.5 and +0.5 from 6.0, which is the usual rule."""


@dataclass(frozen=True)
class Outcomes:
    """What happened to the patients of one arm.

    Attributes
    ----------
    patients : DataFrame
        Their rows of the `patients` table.
    last_day : ndarray
    relapse_days : ndarray, shape (patients, relapses)
        NaN pads the rows.
    edss, visit_days : ndarray, shape (patients, visits)
        NaN pads the rows.
    worsening_12w, worsening_24w : ndarray
        Day of onset of the first confirmed worsening, infinity without one.
    scan_days : ndarray, shape (scans,)
        Scheduled days of scans, baseline first.
    gd, new_t2 : ndarray, shape (patients, scans)
        Counts on each scheduled scan, NaN where it was not held.
    """

    patients: pd.DataFrame
    last_day: Array
    relapse_days: Array
    edss: Array
    visit_days: Array
    worsening_12w: Array
    worsening_24w: Array
    scan_days: Array
    gd: Array
    new_t2: Array

    @property
    def first_relapse(self) -> Array:
        """Day of the first relapse, infinity without one."""
        days = np.where(np.isnan(self.relapse_days), np.inf, self.relapse_days)
        return np.asarray(days.min(axis=1, initial=np.inf), dtype=np.float64)

    @property
    def scanned(self) -> NDArray[np.bool_]:
        """Patients of the MRI subset."""
        return np.asarray(~np.isnan(self.gd[:, 0]), dtype=np.bool_)

    def first_lesion(self, *, enhancing: bool = True, new: bool = True) -> Array:
        """Day of the first scan after baseline with an enhancing or a new lesion, infinity without one."""
        seen = np.zeros(self.gd.shape, dtype=np.bool_)
        if enhancing:
            seen |= self.gd > 0
        if new:
            seen |= self.new_t2 > 0
        seen[:, 0] = False
        return np.asarray(np.where(seen, self.scan_days, np.inf).min(axis=1), dtype=np.float64)

    def joined(self, other: Outcomes) -> Outcomes:
        """Return two arms of the same schedule as one."""

        def stack(name: str) -> Array:
            first, second = getattr(self, name), getattr(other, name)
            if first.ndim == 1:
                return np.concatenate([first, second])
            width = max(first.shape[1], second.shape[1])
            padded = [np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=np.nan) for a in (first, second)]
            return np.concatenate(padded)

        names = ("last_day", "relapse_days", "edss", "visit_days", "worsening_12w", "worsening_24w", "gd", "new_t2")
        return Outcomes(
            patients=pd.concat([self.patients, other.patients], ignore_index=True),
            scan_days=self.scan_days,
            **{name: stack(name) for name in names},
        )


def arm_outcomes(tables: LongTables) -> Outcomes:
    """Return the outcomes of the patients of one arm."""
    patients = tables.patients.reset_index(drop=True)
    row_of = pd.Series(patients.index, index=patients["patient_id"])
    n = len(patients)

    def rows(table: pd.DataFrame) -> NDArray[np.int64]:
        return row_of.reindex(table["patient_id"]).to_numpy().astype(np.int64)

    visit_rows = rows(tables.visits)
    visit_days = _packed(visit_rows, tables.visits["day"].to_numpy().astype(np.float64), n)
    edss = _packed(visit_rows, tables.visits["edss"].to_numpy().astype(np.float64), n)
    relapses = tables.relapses[tables.relapses["day"] > 0]
    relapse_days = _packed(rows(relapses), relapses["day"].to_numpy().astype(np.float64), n)
    source = str(patients["source"].iloc[0])
    onset = {
        weeks: confirmed_worsening(
            edss,
            visit_days,
            weeks=weeks,
            relapse_days=relapse_days,
            half_step_from=HALF_STEP_FROM.get(source, 6.0),
        ).day
        for weeks in (12, 24)
    }
    scan_rows = rows(tables.mri)
    scan_days, column = np.unique(tables.mri["day"].to_numpy().astype(np.float64), return_inverse=True)
    counts = {}
    for name in ("gd_lesions", "new_t2_lesions"):
        counts[name] = np.full((n, len(scan_days)), np.nan)
        counts[name][scan_rows, column] = tables.mri[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return Outcomes(
        patients=patients,
        last_day=patients["last_day"].to_numpy().astype(np.float64),
        relapse_days=relapse_days,
        edss=edss,
        visit_days=visit_days,
        worsening_12w=np.where(np.isnan(onset[12]), np.inf, onset[12]),
        worsening_24w=np.where(np.isnan(onset[24]), np.inf, onset[24]),
        scan_days=scan_days,
        gd=counts["gd_lesions"],
        new_t2=counts["new_t2_lesions"],
    )


def _packed(row: NDArray[np.int64], value: Array, n: int) -> Array:
    """Return values of sorted rows as a matrix, (n, most values of a row), padded with NaN."""
    size = np.bincount(row, minlength=n)
    order = np.argsort(row, kind="stable")
    rank = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    matrix = np.full((n, max(int(size.max(initial=0)), 1)), np.nan)
    matrix[row[order], rank] = value[order]
    return matrix


def kaplan_meier(event_day: Array, last_day: Array, horizon: float) -> float:
    """Return the Kaplan-Meier probability of the event by the horizon.

    Parameters
    ----------
    event_day : ndarray
        Day of the event, infinity without one.
    last_day : ndarray
        Last day of observation; an event after it is not seen.
    horizon : float
        Days.
    """
    seen = event_day <= np.minimum(last_day, horizon)
    time = np.where(seen, event_day, np.minimum(last_day, horizon))
    days, index = np.unique(time, return_inverse=True)
    events = np.bincount(index, weights=seen, minlength=len(days))
    at_risk = len(time) - np.concatenate([[0.0], np.cumsum(np.bincount(index, minlength=len(days)))[:-1]])
    return float(1.0 - np.prod(1.0 - events / at_risk))


def hazard_ratio(first: tuple[Array, Array], second: tuple[Array, Array], horizon: float) -> tuple[float, float]:
    """Return the Cox hazard ratio of the first group against the second, and the standard error of its logarithm.

    Each group is its event days (infinity without one) and its last days of observation. Newton steps on Breslow's
    partial likelihood.
    """
    event = np.concatenate([first[0], second[0]])
    end = np.minimum(np.concatenate([first[1], second[1]]), horizon)
    group = np.concatenate([np.ones(len(first[0])), np.zeros(len(second[0]))])
    seen = event <= end
    time = np.where(seen, event, end)
    days, index = np.unique(time, return_inverse=True)
    size = len(days)
    events = np.bincount(index, weights=seen, minlength=size)
    events_first = float((seen * group).sum())
    risk_first = np.cumsum(np.bincount(index, weights=group, minlength=size)[::-1])[::-1]
    risk_second = np.cumsum(np.bincount(index, weights=1.0 - group, minlength=size)[::-1])[::-1]
    log_ratio = 0.0
    information = 1.0
    for _ in range(50):
        weighted = risk_first * np.exp(log_ratio)
        share = weighted / (weighted + risk_second)
        information = float((events * share * (1.0 - share)).sum())
        if information <= 0.0:
            return float("nan"), float("nan")
        step = (events_first - float((events * share).sum())) / information
        log_ratio += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-9:
            break
    return float(np.exp(log_ratio)), float(information**-0.5)

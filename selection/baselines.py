"""Every informative visit as a baseline: what a patient was like, and what followed, from later visits too.

A patient followed for five years has met the patient of interest's situation more than once. Each yearly visit with
a known EDSS and at least 24 months of follow-up behind it, still on the same treatment, becomes a row of its own: its
features are those of that day, its outcomes are counted from that day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.schema import (
    AGE_RANGE,
    DURATION_RANGE,
    EDSS_HISTORY,
    EDSS_MONTHS,
    MRI_MONTHS,
    RELAPSE_MONTHS,
    RELAPSES_12M_RANGE,
    RELAPSES_24M_RANGE,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)

BASELINE_MONTHS: tuple[int, ...] = (0, 12, 24, 36)
"""Months of the grid that may serve as baseline: 24 months later they still fall on the grid."""

NEEDED_MONTHS = 24
"""Follow-up that an informative later baseline has behind it."""


@dataclass(frozen=True)
class Baselines:
    """Episodes from every informative baseline.

    Attributes
    ----------
    episodes : Episodes
        One row per baseline, ordered by patient.
    patient : ndarray of int, shape (rows,)
        Row of the patient in the episodes of the release.
    month : ndarray of int, shape (rows,)
        Month of the baseline in that episode.
    """

    episodes: Episodes
    patient: NDArray[np.intp]
    month: NDArray[np.intp]


def every_visit(episodes: Episodes) -> Baselines:
    """Turn every informative visit of the episodes into a baseline of its own; the first visits are all kept."""
    first = episodes.table
    parts = [first.assign(_patient=np.arange(len(first)), _month=0)]
    parts += [_from(first, month) for month in BASELINE_MONTHS[1:]]
    table = pd.concat(parts, ignore_index=True).sort_values(["_patient", "_month"], ignore_index=True, kind="stable")
    patient, month = table["_patient"].to_numpy(np.intp), table["_month"].to_numpy(np.intp)
    return Baselines(Episodes(table.drop(columns=["_patient", "_month"]), episodes.sources), patient, month)


def _from(table: pd.DataFrame, month: int) -> pd.DataFrame:
    """Return the episodes seen from a later month, of the patients in whom it is informative."""
    informative = (table["follow_up_months"] >= month + NEEDED_MONTHS) & table[edss_column(month)].notna()
    rows = table[informative]
    years = month / 12
    later: dict[str, object] = {
        **{name: rows[name] for name in ("source", "source_kind", "arm", "treatment", "phenotype", "sex")},
        "age": (rows["age"] + years).clip(upper=AGE_RANGE[1]),
        "years_since_onset": (rows["years_since_onset"] + years).clip(upper=DURATION_RANGE[1]),
        "prior_treatment": rows["prior_treatment"],
        "relapses_12m": _relapses(rows, month - 12, month).clip(upper=RELAPSES_12M_RANGE[1]),
        "relapses_24m": _relapses(rows, month - 24, month).clip(upper=RELAPSES_24M_RANGE[1]),
        "gd_lesions": rows[gd_column(month)],
        "t2_lesions": pd.Series(None, index=rows.index, dtype=object),
        EDSS_HISTORY: rows[edss_column(month - 12)],
    }
    later |= {edss_column(m): _at(rows, edss_column, m + month, EDSS_MONTHS) for m in EDSS_MONTHS}
    later |= {relapse_column(m): _in_interval(rows, m, month) for m in RELAPSE_MONTHS}
    later |= {gd_column(m): _at(rows, gd_column, m + month, MRI_MONTHS) for m in MRI_MONTHS}
    later |= {new_t2_column(m): _at(rows, new_t2_column, m + month, MRI_MONTHS) for m in MRI_MONTHS}
    later["follow_up_months"] = rows["follow_up_months"] - month
    kept = pd.DataFrame(later)[list(table.columns)].astype(table.dtypes.to_dict())
    return kept.assign(_patient=np.flatnonzero(informative), _month=month)


def _at(rows: pd.DataFrame, column: object, month: int, grid: tuple[int, ...]) -> pd.Series:
    """Return what stands at a month of the original grid, missing where it has no such month."""
    if month in grid and callable(column):
        found: pd.Series = rows[column(month)]
        return found
    return pd.Series(np.nan, index=rows.index, dtype="Float64" if column is not edss_column else float)


def _relapses(rows: pd.DataFrame, start: int, end: int) -> pd.Series:
    """Sum relapses after one month and up to another; before the first baseline the features know them."""
    ends = [m for m in RELAPSE_MONTHS if max(start, 0) < m <= end]
    total = rows[[relapse_column(m) for m in ends]].sum(axis=1, skipna=False)
    if start < 0:
        total = total + rows["relapses_12m"]
    return total.astype("Int64")


def _in_interval(rows: pd.DataFrame, end: int, month: int) -> pd.Series:
    """Return relapses of an interval of the grid as seen from a later month.

    The grid grows coarser. Where several intervals lie within one of the original grid, the last carries its count,
    as the visit that found it does, and those before it count none.
    """
    found_at = next((m for m in RELAPSE_MONTHS if m >= end + month), None)
    if found_at is None:
        return pd.Series(pd.NA, index=rows.index, dtype="Int64")
    counted = rows[relapse_column(found_at)]
    return counted if found_at == end + month else counted.mask(counted.notna(), 0)

"""From long tables to the episode table: one row per patient on the treatment begun at the index date.

Windows, in months of the source (28 days in trials that see patients every 12 weeks, 30.4375 elsewhere):

====================  =========================================================================================
EDSS at month m       the visit nearest to m among those nearer to m than to any other month of the grid
EDSS at baseline      the visit nearest to day 0 from 3 months before to 1.5 months after, earlier ones preferred
EDSS at month -12     the visit nearest to -12 months from 18 to 6 months before
relapses              counted from the month before on the grid (excluded) to the month (included)
MRI at month m        scans up to a tolerance after m (1.5 months at 6, and at 12 in trials; elsewhere 3) and later
                      than that tolerance after the month before; new lesions are summed over them, enhancing lesions
                      are those of the scan nearest to m, and a cell needs a scan in its own half of the interval
MRI at baseline       the scan nearest to day 0 from 3 months before to 1 month after
====================  =========================================================================================

Follow-up ends when the patient is last seen or with the interval in which the index treatment ends, whichever is
first; a month counts as reached when it is missed by half a month at most. What lies after is missing. A new-lesion
count runs from the scan before: where a source has no scan at month 6, that of month 12 holds the lesions since
baseline.

Treatments are changed because of what happened. Were an interval to end with the treatment, the relapse that ended it
would stand in no interval, and classes that are left after relapses would look the better for it (untreated patients
of the simulated registry, a relapse by month 24: .165, where .193 is true). So the interval goes on to its month, as
long as that is not more than three months away: what begins so soon after a change is not yet the effect of the new
treatment (full on relapses after 3 to 7 months: Roos et al., Brain 2020;143:2742-2756,
doi 10.1093/brain/awaa231).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.arrays import IntegerArray

from reference_db.schema import (
    EDSS_HISTORY,
    EDSS_MONTHS,
    EPISODES,
    MRI_MONTHS,
    NEW_T2_RANGE,
    RELAPSES_24M_RANGE,
    LongTables,
    Source,
    check_episodes,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)
from reference_db.vocabulary import SourceKind, Treatment

Array = NDArray[np.float64]

_REACHED_TOLERANCE = 0.5
_CARRIED_OVER = 3.0
"""Months after the end of a treatment in which what happens is still counted under it."""

_TRIAL_SCAN_TOLERANCE = np.array([1.5, 1.5, 3.0, 3.0, 3.0, 3.0])
_REGISTRY_SCAN_TOLERANCE = np.array([1.5, 3.0, 3.0, 3.0, 3.0, 3.0])


def episodes(tables: LongTables, sources: Sequence[Source]) -> pd.DataFrame:
    """Return the episode table of the long tables of one or more sources.

    A patient without an EDSS in the baseline window has no episode and is left out.

    Parameters
    ----------
    tables : LongTables
        As `schema.check_long_tables` accepted them.
    sources : sequence of Source
        Every source named in the patients table.

    Returns
    -------
    DataFrame
        As `schema.check_episodes` accepts it, in the order of the patients table, index 0..n-1.
    """
    patients = tables.patients.reset_index(drop=True)
    row_of = pd.Series(patients.index, index=patients["patient_id"])
    kinds = patients["source"].map({source.name: source.kind.value for source in sources})
    unit = (
        patients["source"]
        .map({source.name: source.days_per_month for source in sources})
        .to_numpy()
        .astype(np.float64)
    )
    treatment, treated_until = _index_treatment(tables.treatments, patients, row_of)
    end_day = _end_of_follow_up(treated_until, patients["last_day"].to_numpy(dtype=np.float64), unit)
    follow_up = _follow_up_months(end_day / unit)
    table = patients[
        [
            "source",
            "arm",
            "phenotype",
            "sex",
            "age",
            "years_since_onset",
            "prior_treatment",
            "relapses_12m",
            "relapses_24m",
        ]
    ].assign(source_kind=kinds, treatment=treatment, follow_up_months=follow_up)
    columns: dict[str, object] = {}
    columns |= _edss(tables.visits, row_of, unit, end_day)
    columns |= _relapses(tables.relapses, row_of, unit, follow_up)
    columns |= _mri(tables.mri, row_of, unit, (kinds == SourceKind.REGISTRY.value).to_numpy(), end_day)
    table = pd.concat([table, pd.DataFrame(columns)], axis=1)
    for month in EDSS_MONTHS[1:]:
        late = follow_up < month
        names = [edss_column(month)]
        if month in MRI_MONTHS:
            names += [gd_column(month), new_t2_column(month)]
        for name in names:
            table[name] = table[name].mask(late)
    table = table[table[edss_column(0)].notna()].reset_index(drop=True)
    return check_episodes(table[list(EPISODES.columns)])


def _index_treatment(
    treatments: pd.DataFrame, patients: pd.DataFrame, row_of: pd.Series
) -> tuple[NDArray[np.object_], Array]:
    """Return the treatment under way on day 0 (the latest begun) and the day it ends, infinite while it goes on."""
    under_way = treatments[
        (treatments["start_day"] <= 0) & (treatments["end_day"].isna() | (treatments["end_day"] > 0))
    ].sort_values("start_day", kind="stable")
    row = row_of.reindex(under_way["patient_id"]).to_numpy()
    name = np.full(len(patients), Treatment.UNTREATED.value, dtype=object)
    name[row] = under_way["treatment"].to_numpy()
    stop = np.full(len(patients), np.inf)
    stop[row] = under_way["end_day"].to_numpy(dtype=np.float64, na_value=np.inf)
    later = treatments[treatments["start_day"] > 0].sort_values("start_day", ascending=False, kind="stable")
    begins = np.full(len(patients), np.inf)
    begins[row_of.reindex(later["patient_id"]).to_numpy()] = later["start_day"].to_numpy(dtype=np.float64)
    return name, np.minimum(stop, begins)


def _end_of_follow_up(treated_until: Array, last_day: Array, unit: Array) -> Array:
    """Return the last day that counts: the interval in which a treatment ended is followed to its month."""
    grid = np.asarray(EDSS_MONTHS, dtype=np.float64)
    ended = treated_until / unit
    closing = grid[np.minimum(np.searchsorted(grid, ended - _REACHED_TOLERANCE), len(grid) - 1)]
    carried = (closing > ended) & (closing <= ended + _CARRIED_OVER)
    until = np.where(carried, (closing + _REACHED_TOLERANCE) * unit, treated_until)
    return np.asarray(np.minimum(until, last_day), dtype=np.float64)


def _follow_up_months(months: Array) -> NDArray[np.int64]:
    grid = np.asarray(EDSS_MONTHS)
    reached = np.searchsorted(grid, months + _REACHED_TOLERANCE, side="right") - 1
    return np.asarray(grid[np.maximum(reached, 0)], dtype=np.int64)


def _nearest(row: NDArray[np.int64], cell: NDArray[np.int64], distance: Array) -> NDArray[np.int64]:
    """Return, for each (row, cell), the position of its nearest record."""
    order = np.lexsort((distance, cell, row))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (row[order][1:] != row[order][:-1]) | (cell[order][1:] != cell[order][:-1])
    return np.asarray(order[first], dtype=np.int64)


def _edss(visits: pd.DataFrame, row_of: pd.Series, unit: Array, end_day: Array) -> dict[str, object]:
    n = len(unit)
    row = row_of.reindex(visits["patient_id"]).to_numpy(dtype=np.int64)
    day = visits["day"].to_numpy(dtype=np.float64)
    month = day / unit[row]
    edss = visits["edss"].to_numpy(dtype=np.float64)
    grid = np.asarray(EDSS_MONTHS, dtype=np.float64)
    borders = (grid[1:] + grid[:-1]) / 2.0
    cell = np.searchsorted(borders, month, side="right").astype(np.int64)
    distance = np.abs(month - grid[cell])
    distance = np.where((cell == 0) & (month > 0), distance + 3.0, distance)
    beyond = borders[-1] + (grid[-1] - borders[-1]) * 2.0
    usable = (month >= -3.0) & (month < beyond) & (day <= end_day[row])
    values = np.full((n, len(grid)), np.nan)
    picked = np.flatnonzero(usable)[_nearest(row[usable], cell[usable], distance[usable])]
    values[row[picked], cell[picked]] = edss[picked]
    before = (month >= -18.0) & (month <= -6.0)
    history = np.full(n, np.nan)
    picked = np.flatnonzero(before)[_nearest(row[before], cell[before], np.abs(month[before] + 12.0))]
    history[row[picked]] = edss[picked]
    return {EDSS_HISTORY: history} | {edss_column(m): values[:, i] for i, m in enumerate(EDSS_MONTHS)}


def _relapses(
    relapses: pd.DataFrame, row_of: pd.Series, unit: Array, follow_up: NDArray[np.int64]
) -> dict[str, object]:
    row = row_of.reindex(relapses["patient_id"]).to_numpy(dtype=np.int64)
    month = relapses["day"].to_numpy(dtype=np.float64) / unit[row]
    cell = np.searchsorted(np.asarray(EDSS_MONTHS, dtype=np.float64), month, side="left")
    inside = (month > 0.0) & (cell < len(EDSS_MONTHS))
    counts = np.zeros((len(unit), len(EDSS_MONTHS)), dtype=np.int64)
    np.add.at(counts, (row[inside], cell[inside]), 1)
    counts = np.minimum(counts, RELAPSES_24M_RANGE[1])
    return {
        relapse_column(m): IntegerArray(counts[:, i + 1].copy(), follow_up < m) for i, m in enumerate(EDSS_MONTHS[1:])
    }


def _mri(
    mri: pd.DataFrame, row_of: pd.Series, unit: Array, registry: NDArray[np.bool_], end_day: Array
) -> dict[str, object]:
    n = len(unit)
    row = row_of.reindex(mri["patient_id"]).to_numpy(dtype=np.int64)
    day = mri["day"].to_numpy(dtype=np.float64)
    month = day / unit[row]
    gd = mri["gd_lesions"].to_numpy(dtype=np.float64, na_value=np.nan)
    new = mri["new_t2_lesions"].to_numpy(dtype=np.float64, na_value=np.nan)
    grid = np.asarray(MRI_MONTHS, dtype=np.float64)
    tolerance = np.where(registry[:, None], _REGISTRY_SCAN_TOLERANCE, _TRIAL_SCAN_TOLERANCE)
    latest = grid + tolerance
    cell = (month[:, None] > latest[row]).sum(axis=1)
    inside = (month > 1.0) & (cell < len(grid)) & (day <= end_day[row])
    row_in, cell_in = row[inside], cell[inside]
    total = np.zeros((n, len(grid)))
    np.add.at(total, (row_in, cell_in), new[inside])
    half = grid - np.diff(grid, prepend=0.0) / 2.0
    own = inside.copy()
    own[inside] = month[inside] >= half[cell_in]
    present = np.zeros((n, len(grid)), dtype=np.bool_)
    present[row[own], cell[own]] = True
    enhancing = np.full((n, len(grid)), np.nan)
    distance = np.abs(month - grid[np.minimum(cell, len(grid) - 1)])
    picked = np.flatnonzero(own)[_nearest(row[own], cell[own], distance[own])]
    enhancing[row[picked], cell[picked]] = gd[picked]
    total = np.where(present, np.minimum(total, NEW_T2_RANGE[1]), np.nan)
    columns: dict[str, object] = {}
    for i, m in enumerate(MRI_MONTHS):
        columns[gd_column(m)] = _counts(enhancing[:, i])
        columns[new_t2_column(m)] = _counts(total[:, i])
    at_start = np.flatnonzero((month >= -3.0) & (month <= 1.0))
    picked = at_start[_nearest(row[at_start], np.zeros(len(at_start), dtype=np.int64), np.abs(month[at_start]))]
    baseline = np.full(n, np.nan)
    baseline[row[picked]] = gd[picked]
    load = np.full(n, None, dtype=object)
    load[row[picked]] = mri["t2_lesions"].to_numpy(dtype=object)[picked]
    return columns | {"gd_lesions": _counts(baseline), "t2_lesions": load}


def _counts(values: Array) -> IntegerArray:
    missing = np.isnan(values)
    return IntegerArray(np.where(missing, 0.0, values).astype(np.int64), missing)

"""What became of each episode in a few numbers: the statistics whose totals synthetic strata keep.

Columns keep their distributions one by one; endpoints are made of several of them. These are the sums that the
endpoints of trials rest on: exposure, relapses and whether there was any, worsening that held, new lesions, how
steady a course is, how relapses and EDSS go together, and what the state at baseline tells of it all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.schema import (
    EDSS_MONTHS,
    MRI_MONTHS,
    RELAPSE_MONTHS,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)

Floats = NDArray[np.float64]

HORIZONS = (12, 24, EDSS_MONTHS[-1])
"""Months by which events are counted."""

FORETOLD = 24
"""Months up to which a course must go with the state at baseline as it does in the originals."""

COUNTED = ("relapses_12m", "gd_lesions")
"""Numbers at baseline of which it matters whether there is any."""

HELD = (2.5, 5.5)
"""Months for which a worsening must hold, less half a month: 12 and 24 weeks in the months of any source."""

AT_BASELINE = ("age", "years_since_onset", "edss_0", "relapses_12m", "relapses_24m", "gd_lesions")
"""Numbers at baseline whose means are kept."""

COLUMNS = len(AT_BASELINE) + len(RELAPSE_MONTHS) + 2 * len(MRI_MONTHS) + 2 * len(EDSS_MONTHS)
"""The first statistics: the columns themselves, or exchanging avatars would cost them the distributions they have."""

CENTRES = {
    "age": 40.0,
    "years_since_onset": 8.0,
    "edss_0": 2.5,
    "relapses_12m": 0.5,
    "gd_lesions": 0.5,
    "t2_lesions": 2.0,
}
"""What is known at baseline and foretells the course, each with a middle value; counts are judged as any or none."""


def course_statistics(encoded: EncodedTable, columns: Columns) -> Floats:
    """Return the statistics of episodes, shape (episodes, statistics); never NaN.

    Parameters
    ----------
    encoded : EncodedTable
        Episodes.
    columns : Columns
    """
    numbers = encoded.numbers
    place = {column.name: position for position, column in enumerate(columns.numeric)}
    edss = numbers[:, [place[edss_column(month)] for month in EDSS_MONTHS]]
    relapses = np.nan_to_num(numbers[:, [place[relapse_column(month)] for month in RELAPSE_MONTHS]])
    lesions = np.nan_to_num(numbers[:, [place[new_t2_column(month)] for month in MRI_MONTHS]])
    enhancing = np.nan_to_num(numbers[:, [place[gd_column(month)] for month in MRI_MONTHS]])
    follow_up = numbers[:, place["follow_up_months"]]
    visits = (~np.isnan(edss)).astype(np.float64)
    change = np.nan_to_num(np.diff(edss, axis=1))
    followed = visits[:, 1:] * visits[:, :-1]
    since = np.nan_to_num(edss - edss[:, :1])
    baseline = _baseline(encoded, columns)
    onsets = [held_worsening(edss, months=held) for held in HELD]
    state = np.nan_to_num(numbers[:, [place[name] for name in AT_BASELINE]])
    statistics = [*state.T, *relapses.T, *lesions.T, *enhancing.T, *visits.T, *since.T, *_scans(lesions, enhancing)]
    for horizon in HORIZONS:
        counted = np.asarray(RELAPSE_MONTHS) <= horizon
        scanned = np.asarray(MRI_MONTHS) <= horizon
        count, found = relapses[:, counted].sum(axis=1), lesions[:, scanned].sum(axis=1)
        statistics += [
            np.minimum(follow_up, horizon),
            visits[:, np.asarray(EDSS_MONTHS) <= horizon].sum(axis=1) ** 2,
            count,
            (count > 0).astype(np.float64),
            (count > 1).astype(np.float64),
            found,
            (found > 0).astype(np.float64),
            (relapses * change)[:, counted].sum(axis=1),
            followed[:, counted].sum(axis=1),
            (followed * (change == 0))[:, counted].sum(axis=1),
            (change**2)[:, counted].sum(axis=1),
        ]
        for onset in onsets:
            worse = onset <= horizon
            statistics += [worse.astype(np.float64), (worse & (count > 0)).astype(np.float64)]
        if horizon <= FORETOLD:
            last = since[:, EDSS_MONTHS.index(horizon)]
            became = (
                last,
                np.minimum(count, 2),
                found > 0,
                onsets[1] <= horizon,
            )
            statistics += [last**2, *(known * outcome for known in baseline.T for outcome in became)]
    return np.column_stack(statistics)


def _baseline(encoded: EncodedTable, columns: Columns) -> Floats:
    """Return what is known at baseline around its middle values, 0 where it is missing."""
    numeric = {column.name: position for position, column in enumerate(columns.numeric)}
    labels = {column.name: position for position, column in enumerate(columns.categorical)}
    known = []
    for name, centre in CENTRES.items():
        if name in numeric:
            values = encoded.numbers[:, numeric[name]]
            values = np.where(np.isnan(values), np.nan, values > 0) if name in COUNTED else values
        else:
            codes = encoded.codes[:, labels[name]]
            values = np.where(codes < 0, np.nan, codes)
        known.append(np.nan_to_num(values - centre))
    return np.column_stack(known)


def _scans(lesions: Floats, enhancing: Floats) -> list[Floats]:
    """Return how lesions of a scan go with each other and with those of the scan before."""
    new, active = np.log1p(lesions), np.log1p(enhancing)
    return [
        (new * active).sum(axis=1),
        (new[:, 1:] * new[:, :-1]).sum(axis=1),
        (active[:, 1:] * active[:, :-1]).sum(axis=1),
    ]


def held_worsening(edss: Floats, *, months: float) -> Floats:
    """Return the month of the first worsening that holds at every visit up to one at least `months` later.

    Worsening is +1.5 from EDSS 0, +1.0 from 1.0 to 5.5 and +0.5 from 6.0 on, from baseline.

    Parameters
    ----------
    edss : ndarray, shape (episodes, len(EDSS_MONTHS))
        NaN where there was no visit.
    months : float

    Returns
    -------
    ndarray, shape (episodes,)
        Infinite where there is none.
    """
    start = edss[:, 0]
    rise = np.where(start == 0, 1.5, np.where(start < 6, 1.0, 0.5))
    seen = ~np.isnan(edss)
    worse = seen & (edss >= (start + rise)[:, None])
    onset = np.full(len(edss), np.inf)
    for first in range(len(EDSS_MONTHS) - 1, 0, -1):
        holds = worse[:, first].copy()
        confirmed = np.zeros(len(edss), dtype=bool)
        for later in range(first + 1, len(EDSS_MONTHS)):
            holds &= worse[:, later] | ~seen[:, later]
            if EDSS_MONTHS[later] - EDSS_MONTHS[first] >= months:
                confirmed |= holds & seen[:, later]
                # The first visit late enough decides.
                holds &= ~seen[:, later]
        onset[confirmed] = EDSS_MONTHS[first]
    return onset

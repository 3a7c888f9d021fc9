"""What became of each episode in a few numbers: the statistics whose totals synthetic strata keep.

Columns keep their distributions one by one; endpoints are made of several of them. These are the sums that the
endpoints of trials rest on: exposure, relapses and whether there was any, worsening that held, new lesions, and how
relapses and EDSS go together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns
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

HELD = (2.5, 5.5)
"""Months for which a worsening must hold, less half a month: 12 and 24 weeks in the months of any source."""


def course_statistics(numbers: Floats, columns: Columns) -> Floats:
    """Return the statistics of episodes, shape (episodes, statistics); never NaN.

    Parameters
    ----------
    numbers : ndarray, shape (episodes, numeric columns)
        As episodes are encoded.
    columns : Columns
    """
    place = {column.name: position for position, column in enumerate(columns.numeric)}
    edss = numbers[:, [place[edss_column(month)] for month in EDSS_MONTHS]]
    relapses = np.nan_to_num(numbers[:, [place[relapse_column(month)] for month in RELAPSE_MONTHS]])
    lesions = np.nan_to_num(numbers[:, [place[new_t2_column(month)] for month in MRI_MONTHS]])
    enhancing = np.nan_to_num(numbers[:, [place[gd_column(month)] for month in MRI_MONTHS]])
    follow_up = numbers[:, place["follow_up_months"]]
    visits = (~np.isnan(edss)).astype(np.float64)
    change = np.nan_to_num(np.diff(edss, axis=1))
    onsets = [held_worsening(edss, months=held) for held in HELD]
    # The columns themselves, or exchanging avatars would cost them the distributions that they have.
    statistics = [*relapses.T, *lesions.T, *enhancing.T, *visits.T, *np.nan_to_num(edss - edss[:, :1]).T]
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
        ]
        for onset in onsets:
            worse = onset <= horizon
            statistics += [worse.astype(np.float64), (worse & (count > 0)).astype(np.float64)]
    return np.column_stack(statistics)


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

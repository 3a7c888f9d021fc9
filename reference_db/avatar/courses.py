"""What became of each episode in a few numbers: the statistics whose totals synthetic strata keep.

Columns keep their distributions one by one; endpoints are made of several of them. These are the sums that the
endpoints of trials rest on: exposure, relapses and whether there was any, worsening that held, new lesions, how
steady a course is, how relapses and EDSS go together, and what the state at baseline tells of it all.
"""

from __future__ import annotations

from collections.abc import Sequence

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

EVENTS = 5
"""Kinds of events: relapses, new lesions, any relapse, and worsening that held for 12 and for 24 weeks."""

LEVEL_OF = tuple(EVENTS * at + level for at in range(len(HORIZONS)) for level in (0, 1, 0, 3, 4))
"""For each of the first statistics, the events by each horizon, the statistic that says how many there are where few
had one: whoever relapsed is counted by relapses."""

DECISIVE = (EVENTS + 4) * len(HORIZONS)
"""The first statistics decide endpoints: events, months until the first of a kind or the end of observation, and
relapses times change of the EDSS."""

DECISIVE_COUNT = 3.0
"""How much more a gap of these counts than one of the others."""

FORETOLD = 24
"""Months up to which a course must go with the state at baseline as it does in the originals."""

COUNTED = ("relapses_12m", "gd_lesions")
"""Numbers at baseline of which it matters whether there is any."""

HELD = (2.5, 5.5)
"""Months for which a worsening must hold, less half a month: 12 and 24 weeks in the months of any source."""

AT_BASELINE = ("age", "years_since_onset", "edss_0", "relapses_12m", "relapses_24m", "gd_lesions")
"""Numbers at baseline whose means are kept."""

COLUMNS = DECISIVE + len(AT_BASELINE) + len(RELAPSE_MONTHS) + 4 * len(MRI_MONTHS) + 2 * len(EDSS_MONTHS)
"""After them the columns themselves, of lesions also whether there is any, or exchanging avatars would cost them the
distributions they have."""

COLUMN_COUNT = 2.0
"""How much more a gap of a column counts."""

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
    observed = (np.asarray(EDSS_MONTHS) * visits).max(axis=1)
    firsts = [np.where(relapses > 0, np.asarray(RELAPSE_MONTHS), np.inf).min(axis=1), *onsets]
    ends = [follow_up, observed, observed]
    statistics = [
        *(event for horizon in HORIZONS for event in _events(relapses, lesions, firsts, horizon=horizon)),
        *(np.minimum(np.minimum(*at), horizon) for horizon in HORIZONS for at in zip(firsts, ends, strict=True)),
        *((relapses * change)[:, np.asarray(RELAPSE_MONTHS) <= horizon].sum(axis=1) for horizon in HORIZONS),
        *state.T,
        *relapses.T,
        *lesions.T,
        *enhancing.T,
        *(lesions > 0).astype(np.float64).T,
        *(enhancing > 0).astype(np.float64).T,
        *visits.T,
        *since.T,
        *_scans(lesions, enhancing),
    ]
    for horizon in HORIZONS:
        counted = np.asarray(RELAPSE_MONTHS) <= horizon
        scanned = np.asarray(MRI_MONTHS) <= horizon
        count, found = relapses[:, counted].sum(axis=1), lesions[:, scanned].sum(axis=1)
        statistics += [
            np.minimum(follow_up, horizon),
            visits[:, np.asarray(EDSS_MONTHS) <= horizon].sum(axis=1) ** 2,
            (count > 1).astype(np.float64),
            (found > 0).astype(np.float64),
            followed[:, counted].sum(axis=1),
            (followed * (change == 0))[:, counted].sum(axis=1),
            (change**2)[:, counted].sum(axis=1),
        ]
        for onset in onsets:
            statistics.append(((onset <= horizon) & (count > 0)).astype(np.float64))
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


def importance(statistics: int) -> Floats:
    """Return how much a gap of each statistic counts in the choice of avatars, shape (statistics,)."""
    counts = np.ones(statistics)
    counts[:COLUMNS] = COLUMN_COUNT
    counts[:DECISIVE] = DECISIVE_COUNT
    return counts


def _events(relapses: Floats, lesions: Floats, firsts: Sequence[Floats], *, horizon: int) -> list[Floats]:
    """Return the events of episodes up to a month: relapses, new lesions, and whether there was a first of a kind."""
    return [
        relapses[:, np.asarray(RELAPSE_MONTHS) <= horizon].sum(axis=1),
        lesions[:, np.asarray(MRI_MONTHS) <= horizon].sum(axis=1),
        *((first <= horizon).astype(np.float64) for first in firsts),
    ]


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

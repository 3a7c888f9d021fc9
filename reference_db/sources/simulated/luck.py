"""The luck of a trial arm: what happens to its patients adds up to what its parameters let expect.

A published trial is one draw of luck, and so would be a simulated one: with 20 events in an arm, its rate of
worsening differs from the expected one by 22 % in one seed of three. A simulation that stands for a trial whose
results are known should not differ from them by chance. So several candidates are drawn and followed for each place
in an arm, alike at baseline, and one is enrolled: of two candidates the one that brings the totals of the arm nearer
to their mean over both (a vector-balancing walk, as in the kernel halving of Dwivedi and Mackey 2021, doi
10.48550/arXiv.2105.05842), then pairs of those, until one is left. The two are exchangeable, so every candidate is as
likely to be enrolled as any other: what happens to a patient keeps its law, and the arm's totals hardly vary.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import LongTables

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LESION_SUMMARIES = slice(0, 3)
"""Columns of `summaries_of_courses`: enhancing and new lesions of all scans, and whether the last scan enhanced."""
_LESION_QUANTILES = (0.25, 0.5, 0.75)
_UNSETTLED_DAYS = 30
"""After a relapse, in which a visit confirms nothing."""
_HALF_STEP_FROM = (6.0, 5.0)
"""Baseline EDSS from which half a step is worsening: the usual rule, and that of CLARITY."""


def balanced(summaries: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which candidate is enrolled in each place.

    Parameters
    ----------
    summaries : ndarray, shape (candidates, places, summaries)
        What counts of each candidate; the number of candidates is a power of two.
    rng : Generator

    Returns
    -------
    ndarray of int, shape (places,)
        Number of the candidate. The sum of summaries over the places is close to its mean over all candidates.

    Raises
    ------
    ValueError
        If the number of candidates is no power of two.
    """
    candidates, places, _ = summaries.shape
    if candidates & (candidates - 1):
        raise ValueError(f"{candidates} candidates do not pair: draw 1, 2, 4, 8 ...")
    spread = summaries.reshape(candidates * places, -1).std(axis=0)
    values = summaries[:, :, spread > 0.0] / spread[spread > 0.0]
    kept = np.broadcast_to(np.arange(candidates)[:, None], (candidates, places))
    everywhere = np.arange(places)
    while len(kept) > 1:
        first, second = kept[0::2], kept[1::2]
        difference = values[first, everywhere] - values[second, everywhere]
        imbalance = np.zeros((len(first), values.shape[2]))
        takes_first = np.empty(first.shape, dtype=np.bool_)
        # One step a place: each depends on those before it. The largest come first, so that the many small ones mend
        # what they left.
        for place in np.argsort(-np.square(difference).sum(axis=(0, 2)), kind="stable"):
            step = difference[:, place]
            lean = np.einsum("ps,ps->p", imbalance, step)
            sign = np.where(lean == 0.0, rng.choice((-1.0, 1.0), len(first)), -np.sign(lean))
            imbalance += sign[:, None] * step
            takes_first[:, place] = sign > 0.0
        kept = np.where(takes_first, first, second)
    return np.asarray(kept[0], dtype=np.intp)


def summaries_of_courses(tables: LongTables, *, horizon: int) -> Array:
    """Return what is summed over an arm: events, early events, lesions, follow-up.

    Parameters
    ----------
    tables : LongTables
        Of one arm; visits and scans on the arm's schedule. `patient_id` is the row of the patient.
    horizon : int
        Days from baseline to the planned end; its first half makes an event early.

    Returns
    -------
    ndarray, shape (patients, summaries)
    """
    patients = len(tables.patients)
    active = tables.patients["relapses_12m"].to_numpy(dtype=np.float64) >= 2
    last_day = tables.patients["last_day"].to_numpy(dtype=np.float64)
    relapsed, day = tables.relapses["patient_id"].to_numpy(dtype=np.int64), tables.relapses["day"].to_numpy()
    relapses = np.bincount(relapsed, minlength=patients)
    early_relapses = np.bincount(relapsed[day <= horizon / 2], minlength=patients)
    edss, visit_days = _on_schedule(tables.visits, "edss", patients)
    unsettled = np.zeros(edss.shape, dtype=np.bool_)
    for column, visit_day in enumerate(visit_days):
        unsettled[relapsed[(day <= visit_day) & (day >= visit_day - _UNSETTLED_DAYS)], column] = True
    worse = [
        worsening
        for half_step_from in _HALF_STEP_FROM
        for weeks in (12, 24)
        for worsening in _confirmed(edss, visit_days, unsettled, weeks=weeks, half_step_from=half_step_from)
    ]
    enhancing, _ = _on_schedule(tables.mri, "gd_lesions", patients)
    new, _ = _on_schedule(tables.mri, "new_t2_lesions", patients)
    all_enhancing, all_new = np.nansum(enhancing[:, 1:], axis=1), np.nansum(new[:, 1:], axis=1)
    limits = np.quantile(all_new, _LESION_QUANTILES)
    change = np.nan_to_num(edss[:, -1] - edss[:, 0])
    clinical, lesion = (relapses > 0) | worse[0], (all_enhancing + all_new) > 0
    return np.column_stack(
        [
            all_enhancing,
            all_new,
            np.nan_to_num(enhancing[:, -1]) > 0,
            relapses,
            *(relapses >= count for count in (1, 2, 3)),
            early_relapses > 0,
            active & (relapses > 0),
            *worse,
            *(active & worsening for worsening in worse),
            change,
            change * (active & (enhancing[:, 0] > 0)),
            last_day,
            last_day >= horizon,
            np.nan_to_num(enhancing[:, -1]),
            *(all_enhancing >= count for count in (1, 2, 3)),
            np.nan_to_num(new[:, 1]),
            *(all_new >= count for count in (1, 2, 3)),
            *(all_new > limit for limit in limits),
            lesion,
            clinical,
            lesion | clinical,
        ]
    ).astype(np.float64)


def _on_schedule(table: pd.DataFrame, value: str, patients: int) -> tuple[Array, Array]:
    """Return the values of a long table as (patients, scheduled days), NaN where absent, and the days."""
    days, column = np.unique(table["day"].to_numpy(dtype=np.float64), return_inverse=True)
    values = np.full((patients, len(days)), np.nan)
    values[table["patient_id"].to_numpy(dtype=np.int64), column] = table[value].to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    return values, days


def _confirmed(
    edss: Array, days: Array, unsettled: Flags, *, weeks: int, half_step_from: float
) -> tuple[Flags, Flags]:
    """Return who shows confirmed worsening on the schedule, and who from its first half on.

    The rise stands at its first visit, at a visit at least so many weeks later that does not follow a relapse, and
    wherever the patient was seen in between. (`projection.confirmed_worsening`, which gives the day and takes any
    visits, lies above this room.)
    """
    base = edss[:, :1]
    rise = np.where(base < 0.5, 1.5, np.where(base < half_step_from, 1.0, 0.5))
    seen = ~np.isnan(edss)
    worse = np.where(seen, edss, 0.0) - base >= rise
    event, early = np.zeros(len(edss), dtype=np.bool_), np.zeros(len(edss), dtype=np.bool_)
    for onset in range(1, len(days)):
        standing = worse[:, onset]
        for later in range(onset + 1, len(days)):
            if days[later] - days[onset] >= 7 * weeks:
                found = standing & worse[:, later] & ~unsettled[:, later]
                event |= found
                if days[onset] <= days[-1] / 2:
                    early |= found
            standing = standing & (worse[:, later] | ~seen[:, later])
    return event, early

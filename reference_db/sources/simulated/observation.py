"""From what happened to what a source records: EDSS rated at visits, lesions counted on scans, relapses dated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.arrays import IntegerArray

from reference_db.schema import GD_RANGE, NEW_T2_RANGE
from reference_db.sources.simulated.disease import STEP_DAYS, Course
from reference_db.sources.simulated.parameters import parameters
from reference_db.vocabulary import T2Load

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_LARGEST_SHARE = 0.97
"""Of the new lesions of an interval, the largest expected share that still enhances."""


def on_scale(disability: Array) -> Array:
    """Return the nearest value of the EDSS scale (0, then 1.0 to 10.0 by 0.5)."""
    halves = np.round(np.clip(disability, 0.0, 10.0) * 2.0) / 2.0
    return np.where(halves == 0.5, np.where(disability < 0.5, 0.0, 1.0), halves)


def disability_at(course: Course, patient: Ints, day: Ints) -> Array:
    """Return the disability of patients on days after baseline, between the ends of steps by interpolation."""
    last = course.lasting.shape[1] - 1
    position = np.clip(day / STEP_DAYS, 0.0, last)
    before = np.minimum(position.astype(np.int64), max(last - 1, 0))
    weight = position - before
    total_before = course.lasting[patient, before] + course.transient[patient, before]
    total_after = course.lasting[patient, before + 1] + course.transient[patient, before + 1]
    return np.asarray(total_before * (1.0 - weight) + total_after * weight, dtype=np.float64)


def rate_edss(disability: Array, rng: np.random.Generator) -> Array:
    """Return the EDSS that a rater notes: the state of the day, seen with the rater's error, on the scale."""
    p = parameters()
    spread = np.hypot(p["rating_noise"], p["visit_fluctuation"])
    return on_scale(disability + rng.normal(0.0, spread, size=disability.shape))


def relapse_days(course: Course, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return patient numbers and days of every relapse, each on a random day of its step."""
    patient, step = np.nonzero(course.relapse)
    day = step * STEP_DAYS + rng.integers(1, STEP_DAYS + 1, size=len(step))
    return patient.astype(np.int64), day.astype(np.int64)


def count_lesions(
    *,
    lesion_rate: Array,
    days_since_scan: Array,
    gd_share: float,
    gd_concentration: float,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Return new or enlarging T2 lesions since the scan before, and lesions that enhance on the scan.

    Enhancing lesions are recent new lesions: a beta-binomial share of them, larger the shorter the interval.

    Parameters
    ----------
    lesion_rate : ndarray, shape (scans,)
        Lesions per year of the scanned patient, frailty included.
    days_since_scan : ndarray, shape (scans,)
    gd_share : float
        Expected enhancing lesions as a share of a whole year's new lesions.
    gd_concentration : float
        Sum of the two beta parameters; small means that lesions enhance together or not at all.
    rng : Generator
    """
    years = np.maximum(days_since_scan, 1.0) / 365.25
    new = np.minimum(rng.poisson(lesion_rate * years), NEW_T2_RANGE[1])
    share = np.clip(gd_share / years, 1e-4, _LARGEST_SHARE)
    probability = rng.beta(share * gd_concentration, (1.0 - share) * gd_concentration)
    enhancing = np.minimum(rng.binomial(new, probability), GD_RANGE[1])
    return new.astype(np.int64), enhancing.astype(np.int64)


def t2_bins(count: Array, *, known: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return the bin of each T2 lesion count, as `T2Load.of_count` gives it; None where it is not known."""
    labels = np.array([load.value for load in T2Load], dtype=object)
    bins = labels[np.searchsorted([2.5, 9.5, 20.5], count)]
    bins[~known] = None
    return bins


def integers(values: Ints, *, missing: NDArray[np.bool_] | None = None) -> IntegerArray:
    """Return integers as a nullable column, missing where told."""
    mask = np.zeros(len(values), dtype=np.bool_) if missing is None else missing
    return IntegerArray(values.astype(np.int64), mask.copy())


def long_table(columns: Mapping[str, object]) -> pd.DataFrame:
    """Return a long table sorted by patient and day."""
    table = pd.DataFrame(dict(columns))
    order = [name for name in ("patient_id", "day", "start_day") if name in table]
    return table.sort_values(order, kind="stable", ignore_index=True)

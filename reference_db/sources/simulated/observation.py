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
"""Of the new lesions of an interval, the largest share that still enhances."""


def on_scale(disability: Array) -> Array:
    """Return the nearest value of the EDSS scale (0, then 1.0 to 10.0 by 0.5)."""
    halves = np.round(np.clip(disability, 0.0, 10.0) * 2.0) / 2.0
    return np.where(halves == 0.5, np.where(disability < 0.5, 0.0, 1.0), halves)


def disability_at(course: Course, patient: Ints, day: Ints) -> Array:
    """Return the disability of patients on days after baseline, between the ends of steps by interpolation.

    Fluctuation counts less the higher the disability, where the scale rests on walking: see `steadiness`.
    """
    last = course.lasting.shape[1] - 1
    position = np.clip(day / STEP_DAYS, 0.0, last)
    before = np.minimum(position.astype(np.int64), max(last - 1, 0))
    weight = position - before

    def between(part: NDArray[np.float32]) -> Array:
        return np.asarray(part[patient, before] * (1.0 - weight) + part[patient, before + 1] * weight)

    level = between(course.lasting) + between(course.transient)
    return np.asarray(level + between(course.fluctuation) * steadiness(level), dtype=np.float64)


def steadiness(level: Array) -> Array:
    """Return the factor on fluctuation and rating error: 1 up to EDSS 4, falling to its least from 6 on."""
    least = parameters()["steadiness_of_walking"]
    return np.asarray(np.interp(level, [4.0, 6.0], [1.0, least]), dtype=np.float64)


def rate_edss(disability: Array, rng: np.random.Generator) -> Array:
    """Return the EDSS that a rater notes: the state of the day with the rater's error, on the scale."""
    error = rng.normal(0.0, parameters()["rating_noise"], size=disability.shape)
    return on_scale(disability + error * steadiness(disability))


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
    readiness: Array,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Return new or enlarging T2 lesions since the scan before, and lesions that enhance on the scan.

    Enhancing lesions are recent new lesions: a share of them, larger the shorter the interval and the readier the
    patient's lesions to enhance.

    Parameters
    ----------
    lesion_rate : ndarray, shape (scans,)
        Lesions per year of the scanned patient, frailty included.
    days_since_scan : ndarray, shape (scans,)
    gd_share : float
        Expected enhancing lesions as a share of a whole year's new lesions.
    readiness : ndarray, shape (scans,)
        Personal factor on that share, mean 1.
    rng : Generator
    """
    years = np.maximum(days_since_scan, 1.0) / 365.25
    new = np.minimum(rng.poisson(lesion_rate * years), NEW_T2_RANGE[1])
    share = np.minimum(gd_share / years * readiness, _LARGEST_SHARE)
    enhancing = np.minimum(rng.binomial(new, share), GD_RANGE[1])
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

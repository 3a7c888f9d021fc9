"""What a simulated registry writes down: irregular visits, dated relapses, scans (mostly not counted), switches.

Centres differ in how often they see patients, how they rate and how many scans they have counted; no table names
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import LongTables
from reference_db.sources.simulated.cohort import Cohort
from reference_db.sources.simulated.disease import STEP_DAYS, Course
from reference_db.sources.simulated.distributions import gamma_frailty
from reference_db.sources.simulated.indication import CLASSES
from reference_db.sources.simulated.observation import (
    count_lesions,
    disability_at,
    integers,
    long_table,
    rate_edss,
    relapse_days,
    t2_bins,
)
from reference_db.sources.simulated.parameters import class_effects, parameters

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.object_]

_SHORTEST_GAP_DAYS = 14.0
_SCAN_SPREAD = 0.25
_FASTEST_PAST_SLOPE = 0.4


@dataclass(frozen=True)
class RegistryLife:
    """What the patients of a registry went through.

    Attributes
    ----------
    course : Course
    classes : ndarray of int8, shape (patients, steps)
        Position in `indication.CLASSES` of the treatment in each step.
    last_day : ndarray of int
    natural_lesion_rate : ndarray
        New lesions per year without treatment, frailty included.
    """

    course: Course
    classes: NDArray[np.int8]
    last_day: Ints
    natural_lesion_rate: Array


@dataclass(frozen=True)
class Centres:
    """How each patient's centre differs: factors on intervals and on counted scans, a shift of the rating."""

    interval: Array
    rating: Array
    counting: Array

    @classmethod
    def draw(cls, n: int, rng: np.random.Generator) -> Centres:
        """Draw the centre of each of n patients."""
        p = parameters()
        number = int(p["registry_centres"])
        size = rng.lognormal(0.0, p["registry_centre_size_spread"], number)
        centre = rng.choice(number, size=n, p=size / size.sum())
        return cls(
            interval=np.exp(rng.normal(0.0, p["registry_centre_interval_spread"], number))[centre],
            rating=rng.normal(0.0, p["registry_centre_rating_spread"], number)[centre],
            counting=np.exp(rng.normal(0.0, p["registry_centre_counting_spread"], number))[centre],
        )


def record(
    cohort: Cohort, life: RegistryLife, design: Mapping[str, float], centres: Centres, rng: np.random.Generator
) -> LongTables:
    """Return the long tables of a registry."""
    identity = cohort.patients["patient_id"].to_numpy(dtype=object)
    return LongTables(
        patients=cohort.patients.drop(columns="treatment").assign(last_day=life.last_day),
        visits=_visits(cohort, life, design, centres, identity, rng),
        relapses=_relapses(cohort, life, identity, rng),
        mri=_scans(cohort, life, design, centres, identity, rng),
        treatments=_treatments(life, identity),
    )


def _irregular_days(last: Ints, interval: Array, spread: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return patient numbers and days of events after day 0 up to `last`, at log-normal intervals (in years)."""
    longest = int((last / 365.25 / interval).max() * 1.6) + 4
    gaps = interval[:, None] * 365.25 * np.exp(rng.normal(0.0, spread, (len(last), longest)))
    day = np.cumsum(np.maximum(gaps, _SHORTEST_GAP_DAYS), axis=1).astype(np.int64)
    patient, number = np.nonzero(day <= last[:, None])
    return patient.astype(np.int64), day[patient, number]


def _visits(
    cohort: Cohort,
    life: RegistryLife,
    design: Mapping[str, float],
    centres: Centres,
    identity: Names,
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(cohort)
    interval = design["visit_interval"] * centres.interval
    onset_days = np.floor(cohort.patients["years_since_onset"].to_numpy(dtype=np.float64) * 365.25)
    history = np.minimum(rng.uniform(0.0, design["history_maximum"], n) * 365.25, onset_days).astype(np.int64)
    after, day_after = _irregular_days(life.last_day, interval, design["visit_spread"], rng)
    before, days_back = _irregular_days(history, interval, design["visit_spread"], rng)
    edss_after = rate_edss(disability_at(life.course, after, day_after) + centres.rating[after], rng)
    slope = np.minimum(cohort.traits.progression_slope, _FASTEST_PAST_SLOPE)
    past = cohort.edss[before] - slope[before] * days_back / 365.25 - cohort.traits.transient[before]
    return long_table(
        {
            "patient_id": identity[np.concatenate([np.arange(n), after, before])],
            "day": np.concatenate([np.zeros(n, dtype=np.int64), day_after, -days_back]),
            "edss": np.concatenate([cohort.edss, edss_after, rate_edss(past, rng)]),
        }
    )


def _relapses(cohort: Cohort, life: RegistryLife, identity: Names, rng: np.random.Generator) -> pd.DataFrame:
    relapsing, day = relapse_days(life.course, rng)
    keep = day <= life.last_day[relapsing]
    recent = cohort.patients["relapses_12m"].to_numpy(dtype=np.int64)
    older = cohort.patients["relapses_24m"].to_numpy(dtype=np.int64) - recent
    people = np.arange(len(cohort))
    had_recent, had_older = np.repeat(people, recent), np.repeat(people, older)
    return long_table(
        {
            "patient_id": identity[np.concatenate([relapsing[keep], had_recent, had_older])],
            "day": np.concatenate(
                [
                    day[keep],
                    -_spread_over_year(had_recent, rng),
                    -365 - _spread_over_year(had_older, rng),
                ]
            ),
        }
    )


def _spread_over_year(patient: Ints, rng: np.random.Generator) -> Ints:
    """Return a day from 1 to 365 for each relapse, those of one patient apart from each other."""
    first = np.r_[True, patient[1:] != patient[:-1]] if len(patient) else np.zeros(0, dtype=np.bool_)
    start = np.flatnonzero(first)
    size = np.diff(np.append(start, len(patient)))
    rank = np.arange(len(patient)) - np.repeat(start, size)
    slot = 365.0 / np.repeat(size, size)
    return np.asarray(1 + np.floor((rank + rng.random(len(patient)) * 0.9) * slot), dtype=np.int64)


def _scans(
    cohort: Cohort,
    life: RegistryLife,
    design: Mapping[str, float],
    centres: Centres,
    identity: Names,
    rng: np.random.Generator,
) -> pd.DataFrame:
    n, p = len(cohort), parameters()
    # Activity that no relapse shows can only be known from a scan.
    needed = (cohort.gd > 0) & (cohort.patients["relapses_12m"].to_numpy(dtype=np.int64) == 0)
    baseline = np.flatnonzero(needed | (rng.random(n) < design["baseline_scan_share"] * centres.counting))
    patient, day = _irregular_days(life.last_day, np.full(n, design["scan_interval"]), _SCAN_SPREAD, rng)
    since = np.where(np.diff(patient, prepend=-1) == 0, np.diff(day, prepend=0), day)
    classes = life.classes[patient, np.minimum(day // STEP_DAYS, life.classes.shape[1] - 1)]
    ratio = np.array([class_effects()[treatment].lesion_ratio for treatment in CLASSES])
    new, enhancing = count_lesions(
        lesion_rate=life.natural_lesion_rate[patient] * ratio[classes] ** cohort.traits.modification[patient],
        days_since_scan=since.astype(np.float64),
        gd_share=p["registry_gd_share"],
        readiness=gamma_frailty(cohort.traits.enhancement_u, p["registry_gd_shape"])[patient],
        rng=rng,
    )
    counted = rng.random(len(day)) < np.minimum(design["scan_counted_share"] * centres.counting[patient], 0.98)
    at_baseline = np.r_[np.ones(len(baseline), dtype=np.bool_), np.zeros(len(day), dtype=np.bool_)]
    people = np.concatenate([baseline, patient])
    known = np.r_[np.ones(len(baseline), dtype=np.bool_), counted]
    return long_table(
        {
            "patient_id": identity[people],
            "day": np.concatenate([np.zeros(len(baseline), dtype=np.int64), day]),
            "gd_lesions": integers(np.concatenate([cohort.gd[baseline].astype(np.int64), enhancing]), missing=~known),
            "new_t2_lesions": integers(
                np.concatenate([np.zeros(len(baseline), dtype=np.int64), new]), missing=at_baseline | ~known
            ),
            "t2_lesions": t2_bins(cohort.t2_count[people], known=at_baseline),
        }
    )


def _treatments(life: RegistryLife, identity: Names) -> pd.DataFrame:
    begins = np.ones(life.classes.shape, dtype=np.bool_)
    begins[:, 1:] = life.classes[:, 1:] != life.classes[:, :-1]
    patient, step = np.nonzero(begins)
    seen = step * STEP_DAYS < life.last_day[patient]
    patient, step = patient[seen], step[seen]
    start = (step * STEP_DAYS).astype(np.int64)
    goes_on = np.append(np.diff(patient) != 0, True)
    names = np.array([treatment.value for treatment in CLASSES], dtype=object)
    return long_table(
        {
            "patient_id": identity[patient],
            "treatment": names[life.classes[patient, step]],
            "start_day": start,
            "end_day": integers(np.append(start[1:], 0), missing=goes_on),
        }
    )

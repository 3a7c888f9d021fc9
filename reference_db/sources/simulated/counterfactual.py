"""What each source would have recorded of its patients, had all of them been followed under one class.

Some outcomes have no closed expectation: confirmed worsening is what raters noted at the visits of a schedule, with
their errors, confirmed or not at later visits. Its truth is had by letting every source record all its patients under
each class, nobody leaving, with three years of visits after the horizon in which what begins before it is confirmed.
One recording is one draw per patient: it is the mean over patients that tells the truth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reference_db.schema import LongTables
from reference_db.sources.simulated.cohort import Cohort
from reference_db.sources.simulated.disease import STEP_DAYS, Chance, Regime, follow
from reference_db.sources.simulated.observation import (
    disability_at,
    integers,
    long_table,
    rate_edss,
    relapse_days,
    t2_bins,
)
from reference_db.vocabulary import Treatment

Ints = NDArray[np.int64]

FOLLOWED_MONTHS = 62
"""Months of the source: visits around month 60, the last of the grid, are all in. Registries see many patients once a
year or less: with a year beyond the horizon a tenth of what began before it was never confirmed."""


def extended(visits: tuple[int, ...], until: int) -> tuple[int, ...]:
    """Return the days of a schedule of visits that goes on at its last interval.

    Examples
    --------
    >>> extended((0, 84, 168), 500)
    (0, 84, 168, 252, 336, 420)
    """
    return visits + tuple(range(2 * visits[-1] - visits[-2], until, visits[-1] - visits[-2]))


def recorded_on_schedule(
    cohort: Cohort, rates: Regime, treatment: Treatment, visits: tuple[int, ...], until: int, rng: np.random.Generator
) -> LongTables:
    """Return what a trial would record: every visit of its schedule, which goes on until a day; no scans.

    Parameters
    ----------
    cohort : Cohort
    rates : Regime
        Of its patients under the class.
    treatment : Treatment
    visits : tuple of int
        Days of the visits as designed.
    until : int
        Day at which follow-up ends.
    rng : Generator
    """
    course = follow(cohort.traits, rates, Chance.draw(len(cohort), -(-until // STEP_DAYS), rng))
    days = np.array(extended(visits, until), dtype=np.int64)
    patient, visit = (index.ravel() for index in np.indices((len(cohort), len(days))))
    edss = rate_edss(disability_at(course, patient, days[visit]), rng)
    relapsing, relapse_day = relapse_days(course, rng)
    identity = cohort.patients["patient_id"].to_numpy(dtype=object)
    return under_one_class(
        cohort,
        treatment,
        until,
        visits={
            "patient_id": identity[patient],
            "day": days[visit],
            "edss": np.where(visit == 0, cohort.edss[patient], edss),
        },
        relapses={"patient_id": identity[relapsing], "day": relapse_day},
    )


def under_one_class(
    cohort: Cohort, treatment: Treatment, until: int, *, visits: Mapping[str, object], relapses: Mapping[str, object]
) -> LongTables:
    """Return the long tables of a cohort on one treatment from the first to the last day."""
    n = len(cohort)
    identity = cohort.patients["patient_id"].to_numpy(dtype=object)
    nobody: Ints = np.zeros(0, dtype=np.int64)
    return LongTables(
        patients=cohort.patients.drop(columns="treatment").assign(last_day=until),
        visits=long_table(visits),
        relapses=long_table(relapses),
        mri=long_table(
            {
                "patient_id": identity[:0],
                "day": nobody,
                "gd_lesions": integers(nobody),
                "new_t2_lesions": integers(nobody),
                "t2_lesions": t2_bins(nobody.astype(np.float64), known=nobody.astype(np.bool_)),
            }
        ),
        treatments=long_table(
            {
                "patient_id": identity,
                "treatment": np.full(n, treatment.value, dtype=object),
                "start_day": np.zeros(n, dtype=np.int64),
                "end_day": integers(np.full(n, until)),
            }
        ),
    )

"""Simulated phase 3 trials: patients of each arm at baseline, and what the trial records of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import EDSS_SCALE, LongTables
from reference_db.sources.simulated.cohort import (
    Cohort,
    progression_covariates,
    relapse_covariates,
    transient_at_baseline,
)
from reference_db.sources.simulated.disease import (
    STEP_DAYS,
    Chance,
    Course,
    Regime,
    Traits,
    follow,
    modification,
    regime,
)
from reference_db.sources.simulated.distributions import (
    discrete_quantile,
    gamma_quantile,
    hurdle_counts,
    maximum_entropy,
    negative_binomial_zero,
    normal_scores,
)
from reference_db.sources.simulated.observation import (
    count_lesions,
    disability_at,
    long_table,
    rate_edss,
    relapse_days,
    t2_bins,
)
from reference_db.sources.simulated.published import Arm, baseline, calibrated, parameters
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex

Array = NDArray[np.float64]

_AGES = tuple(np.round(np.arange(18.0, 66.0, 0.1), 1).tolist())
_MOST_RELAPSES = 6
_MOST_ENHANCING = 60


@dataclass(frozen=True)
class ArmResult:
    """One simulated arm: its long tables, its patients at baseline and their true course."""

    tables: LongTables
    cohort: Cohort
    course: Course
    rates: Regime


def simulate_arm(arm: Arm, *, n: int, first_number: int, rng: np.random.Generator) -> ArmResult:
    """Return `n` patients of an arm followed by its design; `first_number` starts their pseudonyms."""
    cohort = _enrol(arm, n, first_number, rng)
    rates = arm_regime(arm, cohort.traits)
    chance = Chance.draw(n, -(-arm.end_days[1] // STEP_DAYS), rng)
    course = follow(cohort.traits, rates, chance)
    return ArmResult(_record(arm, cohort, course, rates, rng), cohort, course, rates)


def arm_regime(arm: Arm, traits: Traits) -> Regime:
    """Return the rates of patients under the arm's treatment as calibrated."""
    value = calibrated()
    return regime(
        traits,
        relapse_ratio=value[arm.code, "relapse_ratio"],
        progression_ratio=value[arm.code, "progression_ratio"],
        lesion_ratio=value[arm.code, "lesion_ratio"],
        relapse_shape=value[arm.code, "relapse_shape"],
        lesion_shape=value[arm.code, "lesion_shape"],
    )


def _correlation() -> Array:
    """Age, years since onset, EDSS, relapses, Gd, T2, then the frailties of relapses, lesions and progression."""
    p = parameters()
    matrix = np.eye(9)
    pairs = {
        (0, 1): 0.45,
        (0, 2): 0.25,
        (1, 2): 0.25,
        (0, 4): -0.20,
        (1, 5): 0.25,
        (4, 5): 0.30,
        (3, 6): p["relapse_frailty_correlation"],
        (4, 7): p["gd_frailty_correlation"],
        (6, 7): p["lesion_frailty_correlation"],
        (6, 8): p["progression_frailty_correlation"],
    }
    for (a, b), value in pairs.items():
        matrix[a, b] = matrix[b, a] = value
    return matrix


def _enrol(arm: Arm, n: int, first_number: int, rng: np.random.Generator) -> Cohort:
    p, value, figures = parameters(), calibrated(), baseline(arm.code)
    u = normal_scores(_correlation(), n, rng)
    ages = tuple(age for age in _AGES if arm.age[0] <= age <= arm.age[1])
    age = discrete_quantile(ages, maximum_entropy(ages, figures["age_mean"], figures["age_sd"]), u[0])
    onset = gamma_quantile(u[1], figures["years_since_onset_mean"], figures["years_since_onset_sd"])
    onset = np.round(np.minimum(onset, age - 10.0), 2)
    scale = tuple(step for step in EDSS_SCALE if arm.edss[0] <= step <= arm.edss[1])
    edss = discrete_quantile(scale, maximum_entropy(scale, figures["edss_mean"], figures["edss_sd"]), u[2])
    counts = tuple(float(c) for c in range(arm.relapses_minimum, _MOST_RELAPSES + 1))
    relapse_probability = maximum_entropy(counts, figures["relapses_12m_mean"], figures["relapses_12m_sd"])
    relapses = discrete_quantile(counts, relapse_probability, u[3])
    gd = discrete_quantile(*_enhancing(figures), u[4])
    t2_count = np.maximum(np.round(gamma_quantile(u[5], figures["t2_count_mean"], figures["t2_count_sd"])), gd)
    older = rng.poisson(0.5, n) if arm.phenotype is Phenotype.RRMS else np.zeros(n)
    transient = transient_at_baseline(edss, relapses)
    traits = Traits(
        lasting=edss - transient + rng.uniform(-0.2, 0.2, n),
        transient=transient,
        relapse_u=u[6],
        lesion_u=u[7],
        progression_u=u[8],
        relapse_rate=value[arm.source, "relapse_rate"] * relapse_covariates(age, onset),
        progression_slope=value[arm.source, "progression_slope"] * progression_covariates(age, figures["age_mean"]),
        lesion_rate=np.full(n, value[arm.source, "lesion_rate"]),
        modification=modification(age, relapses + (gd > 0), figures["relapses_12m_mean"] + 0.4),
    )
    female = np.arange(n) < round(figures["female_share"] * n)
    treated_before = rng.permutation(n) < round(figures["prior_treatment_share"] * n)
    patients = pd.DataFrame(
        {
            "patient_id": [f"{arm.source}-{first_number + i:05d}" for i in range(n)],
            "source": arm.source,
            "arm": arm.name,
            "phenotype": arm.phenotype.value,
            "sex": np.where(rng.permutation(female), Sex.FEMALE.value, Sex.MALE.value),
            "age": age,
            "years_since_onset": onset,
            "prior_treatment": np.where(
                treated_before, PriorTreatment.MODERATE_EFFICACY.value, PriorTreatment.NONE.value
            ),
            "relapses_12m": relapses.astype(np.int64),
            "relapses_24m": np.minimum(relapses + older, 15).astype(np.int64),
            "treatment": arm.treatment.value,
        }
    ).astype({"relapses_12m": "Int64", "relapses_24m": "Int64"})
    return Cohort(patients=patients, edss=edss, gd=gd, t2_count=t2_count, traits=traits)


def _enhancing(figures: Mapping[str, float]) -> tuple[tuple[float, ...], Array]:
    mean = figures["gd_mean"]
    sd = figures.get("gd_sd", 2.2 * mean + 0.4)
    positive = figures.get("gd_positive_share", 1.0 - negative_binomial_zero(mean, sd))
    return tuple(float(c) for c in range(_MOST_ENHANCING + 1)), hurdle_counts(mean, sd, positive, _MOST_ENHANCING)


def _record(arm: Arm, cohort: Cohort, course: Course, rates: Regime, rng: np.random.Generator) -> LongTables:
    n = len(cohort)
    relapsing, relapse_day = relapse_days(course, rng)
    end = rng.integers(arm.end_days[0], arm.end_days[1] + 1, size=n)
    dropout = rng.exponential(365.25 / calibrated()[arm.code, "dropout_rate"], size=n)
    last_day = np.where(dropout < end, np.maximum(dropout, 1.0), end).astype(np.int64)
    if arm.ends_at_conversion:
        first = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(first, relapsing, relapse_day)
        last_day = np.minimum(last_day, np.where(first < last_day, first, last_day))
    identity = cohort.patients["patient_id"].to_numpy()
    keep = relapse_day <= last_day[relapsing]
    relapses = long_table({"patient_id": identity[relapsing[keep]], "day": relapse_day[keep]})
    patients = cohort.patients.drop(columns="treatment").assign(last_day=last_day)
    treatments = long_table(
        {
            "patient_id": identity,
            "treatment": cohort.patients["treatment"].to_numpy(),
            "start_day": np.zeros(n, dtype=np.int64),
            "end_day": pd.array(last_day, dtype="Int64"),
        }
    )
    return LongTables(
        patients=patients,
        visits=_visits(arm, cohort, course, last_day, identity, rng),
        relapses=relapses,
        mri=_scans(arm, cohort, rates, last_day, identity, rng),
        treatments=treatments,
    )


def _visits(
    arm: Arm, cohort: Cohort, course: Course, last_day: NDArray[np.int64], identity: Array, rng: np.random.Generator
) -> pd.DataFrame:
    day = np.asarray(arm.visits)
    held = day[None, :] <= last_day[:, None]
    held[:, 1:] &= rng.random((len(cohort), len(day) - 1)) >= parameters()["missed_visit_share"]
    patient, visit = np.nonzero(held)
    edss = rate_edss(disability_at(course, patient, day[visit]), rng)
    edss = np.where(visit == 0, cohort.edss[patient], edss)
    return long_table({"patient_id": identity[patient], "day": day[visit], "edss": edss})


def _scans(
    arm: Arm, cohort: Cohort, rates: Regime, last_day: NDArray[np.int64], identity: Array, rng: np.random.Generator
) -> pd.DataFrame:
    n = len(cohort)
    day = np.asarray(arm.scans)
    in_subset = rng.permutation(n) < round(arm.scanned_share * n)
    held = in_subset[:, None] & (day[None, :] <= last_day[:, None])
    patient, scan = np.nonzero(held)
    since = np.diff(day, prepend=0)[scan].astype(np.float64)
    value = calibrated()
    new, enhancing = count_lesions(
        lesion_rate=rates.lesion_rate[patient],
        days_since_scan=since,
        gd_share=np.full(len(scan), value[arm.code, "gd_share"]),
        gd_concentration=np.full(len(scan), value[arm.code, "gd_concentration"]),
        rng=rng,
    )
    first = scan == 0
    return long_table(
        {
            "patient_id": identity[patient],
            "day": day[scan],
            "gd_lesions": np.where(first, cohort.gd[patient].astype(np.int64), enhancing),
            "new_t2_lesions": pd.array(np.where(first, -1, new), dtype="Int64").to_numpy(),
            "t2_lesions": np.where(first, t2_bins(cohort.t2_count[patient]), None),
        },
        ("gd_lesions",),
    ).assign(new_t2_lesions=lambda t: t["new_t2_lesions"].mask(t["new_t2_lesions"] < 0).astype("Int64"))

"""Simulated phase 3 trials: patients of each arm at baseline, and what the trial records of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import EDSS_SCALE, RELAPSES_24M_RANGE, LongTables
from reference_db.sources.simulated.cohort import (
    Cohort,
    fluctuation_at_baseline,
    frailty_correlation,
    progression_covariates,
    relapse_covariates,
    transient_at_baseline,
)
from reference_db.sources.simulated.designs import Arm
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
    gamma_frailty,
    gamma_quantile,
    hurdle_counts,
    maximum_entropy,
    negative_binomial_zero,
    normal_scores,
)
from reference_db.sources.simulated.luck import LESION_SUMMARIES, balanced, summaries_of_courses
from reference_db.sources.simulated.observation import (
    count_lesions,
    disability_at,
    integers,
    long_table,
    rate_edss,
    relapse_days,
    steadiness,
    t2_bins,
)
from reference_db.sources.simulated.parameters import Calibration, arm_effect, parameters
from reference_db.sources.simulated.published import baseline_of
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_AGES = tuple(np.round(np.arange(18.0, 66.0, 0.1), 1).tolist())
_YOUNGEST_ONSET = 10.0
_MOST_RELAPSES = 6
_MOST_ENHANCING = 60
_USUAL_ENHANCING_SHARE = 0.4


@dataclass(frozen=True)
class ArmResult:
    """One simulated arm: its long tables and its patients at baseline."""

    tables: LongTables
    cohort: Cohort


def simulate_arm(
    arm: Arm, *, n: int, first_number: int, calibration: Calibration, rng: np.random.Generator, candidates: int = 1
) -> ArmResult:
    """Return patients of an arm followed by its design.

    Parameters
    ----------
    arm : Arm
    n : int
        Patients.
    first_number : int
        Starts their pseudonyms.
    calibration : mapping
    rng : Generator
    candidates : int
        Patients drawn and followed for each place in the arm, a power of two; one of them is enrolled, so that the
        arm's totals are close to their mean over all candidates (`luck.balanced`).
    """
    pool = _candidates(arm, n, candidates, calibration, rng)
    rates = arm_regime(arm, pool.traits, calibration)
    chance = Chance.draw(len(pool), -(-arm.end_days[1] // STEP_DAYS), rng)
    course = follow(pool.traits, rates, chance)
    tables = _record(arm, pool, course, rates, calibration, rng)
    summaries = summaries_of_courses(tables, horizon=arm.end_days[0])
    relapses = pool.patients["relapses_12m"].to_numpy(dtype=np.float64)
    relapses_12m, gd, t2 = relapses, pool.gd, pool.t2_count
    baseline = (
        *(pool.patients["age"], pool.patients["years_since_onset"]),
        *(relapses_12m, relapses_12m >= 2, gd, gd**2, t2, t2**2),
    )
    places = np.column_stack([summaries, *baseline]).reshape(candidates, n, -1)
    enrolled = rng.permutation(balanced(places, rng) * n + np.arange(n))
    patients = _enrolled(arm, pool.patients.iloc[enrolled].reset_index(drop=True), first_number, rng)
    scanned = _subset(summaries[enrolled], round(arm.scanned_share * n), rng)
    return ArmResult(_of_arm(tables, enrolled, patients, scanned), pool.rows(enrolled, patients))


def _subset(summaries: Array, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a random subset in which patients with lesions are as frequent as among all: every so-manieth."""
    order = np.lexsort((rng.random(len(summaries)), *summaries[:, LESION_SUMMARIES].T))
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[((np.arange(size) + rng.random()) * len(order) / size).astype(np.int64)]] = True
    return chosen


def _of_arm(
    tables: LongTables, enrolled: NDArray[np.intp], patients: pd.DataFrame, scanned: NDArray[np.bool_]
) -> LongTables:
    """Return the tables of those enrolled, in their order, under their pseudonyms, scans of the MRI subset only."""
    position = np.full(len(tables.patients), -1)
    position[enrolled] = np.arange(len(enrolled))
    names = patients["patient_id"].to_numpy(dtype=object)

    def of_arm(table: pd.DataFrame) -> pd.DataFrame:
        row = position[table["patient_id"].to_numpy()]
        # A patient's rows stand together: a stable sort by position keeps the order of days.
        order = np.argsort(row, kind="stable")[np.count_nonzero(row < 0) :]
        return table.iloc[order].assign(patient_id=names[row[order]]).reset_index(drop=True)

    mri = of_arm(tables.mri)
    return LongTables(
        patients=patients.drop(columns="treatment").assign(last_day=of_arm(tables.patients)["last_day"]),
        visits=of_arm(tables.visits),
        relapses=of_arm(tables.relapses),
        mri=mri[mri["patient_id"].isin(names[scanned])].reset_index(drop=True),
        treatments=of_arm(tables.treatments),
    )


def arm_regime(arm: Arm, traits: Traits, calibration: Calibration) -> Regime:
    """Return the rates of patients under the arm's treatment as calibrated."""
    return regime(
        traits,
        arm_effect(arm.code, calibration),
        relapse_shape=calibration[arm.code, "relapse_shape"],
        lesion_shape=calibration[arm.code, "lesion_shape"],
    )


def _candidates(arm: Arm, n: int, times: int, calibration: Calibration, rng: np.random.Generator) -> Cohort:
    """Return several candidates for each place of an arm, one whole arm after the other.

    Each arm has the published margins. The candidates for a place are the patients of the same rank by EDSS, then by
    relapses, then by enhancing lesions, so that whichever is enrolled hardly moves those margins.
    """
    figures = baseline_of(arm.code)
    correlation = frailty_correlation(calibration[arm.source, "lesion_correlation"])
    u = np.hstack([normal_scores(correlation, n, rng) for _ in range(times)])
    ages = tuple(age for age in _AGES if arm.age[0] <= age <= arm.age[1])
    scale = tuple(step for step in EDSS_SCALE if arm.edss[0] <= step <= arm.edss[1])
    counts = tuple(float(c) for c in range(arm.relapses_minimum, _MOST_RELAPSES + 1))
    edss = discrete_quantile(scale, maximum_entropy(scale, figures["edss_mean"], figures["edss_sd"]), u[2])
    relapses = discrete_quantile(
        counts, maximum_entropy(counts, figures["relapses_12m_mean"], figures["relapses_12m_sd"]), u[3]
    )
    gd = discrete_quantile(*_enhancing(figures), u[4])
    rank = np.lexsort((gd, relapses, edss, np.repeat(np.arange(times), n)))
    u, edss, relapses, gd = u[:, rank], edss[rank], relapses[rank], gd[rank]
    age = discrete_quantile(ages, maximum_entropy(ages, figures["age_mean"], figures["age_sd"]), u[0])
    onset = gamma_quantile(u[1], figures["years_since_onset_mean"], figures["years_since_onset_sd"])
    onset = np.minimum(onset, age - _YOUNGEST_ONSET).round(2)
    t2_count = np.maximum(gamma_quantile(u[5], figures["t2_count_mean"], figures["t2_count_sd"]).round(), gd)
    fluctuation_sd = calibration[arm.source, "fluctuation_sd"]
    transient, fluctuation = transient_at_baseline(edss, relapses), fluctuation_at_baseline(edss, fluctuation_sd, rng)
    activity, usual = relapses + (gd > 0), figures["relapses_12m_mean"] + _USUAL_ENHANCING_SHARE
    traits = Traits(
        lasting=edss - transient - fluctuation * steadiness(edss) + rng.uniform(-0.2, 0.2, len(edss)),
        transient=transient,
        fluctuation=fluctuation,
        fluctuation_sd=np.full(len(edss), fluctuation_sd),
        relapse_u=u[6],
        lesion_u=u[7],
        progression_u=u[8],
        enhancement_u=u[9],
        relapse_rate=calibration[arm.source, "relapse_rate"] * relapse_covariates(age, onset),
        progression_slope=calibration[arm.source, "progression_slope"]
        * progression_covariates(age, figures["age_mean"]),
        lesion_rate=np.full(len(edss), calibration[arm.source, "lesion_rate"]),
        modification=modification(
            age, activity, usual_activity=usual, per_activity=parameters()["effect_modification_activity"]
        ),
        worsening_modification=modification(
            age, activity, usual_activity=usual, per_activity=calibration[arm.source, "worsening_modification"]
        ),
    )
    patients = pd.DataFrame(
        {"age": age, "years_since_onset": onset, "relapses_12m": integers(relapses.astype(np.int64))}
    )
    return Cohort(patients=patients, edss=edss, gd=gd, t2_count=t2_count, traits=traits)


def _enrolled(arm: Arm, drawn: pd.DataFrame, first_number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the rows of `patients` of those enrolled, in random order of their sex and earlier treatment."""
    n, figures = len(drawn), baseline_of(arm.code)
    women = rng.permutation(n) < round(figures["female_share"] * n)
    treated_before = rng.permutation(n) < round(figures["prior_treatment_share"] * n)
    # A first event has no relapse before it.
    older = 0 if arm.phenotype is Phenotype.CIS else rng.poisson(parameters()["older_relapse_mean"], n)
    relapses = drawn["relapses_12m"].to_numpy(dtype=np.int64)
    return pd.DataFrame(
        {
            "patient_id": [f"{arm.source}-{number:05d}" for number in range(first_number, first_number + n)],
            "source": arm.source,
            "arm": arm.name,
            "phenotype": arm.phenotype.value,
            "sex": np.where(women, Sex.FEMALE.value, Sex.MALE.value),
            "age": drawn["age"],
            "years_since_onset": drawn["years_since_onset"],
            "prior_treatment": np.where(
                treated_before, PriorTreatment.MODERATE_EFFICACY.value, PriorTreatment.NONE.value
            ),
            "relapses_12m": integers(relapses),
            "relapses_24m": integers(np.minimum(relapses + older, RELAPSES_24M_RANGE[1])),
            "treatment": arm.treatment.value,
        }
    )


def _enhancing(figures: Mapping[str, float]) -> tuple[tuple[float, ...], Array]:
    """Return counts of enhancing lesions with their probabilities; a spread not published is taken as usual."""
    mean = figures["gd_mean"]
    sd = figures.get("gd_sd", 2.2 * mean + 0.4)
    positive = figures.get("gd_positive_share", 1.0 - negative_binomial_zero(mean, sd))
    return tuple(float(c) for c in range(_MOST_ENHANCING + 1)), hurdle_counts(mean, sd, positive, _MOST_ENHANCING)


def _record(
    arm: Arm,
    cohort: Cohort,
    course: Course,
    rates: Regime,
    calibration: Calibration,
    rng: np.random.Generator,
) -> LongTables:
    """Return the long tables of candidates, all of them scanned; they bear the number of their row as a pseudonym."""
    n = len(cohort)
    relapsing, relapse_day = relapse_days(course, rng)
    end = rng.integers(arm.end_days[0], arm.end_days[1] + 1, size=n)
    dropout = rng.exponential(365.25 / calibration[arm.code, "dropout_rate"], size=n)
    last_day = np.minimum(np.maximum(dropout, 1.0), end).astype(np.int64)
    if arm.ends_at_conversion:
        second_attack = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(second_attack, relapsing, relapse_day)
        last_day = np.minimum(last_day, second_attack)
    keep = relapse_day <= last_day[relapsing]
    return LongTables(
        patients=cohort.patients.assign(patient_id=np.arange(n), last_day=last_day),
        visits=_visits(arm, cohort, course, last_day, rng),
        relapses=long_table({"patient_id": relapsing[keep], "day": relapse_day[keep]}),
        mri=_scans(arm, cohort, rates, calibration, last_day, rng),
        treatments=long_table(
            {
                "patient_id": np.arange(n),
                "treatment": np.full(n, arm.treatment.value, dtype=object),
                "start_day": np.zeros(n, dtype=np.int64),
                "end_day": integers(last_day),
            }
        ),
    )


def _visits(arm: Arm, cohort: Cohort, course: Course, last_day: Ints, rng: np.random.Generator) -> pd.DataFrame:
    day = np.asarray(arm.visits)
    held = day <= last_day[:, None]
    held[:, 1:] &= rng.random((len(cohort), len(day) - 1)) >= parameters()["missed_visit_share"]
    patient, visit = np.nonzero(held)
    edss = rate_edss(disability_at(course, patient, day[visit]), rng)
    edss = np.where(visit == 0, cohort.edss[patient], edss)
    return long_table({"patient_id": patient, "day": day[visit], "edss": edss})


def _scans(
    arm: Arm,
    cohort: Cohort,
    rates: Regime,
    calibration: Calibration,
    last_day: Ints,
    rng: np.random.Generator,
) -> pd.DataFrame:
    day = np.asarray(arm.scans)
    patient, scan = np.nonzero(day <= last_day[:, None])
    new, enhancing = count_lesions(
        lesion_rate=rates.lesion_rate[patient],
        days_since_scan=np.diff(day, prepend=0)[scan].astype(np.float64),
        gd_share=calibration[arm.code, "gd_share"],
        readiness=gamma_frailty(cohort.traits.enhancement_u, calibration[arm.code, "gd_shape"])[patient],
        rng=rng,
    )
    first = scan == 0
    return long_table(
        {
            "patient_id": patient,
            "day": day[scan],
            "gd_lesions": integers(np.where(first, cohort.gd[patient].astype(np.int64), enhancing)),
            "new_t2_lesions": integers(new, missing=first),
            "t2_lesions": t2_bins(cohort.t2_count[patient], known=first),
        }
    )

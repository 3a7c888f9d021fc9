"""Simulated registry cohorts: patients treated by indication, seen irregularly, switching, with most MRI uncounted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

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
    STEP_YEARS,
    Chance,
    Course,
    Regime,
    Traits,
    advance,
    modification,
)
from reference_db.sources.simulated.distributions import (
    discrete_quantile,
    gamma_frailty,
    gamma_quantile,
    maximum_entropy,
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
from reference_db.sources.simulated.published import (
    class_effects,
    parameters,
    registry_classes,
    registry_design,
    registry_indication,
    registry_phenotypes,
)
from reference_db.vocabulary import HIGH_EFFICACY, Phenotype, PriorTreatment, Sex, Treatment

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES: tuple[Treatment, ...] = tuple(Treatment)
_UNTREATED = CLASSES.index(Treatment.UNTREATED)
_HIGH = np.array([treatment in HIGH_EFFICACY for treatment in CLASSES])
_RELAPSE_FACTOR = {Phenotype.CIS: 0.8, Phenotype.RRMS: 1.0, Phenotype.SPMS: 0.4, Phenotype.PPMS: 0.15}
_PROGRESSION_FACTOR = {Phenotype.CIS: 0.5, Phenotype.RRMS: 1.0, Phenotype.SPMS: 2.0, Phenotype.PPMS: 2.4}
_ACTIVE_WEIGHT = {Phenotype.CIS: 6.0, Phenotype.RRMS: 1.0, Phenotype.SPMS: 0.25, Phenotype.PPMS: 0.15}
_INACTIVE_RELAPSE_FACTOR = 0.5
_AGES = tuple(np.round(np.arange(16.0, 80.0, 0.1), 1).tolist())
_FEMALE_SHARE = 0.72
_CENTRES = 40


@dataclass(frozen=True)
class RegistryResult:
    """One simulated registry: its long tables, its patients at baseline, and what they went through."""

    tables: LongTables
    cohort: Cohort
    course: Course
    classes: NDArray[np.int8]


@dataclass(frozen=True)
class _Centres:
    """How the unnamed centres differ: in how often they see patients, rate them and count lesions."""

    interval: Array
    rating: Array
    counting: Array


def simulate_registry(source: str, *, scale: float, rng: np.random.Generator) -> RegistryResult:
    """Return a registry cohort, `scale` times its full size."""
    quotas = class_quotas(source, scale)
    design = registry_design(source)
    cohort = _enrol(source, quotas, scale, rng)
    index_class = cohort.patients["treatment"].map({t.value: i for i, t in enumerate(CLASSES)}).to_numpy()
    n = len(cohort)
    follow_up = np.minimum(rng.exponential(design["follow_up_mean"], n) + 0.1, design["follow_up_maximum"])
    last_day = np.round(follow_up * 365.25).astype(np.int64)
    course, classes = _live(cohort.traits, index_class, int(-(-last_day.max() // STEP_DAYS)), rng)
    return RegistryResult(_record(cohort, course, classes, last_day, design, rng), cohort, course, classes)


@cache
def class_quotas(source: str, scale: float) -> Mapping[Treatment, tuple[int, int]]:
    """Return, per class, how many patients with active disease and how many others the registry holds."""
    table = registry_classes()
    rows = table[table["source"] == source].fillna({"active": 0})
    return {
        Treatment(row.treatment): (round(row.active * scale), max(round(row.others * scale), 0))
        for row in rows.itertuples()
    }


def _enrol(
    source: str, quotas: Mapping[Treatment, tuple[int, int]], scale: float, rng: np.random.Generator
) -> Cohort:
    p = parameters()
    margins = registry_phenotypes().query("source == @source")
    n = sum(active + others for active, others in quotas.values())
    u = normal_scores(_correlation(), n, rng)
    phenotype = rng.permutation(np.repeat(np.arange(len(margins)), _apportion(margins["share"].to_numpy(), n)))
    age, onset, edss = (np.empty(n) for _ in range(3))
    for i, row in enumerate(margins.itertuples()):
        of = phenotype == i
        age[of] = discrete_quantile(_AGES, maximum_entropy(_AGES, row.age_mean, row.age_sd), u[0, of])
        onset[of] = gamma_quantile(u[1, of], row.years_since_onset_mean, row.years_since_onset_sd)
        scale_values = tuple(step for step in EDSS_SCALE if step <= 8.5)
        edss[of] = discrete_quantile(
            scale_values, maximum_entropy(scale_values, row.edss_mean, row.edss_sd), u[2, of]
        )
    onset = np.round(np.minimum(onset, age - 10.0), 2)
    names = margins["phenotype"].to_numpy()[phenotype]
    active = _choose_active(names, age, quotas, round(registry_design(source)["untreated_active"] * scale), rng)
    relapses, gd = _activity(names, active, u[3], u[4], rng)
    treatment = _assign_by_indication(names, age, edss, relapses + (gd > 0), active, quotas, rng)
    transient = transient_at_baseline(edss, relapses)
    by_phenotype = [
        np.array([factor[Phenotype(name)] for name in margins["phenotype"]])[phenotype]
        for factor in (_RELAPSE_FACTOR, _PROGRESSION_FACTOR)
    ]
    traits = Traits(
        lasting=edss - transient + rng.uniform(-0.2, 0.2, n),
        transient=transient,
        relapse_u=u[5],
        lesion_u=u[6],
        progression_u=u[7],
        relapse_rate=p["registry_relapse_rate"]
        * by_phenotype[0]
        * np.where(active, 1.0, _INACTIVE_RELAPSE_FACTOR)
        * relapse_covariates(age, onset),
        progression_slope=p["registry_progression_slope"] * by_phenotype[1] * progression_covariates(age, 40.0),
        lesion_rate=p["registry_lesion_rate"] * by_phenotype[0] * np.where(active, 1.0, _INACTIVE_RELAPSE_FACTOR),
        modification=modification(age, relapses + (gd > 0), 1.4),
    )
    patients = pd.DataFrame(
        {
            "patient_id": [f"{source}-{i:05d}" for i in range(1, n + 1)],
            "source": source,
            "arm": treatment,
            "phenotype": names,
            "sex": np.where(rng.random(n) < _FEMALE_SHARE, Sex.FEMALE.value, Sex.MALE.value),
            "age": age,
            "years_since_onset": onset,
            "prior_treatment": _prior_treatment(treatment, onset, rng),
            "relapses_12m": pd.array(relapses, dtype="Int64"),
            "relapses_24m": pd.array(
                np.where(names == "CIS", relapses, relapses + rng.poisson(0.5, n)), dtype="Int64"
            ),
            "treatment": treatment,
        }
    )
    t2_count = np.maximum(np.round(gamma_quantile(u[8], 25.0, 22.0)), gd)
    return Cohort(patients=patients, edss=edss, gd=gd.astype(np.float64), t2_count=t2_count, traits=traits)


def _apportion(shares: Array, n: int) -> Ints:
    counts = np.floor(shares / shares.sum() * n).astype(np.int64)
    counts[int(np.argmax(shares))] += n - counts.sum()
    return counts


def _correlation() -> Array:
    """Age, onset, EDSS, relapses, Gd, then the frailties of relapses, lesions and progression, then T2 load."""
    p = parameters()
    matrix = np.eye(9)
    pairs = {
        (0, 1): 0.45,
        (0, 2): 0.25,
        (1, 2): 0.25,
        (0, 4): -0.15,
        (1, 8): 0.25,
        (3, 5): p["relapse_frailty_correlation"],
        (4, 6): p["gd_frailty_correlation"],
        (5, 6): p["lesion_frailty_correlation"],
        (5, 7): p["progression_frailty_correlation"],
    }
    for (a, b), value in pairs.items():
        matrix[a, b] = matrix[b, a] = value
    return matrix


def _choose_active(
    names: NDArray[np.object_],
    age: Array,
    quotas: Mapping[Treatment, tuple[int, int]],
    untreated_active: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    wanted = sum(active for active, _ in quotas.values()) + min(untreated_active, quotas[Treatment.UNTREATED][1])
    weight = np.log([_ACTIVE_WEIGHT[Phenotype(name)] for name in names]) - 0.03 * (age - 40.0)
    chosen = np.zeros(len(names), dtype=np.bool_)
    chosen[_draw_without_replacement(weight, np.arange(len(names)), wanted, rng)] = True
    return chosen


def _draw_without_replacement(log_weight: Array, candidates: Ints, k: int, rng: np.random.Generator) -> Ints:
    """Draw k candidates with probabilities proportional to their weight, exactly k (Gumbel top-k)."""
    key = log_weight[candidates] + rng.gumbel(size=len(candidates))
    return candidates[np.argpartition(-key, k - 1)[:k]] if k else candidates[:0]


def _activity(
    names: NDArray[np.object_], active: NDArray[np.bool_], u_relapses: Array, u_gd: Array, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return relapses of the last 12 months and enhancing lesions: at least one of them in active disease."""
    counts = tuple(float(c) for c in range(6))
    relapses = discrete_quantile(counts, np.array([0.10, 0.58, 0.22, 0.07, 0.02, 0.01]), u_relapses).astype(np.int64)
    relapses = np.where(names == "CIS", np.maximum(relapses, 1).clip(max=1), relapses)
    relapses = np.where((names == "PPMS") & (rng.random(len(names)) < 0.9), 0, relapses)
    gd = discrete_quantile(counts, np.array([0.62, 0.18, 0.09, 0.05, 0.03, 0.03]), u_gd).astype(np.int64)
    relapses = np.where(active, relapses, 0)
    gd = np.where(active, gd, 0)
    return relapses, np.where(active & (relapses == 0) & (gd == 0), 1, gd)


def _assign_by_indication(
    names: NDArray[np.object_],
    age: Array,
    edss: Array,
    activity: Array,
    active: NDArray[np.bool_],
    quotas: Mapping[Treatment, tuple[int, int]],
    rng: np.random.Generator,
) -> NDArray[np.object_]:
    """Give each patient a class: strongest indications first, each class exactly its quota of active and others.

    Each class draws its patients without replacement with probabilities proportional to ``exp(score)``; the score is
    linear in activity, age (decades from 40), EDSS (from 2) and phenotype, with the coefficients of
    ``registry_indication.csv``. Who is left untreated is who no class has drawn.
    """
    table = registry_indication()
    score = {
        treatment: table.at[treatment.value, "activity"] * np.minimum(activity, 4.0)
        + table.at[treatment.value, "age"] * (age - 40.0) / 10.0
        + table.at[treatment.value, "edss"] * (edss - 2.0)
        + sum(table.at[treatment.value, p.lower()] * (names == p) for p in ("CIS", "SPMS", "PPMS"))
        for treatment in quotas
    }
    order = sorted((t for t in quotas if t is not Treatment.UNTREATED), key=lambda t: -table.at[t.value, "activity"])
    chosen = np.full(len(names), Treatment.UNTREATED.value, dtype=object)
    for group, position in ((active, 0), (~active, 1)):
        free = np.flatnonzero(group)
        for treatment in order:
            relative = score[treatment] - score[Treatment.UNTREATED]
            taken = _draw_without_replacement(relative, free, quotas[treatment][position], rng)
            chosen[taken] = treatment.value
            free = np.setdiff1d(free, taken, assume_unique=True)
    return chosen


def _prior_treatment(treatment: NDArray[np.object_], onset: Array, rng: np.random.Generator) -> NDArray[np.object_]:
    table = registry_indication().loc[treatment]
    u = rng.random(len(treatment))
    none = (u < table["no_prior"].to_numpy()) | (onset < 0.5)
    moderate = u < (table["no_prior"] + table["moderate_prior"]).to_numpy()
    return np.where(
        none,
        PriorTreatment.NONE.value,
        np.where(moderate, PriorTreatment.MODERATE_EFFICACY.value, PriorTreatment.HIGH_EFFICACY.value),
    ).astype(object)


def registry_regime(
    traits: Traits, treatment: Ints | NDArray[np.int8], frailties: tuple[Array, Array, Array]
) -> Regime:
    """Return the rates of each patient under a class of his own, from the published class effects.

    Parameters
    ----------
    traits : Traits
    treatment : ndarray of int
        Position of each patient's class in `Treatment`.
    frailties : tuple of ndarray
        Frailties of relapses, lesions and progression, see `registry_frailties`.
    """
    log_ratio = np.log(class_effects()[["relapse_ratio", "progression_ratio", "lesion_ratio"]].to_numpy(dtype=float))
    effect = np.exp(log_ratio[treatment] * traits.modification[:, None])
    return Regime(
        relapse_rate=traits.relapse_rate * frailties[0] * effect[:, 0],
        progression_slope=traits.progression_slope * frailties[2] * effect[:, 1],
        lesion_rate=traits.lesion_rate * frailties[1] * effect[:, 2],
    )


def registry_frailties(traits: Traits) -> tuple[Array, Array, Array]:
    """Return the frailties of relapses, lesions and progression in registries."""
    p = parameters()
    return (
        gamma_frailty(traits.relapse_u, p["registry_relapse_shape"]),
        gamma_frailty(traits.lesion_u, p["registry_lesion_shape"]),
        gamma_frailty(traits.progression_u, p["progression_shape"]),
    )


def _live(traits: Traits, index_class: Ints, steps: int, rng: np.random.Generator) -> tuple[Course, NDArray[np.int8]]:
    """Follow the patients with their switches: the class of each step, (patients, steps), beside the course."""
    table = registry_indication()
    switch = 1.0 - np.exp(-table["switch_rate"].to_numpy() * STEP_YEARS)
    escalate = table["escalation_share"].to_numpy()
    n = len(traits)
    chance, course, frailties = Chance.draw(n, steps, rng), Course.begin(traits, steps), registry_frailties(traits)
    classes = np.empty((n, steps), dtype=np.int8)
    current = index_class.astype(np.int8)
    rates = registry_regime(traits, current, frailties)
    for step in range(steps):
        if step >= 3:
            leave = rng.random(n) < switch[current]
            leave |= course.relapse[:, step - 1] & (rng.random(n) < escalate[current])
            leaving = np.flatnonzero(leave)
            if len(leaving):
                current = current.copy()
                current[leaving] = _next_class(current[leaving], course.relapse[leaving, step - 1], rng)
                rates = registry_regime(traits, current, frailties)
        classes[:, step] = current
        advance(course, step, rates, chance)
    return course, classes


def _next_class(current: NDArray[np.int8], relapsed: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int8]:
    table = registry_indication()
    weights = np.stack([table["next_weight_moderate"].to_numpy(), table["next_weight_high"].to_numpy()])
    to_high = relapsed | _HIGH[current] | (rng.random(len(current)) < 0.4)
    weight = weights[to_high.astype(np.int64)].copy()
    weight[np.arange(len(current)), current] = 0.0
    cumulative = np.cumsum(weight, axis=1)
    u = rng.random(len(current)) * cumulative[:, -1]
    return (u[:, None] >= cumulative).sum(axis=1).astype(np.int8)


def _record(
    cohort: Cohort,
    course: Course,
    classes: NDArray[np.int8],
    last_day: Ints,
    design: Mapping[str, float],
    rng: np.random.Generator,
) -> LongTables:
    n = len(cohort)
    identity = cohort.patients["patient_id"].to_numpy()
    onset_days = np.floor(cohort.patients["years_since_onset"].to_numpy() * 365.25).astype(np.int64)
    history = np.minimum(
        np.floor(rng.uniform(0.0, design["history_maximum"], n) * 365.25).astype(np.int64), onset_days
    )
    size = rng.lognormal(0.0, 0.9, _CENTRES)
    centre = rng.choice(_CENTRES, size=n, p=size / size.sum())
    centres = _Centres(
        interval=np.exp(rng.normal(0.0, 0.15, _CENTRES))[centre],
        rating=rng.normal(0.0, 0.10, _CENTRES)[centre],
        counting=np.exp(rng.normal(0.0, 0.30, _CENTRES))[centre],
    )
    return LongTables(
        patients=cohort.patients.drop(columns="treatment").assign(last_day=last_day),
        visits=_visits(cohort, course, last_day, history, design, centres, identity, rng),
        relapses=_relapses(cohort, course, last_day, identity, rng),
        mri=_scans(cohort, classes, last_day, design, centres, identity, rng),
        treatments=_treatments(classes, last_day, identity),
    )


def _irregular_days(
    first: Ints, last: Ints, interval: Array, spread: float, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return patient numbers and days of events from `first` to `last`, at log-normal intervals (years)."""
    longest = int(((last - first) / 365.25 / interval).max() * 1.6) + 4
    gaps = interval[:, None] * np.exp(rng.normal(0.0, spread, (len(first), longest)))
    day = first[:, None] + np.cumsum(np.maximum(gaps * 365.25, 14.0), axis=1).astype(np.int64)
    patient, number = np.nonzero(day <= last[:, None])
    return patient.astype(np.int64), day[patient, number]


def _visits(
    cohort: Cohort,
    course: Course,
    last_day: Ints,
    history: Ints,
    design: Mapping[str, float],
    centres: _Centres,
    identity: NDArray[np.object_],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(cohort)
    interval = design["visit_interval"] * centres.interval
    after, day_after = _irregular_days(np.zeros(n, dtype=np.int64), last_day, interval, design["visit_spread"], rng)
    before, back = _irregular_days(np.zeros(n, dtype=np.int64), history, interval, design["visit_spread"], rng)
    edss_after = rate_edss(disability_at(course, after, day_after) + centres.rating[after], rng)
    slope = np.minimum(cohort.traits.progression_slope, 0.4)
    past = cohort.edss[before] - slope[before] * back / 365.25 - cohort.traits.transient[before]
    return long_table(
        {
            "patient_id": identity[np.concatenate([np.arange(n), after, before])],
            "day": np.concatenate([np.zeros(n, dtype=np.int64), day_after, -back]),
            "edss": np.concatenate([cohort.edss, edss_after, rate_edss(past, rng)]),
        }
    )


def _relapses(
    cohort: Cohort, course: Course, last_day: Ints, identity: NDArray[np.object_], rng: np.random.Generator
) -> pd.DataFrame:
    relapsing, day = relapse_days(course, rng)
    keep = day <= last_day[relapsing]
    recent = cohort.patients["relapses_12m"].to_numpy(dtype=np.int64)
    older = cohort.patients["relapses_24m"].to_numpy(dtype=np.int64) - recent
    people = np.arange(len(cohort))
    had_recent, had_older = np.repeat(people, recent), np.repeat(people, older)
    table = long_table(
        {
            "patient_id": identity[np.concatenate([relapsing[keep], had_recent, had_older])],
            "day": np.concatenate(
                [day[keep], -rng.integers(1, 366, len(had_recent)), -rng.integers(366, 731, len(had_older))]
            ),
        }
    )
    return table.drop_duplicates(ignore_index=True)


def _scans(
    cohort: Cohort,
    classes: NDArray[np.int8],
    last_day: Ints,
    design: Mapping[str, float],
    centres: _Centres,
    identity: NDArray[np.object_],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(cohort)
    must_have = (cohort.gd > 0) & (cohort.patients["relapses_12m"].to_numpy(dtype=np.int64) == 0)
    baseline = np.flatnonzero(must_have | (rng.random(n) < design["baseline_scan_share"] * centres.counting))
    patient, day = _irregular_days(
        np.zeros(n, dtype=np.int64), last_day, np.full(n, design["scan_interval"]), 0.25, rng
    )
    since = np.where(np.diff(patient, prepend=-1) == 0, np.diff(day, prepend=0), day)
    treatment = classes[patient, np.minimum(day // STEP_DAYS, classes.shape[1] - 1)]
    log_ratio = np.log(class_effects()["lesion_ratio"].to_numpy(dtype=float))
    traits = cohort.traits
    rate = (
        traits.lesion_rate[patient]
        * registry_frailties(traits)[1][patient]
        * np.exp(log_ratio[treatment] * traits.modification[patient])
    )
    new, enhancing = count_lesions(
        lesion_rate=rate,
        days_since_scan=since.astype(np.float64),
        gd_share=np.full(len(day), parameters()["registry_gd_share"]),
        gd_concentration=np.full(len(day), parameters()["gd_concentration"]),
        rng=rng,
    )
    counted = rng.random(len(day)) < np.minimum(design["scan_counted_share"] * centres.counting[patient], 0.98)
    m = len(baseline)
    unknown = pd.array([pd.NA] * m, dtype="Int64")
    return long_table(
        {
            "patient_id": identity[np.concatenate([baseline, patient])],
            "day": np.concatenate([np.zeros(m, dtype=np.int64), day]),
            "gd_lesions": pd.concat(
                [
                    pd.Series(cohort.gd[baseline].astype(np.int64), dtype="Int64"),
                    pd.Series(enhancing, dtype="Int64").where(counted),
                ],
                ignore_index=True,
            ),
            "new_t2_lesions": pd.concat(
                [pd.Series(unknown), pd.Series(new, dtype="Int64").where(counted)], ignore_index=True
            ),
            "t2_lesions": np.concatenate([t2_bins(cohort.t2_count[baseline]), np.full(len(day), None, dtype=object)]),
        },
        ("gd_lesions", "new_t2_lesions"),
    )


def _treatments(classes: NDArray[np.int8], last_day: Ints, identity: NDArray[np.object_]) -> pd.DataFrame:
    begins = np.ones(classes.shape, dtype=np.bool_)
    begins[:, 1:] = classes[:, 1:] != classes[:, :-1]
    patient, step = np.nonzero(begins)
    start = step.astype(np.int64) * STEP_DAYS
    kept = start < np.maximum(last_day[patient], 1)
    patient, step, start = patient[kept], step[kept], start[kept]
    is_last = np.append(np.diff(patient) != 0, True)
    end = np.append(start[1:], 0)
    names = np.array([treatment.value for treatment in CLASSES], dtype=object)
    return long_table(
        {
            "patient_id": identity[patient],
            "treatment": names[classes[patient, step]],
            "start_day": start,
            "end_day": pd.Series(end, dtype="Int64").mask(is_last),
        },
    )

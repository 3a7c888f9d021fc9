"""Simulated registry cohorts: who is in them at the index date, and how they live with their treatments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import EDSS_SCALE, LongTables
from reference_db.sources.simulated.cohort import (
    SMALLEST_ARM,
    Cohort,
    fluctuation_at_baseline,
    frailty_correlation,
    progression_covariates,
    relapse_covariates,
    transient_at_baseline,
)
from reference_db.sources.simulated.counterfactual import FOLLOWED_MONTHS
from reference_db.sources.simulated.designs import registry_classes, registry_design, registry_phenotypes
from reference_db.sources.simulated.disease import (
    STEP_DAYS,
    STEP_YEARS,
    Chance,
    Course,
    Regime,
    Traits,
    advance,
    follow,
    modification,
)
from reference_db.sources.simulated.distributions import (
    discrete_quantile,
    gamma_frailty,
    gamma_quantile,
    maximum_entropy,
    normal_scores,
)
from reference_db.sources.simulated.indication import (
    CLASSES,
    Quotas,
    activity,
    assign,
    choose_active,
    indications,
    next_class,
    prior_treatment,
)
from reference_db.sources.simulated.observation import integers, steadiness
from reference_db.sources.simulated.parameters import class_effects, parameters
from reference_db.sources.simulated.registry_records import Centres, RegistryLife, record
from reference_db.vocabulary import Phenotype, Sex, Treatment

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_AGES = tuple(np.round(np.arange(16.0, 80.0, 0.1), 1).tolist())
_YOUNGEST_ONSET = 10.0
_SCALE = tuple(step for step in EDSS_SCALE if step <= 8.5)
_REFERENCE_AGE = 40.0
_USUAL_ACTIVITY = 1.4
_STEPS_BEFORE_SWITCH = 3


@dataclass(frozen=True)
class RegistryResult:
    """One simulated registry: its long tables, its patients at baseline and the centres that see them."""

    tables: LongTables
    cohort: Cohort
    centres: Centres


@dataclass(frozen=True)
class Frailties:
    """Personal factors on the rates of relapses, new lesions and progression; mean 1."""

    relapse: Array
    lesion: Array
    progression: Array

    @classmethod
    def of(cls, traits: Traits) -> Frailties:
        """Return the frailties of registry patients."""
        p = parameters()
        return cls(
            relapse=gamma_frailty(traits.relapse_u, p["registry_relapse_shape"]),
            lesion=gamma_frailty(traits.lesion_u, p["registry_lesion_shape"]),
            progression=gamma_frailty(traits.progression_u, p["progression_shape"]),
        )


def simulate_registry(source: str, *, scale: float, rng: np.random.Generator) -> RegistryResult:
    """Return a registry cohort, `scale` times its full size."""
    design = registry_design(source)
    cohort = _enrol(source, scale, rng)
    index_class = cohort.patients["treatment"].map({t.value: i for i, t in enumerate(CLASSES)})
    follow_up = np.minimum(rng.exponential(design["follow_up_mean"], len(cohort)) + 0.1, design["follow_up_maximum"])
    last_day = np.round(follow_up * 365.25).astype(np.int64)
    steps = int(-(-last_day.max() // STEP_DAYS))
    course, classes = _live(cohort.traits, index_class.to_numpy().astype(np.int8), steps, rng)
    lesions = cohort.traits.lesion_rate * Frailties.of(cohort.traits).lesion
    life = RegistryLife(course=course, classes=classes, last_day=last_day, natural_lesion_rate=lesions)
    centres = Centres.draw(len(cohort), rng)
    return RegistryResult(record(cohort, life, design, centres, rng), cohort, centres)


def registry_under(
    source: str,
    cohort: Cohort,
    centres: Centres,
    days_per_month: float,
    treatment: Treatment,
    rng: np.random.Generator,
) -> LongTables:
    """Return what a registry would have recorded, had all its patients stayed on one class; see `counterfactual`.

    Patients keep their centres: how often one is seen decides how much worsening is found and confirmed.
    """
    until = round(FOLLOWED_MONTHS * days_per_month)
    chance = Chance.draw(len(cohort), -(-until // STEP_DAYS), rng)
    classes = np.full(chance.relapse.shape, CLASSES.index(treatment), dtype=np.int8)
    frailties = Frailties.of(cohort.traits)
    life = RegistryLife(
        course=follow(cohort.traits, class_regime(cohort.traits, classes[:, 0], frailties), chance),
        classes=classes,
        last_day=np.full(len(cohort), until, dtype=np.int64),
        natural_lesion_rate=cohort.traits.lesion_rate * frailties.lesion,
    )
    return record(cohort, life, registry_design(source), centres, rng)


def class_regime(traits: Traits, classes: NDArray[np.int8], frailties: Frailties) -> Regime:
    """Return the rates of each patient under a class of his own, from the published class effects."""
    exponents = np.stack([traits.modification, traits.worsening_modification, traits.modification], axis=1)
    effect = np.exp(_log_effects()[classes] * exponents)
    return Regime(
        relapse_rate=traits.relapse_rate * frailties.relapse * effect[:, 0],
        progression_slope=traits.progression_slope * frailties.progression * effect[:, 1],
        lesion_rate=traits.lesion_rate * frailties.lesion * effect[:, 2],
        residual_probability=np.full(len(traits), parameters()["residual_probability"]),
    )


@cache
def _log_effects() -> Array:
    """Logarithms of the effects on relapses, progression and lesions, (classes, 3)."""
    effects = [class_effects()[treatment] for treatment in CLASSES]
    return np.log([[e.relapse_ratio, e.progression_ratio, e.lesion_ratio] for e in effects])


def class_quotas(source: str, scale: float) -> Quotas:
    """Return, per class, how many patients with active disease and how many others there are at a scale."""
    quotas = {}
    for treatment, (active, others) in registry_classes(source).items():
        share = max(scale, min(1.0, SMALLEST_ARM / (active + others)))
        quotas[treatment] = (round(active * share), round(others * share))
    return quotas


def _enrol(source: str, scale: float, rng: np.random.Generator) -> Cohort:
    margins, quotas = registry_phenotypes(source), class_quotas(source, scale)
    n = sum(active + others for active, others in quotas.values())
    u = normal_scores(frailty_correlation(parameters()["lesion_frailty_correlation"]), n, rng)
    phenotype = rng.permutation(np.repeat(np.arange(len(margins)), _apportion([m.share for m in margins], n)))
    age, onset, edss = np.empty(n), np.empty(n), np.empty(n)
    for i, margin in enumerate(margins):
        of = phenotype == i
        age[of] = discrete_quantile(_AGES, maximum_entropy(_AGES, *margin.age), u[0, of])
        onset[of] = gamma_quantile(u[1, of], *margin.years_since_onset)
        edss[of] = discrete_quantile(_SCALE, maximum_entropy(_SCALE, *margin.edss), u[2, of])
    onset = np.minimum(onset, age - _YOUNGEST_ONSET).round(2)
    names = np.array([margin.phenotype.value for margin in margins], dtype=object)[phenotype]
    untreated_active = min(round(registry_design(source)["untreated_active"] * scale), quotas[Treatment.UNTREATED][1])
    wanted = sum(active for active, _ in quotas.values()) + untreated_active
    active = choose_active(phenotype, margins, age, wanted, rng)
    relapses, gd = activity(names, active, u[3], u[4], rng)
    score = relapses + (gd > 0)
    classes = assign(names=names, age=age, edss=edss, activity_score=score, active=active, quotas=quotas, rng=rng)
    p, activity_score = parameters(), score.astype(np.float64)
    transient = transient_at_baseline(edss, relapses.astype(np.float64))
    fluctuation = fluctuation_at_baseline(edss, p["fluctuation_sd"], rng)
    activity_factor = np.array([m.relapse_factor for m in margins])[phenotype] * np.where(
        active, 1.0, p["registry_inactive_factor"]
    )
    traits = Traits(
        lasting=edss - transient - fluctuation * steadiness(edss) + rng.uniform(-0.2, 0.2, n),
        transient=transient,
        fluctuation=fluctuation,
        fluctuation_sd=np.full(n, p["fluctuation_sd"]),
        relapse_u=u[6],
        lesion_u=u[7],
        progression_u=u[8],
        enhancement_u=u[9],
        relapse_rate=p["registry_relapse_rate"] * activity_factor * relapse_covariates(age, onset),
        progression_slope=p["registry_progression_slope"]
        * np.array([m.progression_factor for m in margins])[phenotype]
        * progression_covariates(age, _REFERENCE_AGE),
        lesion_rate=p["registry_lesion_rate"] * activity_factor,
        modification=modification(
            age, activity_score, usual_activity=_USUAL_ACTIVITY, per_activity=p["effect_modification_activity"]
        ),
        worsening_modification=modification(
            age, activity_score, usual_activity=_USUAL_ACTIVITY, per_activity=p["worsening_modification_activity"]
        ),
    )
    older = np.where(names == Phenotype.CIS.value, 0, rng.poisson(p["older_relapse_mean"], n))
    treatment = np.array([t.value for t in CLASSES], dtype=object)[classes]
    patients = pd.DataFrame(
        {
            "patient_id": [f"{source}-{number:05d}" for number in range(1, n + 1)],
            "source": source,
            "arm": treatment,
            "phenotype": names,
            "sex": np.where(rng.random(n) < p["registry_female_share"], Sex.FEMALE.value, Sex.MALE.value),
            "age": age,
            "years_since_onset": onset,
            "prior_treatment": prior_treatment(classes, onset, rng),
            "relapses_12m": integers(relapses),
            "relapses_24m": integers(relapses + older),
            "treatment": treatment,
        }
    )
    t2_count = np.maximum(gamma_quantile(u[5], p["registry_t2_mean"], p["registry_t2_sd"]).round(), gd)
    return Cohort(patients=patients, edss=edss, gd=gd.astype(np.float64), t2_count=t2_count, traits=traits)


def _apportion(shares: list[float], n: int) -> Ints:
    """Return how many of n each share gets; the largest takes what rounding leaves."""
    counts = np.floor(np.array(shares) / sum(shares) * n).astype(np.int64)
    counts[int(np.argmax(shares))] += n - int(counts.sum())
    return np.asarray(counts, dtype=np.int64)


def _live(
    traits: Traits, index_class: NDArray[np.int8], steps: int, rng: np.random.Generator
) -> tuple[Course, NDArray[np.int8]]:
    """Follow the patients with their switches: the class of each step, (patients, steps), beside the course."""
    table = [indications()[treatment] for treatment in CLASSES]
    switch = -np.expm1(-np.array([row.switch_rate for row in table]) * STEP_YEARS)
    escalate = np.array([row.escalation_share for row in table])
    n = len(traits)
    chance, course, frailties = Chance.draw(n, steps, rng), Course.begin(traits, steps), Frailties.of(traits)
    classes = np.empty((n, steps), dtype=np.int8)
    current = index_class
    rates = class_regime(traits, current, frailties)
    for step in range(steps):
        if step >= _STEPS_BEFORE_SWITCH:
            relapsed = course.relapse[:, step - 1]
            leaving = np.flatnonzero(
                (rng.random(n) < switch[current]) | (relapsed & (rng.random(n) < escalate[current]))
            )
            if len(leaving):
                current = current.copy()
                current[leaving] = next_class(current[leaving], relapsed[leaving], rng)
                rates = class_regime(traits, current, frailties)
        classes[:, step] = current
        advance(course, step, traits, rates, chance)
    return course, classes

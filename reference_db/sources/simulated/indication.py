"""Treatment by indication in registries: whose disease is active, and who gets what.

Each class draws its patients without replacement with probabilities proportional to ``exp(score)``; the score is
linear in activity (relapses of 12 months, plus one for an enhancing lesion), age (decades from 40), EDSS (from 2) and
phenotype, with the coefficients of ``registry_indication.csv``. The classes with the strongest preference for
activity draw first; who is left is untreated. So stronger drugs go to more active disease while each class holds
exactly the number of patients that the registry lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reference_db.sources.simulated.designs import PhenotypeMargins
from reference_db.sources.simulated.distributions import discrete_quantile
from reference_db.sources.simulated.published import csv_rows
from reference_db.vocabulary import HIGH_EFFICACY, Phenotype, PriorTreatment, Treatment

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.object_]
Quotas = Mapping[Treatment, tuple[int, int]]

CLASSES: tuple[Treatment, ...] = tuple(Treatment)
"""Position of each class in the arrays of the simulated registries."""

UNTREATED = CLASSES.index(Treatment.UNTREATED)
_HIGH = np.array([treatment in HIGH_EFFICACY for treatment in CLASSES])

_RELAPSE_PROBABILITIES = np.array([0.10, 0.58, 0.22, 0.07, 0.02, 0.01])
"""Of 0 to 5 relapses in 12 months in active relapsing disease (mean 1.35)."""

_ENHANCING_PROBABILITIES = np.array([0.62, 0.18, 0.09, 0.05, 0.03, 0.03])
"""Of 0 to 5 enhancing lesions in active disease (38 % have one)."""

_PPMS_RELAPSE_SHARE = 0.1
"""Of active primary progressive disease that is active by relapses and not by lesions alone."""

_TO_HIGH_SHARE = 0.4
"""Of switches from a drug of moderate efficacy without a relapse that go to one of high efficacy."""


@dataclass(frozen=True, slots=True)
class Indication:
    """How a class is chosen, left and followed by another; see ``registry_indication.csv``."""

    activity: float
    age: float
    edss: float
    phenotype: Mapping[Phenotype, float]
    no_prior: float
    moderate_prior: float
    switch_rate: float
    escalation_share: float
    next_weights: tuple[float, float]


@cache
def indications() -> Mapping[Treatment, Indication]:
    """Return the indication of every class, in the order of `Treatment`."""
    rows = {Treatment(row["treatment"]): row for row in csv_rows("registry_indication.csv")}

    def read(row: Mapping[str, str]) -> Indication:
        return Indication(
            activity=float(row["activity"]),
            age=float(row["age"]),
            edss=float(row["edss"]),
            phenotype={
                Phenotype.RRMS: 0.0,
                Phenotype.CIS: float(row["cis"]),
                Phenotype.SPMS: float(row["spms"]),
                Phenotype.PPMS: float(row["ppms"]),
            },
            no_prior=float(row["no_prior"]),
            moderate_prior=float(row["moderate_prior"]),
            switch_rate=float(row["switch_rate"]),
            escalation_share=float(row["escalation_share"]),
            next_weights=(float(row["next_weight_moderate"]), float(row["next_weight_high"])),
        )

    return MappingProxyType({treatment: read(rows[treatment]) for treatment in Treatment})


def choose_active(
    phenotype: Ints, margins: tuple[PhenotypeMargins, ...], age: Array, wanted: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose whose disease is active: exactly `wanted` patients, the likelier the younger and by phenotype."""
    weight = np.log([margin.active_weight for margin in margins])[phenotype] - 0.03 * (age - 40.0)
    chosen = np.zeros(len(age), dtype=np.bool_)
    chosen[_draw_without_replacement(weight, np.arange(len(age)), wanted, rng)] = True
    return chosen


def activity(
    names: Names, active: NDArray[np.bool_], u_relapses: Array, u_gd: Array, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return relapses of 12 months and enhancing lesions: at least one of either in active disease, else none."""
    counts = tuple(float(count) for count in range(len(_RELAPSE_PROBABILITIES)))
    relapses = discrete_quantile(counts, _RELAPSE_PROBABILITIES, u_relapses).astype(np.int64)
    relapses = np.where(names == Phenotype.CIS.value, 1, relapses)
    silent = (names == Phenotype.PPMS.value) & (rng.random(len(names)) >= _PPMS_RELAPSE_SHARE)
    relapses = np.where(silent | ~active, 0, relapses)
    gd = np.where(active, discrete_quantile(counts, _ENHANCING_PROBABILITIES, u_gd).astype(np.int64), 0)
    return relapses, np.where(active & (relapses == 0) & (gd == 0), 1, gd)


def assign(
    *,
    names: Names,
    age: Array,
    edss: Array,
    activity_score: Ints,
    active: NDArray[np.bool_],
    quotas: Quotas,
    rng: np.random.Generator,
) -> Ints:
    """Return the position in `CLASSES` of each patient's class; each class has exactly its quota."""
    table = indications()

    def score(treatment: Treatment) -> Array:
        row = table[treatment]
        by_phenotype = np.select([names == p.value for p in Phenotype], [row.phenotype[p] for p in Phenotype])
        return np.asarray(
            row.activity * np.minimum(activity_score, 4)
            + row.age * (age - 40.0) / 10.0
            + row.edss * (edss - 2.0)
            + by_phenotype,
            dtype=np.float64,
        )

    untreated = score(Treatment.UNTREATED)
    order = sorted((t for t in quotas if t is not Treatment.UNTREATED), key=lambda t: -table[t].activity)
    chosen = np.full(len(names), UNTREATED, dtype=np.int64)
    for group, position in ((active, 0), (~active, 1)):
        free = np.flatnonzero(group)
        for treatment in order:
            taken = _draw_without_replacement(score(treatment) - untreated, free, quotas[treatment][position], rng)
            chosen[taken] = CLASSES.index(treatment)
            free = np.setdiff1d(free, taken, assume_unique=True)
    return chosen


def prior_treatment(classes: Ints, years_since_onset: Array, rng: np.random.Generator) -> Names:
    """Return the strongest treatment before the index date; none in the first half year of disease."""
    table = [indications()[treatment] for treatment in CLASSES]
    none = np.array([row.no_prior for row in table])[classes]
    moderate = np.array([row.moderate_prior for row in table])[classes]
    u = rng.random(len(classes))
    names = np.full(len(classes), PriorTreatment.HIGH_EFFICACY.value, dtype=object)
    names[u < none + moderate] = PriorTreatment.MODERATE_EFFICACY.value
    names[(u < none) | (years_since_onset < 0.5)] = PriorTreatment.NONE.value
    return names


def next_class(current: NDArray[np.int8], relapsed: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int8]:
    """Return the class that patients switch to: one of high efficacy after a relapse or from high efficacy."""
    weights = np.array([indications()[treatment].next_weights for treatment in CLASSES]).T
    to_high = relapsed | _HIGH[current] | (rng.random(len(current)) < _TO_HIGH_SHARE)
    weight = weights[to_high.astype(np.int64)]
    weight[np.arange(len(current)), current] = 0.0
    cumulative = np.cumsum(weight, axis=1)
    u = rng.random(len(current)) * cumulative[:, -1]
    return np.asarray((u[:, None] >= cumulative).sum(axis=1), dtype=np.int8)


def _draw_without_replacement(log_weight: Array, candidates: Ints, k: int, rng: np.random.Generator) -> Ints:
    """Draw exactly k candidates, likelier by weight (Gumbel top-k; Efraimidis and Spirakis 2006)."""
    if not k:
        return candidates[:0]
    key = log_weight[candidates] + rng.gumbel(size=len(candidates))
    return candidates[np.argpartition(-key, k - 1)[:k]]

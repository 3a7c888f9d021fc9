"""Consultations of a trial that did not happen, with what would be observed with the tool and without it.

Both potential observations of each patient are drawn before anybody is allocated, with the same luck; who is
allocated where decides which one is seen. Questionnaire scores follow beta distributions with exactly the means
assumed (a normal distribution cut at 0 and 100 would blunt the effect), correlated within neurologists and with
their own baseline through a Gaussian copula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cdss.evaluation.allocation import AllocationList, stratum_of
from cdss.evaluation.dataset import COLUMNS, Screening, TrialData
from cdss.evaluation.protocol import Arm, Protocol, Randomisation
from cdss.evaluation.simulation.assumptions import Assumptions
from cdss.evaluation.simulation.pool import PatientPool

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PotentialTrial:
    """Consultations in the order of enrolment.

    Attributes
    ----------
    baseline : DataFrame
        Patient, neurologist, stratum, period, and everything that is known before the allocation.
    outcomes : mapping of Arm to DataFrame
        What would be observed in each arm, rows as in `baseline`; missing where it would not be observed.
    declined : int
        Patients asked who do not consent.
    """

    baseline: pd.DataFrame
    outcomes: Mapping[Arm, pd.DataFrame]
    declined: int

    def __len__(self) -> int:
        return len(self.baseline)


def simulate_consultations(
    protocol: Protocol, pool: PatientPool, chosen: Assumptions, *, size: int | None = None, rng: np.random.Generator
) -> PotentialTrial:
    """Simulate the consultations of a trial.

    Parameters
    ----------
    protocol : Protocol
    pool : PatientPool
        Patients are drawn from it with replacement.
    chosen : Assumptions
    size : int, optional
        Consultations; the protocol's sample size by default.
    rng : Generator
    """
    n = size or protocol.sample_size
    cluster = _clusters(protocol, chosen, n, rng)
    k = len(protocol.clusters)
    patient = rng.integers(0, len(pool), n)
    questionnaires = _questionnaires(chosen, cluster, k, n, rng)
    baseline = _baseline(protocol, pool, patient, cluster, rng)
    baseline["dcs_before"] = questionnaires.pop("before")
    choices = _choices(pool, chosen, patient, rng)
    baseline["choice_before"] = choices.pop("before")
    unfilled = rng.random((3, n)) < chosen.questionnaire_missing
    minutes = rng.gamma(9.0, 25.0 / 9.0, n)
    luck = _Luck.draw(chosen, protocol, cluster, k, n, rng)
    outcomes = {}
    for arm in Arm:
        with_tool = arm is Arm.USE
        frame = pd.DataFrame(
            {
                "dcs_after": np.where(unfilled[0], np.nan, questionnaires[f"dcs_{arm.value}"]),
                "sdm_after": np.where(unfilled[1], np.nan, questionnaires[f"sdm_{arm.value}"]),
                "sus_after": np.where(unfilled[2] | (not with_tool), np.nan, questionnaires["sus"]),
                "choice_after": choices[arm.value],
                "consultation_minutes": np.maximum(minutes + chosen.minutes_effect * with_tool, 3.0).round(1),
            }
        )
        column = {treatment.value: j for j, treatment in enumerate(pool.classes)}
        taken = np.array([column[name] for name in choices[arm.value]])
        outcomes[arm] = frame.assign(**_follow_up(protocol, pool, patient, taken, baseline["edss"].to_numpy(), luck))
    asked = round(n / (1.0 - min(chosen.declined, 0.9)))
    return PotentialTrial(baseline=baseline, outcomes=outcomes, declined=asked - n)


def observe(trial: PotentialTrial, arms: Sequence[Arm]) -> TrialData:
    """Return the analysis data set of a simulated trial, given the arm of each patient in the order of enrolment."""
    with_tool = np.array([arm is Arm.USE for arm in arms])
    use, usual = trial.outcomes[Arm.USE], trial.outcomes[Arm.USUAL]
    table = trial.baseline.assign(
        arm=[arm.value for arm in arms],
        withdrawn=False,
        **{name: use[name].where(with_tool, usual[name]) for name in use.columns},
    )
    return TrialData(table[list(COLUMNS)], Screening({"declined": trial.declined}))


def allocate(protocol: Protocol, allocation: AllocationList, trial: PotentialTrial) -> list[Arm]:
    """Return the arm of each patient in the order of enrolment, from an allocation list."""
    arms = []
    given: dict[str, int] = {}
    for cluster, stratum, period in zip(
        trial.baseline["cluster"], trial.baseline["stratum"], trial.baseline["period"], strict=True
    ):
        if protocol.allocation.randomisation is Randomisation.INDIVIDUAL:
            position = given.get(stratum, 0)
            given[stratum] = position + 1
            arms.append(allocation.strata[stratum][position])
        else:
            sequence = allocation.clusters[cluster]
            arms.append(sequence[min(int(period), len(sequence) - 1)])
    return arms


def _clusters(protocol: Protocol, chosen: Assumptions, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    k = len(protocol.clusters)
    variation = chosen.cluster_size_variation
    weights = rng.gamma(1 / variation**2, variation**2, k) if variation > 0 else np.ones(k)
    sizes = np.maximum(np.round(n * weights / weights.sum()).astype(int), 1)
    members = rng.permutation(np.repeat(np.arange(k), sizes))
    return np.resize(members, n) if len(members) != n else members


def _baseline(
    protocol: Protocol,
    pool: PatientPool,
    patient: NDArray[np.int64],
    cluster: NDArray[np.intp],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(patient)
    codes = [protocol.clusters[j] for j in cluster]
    levels = {factor.name: rng.choice(factor.levels, n) for factor in protocol.factors}
    periods = protocol.allocation.periods

    @cache  # few combinations, asked of many patients
    def stratum(code: str, *chosen: str) -> str:
        return stratum_of(protocol, code, dict(zip(levels, chosen, strict=True)))

    frame = pool.features.iloc[patient].reset_index(drop=True)
    return frame.assign(
        participant=[f"p{i:05d}" for i in range(1, n + 1)],
        cluster=[c.code for c in codes],
        site=[c.site for c in codes],
        cluster_stratum=[c.stratum for c in codes],
        stratum=[stratum(c.code, *(str(values[i]) for values in levels.values())) for i, c in enumerate(codes)],
        period=np.arange(n) * periods // n,
    )


def _questionnaires(
    chosen: Assumptions, cluster: NDArray[np.intp], k: int, n: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Return scores before, and after in each arm, 0 to 100."""
    between = chosen.cluster_correlation
    own = rng.standard_normal(n)

    def latent(neurologist: Array, correlation: float) -> Array:
        tie = min(correlation, 1.0 - between - 1e-6) if correlation > 0 else 0.0
        rest = 1.0 - between - tie
        mixed = np.sqrt(between) * neurologist[cluster] + np.sqrt(tie) * own + np.sqrt(rest) * rng.standard_normal(n)
        return np.asarray(mixed, dtype=np.float64)

    neurologist = rng.standard_normal(k)
    before = latent(neurologist, chosen.baseline_correlation)
    after = latent(neurologist, chosen.baseline_correlation)
    shared = latent(rng.standard_normal(k), 0.0)
    sus = latent(rng.standard_normal(k), 0.0)
    dcs = (chosen.conflict_mean, chosen.conflict_deviation)
    sdm = (chosen.shared_mean, chosen.shared_deviation)
    return {
        "before": _score(before, dcs[0] + 5.0 if dcs[0] <= 90 else dcs[0], dcs[1]),
        "dcs_use": _score(after, dcs[0] + chosen.conflict_effect, dcs[1]),
        "dcs_usual": _score(after, *dcs),
        "sdm_use": _score(shared, sdm[0] + chosen.shared_effect, sdm[1]),
        "sdm_usual": _score(shared, *sdm),
        "sus": _score(sus, 72.0, 15.0),
    }


def _score(latent: Array, mean: float, deviation: float) -> Array:
    """Return scores with a beta distribution on 0 to 100 with a mean and a standard deviation."""
    from scipy import stats

    m = mean / 100.0
    variance = min((deviation / 100.0) ** 2, 0.9 * m * (1.0 - m))
    concentration = m * (1.0 - m) / variance - 1.0
    scores = 100.0 * stats.beta.ppf(stats.norm.cdf(latent), m * concentration, (1.0 - m) * concentration)
    return np.asarray(scores, dtype=np.float64)


def _choices(
    pool: PatientPool, chosen: Assumptions, patient: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, NDArray[np.object_]]:
    """Return the class considered before, and decided on in each arm."""
    names = np.array([treatment.value for treatment in pool.classes], dtype=object)
    cumulative = np.cumsum(pool.practice[patient], axis=1)

    def habit() -> NDArray[np.intp]:
        drawn = (rng.random(len(patient))[:, None] > cumulative).sum(axis=1)
        return np.asarray(np.minimum(drawn, len(names) - 1), dtype=np.intp)

    before, second = habit(), habit()
    changes = rng.random(len(patient)) < chosen.usual_change
    usual = np.where(changes, second, before)
    best = pool.worsening_rate[patient].argmin(axis=1)
    moved = rng.random(len(patient)) < chosen.choice_shift
    return {"before": names[before], "usual": names[usual], "use": names[np.where(moved, best, usual)]}


@dataclass(frozen=True)
class _Luck:
    """What chance brings a patient in the follow-up, the same in both arms."""

    followed: Array
    neurologist: Array
    frailty: Array
    relapses: NDArray[np.float64]
    edss: Array
    worsening: Array

    @classmethod
    def draw(
        cls,
        chosen: Assumptions,
        protocol: Protocol,
        cluster: NDArray[np.intp],
        k: int,
        n: int,
        rng: np.random.Generator,
    ) -> _Luck:
        last = protocol.follow_up_months[-1] if protocol.follow_up_months else 0
        loss = -np.log1p(-min(chosen.yearly_loss, 0.99)) / 12.0
        stays = rng.exponential(1.0 / loss, n) if loss > 0 else np.full(n, np.inf)
        visits = np.array((0, *protocol.follow_up_months), dtype=np.float64)
        reached = visits[np.searchsorted(visits, np.minimum(stays, last), side="right") - 1]
        return cls(
            followed=reached,
            neurologist=np.exp(chosen.outcome_cluster_deviation * rng.standard_normal(k))[cluster],
            frailty=rng.gamma(2.0, 0.5, n),
            relapses=rng.random(n),
            edss=rng.standard_normal(n),
            worsening=rng.exponential(1.0, n),
        )


def _follow_up(
    protocol: Protocol,
    pool: PatientPool,
    patient: NDArray[np.int64],
    taken: NDArray[np.int64],
    edss: Array,
    luck: _Luck,
) -> dict[str, Array]:
    from scipy import stats

    years = luck.followed / 12.0
    mean = pool.relapse_rate[patient, taken] * luck.frailty * luck.neurologist * years
    relapses = stats.poisson.ppf(luck.relapses, mean)
    months_of_course = protocol.follow_up_months[-1] if protocol.follow_up_months else 24
    change = pool.edss_change[patient, taken] * months_of_course / 24.0 + pool.edss_deviation * luck.edss
    last = np.clip(np.round((edss + change) * 2.0) / 2.0, 0.0, 9.5)
    last = np.where(last == 0.5, 1.0, last)
    complete = luck.followed == months_of_course
    onset = luck.worsening / (pool.worsening_rate[patient, taken] * luck.neurologist)
    event = onset < luck.followed
    return {
        "relapses": np.where(years > 0, relapses, np.nan),
        "relapse_years": np.where(years > 0, years, np.nan),
        "edss_last": np.where(complete, last, np.nan),
        "worsening_months": np.where(years > 0, np.where(event, np.maximum(onset, 0.5), luck.followed), np.nan),
        "worsening_event": np.where(years > 0, event.astype(float), np.nan),
    }

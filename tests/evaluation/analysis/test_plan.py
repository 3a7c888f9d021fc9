"""The planned analysis of each endpoint and design, over simulated trials whose true effects are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import Effect, analyse, estimate_effect
from cdss.evaluation.analysis.models import clustered_mean
from cdss.evaluation.dataset import TrialData
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from cdss.evaluation.simulation.truth import true_effects
from tests.evaluation.conftest import protocol_with

DESIGNS = {
    "cluster": {"randomisation": "cluster"},
    "individual": {"randomisation": "individual", "stratify_by": ["cluster"]},
    "stepped wedge": {"randomisation": "stepped_wedge", "periods": 6},
}
ENDPOINTS = [
    *example_protocol().document()["endpoints"],
    {"name": "minutes", "measure": "consultation_minutes", "role": "secondary", "hypothesis": "longer"},
    {"name": "high-efficacy", "measure": "high_efficacy_choice", "role": "secondary", "hypothesis": "more often"},
]
NAMES = [endpoint["name"] for endpoint in ENDPOINTS]
RATIOS = ("relapses", "worsening")
REPETITIONS = 60
SHIFTED = Assumptions(conflict_effect=-9.0, shared_effect=8.0, choice_shift=0.6, minutes_effect=4.0)
NULL = Assumptions(conflict_effect=0.0, shared_effect=0.0, choice_shift=0.0, minutes_effect=0.0)

CHECKS = len(DESIGNS) * len(NAMES) * 3
FAMILY = 0.01
"""Probability that right methods fail any of the checks below: each has its share of it (Bonferroni)."""

LEAST_COVERED = int(stats.binom.ppf(FAMILY / CHECKS, REPETITIONS, 0.95))
MOST_REJECTED = int(stats.binom.isf(FAMILY / CHECKS, REPETITIONS, 0.05))
"""Limits of binomial counts around the nominal 95 % and 5 %. Too few failures cannot be told from right ones at this
number of repetitions, and with few clusters the corrected sandwich is known to be conservative."""

Trials = Callable[[str, bool], Sequence[TrialData]]
Studied = Callable[[str, bool], Mapping[str, "Found"]]


@dataclass(frozen=True)
class Found:
    """Effects on one endpoint over the repetitions, logarithms for ratios."""

    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    p: NDArray[np.float64]

    @classmethod
    def of(cls, effects: list[Effect]) -> Found:
        numbers = np.array([(e.value, e.lower, e.upper, e.standard_error, e.p) for e in effects]).T
        if effects[0].is_ratio:
            numbers[:3] = np.log(numbers[:3])
        return cls(*numbers)


def trial(protocol: Protocol, pool: PatientPool, chosen: Assumptions, seed: int) -> TrialData:
    simulated = simulate_consultations(protocol, pool, chosen, rng=np.random.default_rng(seed))
    return observe(simulated, allocate(protocol, allocation_list(protocol, seed=seed), simulated))


@pytest.fixture(scope="module")
def trials(pool: PatientPool) -> Trials:
    """Many trials of a design, with effects or without any, simulated once for all tests."""

    @cache
    def simulated(design: str, shifted: bool) -> Sequence[TrialData]:
        protocol = protocol_with(allocation=DESIGNS[design], endpoints=ENDPOINTS)
        return [trial(protocol, pool, SHIFTED if shifted else NULL, seed) for seed in range(REPETITIONS)]

    return simulated


@pytest.fixture(scope="module")
def studied(trials: Trials) -> Studied:
    """Every endpoint analysed in many trials of a design, with effects or without any."""

    @cache
    def study(design: str, shifted: bool) -> Mapping[str, Found]:
        protocol = protocol_with(allocation=DESIGNS[design], endpoints=ENDPOINTS)
        data = trials(design, shifted)
        return {
            endpoint.name: Found.of([estimate_effect(protocol, one, endpoint) for one in data])
            for endpoint in protocol.endpoints
        }

    return study


@pytest.fixture(scope="module")
def truth(pool: PatientPool) -> Mapping[str, float]:
    """The true effects, logarithms for ratios."""
    found = true_effects(protocol_with(endpoints=ENDPOINTS), pool, SHIFTED, rng=np.random.default_rng(1))
    return {name: float(np.log(value)) if name in RATIOS else value for name, value in found.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("design", DESIGNS)
def test_the_effect_put_in_is_recovered_with_95_percent_coverage(
    design: str, name: str, studied: Studied, truth: Mapping[str, float]
) -> None:
    found = studied(design, True)[name]
    missed = int(((truth[name] < found.lower) | (found.upper < truth[name])).sum())
    assert missed <= REPETITIONS - LEAST_COVERED
    value = found.value[np.isfinite(found.value)]
    assert len(value) >= REPETITIONS - (2 if name in RATIOS else 0)  # a ratio needs an event in each arm
    z = float(stats.t.isf(FAMILY / CHECKS / 2, len(value) - 1))
    assert abs(value.mean() - truth[name]) <= z * value.std(ddof=1) / np.sqrt(len(value))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("design", DESIGNS)
def test_without_an_effect_one_test_in_twenty_rejects(design: str, name: str, studied: Studied) -> None:
    assert int((studied(design, False)[name].p < 0.05).sum()) <= MOST_REJECTED


@pytest.mark.parametrize("design", DESIGNS)
def test_standard_errors_of_the_primary_endpoint_are_the_spread_of_its_estimates(
    design: str, studied: Studied
) -> None:
    found = studied(design, True)["decisional-conflict"]
    # A standard deviation from n values is uncertain by a chi distribution.
    low, high = np.sqrt(stats.chi2.ppf([0.0005, 0.9995], REPETITIONS - 1) / (REPETITIONS - 1))
    assert low <= found.value.std(ddof=1) / found.standard_error.mean() <= high


@pytest.mark.parametrize("name", ["decisional-conflict", "shared-decision", "edss-change", "minutes"])
def test_means_of_clusters_err_as_planned(name: str, trials: Trials, truth: Mapping[str, float]) -> None:
    protocol = protocol_with(analysis={"primary_model": "cluster_means"}, endpoints=ENDPOINTS)
    (endpoint,) = (e for e in protocol.endpoints if e.name == name)
    shifted, none = (
        [estimate_effect(protocol, data, endpoint) for data in trials("cluster", with_effect)]
        for with_effect in (True, False)
    )
    assert all(e.model.startswith("t test of the cluster means") for e in (*shifted, *none))
    assert sum(e.lower <= truth[name] <= e.upper for e in shifted) >= LEAST_COVERED
    assert sum(e.p < 0.05 for e in none) <= MOST_REJECTED


def test_with_means_of_clusters_the_other_models_stand_beside_and_missing_outcomes_are_imputed_for_them(
    trials: Trials,
) -> None:
    protocol = protocol_with(analysis={"primary_model": "cluster_means"})
    analysis = analyse(protocol, trials("cluster", True)[0], rng=np.random.default_rng(0))
    models = [effect.model.split(" (")[0].split(",")[0] for effect in analysis.primary.other_models]
    assert models == ["linear mixed model", "generalised estimating equations"]
    assert all("t test of the cluster means" in s.effect.model for s in analysis.sensitivity)
    assert len(analysis.sensitivity) == 4


def test_estimating_equations_as_the_primary_model_err_as_planned(trials: Trials, truth: Mapping[str, float]) -> None:
    protocol = protocol_with(analysis={"primary_model": "gee"})
    shifted, none = (
        [estimate_effect(protocol, data, protocol.primary) for data in trials("cluster", with_effect)]
        for with_effect in (True, False)
    )
    assert sum(e.lower <= truth[protocol.primary.name] <= e.upper for e in shifted) >= LEAST_COVERED
    assert sum(e.p < 0.05 for e in none) <= MOST_REJECTED


def test_the_interval_of_usability_covers_its_mean(trials: Trials) -> None:
    """72 points are put in; 5 neurologists fill it in, who differ."""
    covered = 0
    for data in trials("cluster", True):
        filled = data.table.dropna(subset="sus_after")
        values, cluster = filled["sus_after"].to_numpy(dtype=float), filled["cluster"].to_numpy(dtype=object)
        _, lower, upper = clustered_mean(values, cluster, alpha=0.05)
        covered += lower <= 72.0 <= upper
    assert covered >= LEAST_COVERED


def test_every_endpoint_of_the_protocol_is_analysed(pool: PatientPool) -> None:
    protocol = protocol_with(sample_size=1500)
    chosen = Assumptions(conflict_effect=-12.0, shared_effect=15.0, choice_shift=0.6)
    analysis = analyse(protocol, trial(protocol, pool, chosen, 3), rng=np.random.default_rng(0))
    assert [a.endpoint.name for a in (analysis.primary, *analysis.secondary)] == [e.name for e in protocol.endpoints]
    for analysed in (analysis.primary, *analysis.secondary):
        effect = analysed.effect
        assert effect.lower < effect.value < effect.upper, analysed.endpoint.name
        assert analysed.adjusted_p >= effect.p
        assert effect.n_use + effect.n_usual + sum(analysed.missing.values()) == 1500
    by_name = {a.endpoint.name: a.effect for a in analysis.secondary}
    assert by_name["shared-decision"].value == pytest.approx(15.0, abs=6.0)
    assert by_name["choice-changed"].lower > 0.1
    assert by_name["relapses"].scale == "rate ratio"
    assert {curve.arm for curve in analysis.curves} == set(Arm)
    assert all((np.diff(curve.probability) >= -1e-12).all() for curve in analysis.curves)
    assert [s.shift > 0 for s in analysis.sensitivity] == [False, True, True, True]
    assert analysis.sensitivity[0].effect.value == pytest.approx(analysis.primary.effect.value, abs=1.0)
    assert analysis.primary.other_models[0].value == pytest.approx(analysis.primary.effect.value, abs=1.0)


def test_the_same_seed_gives_the_same_analysis(pool: PatientPool) -> None:
    protocol = protocol_with(sample_size=120)
    data = trial(protocol, pool, Assumptions(), 1)
    first, second = (analyse(protocol, data, rng=np.random.default_rng(4)) for _ in range(2))
    assert repr(first.sensitivity) == repr(second.sensitivity)


def test_gee_as_the_primary_model_agrees_with_the_mixed_one(pool: PatientPool) -> None:
    mixed, gee = protocol_with(), protocol_with(analysis={"primary_model": "gee"})
    data = trial(mixed, pool, Assumptions(), 2)
    assert estimate_effect(gee, data, gee.primary).value == pytest.approx(
        estimate_effect(mixed, data, mixed.primary).value, abs=1.0
    )
    assert "generalised" in estimate_effect(gee, data, gee.primary).model

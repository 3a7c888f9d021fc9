"""The planned analysis recovers the effects put into simulated trials, with the right coverage and type I error."""

from __future__ import annotations

import numpy as np
import pytest

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import Effect, analyse, estimate_effect
from cdss.evaluation.dataset import TrialData
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from tests.evaluation.conftest import protocol_with

DESIGNS = {
    "cluster": {"randomisation": "cluster"},
    "individual": {"randomisation": "individual", "stratify_by": ["cluster"]},
    "stepped wedge": {"randomisation": "stepped_wedge", "periods": 6},
}


def trial(protocol: Protocol, pool: PatientPool, chosen: Assumptions, seed: int) -> TrialData:
    simulated = simulate_consultations(protocol, pool, chosen, rng=np.random.default_rng(seed))
    return observe(simulated, allocate(protocol, allocation_list(protocol, seed=seed), simulated))


REPETITIONS = {"cluster": 60, "individual": 30, "stepped wedge": 30}


def within(share: float, expected: float, repetitions: int) -> bool:
    """Whether a share lies within three standard deviations of what a right method gives."""
    return abs(share - expected) <= 3.0 * np.sqrt(expected * (1.0 - expected) / repetitions)


def effects(protocol: Protocol, pool: PatientPool, chosen: Assumptions, repetitions: int) -> list[Effect]:
    return [
        estimate_effect(protocol, trial(protocol, pool, chosen, seed), protocol.primary)
        for seed in range(repetitions)
    ]


@pytest.mark.parametrize("design", DESIGNS)
def test_the_effect_put_in_is_recovered_with_95_percent_coverage(design: str, pool: PatientPool) -> None:
    protocol = protocol_with(allocation=DESIGNS[design])
    found = effects(protocol, pool, Assumptions(conflict_effect=-9.0), REPETITIONS[design])
    values = np.array([effect.value for effect in found])
    assert values.mean() == pytest.approx(-9.0, abs=4 * values.std() / np.sqrt(len(values)))
    covered = np.mean([effect.lower <= -9.0 <= effect.upper for effect in found])
    assert within(covered, 0.95, len(found))
    errors = np.array([effect.standard_error for effect in found])
    three_deviations = 3.0 / np.sqrt(2 * (len(values) - 1))  # of a standard deviation from that many values
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=three_deviations)


@pytest.mark.parametrize("design", DESIGNS)
def test_without_an_effect_one_test_in_twenty_rejects(design: str, pool: PatientPool) -> None:
    protocol = protocol_with(allocation=DESIGNS[design])
    found = effects(protocol, pool, Assumptions(conflict_effect=0.0, cluster_correlation=0.1), REPETITIONS[design])
    assert within(np.mean([effect.p < 0.05 for effect in found]), 0.05, len(found))


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

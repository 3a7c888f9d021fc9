"""Bias, coverage, type I error and time of the planned analysis, over many simulated trials of each design.

    .venv/bin/python benchmarks/bench_evaluation.py [REPETITIONS]

Coverage should be 0.95 and type I error 0.05, within about 2 * sqrt(0.0475 / REPETITIONS). Time is given as a ratio
to statsmodels' mixed model on the same trial.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import statsmodels.api as sm

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import estimate_effect
from cdss.evaluation.dataset import covariates, used
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Protocol, parse_protocol
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, patient_pool, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate

DESIGNS: dict[str, dict[str, object]] = {
    "cluster": {"randomisation": "cluster"},
    "individual": {"randomisation": "individual", "stratify_by": ["cluster"]},
    "stepped wedge": {"randomisation": "stepped_wedge", "periods": 6},
}


def _pool() -> PatientPool:
    simulated = simulate(seed=11, scale=0.04)
    table = episodes(simulated.tables, simulated.sources)
    return patient_pool(
        Episodes(table, {source.name: source for source in simulated.sources}), rng=np.random.default_rng(5)
    )


def _protocol(allocation: dict[str, object]) -> Protocol:
    document = example_protocol().document()
    return parse_protocol({**document, "allocation": {**document["allocation"], **allocation}})


def _one(protocol: Protocol, pool: PatientPool, chosen: Assumptions, seed: int) -> tuple[float, float, float, float]:
    trial = simulate_consultations(protocol, pool, chosen, rng=np.random.default_rng(seed))
    data = observe(trial, allocate(protocol, allocation_list(protocol, seed=seed), trial))
    effect = estimate_effect(protocol, data, protocol.primary)
    return effect.value, effect.lower, effect.upper, effect.p


def _against_statsmodels(protocol: Protocol, pool: PatientPool) -> float:
    trial = simulate_consultations(protocol, pool, Assumptions(), rng=np.random.default_rng(1))
    data = observe(trial, allocate(protocol, allocation_list(protocol, seed=1), trial))
    known = data.table["dcs_after"].notna().to_numpy()
    exog = np.column_stack([np.ones(len(data)), used(data), covariates(protocol, data, protocol.primary)]).astype(
        float
    )

    def theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sm.MixedLM(data.table["dcs_after"][known], exog[known], groups=data.table["cluster"][known]).fit(
                reml=True
            )

    def ours() -> None:
        estimate_effect(protocol, data, protocol.primary)

    def median(what: object) -> float:
        times = []
        for _ in range(7):
            begun = time.perf_counter()
            what()  # type: ignore[operator]  # one of the two functions above
            times.append(time.perf_counter() - begun)
        return float(np.median(times))

    return median(ours) / median(theirs)


def main() -> None:
    """Print one line per design."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    pool = _pool()
    print(f"{repetitions} simulated trials of 400 consultations and 10 neurologists per line")
    print("design          effect   mean   coverage  rejected  time / statsmodels")
    for name, allocation in DESIGNS.items():
        protocol = _protocol(allocation)
        ratio = _against_statsmodels(protocol, pool)
        for effect in (-10.0, 0.0):
            chosen = Assumptions(conflict_effect=effect)
            found = np.array([_one(protocol, pool, chosen, seed) for seed in range(repetitions)])
            covered = np.mean((found[:, 1] <= effect) & (effect <= found[:, 2]))
            rejected = np.mean(found[:, 3] < 0.05)
            line = f"{name:<15} {effect:>6.1f} {found[:, 0].mean():>7.2f} {covered:>9.3f} {rejected:>9.3f}"
            print(f"{line} {ratio:>12.2f}")


if __name__ == "__main__":
    main()

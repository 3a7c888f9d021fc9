"""Bias, coverage and type I error of the planned analysis of every endpoint, over simulated trials of each design.

    .venv/bin/python benchmarks/bench_evaluation.py [REPETITIONS] [FIRST_SEED] [DESIGN]

DESIGN is one of those below, such as "stepped wedge"; all of them by default. Coverage should be 0.95 and rejection
without an effect 0.05, within about 2 * sqrt(0.0475 / REPETITIONS); ratios are shown as logarithms. Both are shares
of the trials with an estimate; the last column counts those without one, with effects and without. The last line is
the time of the mixed model as a ratio to statsmodels' on the same trial.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import statsmodels.api as sm

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import estimate_effect
from cdss.evaluation.dataset import TrialData, covariates, used
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Protocol, parse_protocol
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, patient_pool, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from cdss.evaluation.simulation.truth import true_effects
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate

BY_MEANS = "cluster, by means"
DESIGNS: dict[str, dict[str, object]] = {
    "cluster": {"randomisation": "cluster"},
    BY_MEANS: {"randomisation": "cluster"},
    "individual": {"randomisation": "individual", "stratify_by": ["cluster"]},
    "stepped wedge": {"randomisation": "stepped_wedge", "periods": 6},
}
FURTHER = (("minutes", "consultation_minutes"), ("high-efficacy", "high_efficacy_choice"))
SHIFTED = Assumptions(conflict_effect=-10.0, shared_effect=8.0, choice_shift=0.6, minutes_effect=4.0)
NULL = Assumptions(conflict_effect=0.0, shared_effect=0.0, choice_shift=0.0, minutes_effect=0.0)


def _pool() -> PatientPool:
    simulated = simulate(seed=11, scale=0.04)
    table = episodes(simulated.tables, simulated.sources)
    return patient_pool(
        Episodes(table, {source.name: source for source in simulated.sources}), rng=np.random.default_rng(5)
    )


def _protocol(design: str) -> Protocol:
    document = example_protocol().document()
    added = [{"name": n, "measure": m, "role": "secondary", "hypothesis": "-"} for n, m in FURTHER]
    endpoints = [*document["endpoints"], *added]
    model = "cluster_means" if design == BY_MEANS else "mixed"
    changed = {
        "endpoints": endpoints,
        "allocation": {**document["allocation"], **DESIGNS[design]},
        "analysis": {**document["analysis"], "primary_model": model},
    }
    return parse_protocol({**document, **changed})


def _trial(protocol: Protocol, pool: PatientPool, chosen: Assumptions, seed: int) -> TrialData:
    trial = simulate_consultations(protocol, pool, chosen, rng=np.random.default_rng(seed))
    return observe(trial, allocate(protocol, allocation_list(protocol, seed=seed), trial))


def _lines(protocol: Protocol, pool: PatientPool, seeds: range) -> None:
    truth = true_effects(protocol, pool, SHIFTED, rng=np.random.default_rng(1))
    found: dict[tuple[str, bool], list[tuple[float, float, float, float]]] = {}
    for shifted in (True, False):
        for seed in seeds:
            data = _trial(protocol, pool, SHIFTED if shifted else NULL, seed)
            for endpoint in protocol.endpoints:
                e = estimate_effect(protocol, data, endpoint)
                found.setdefault((endpoint.name, shifted), []).append((e.value, e.lower, e.upper, e.p))
    for endpoint in protocol.endpoints:
        values, none = np.array(found[endpoint.name, True]), np.array(found[endpoint.name, False])
        true = truth[endpoint.name]
        without = [int(np.isnan(part[:, 0]).sum()) for part in (values, none)]
        values, none = (part[np.isfinite(part[:, 0])] for part in (values, none))
        covered = np.mean((values[:, 1] <= true) & (true <= values[:, 2]))
        ratio = endpoint.kind.value in ("count", "time_to_event")
        mean = np.nanmean(np.log(values[:, 0]) if ratio else values[:, 0])
        shown = np.log(true) if ratio else true
        rejected = np.mean(none[:, 3] < 0.05)
        line = f"  {endpoint.name:<20} {shown:>8.3f} {mean:>8.3f} {covered:>9.3f} {rejected:>9.3f}"
        print(f"{line} {without[0]:>5} / {without[1]}", flush=True)


def _against_statsmodels(protocol: Protocol, pool: PatientPool) -> float:
    data = _trial(protocol, pool, SHIFTED, 1)
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

    def median(what: Callable[[], None]) -> float:
        times = []
        for _ in range(7):
            begun = time.process_time()
            what()
            times.append(time.process_time() - begun)
        return float(np.median(times))

    return median(ours) / median(theirs)


def main() -> None:
    """Print one line per endpoint and design."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    designs = sys.argv[3:4] or list(DESIGNS)
    pool = _pool()
    print(f"{repetitions} simulated trials of 400 consultations and 10 neurologists, with effects and without any")
    for name in designs:
        print(f"{name}\n  endpoint                 true     mean  coverage  rejected  none")
        _lines(_protocol(name), pool, range(first, first + repetitions))
    print(f"time of the mixed model / statsmodels: {_against_statsmodels(_protocol('cluster'), pool):.2f}")


if __name__ == "__main__":
    main()

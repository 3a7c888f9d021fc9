"""Power by simulation: the trial is simulated many times, allocated and analysed exactly as it will be.

Repetitions run over processes through joblib, each with random numbers of its own, so the result does not depend on
how many there are, and a Dask cluster can take them over (``joblib.parallel_config``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import estimate_effect
from cdss.evaluation.protocol import Endpoint, Protocol
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from cdss.evaluation.simulation.resizing import with_size
from reference_db.errors import InvalidInput

REPETITIONS_PER_TASK = 10


@dataclass(frozen=True, slots=True)
class PowerPoint:
    """Power of one endpoint at one size of the trial.

    Attributes
    ----------
    endpoint : str
    clusters, consultations : int
    power, lower, upper : float
        Share of significant analyses at the two-sided level of the protocol, with its 95 % Wilson interval: the
        uncertainty of the simulation.
    effect : float
        Mean estimate (geometric mean of ratios): what the assumed effects come to on this endpoint.
    standard_error : float
        Mean standard error, of the logarithm for ratios.
    analysed, repetitions : int
        Trials in which the endpoint could be analysed, and all.
    """

    endpoint: str
    clusters: int
    consultations: int
    power: float
    lower: float
    upper: float
    effect: float
    standard_error: float
    analysed: int
    repetitions: int


def simulate_power(
    protocol: Protocol,
    pool: PatientPool,
    chosen: Assumptions,
    *,
    sizes: Sequence[tuple[int, int | None]],
    endpoints: Sequence[str] | None = None,
    repetitions: int = 200,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[float, str], None] = lambda _share, _step: None,
) -> tuple[PowerPoint, ...]:
    """Return the power of endpoints at several sizes of the trial.

    Parameters
    ----------
    protocol : Protocol
    pool : PatientPool
    chosen : Assumptions
    sizes : sequence of (consultations, clusters)
        The clusters of the protocol where None.
    endpoints : sequence of str, optional
        Names; the primary endpoint by default.
    repetitions : int
        Simulated trials per size, at least 10.
    seed : int
        The same seed gives the same answer, however many jobs there are.
    jobs : int
        Processes, as joblib counts them.
    progress : callable
        Called with the share done and the present step.

    Raises
    ------
    InvalidInput
        If an endpoint is unknown, or a number out of range.
    """
    from joblib import Parallel, delayed

    if repetitions < 10:
        raise InvalidInput.of("repetitions", f"{repetitions} says nothing about power", "10 or more")
    names = list(endpoints or [protocol.primary.name])
    known = {endpoint.name: endpoint for endpoint in protocol.endpoints}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise InvalidInput.of("endpoint", f"the protocol has no {strangers[0]}", ", ".join(known))
    wanted = [known[name] for name in names]
    plans = [with_size(protocol, consultations=n, clusters=k) for n, k in sizes]
    tasks = list(_tasks(plans, repetitions, seed))
    found: list[list[list[_Estimate]]] = [[] for _ in plans]
    run = Parallel(n_jobs=jobs, return_as="generator")
    results = run(delayed(_simulated)(plans[i], pool, chosen, wanted, seeds) for i, seeds in tasks)
    for done, ((i, _), estimates) in enumerate(zip(tasks, results, strict=True), start=1):
        found[i].extend(estimates)
        plan = plans[i]
        progress(done / len(tasks), f"{plan.sample_size} consultations, {len(plan.clusters)} clusters")
    return tuple(
        _point(plan, endpoint, [of_trial[j] for of_trial in found[i]])
        for i, plan in enumerate(plans)
        for j, endpoint in enumerate(wanted)
    )


@dataclass(frozen=True, slots=True)
class _Estimate:
    significant: bool
    value: float
    standard_error: float


def _tasks(plans: Sequence[Protocol], repetitions: int, seed: int) -> Iterator[tuple[int, list[tuple[int, ...]]]]:
    for i in range(len(plans)):
        for first in range(0, repetitions, REPETITIONS_PER_TASK):
            last = min(first + REPETITIONS_PER_TASK, repetitions)
            yield i, [(seed, i, repetition) for repetition in range(first, last)]


def _simulated(
    plan: Protocol,
    pool: PatientPool,
    chosen: Assumptions,
    wanted: Sequence[Endpoint],
    seeds: Sequence[tuple[int, ...]],
) -> list[list[_Estimate]]:
    results = []
    for entropy in seeds:
        rng = np.random.default_rng(entropy)
        trial = simulate_consultations(plan, pool, chosen, rng=rng)
        data = observe(trial, allocate(plan, allocation_list(plan, seed=int(rng.integers(2**62))), trial))
        effects = [estimate_effect(plan, data, endpoint) for endpoint in wanted]
        results.append([_Estimate(e.p < plan.analysis.alpha, e.value, e.standard_error) for e in effects])
    return results


def _point(plan: Protocol, endpoint: Endpoint, estimates: Sequence[_Estimate]) -> PowerPoint:
    n = len(estimates)
    power = sum(estimate.significant for estimate in estimates) / n
    lower, upper = wilson(power, n)
    values = np.array([e.value for e in estimates if math.isfinite(e.value)])
    errors = np.array([e.standard_error for e in estimates if math.isfinite(e.value)])
    ratio = endpoint.kind.value in ("count", "time_to_event")
    mean = float(np.exp(np.log(values).mean()) if ratio else values.mean()) if len(values) else math.nan
    return PowerPoint(
        endpoint=endpoint.name,
        clusters=len(plan.clusters),
        consultations=plan.sample_size,
        power=power,
        lower=lower,
        upper=upper,
        effect=mean,
        standard_error=float(errors.mean()) if len(errors) else math.nan,
        analysed=len(values),
        repetitions=n,
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of n (Wilson EB, J Am Stat Assoc 1927;22:209-212)."""
    z = 1.959963984540054
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)

"""The effect that a simulated trial truly has on each endpoint: what its analysis should find."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cdss.evaluation.dataset import EndpointData, endpoint_data
from cdss.evaluation.protocol import Arm, EndpointKind, Protocol
from cdss.evaluation.simulation.assumptions import Assumptions
from cdss.evaluation.simulation.consultations import observe, simulate_consultations
from cdss.evaluation.simulation.pool import PatientPool
from cdss.evaluation.simulation.resizing import with_size

CLUSTERS = 500


def true_effects(
    protocol: Protocol, pool: PatientPool, chosen: Assumptions, *, patients: int = 50_000, rng: np.random.Generator
) -> Mapping[str, float]:
    """Return the true effect on each endpoint, on the scale of its analysis.

    Many patients are simulated, each with the tool *and* as usual: the difference of the two is the effect, without
    any model but for the hazard ratio, which is what a Cox model tends to.

    Parameters
    ----------
    protocol : Protocol
    pool : PatientPool
    chosen : Assumptions
    patients : int
    rng : Generator
    """
    many = with_size(protocol, consultations=CLUSTERS, clusters=CLUSTERS)  # so that no neurologist matters
    trial = simulate_consultations(many, pool, chosen, size=patients, rng=rng)
    use, usual = (observe(trial, [arm] * patients) for arm in (Arm.USE, Arm.USUAL))
    return {
        endpoint.name: _contrast(endpoint.kind, endpoint_data(use, endpoint), endpoint_data(usual, endpoint))
        for endpoint in protocol.endpoints
    }


def _contrast(kind: EndpointKind, use: EndpointData, usual: EndpointData) -> float:
    if kind is EndpointKind.COUNT:
        rates = [float(np.nansum(part.outcome) / np.nansum(part.exposure)) for part in (use, usual)]
        return rates[0] / rates[1]
    if kind is EndpointKind.TIME_TO_EVENT:
        return _hazard_ratio(use, usual)
    return float(np.nanmean(use.outcome) - np.nanmean(usual.outcome))


def _hazard_ratio(use: EndpointData, usual: EndpointData) -> float:
    from lifelines import CoxPHFitter

    both = pd.concat(
        [
            pd.DataFrame({"months": part.outcome, "event": part.event, "use": float(arm)})[part.observed]
            for arm, part in ((1, use), (0, usual))
        ]
    )
    if (both["event"].groupby(both["use"]).sum() == 0).any():
        return float("nan")
    fit = CoxPHFitter().fit(both, duration_col="months", event_col="event")
    return float(np.exp(fit.params_["use"]))

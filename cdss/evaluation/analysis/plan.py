"""Run the analysis that the protocol planned: each endpoint by its model, in the arm that was allocated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cdss.evaluation.analysis.effect import Effect
from cdss.evaluation.analysis.missing import Sensitivity, sensitivity
from cdss.evaluation.analysis.models import (
    Design,
    cluster_means_effect,
    gee_effect,
    mixed_effect,
    with_correlation_interval,
)
from cdss.evaluation.analysis.multiplicity import adjusted_p_values
from cdss.evaluation.analysis.periods import Period, periods_of
from cdss.evaluation.analysis.survival import SurvivalCurve, hazard_ratio, survival_curves
from cdss.evaluation.dataset import BASELINE_COLUMNS, TrialData, covariates, endpoint_data, used
from cdss.evaluation.protocol import Endpoint, EndpointKind, Measure, Protocol, Randomisation

SHIFTS_IN_DEVIATIONS: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
"""Tipping-point shifts, in standard deviations of the outcome, in the unfavourable direction."""

_OTHER_MODELS = ("mixed", "gee")
"""Shown beside the planned model of a continuous endpoint."""

_HIGHER_IS_BETTER = frozenset({Measure.SHARED_DECISION})


@dataclass(frozen=True)
class EndpointAnalysis:
    """One endpoint analysed.

    Attributes
    ----------
    endpoint : Endpoint
    effect : Effect
        By the model of the protocol.
    adjusted_p : float
        For the number of secondary endpoints; the p-value itself for the primary one.
    means : mapping of str to float
        Mean outcome (events per year, share of patients) per arm, unadjusted.
    missing : mapping of str to int
        Patients without the outcome per arm.
    other_models : tuple of Effect
        The same effect by another model.
    """

    endpoint: Endpoint
    effect: Effect
    adjusted_p: float
    means: Mapping[str, float]
    missing: Mapping[str, int]
    other_models: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """The whole analysis of a trial.

    Attributes
    ----------
    primary : EndpointAnalysis
    secondary : tuple of EndpointAnalysis
    sensitivity : tuple of Sensitivity
        Of the primary endpoint to missing outcomes; empty when none is missing or it is not continuous.
    curves : tuple of SurvivalCurve
        Time to confirmed worsening per arm, when it is an endpoint.
    periods : tuple of Period
        Of the primary endpoint in a stepped wedge; empty in other designs, and when it is not continuous.
    """

    primary: EndpointAnalysis
    secondary: tuple[EndpointAnalysis, ...]
    sensitivity: tuple[Sensitivity, ...]
    curves: tuple[SurvivalCurve, ...]
    periods: tuple[Period, ...] = ()


def _design(
    protocol: Protocol,
    data: TrialData,
    outcome: NDArray[np.float64],
    exposure: NDArray[np.float64],
    adjust: pd.DataFrame,
) -> tuple[Design, NDArray[np.bool_]]:
    known = np.isfinite(outcome)
    adjusted = adjust[known]
    table = data.table[known]
    return (
        Design(
            outcome=outcome[known],
            exposure=exposure[known],
            use=used(data)[known],
            cluster=table["cluster"].to_numpy(dtype=object),
            period=table["period"].to_numpy(dtype=np.int64),
            covariates=adjusted.loc[:, adjusted.std() > 0],
            randomisation=protocol.allocation.randomisation,
            alpha=protocol.analysis.alpha,
        ),
        known,
    )


def _continuous(design: Design, model: str) -> Effect:
    match model:
        case "cluster_means":
            return cluster_means_effect(design)
        case "gee":
            return gee_effect(design, scale="mean difference")
        case _:
            return mixed_effect(design)


def estimate_effect(protocol: Protocol, data: TrialData, endpoint: Endpoint) -> Effect:
    """Estimate the effect on one endpoint by the model that the protocol gives it."""
    return _estimates(protocol, data, endpoint, also_others=False)[0]


def _estimates(
    protocol: Protocol, data: TrialData, endpoint: Endpoint, *, also_others: bool = True
) -> tuple[Effect, ...]:
    values = endpoint_data(data, endpoint)
    adjust = covariates(protocol, data, endpoint)
    design, known = _design(protocol, data, values.outcome, values.exposure, adjust)
    match endpoint.kind:
        case EndpointKind.CONTINUOUS:
            planned = protocol.analysis.primary_model
            if not also_others:
                return (_continuous(design, planned),)
            models = (planned, *(name for name in _OTHER_MODELS if name != planned))
            return tuple(with_correlation_interval(design, _continuous(design, model)) for model in models)
        case EndpointKind.BINARY:
            return (gee_effect(design, scale="risk difference"),)
        case EndpointKind.COUNT:
            return (gee_effect(design, scale="rate ratio"),)
        case EndpointKind.TIME_TO_EVENT:
            return (hazard_ratio(design, values.event[known]),)


def analyse(protocol: Protocol, data: TrialData, *, rng: np.random.Generator) -> Analysis:
    """Analyse a trial as its protocol says: intention to treat, every endpoint, multiplicity, missing outcomes.

    Parameters
    ----------
    protocol : Protocol
    data : TrialData
    rng : Generator
        For the imputations.
    """
    estimates = {endpoint.name: _estimates(protocol, data, endpoint) for endpoint in protocol.endpoints}
    p_values = [estimates[endpoint.name][0].p for endpoint in protocol.secondary]
    adjusted = adjusted_p_values(p_values, method=protocol.analysis.multiplicity)
    p_of = dict(zip((endpoint.name for endpoint in protocol.secondary), adjusted, strict=True))

    def analysed(endpoint: Endpoint) -> EndpointAnalysis:
        first, *others = estimates[endpoint.name]
        return EndpointAnalysis(
            endpoint=endpoint,
            effect=first,
            adjusted_p=p_of.get(endpoint.name, first.p),
            means=_means(data, endpoint),
            missing=_missing(data, endpoint),
            other_models=tuple(others),
        )

    return Analysis(
        primary=analysed(protocol.primary),
        secondary=tuple(analysed(endpoint) for endpoint in protocol.secondary),
        sensitivity=_sensitivity(protocol, data, rng),
        curves=_curves(protocol, data),
        periods=_periods(protocol, data),
    )


def _means(data: TrialData, endpoint: Endpoint) -> dict[str, float]:
    values, use = endpoint_data(data, endpoint), used(data)
    means = {}
    for arm, members in (("use", use), ("usual", ~use)):
        known = members & values.observed
        if not known.any():
            means[arm] = float("nan")
        elif endpoint.kind is EndpointKind.COUNT:
            means[arm] = float(values.outcome[known].sum() / values.exposure[known].sum())
        elif endpoint.kind is EndpointKind.TIME_TO_EVENT:
            means[arm] = float(values.event[known].mean())
        else:
            means[arm] = float(values.outcome[known].mean())
    return means


def _missing(data: TrialData, endpoint: Endpoint) -> dict[str, int]:
    observed, use = endpoint_data(data, endpoint).observed, used(data)
    return {"use": int((use & ~observed).sum()), "usual": int((~use & ~observed).sum())}


def _predictors(protocol: Protocol, data: TrialData) -> NDArray[np.float64]:
    """Return every baseline column as numbers without gaps, with neurologists as indicators."""
    columns = pd.get_dummies(
        data.table[[*BASELINE_COLUMNS, "cluster"]],
        columns=["sex", "phenotype", "prior_treatment", "cluster"],
        dtype=float,
    ).astype(float)
    columns = columns.fillna(columns.mean()).fillna(0.0)
    adjust = covariates(protocol, data, protocol.primary)
    return np.column_stack([columns.to_numpy(), adjust.to_numpy()])


def _sensitivity(protocol: Protocol, data: TrialData, rng: np.random.Generator) -> tuple[Sensitivity, ...]:
    endpoint = protocol.primary
    values = endpoint_data(data, endpoint)
    if endpoint.kind is not EndpointKind.CONTINUOUS or values.observed.all() or values.observed.sum() < 10:
        return ()
    adjust = covariates(protocol, data, endpoint)

    def fit(outcome: NDArray[np.float64]) -> Effect:
        design, _ = _design(protocol, data, outcome, values.exposure, adjust)
        return _continuous(design, protocol.analysis.primary_model)

    worse = -1.0 if endpoint.measure in _HIGHER_IS_BETTER else 1.0
    deviation = float(np.nanstd(values.outcome))
    return sensitivity(
        values.outcome,
        _predictors(protocol, data),
        used(data),
        fit=fit,
        shifts=[worse * deviation * share for share in SHIFTS_IN_DEVIATIONS],
        imputations=protocol.analysis.imputations,
        alpha=protocol.analysis.alpha,
        rng=rng,
    )


def _periods(protocol: Protocol, data: TrialData) -> tuple[Period, ...]:
    endpoint, wedge = protocol.primary, protocol.allocation.randomisation is Randomisation.STEPPED_WEDGE
    values = endpoint_data(data, endpoint)
    if not wedge or endpoint.kind is not EndpointKind.CONTINUOUS or not values.observed.any():
        return ()
    return periods_of(
        _design(protocol, data, values.outcome, values.exposure, covariates(protocol, data, endpoint))[0]
    )


def _curves(protocol: Protocol, data: TrialData) -> tuple[SurvivalCurve, ...]:
    for endpoint in protocol.endpoints:
        if endpoint.kind is EndpointKind.TIME_TO_EVENT:
            values = endpoint_data(data, endpoint)
            known = values.observed
            if known.any():
                return survival_curves(
                    values.outcome[known], values.event[known], used(data)[known], alpha=protocol.analysis.alpha
                )
    return ()

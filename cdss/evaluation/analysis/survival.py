"""Time to 24-week confirmed worsening: hazard ratio and Kaplan-Meier curves, by lifelines."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cdss.evaluation.analysis.effect import Effect, t_interval
from cdss.evaluation.analysis.models import Design
from cdss.evaluation.protocol import Arm, Randomisation

Array = NDArray[np.float64]

LARGEST = 8.0
"""Largest logarithm of a hazard ratio, up or down, that is an estimate. Where all events of the periods that have
both arms are in one arm the likelihood rises for ever: the fit stops somewhere beyond, with a standard error that
means nothing (Heinze and Schemper, Biometrics 2001;57:114-119, doi 10.1111/j.0006-341X.2001.00114.x)."""


@dataclass(frozen=True)
class SurvivalCurve:
    """Cumulative probability of worsening in one arm, with its pointwise log-log interval.

    Attributes
    ----------
    months, probability, lower, upper, at_risk : ndarray
    """

    arm: Arm
    months: Array
    probability: Array
    lower: Array
    upper: Array
    at_risk: Array


def hazard_ratio(design: Design, event: Array) -> Effect:
    """Estimate a hazard ratio with a Cox model.

    With whole clusters or wedges the variance is a sandwich over neurologists, enlarged by ``clusters / (clusters -
    2)`` and with a t distribution, because with few clusters it is too small; with patients randomised within
    neurologists the model is stratified by neurologist.

    Parameters
    ----------
    design : Design
        Its outcome is the time in months.
    event : ndarray
        1 where the time ends with the event, 0 where it is censored.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    within = design.randomisation is Randomisation.INDIVIDUAL
    how = "stratified by neurologist" if within else "sandwich variance over neurologists"
    model = f"Cox proportional hazards, {how}"
    if not design.has_both_arms() or not event[design.use].any() or not event[~design.use].any():
        return design.effect("hazard ratio", model, notes=("an arm had no event",))
    table = design.covariates.reset_index(drop=True).astype(float)
    table.columns = pd.Index([f"c{i}" for i in range(table.shape[1])])
    cluster = np.unique(design.cluster, return_inverse=True)[1]
    # What is the same for all patients of a neurologist is in the strata already.
    spread = table.groupby(cluster).std().max() if within else table.std()
    table = table.loc[:, spread > 0]
    table["use"], table["months"], table["event"] = design.use.astype(float), design.outcome, event
    table["cluster"] = cluster
    grouping = {"strata": ["cluster"]} if within else {"cluster_col": "cluster"}
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, RuntimeWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
        try:
            fit = CoxPHFitter().fit(table, duration_col="months", event_col="event", **grouping)
        except (ConvergenceError, np.linalg.LinAlgError, ValueError):
            return design.effect("hazard ratio", model, notes=("the model could not be fitted",))
    coefficient, standard_error = float(fit.params_["use"]), float(fit.standard_errors_["use"])
    if not abs(coefficient) <= LARGEST:
        return design.effect("hazard ratio", model, notes=("what was adjusted for leaves an arm without an event",))
    degrees = math.inf
    if not within:
        degrees = design.degrees_of_freedom(robust=True)
        standard_error *= math.sqrt(design.clusters / max(design.clusters - 2, 1))
    lower, upper, p = t_interval(coefficient, standard_error, degrees, design.alpha)
    return design.effect(
        "hazard ratio",
        model,
        value=math.exp(coefficient),
        lower=math.exp(lower),
        upper=math.exp(upper),
        p=p,
        standard_error=standard_error,
        degrees_of_freedom=float(degrees),
    )


def survival_curves(
    months: Array, event: Array, use: NDArray[np.bool_], *, alpha: float
) -> tuple[SurvivalCurve, ...]:
    """Return the Kaplan-Meier curve of each arm that has patients."""
    from lifelines import KaplanMeierFitter

    curves = []
    for arm, members in ((Arm.USE, use), (Arm.USUAL, ~use)):
        if not members.any():
            continue
        fit = KaplanMeierFitter(alpha=alpha).fit(months[members], event[members])
        interval = fit.confidence_interval_survival_function_
        curves.append(
            SurvivalCurve(
                arm=arm,
                months=fit.survival_function_.index.to_numpy(dtype=np.float64),
                probability=1.0 - fit.survival_function_.iloc[:, 0].to_numpy(dtype=np.float64),
                lower=1.0 - interval.iloc[:, 1].to_numpy(dtype=np.float64),
                upper=1.0 - interval.iloc[:, 0].to_numpy(dtype=np.float64),
                at_risk=fit.event_table["at_risk"].to_numpy(dtype=np.float64),
            )
        )
    return tuple(curves)

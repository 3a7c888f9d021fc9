"""How much missing outcomes could matter: multiple imputation, and a tipping point.

The primary analysis takes what was observed, adjusted for baseline: valid when missingness depends on what the model
holds. Here the missing outcomes are imputed from all baseline columns within each arm (missing at random), then made
worse in the arm with the tool by more and more, until the conclusion changes (missing not at random).

References
----------
Rubin DB. Multiple Imputation for Nonresponse in Surveys. Wiley 1987. Barnard J, Rubin DB. Small-sample degrees of
freedom with multiple imputation. Biometrika 1999;86:948-955, doi 10.1093/biomet/86.4.948. Cro S, Morris TP,
Kenward MG, Carpenter JR. Sensitivity analysis for clinical trials with missing continuous outcome data using
controlled multiple imputation. Stat Med 2020;39:2815-2842, doi 10.1002/sim.8569.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdss.evaluation.analysis.effect import Effect, t_interval

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The effect with imputed outcomes, when those in the arm with the tool are worse than their like by a shift.

    Attributes
    ----------
    shift : float
        Added to the imputed outcomes of the arm with the tool, in the unfavourable direction; 0 is missing at random.
    effect : Effect
        Pooled over the imputations.
    """

    shift: float
    effect: Effect


def imputed(outcome: Array, predictors: Array, use: NDArray[np.bool_], *, rng: np.random.Generator) -> Array:
    """Return the outcomes with each missing one drawn from a normal linear regression within its arm.

    Coefficients and variance are drawn from their posterior (improper prior), so that imputations are proper.

    Parameters
    ----------
    outcome : ndarray, shape (patients,)
        NaN where missing.
    predictors : ndarray, shape (patients, columns)
        Complete, without intercept.
    use : ndarray of bool
    rng : Generator
    """
    filled = outcome.copy()
    for members in (use, ~use):
        known, missing = members & np.isfinite(outcome), members & ~np.isfinite(outcome)
        if not missing.any() or known.sum() < 3:
            continue
        varying = predictors[:, np.ptp(predictors[known], axis=0) > 0]
        varying = varying[:, : max(int(known.sum()) - 3, 0)]
        x = np.column_stack([np.ones(len(outcome)), varying])
        q, r = np.linalg.qr(x[known])
        rank = np.abs(np.diag(r)) > 1e-9
        q, r = np.linalg.qr(x[np.ix_(known, rank)])
        degrees = int(known.sum()) - int(rank.sum())
        coefficients = np.linalg.solve(r, q.T @ outcome[known])
        residual = outcome[known] - x[np.ix_(known, rank)] @ coefficients
        deviation = math.sqrt(float(residual @ residual) / rng.chisquare(degrees))
        drawn = coefficients + deviation * np.linalg.solve(r, rng.standard_normal(int(rank.sum())))
        filled[missing] = x[np.ix_(missing, rank)] @ drawn + deviation * rng.standard_normal(int(missing.sum()))
    return filled


def pooled(effects: Sequence[Effect], *, alpha: float) -> Effect:
    """Pool a mean difference over imputations by Rubin's rules, with Barnard and Rubin's degrees of freedom."""
    values = np.array([effect.value for effect in effects])
    m, complete = len(effects), effects[0].degrees_of_freedom
    within = float(np.mean([effect.standard_error**2 for effect in effects]))
    between = float(values.var(ddof=1))
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total
    of_data = (complete + 1) / (complete + 3) * complete * (1 - share)
    degrees = of_data if share <= 0 else 1 / (share**2 / (m - 1) + 1 / of_data)
    value, standard_error = float(values.mean()), math.sqrt(total)
    lower, upper, p = t_interval(value, standard_error, degrees, alpha)
    first = effects[0]
    return Effect(
        scale=first.scale,
        value=value,
        lower=lower,
        upper=upper,
        standard_error=standard_error,
        degrees_of_freedom=degrees,
        p=p,
        n_use=first.n_use,
        n_usual=first.n_usual,
        clusters=first.clusters,
        correlation=float(np.mean([effect.correlation for effect in effects])),
        model=f"{m} imputations, then: {first.model}",
    )


def sensitivity(
    outcome: Array,
    predictors: Array,
    use: NDArray[np.bool_],
    *,
    fit: Callable[[Array], Effect],
    shifts: Sequence[float],
    imputations: int,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[Sensitivity, ...]:
    """Return the pooled effect for each shift of the imputed outcomes of the arm with the tool.

    Parameters
    ----------
    outcome, predictors, use : ndarray
        As for `imputed`.
    fit : callable
        The analysis of complete outcomes.
    shifts : sequence of float
        Signed: added as they are.
    imputations : int
    alpha : float
    rng : Generator
    """
    moved = use & ~np.isfinite(outcome)
    drawn = [imputed(outcome, predictors, use, rng=rng) for _ in range(imputations)]
    results = []
    for shift in shifts:
        effects = [fit(filled + shift * moved) for filled in drawn]
        if all(math.isfinite(effect.standard_error) for effect in effects):
            results.append(Sensitivity(shift=shift, effect=pooled(effects, alpha=alpha)))
    return tuple(results)

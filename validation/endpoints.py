"""The efficacy endpoints of a trial, computed as trials compute them.

Annualised relapse rates and their ratio by negative binomial regression with the log of follow-up as offset; the
hazard ratio of confirmed worsening by Cox regression (Efron's ties); relapse-free patients by Kaplan-Meier; the ratio
of new T2 lesions by negative binomial regression. Intervals are 95 %.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.vocabulary import SourceKind, Treatment
from validation.outcomes import Outcomes, TimeToEvent, outcomes

Floats = NDArray[np.float64]

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""

FEWEST_EVENTS = 10
"""Fewest events over both arms for an endpoint to be estimated."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An endpoint of one active arm against the control arm.

    Attributes
    ----------
    trial, arm : str
    endpoint : str
        ``relapse rate``, ``worsening at 12 weeks``, ``worsening at 24 weeks``, ``relapse-free`` or
        ``new T2 lesions``.
    measure : str
        ``rate ratio``, ``hazard ratio`` or ``difference of probability``.
    value, lower, upper : float
        With its 95 % interval.
    neutral : float
        The value without an effect: 1 for ratios, 0 for differences.
    control, active : float
        What each arm shows: rate per year, probability at the end, or mean count.
    events : int
        Events (relapses, worsenings, lesions) over both arms.
    """

    trial: str
    arm: str
    endpoint: str
    measure: str
    value: float
    lower: float
    upper: float
    neutral: float
    control: float
    active: float
    events: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out the value without an effect."""
        return not self.lower <= self.neutral <= self.upper


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """What one arm of a trial shows, with 95 % intervals."""

    trial: str
    arm: str
    patients: int
    relapse_rate: float
    relapse_rate_lower: float
    relapse_rate_upper: float
    worsening_12w: float
    worsening_24w: float
    relapse_free: float
    new_t2: float


def trial_effects(episodes: Episodes) -> list[Effect]:
    """Return every endpoint of every trial that has a control arm."""
    trials, found = _trials(episodes)
    effects: list[Effect] = []
    for trial, rows in trials.groupby("source", sort=True):
        untreated = rows.index[rows["treatment"] == Treatment.UNTREATED.value].to_numpy()
        active = rows[rows["treatment"] != Treatment.UNTREATED.value]
        for arm, arm_rows in active.groupby("arm", sort=True):
            if len(untreated):
                effects += _effects(str(trial), str(arm), found, untreated, arm_rows.index.to_numpy())
    return effects


def arm_figures(episodes: Episodes) -> list[ArmFigures]:
    """Return what each trial arm shows, comparators or not."""
    trials, found = _trials(episodes)
    figures = []
    for (trial, arm), rows in trials.groupby(["source", "arm"], sort=True):
        at = rows.index.to_numpy()
        rate, lower, upper = mean_rate(found.relapses[at], found.years[at])
        lesions = found.new_t2[at]
        figures.append(
            ArmFigures(
                trial=str(trial),
                arm=str(arm),
                patients=len(at),
                relapse_rate=rate,
                relapse_rate_lower=lower,
                relapse_rate_upper=upper,
                worsening_12w=1.0 - survival_at_end(found.worsening_12w.rows(at))[0],
                worsening_24w=1.0 - survival_at_end(found.worsening_24w.rows(at))[0],
                relapse_free=survival_at_end(found.relapse.rows(at))[0],
                new_t2=float(np.nanmean(lesions)) if (~np.isnan(lesions)).any() else float("nan"),
            )
        )
    return figures


def _trials(episodes: Episodes) -> tuple[pd.DataFrame, Outcomes]:
    """Return the patients of trials, numbered from 0, and their outcomes."""
    table = episodes.table
    trials = table[table["source_kind"] == SourceKind.TRIAL.value].reset_index(drop=True)
    return trials, outcomes(Episodes(trials, episodes.sources))


def _effects(
    trial: str, arm: str, found: Outcomes, control: NDArray[np.intp], active: NDArray[np.intp]
) -> Iterator[Effect]:
    """Yield the endpoints that have enough events."""
    rows = np.concatenate([control, active])
    treated = np.concatenate([np.zeros(len(control)), np.ones(len(active))])
    lesions = np.where(np.isnan(found.new_t2), 0.0, found.new_t2)
    scanned = (~np.isnan(found.new_t2)).astype(np.float64)
    for endpoint, counts, exposure in (
        ("relapse rate", found.relapses, found.years),
        ("new T2 lesions", lesions, scanned),
    ):
        if counts[rows].sum() >= FEWEST_EVENTS:
            value, lower, upper = rate_ratio(counts[rows], treated, exposure[rows])
            rates = [float(counts[at].sum() / exposure[at].sum()) for at in (control, active)]
            events = int(counts[rows].sum())
            yield Effect(trial, arm, endpoint, "rate ratio", value, lower, upper, 1.0, rates[0], rates[1], events)
    for endpoint, times in (
        ("worsening at 12 weeks", found.worsening_12w),
        ("worsening at 24 weeks", found.worsening_24w),
    ):
        events = int(times.event[rows].sum())
        if events >= FEWEST_EVENTS:
            value, lower, upper = hazard_ratio(times.rows(rows), treated)
            risks = [1.0 - survival_at_end(times.rows(at))[0] for at in (control, active)]
            yield Effect(trial, arm, endpoint, "hazard ratio", value, lower, upper, 1.0, risks[0], risks[1], events)
    events = int(found.relapse.event[rows].sum())
    if events >= FEWEST_EVENTS:
        (first, first_error), (second, second_error) = (
            survival_at_end(found.relapse.rows(at)) for at in (control, active)
        )
        error = Z * float(np.hypot(first_error, second_error))
        value = second - first
        lower, upper = value - error, value + error
        measure = "difference of probability"
        yield Effect(trial, arm, "relapse-free", measure, value, lower, upper, 0.0, first, second, events)


def rate_ratio(counts: Floats, treated: Floats, exposure: Floats) -> tuple[float, float, float]:
    """Return the ratio of rates of treated to others by negative binomial regression, with its 95 % interval.

    Parameters
    ----------
    counts : ndarray, shape (patients,)
    treated : ndarray, shape (patients,)
        1 or 0.
    exposure : ndarray, shape (patients,)
        In years; patients without any are left out.
    """
    from statsmodels.discrete.discrete_model import NegativeBinomial, Poisson

    seen = exposure > 0
    x = np.column_stack([np.ones(int(seen.sum())), treated[seen]])
    y, log_exposure = counts[seen], np.log(exposure[seen])
    with _fitting():
        poisson = Poisson(y, x, offset=log_exposure).fit(disp=0)
        start = np.append(poisson.params, 0.5)
        fitted = NegativeBinomial(y, x, offset=log_exposure).fit(start_params=start, disp=0, maxiter=200)
        # Counts no more dispersed than Poisson have their best negative binomial at that limit, where the curvature
        # of its likelihood says nothing: the Poisson model is the fit then.
        usable = fitted.mle_retvals["converged"] and fitted.llf > poisson.llf and np.isfinite(fitted.bse).all()
    model = fitted if usable else poisson
    return _exponentiated(float(model.params[1]), float(model.bse[1]))


def mean_rate(counts: Floats, exposure: Floats) -> tuple[float, float, float]:
    """Return the rate per year with its 95 % interval, from the sandwich variance of a Poisson model (log scale)."""
    total, years = float(counts.sum()), float(exposure.sum())
    if total == 0 or years == 0:
        return 0.0, float("nan"), float("nan")
    rate = total / years
    error = float(np.sqrt(((counts - rate * exposure) ** 2).sum())) / total
    return rate, rate * float(np.exp(-Z * error)), rate * float(np.exp(Z * error))


def hazard_ratio(times: TimeToEvent, treated: Floats) -> tuple[float, float, float]:
    """Return the hazard ratio of treated to others by Cox regression, with its 95 % interval.

    Newton steps on Efron's partial likelihood, which for two groups needs nothing but the numbers at risk.
    """
    months, at = np.unique(times.months, return_inverse=True)
    event = times.event.astype(np.float64)
    groups = np.stack([1.0 - treated, treated])
    at_risk, events = (
        np.stack([np.bincount(at, weights=group * each, minlength=len(months)) for group in groups])
        for each in (np.ones(len(event)), event)
    )
    at_risk = at_risk[:, ::-1].cumsum(axis=1)[:, ::-1]
    # Nobody observed at month 0 only was ever at risk.
    at_risk, events = at_risk[:, months > 0], events[:, months > 0]
    tied = events.sum(axis=0).astype(np.intp)
    # One row per event: of those that happen together, each later one leaves fewer at risk.
    which = np.repeat(np.arange(len(tied)), tied)
    passed = (np.arange(len(which)) - np.repeat(np.cumsum(tied) - tied, tied)) / tied[which]
    others, active = at_risk[:, which] - passed * events[:, which]
    effect, information = 0.0, 0.0
    for _ in range(50):
        share = active / (active + others * np.exp(-effect))
        information = float((share * (1.0 - share)).sum())
        if information < 1e-12:
            break
        step = float(np.clip((events[1].sum() - share.sum()) / information, -2.0, 2.0))
        effect += step
        if abs(step) < 1e-10 or abs(effect) > 20.0:
            break
    return _exponentiated(effect, float(np.sqrt(1.0 / max(information, 1e-12))))


def _exponentiated(effect: float, error: float) -> tuple[float, float, float]:
    """Return a ratio with its interval, which has no upper end when an arm without events leaves the ratio open."""
    with np.errstate(over="ignore"):
        value, lower, upper = np.exp([effect, effect - Z * error, effect + Z * error])
    return float(value), float(lower), float(upper)


def survival_at_end(times: TimeToEvent) -> tuple[float, float]:
    """Return the Kaplan-Meier probability of no event at the end of follow-up, and its standard error (Greenwood)."""
    grid = np.unique(times.months[times.event])
    at_risk = (times.months[:, None] >= grid).sum(axis=0)
    events = ((times.months[:, None] == grid) & times.event[:, None]).sum(axis=0)
    survival = float(np.prod(1.0 - events / at_risk))
    left = at_risk - events
    terms = np.divide(events, at_risk * left, out=np.zeros(len(grid)), where=left > 0)
    return survival, survival * float(np.sqrt(terms.sum()))


@contextmanager
def _fitting() -> Iterator[None]:
    """Silence the fitters' remarks on convergence: whether they converged is asked of them."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield

"""What would have become of every simulated patient under each class: the truth that only a simulation has.

Given a patient's frailties, what is expected under a class is known without simulating: progression is linear, the
probability of a relapse in each step follows from that in the step before, and what relapses leave behind is close to
a compound Poisson sum, whose distribution is tabulated once. That is the limit of simulating each patient often with
the same luck under every class: no chance is left, and differences between classes are those of treatment alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import signal

from reference_db.schema import EDSS_MONTHS
from reference_db.sources.simulated.disease import (
    HIGHEST_DISABILITY,
    STEP_DAYS,
    STEP_YEARS,
    Regime,
    Traits,
    recency,
)
from reference_db.sources.simulated.observation import steadiness
from reference_db.sources.simulated.parameters import parameters

Array = NDArray[np.float64]

MONTHS: tuple[int, ...] = tuple(month for month in EDSS_MONTHS if month <= 24)

_MOST_LASTING_RELAPSES = 10
_STEP = 0.01
_LARGEST_SUM = 20.0


def expected_outcomes(traits: Traits, rates: Regime, *, edss: Array, days_per_month: float) -> pd.DataFrame:
    """Return the expected course of each patient under one regime.

    Parameters
    ----------
    traits : Traits
    rates : Regime
    edss : ndarray
        EDSS at baseline, which decides how much of a rise is worsening.
    days_per_month : float

    Returns
    -------
    DataFrame
        ``edss_<month>`` on the grid to 24 months (expected disability, not rounded to the scale), ``relapses_24``
        (expected number), ``relapse_risk_24`` (probability of at least one), ``worsening_risk_24`` (probability that
        lasting disability has risen by 1.5 from EDSS 0, by 1.0 up to 5.5, by 0.5 from 6.0) and ``new_t2_24``
        (expected number).
    """
    p = parameters()
    peak = p["relapse_peak_minimum"] + p["relapse_peak_mean"]
    lasting = peak * rates.residual_probability * (1.0 + p["residual_share_minimum"]) / 2.0
    steady = steadiness(traits.lasting + traits.transient)
    days = np.array(MONTHS) * days_per_month
    course = _expected_relapses(rates.relapse_rate, int(np.ceil(days[-1] / STEP_DAYS)))
    columns: dict[str, Array] = {}
    for month, day in zip(MONTHS, days, strict=True):
        expected = (
            traits.lasting
            + traits.transient * np.exp(-day / p["relapse_recovery"])
            + traits.fluctuation * steady * np.exp(-day / p["fluctuation_time"])
            + rates.progression_slope * day / 365.25
            + lasting * _at(course.relapses, day)
            + (peak - lasting) * _at(course.recent, day)
        )
        columns[f"edss_{month}"] = np.clip(expected, 0.0, HIGHEST_DISABILITY)
    total = _at(course.relapses, days[-1])
    columns["relapses_24"] = total
    columns["relapse_risk_24"] = _at(course.risk, days[-1])
    columns["worsening_risk_24"] = lasting_rise_probability(
        _meaningful_rise(edss) - rates.progression_slope * days[-1] / 365.25, total * rates.residual_probability
    )
    columns["new_t2_24"] = rates.lesion_rate * days[-1] / 365.25
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class _Relapses:
    """Expectations at the end of each step, (patients, steps + 1).

    Relapses so far; those still felt (each fading as its transient part does); the probability of at least one.
    """

    relapses: Array
    recent: Array
    risk: Array


def _expected_relapses(rate: Array, steps: int) -> _Relapses:
    """Return what is expected of relapses: in each step one at most, and none in the step after one.

    With p the probability in a step without a relapse before it, that of a relapse in step s is
    ``r(s) = p(s) (1 - r(s - 1))``.
    """
    fading = np.exp(-STEP_DAYS / parameters()["relapse_recovery"])
    relapses, recent, risk = (np.zeros((len(rate), steps + 1)) for _ in range(3))
    now = np.zeros(len(rate))
    for step in range(steps):
        free = -np.expm1(-rate * recency((step + 0.5) * STEP_YEARS) * STEP_YEARS)
        now = free * (1.0 - now)
        relapses[:, step + 1] = relapses[:, step] + now
        recent[:, step + 1] = recent[:, step] * fading + now
        risk[:, step + 1] = 1.0 - (1.0 - risk[:, step]) * (1.0 - free)
    return _Relapses(relapses, recent, risk)


def _at(values: Array, day: float) -> Array:
    """Return the value of each patient on a day, between the ends of steps by interpolation."""
    position = min(day / STEP_DAYS, values.shape[1] - 1.0)
    before = min(int(position), values.shape[1] - 2)
    weight = position - before
    return np.asarray(values[:, before] * (1.0 - weight) + values[:, before + 1] * weight, dtype=np.float64)


def _meaningful_rise(edss: Array) -> Array:
    return np.where(edss < 0.5, 1.5, np.where(edss < 6.0, 1.0, 0.5))


def lasting_rise_probability(rise: Array, lasting_relapses: Array) -> Array:
    """Return the probability that what relapses leave behind sums to at least a rise.

    Parameters
    ----------
    rise : ndarray
        In EDSS points; what is 0 or below is there already.
    lasting_relapses : ndarray
        Expected number of relapses that leave a deficit.
    """
    grid = np.arange(0.0, _LARGEST_SUM, _STEP)
    probability, weight = np.zeros(len(rise)), np.exp(-lasting_relapses)
    for count, survival in enumerate(_sum_survival(), start=1):
        weight = weight * lasting_relapses / count
        probability += weight * np.interp(rise, grid, survival)
    return np.where(rise <= 0.0, 1.0, np.minimum(probability, 1.0))


@cache
def _sum_survival() -> tuple[Array, ...]:
    """Return, for 1, 2, ... lasting relapses, the probability that their deficits sum to at least each grid value."""
    p = parameters()
    u = (np.arange(1000) + 0.5) / 1000
    peak = p["relapse_peak_minimum"] - p["relapse_peak_mean"] * np.log1p(-u)
    share = p["residual_share_minimum"] + (1.0 - p["residual_share_minimum"]) * u
    size = round(_LARGEST_SUM / _STEP)
    cell = np.minimum(np.outer(peak, share) / _STEP, size - 1).round().astype(np.int64)
    counts = np.bincount(cell.ravel(), minlength=size)[:size]
    one = counts / counts.sum()
    sums, survival = one, []
    for _ in range(_MOST_LASTING_RELAPSES):
        survival.append(np.clip(1.0 - np.concatenate([[0.0], np.cumsum(sums)[:-1]]), 0.0, 1.0))
        sums = signal.fftconvolve(sums, one)[:size]
    return tuple(survival)

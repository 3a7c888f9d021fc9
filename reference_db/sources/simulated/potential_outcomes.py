"""What would have become of every simulated patient under each class: the truth that only a simulation has.

Given a patient's frailties, what is expected under a class is known without simulating: progression is linear, the
probability of a relapse in each step follows from that in the step before, and what relapses leave behind is close to
a compound Poisson sum, whose distribution is tabulated once. That is the limit of simulating each patient often with
the same luck under every class: no chance is left, and differences between classes are those of treatment alone.

The EDSS of a month is the one that a rater would note, on the half-step scale with its floor at 0 and its missing
0.5: nobody can record, and so nobody can project, the disability behind it. Its expectation runs over the fluctuation
of the patient's state, the error of the rater, and relapses: none, or some, then with the mean and the spread that
they have in that month.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import signal
from scipy.special import gammaincinv, ndtr

from reference_db.schema import EDSS_MONTHS, EDSS_SCALE
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
_SHAPES = np.linspace(np.log(1e-3), np.log(1e3), 1000)
"""Logarithms of the shapes at which gamma quantiles are tabulated."""
_NODES = (np.arange(6) + 0.5) / 6
"""Quantiles by which the spread of what relapses add is represented."""

_LEVELS = np.arange(-3.0, 13.0, 0.02)
_SPREADS = np.arange(0.02, 1.5, 0.02)
"""Grid on which the expected rating is tabulated: disability, and the spread of state and rating together."""


def expected_outcomes(
    traits: Traits, rates: Regime, *, edss: Array, days_per_month: float, rating_spread: float = 0.0
) -> pd.DataFrame:
    """Return the expected course of each patient under one regime.

    Parameters
    ----------
    traits : Traits
    rates : Regime
    edss : ndarray
        EDSS at baseline, which decides how much of a rise is worsening.
    days_per_month : float
    rating_spread : float
        Standard deviation between centres of how they rate, in EDSS points.

    Returns
    -------
    DataFrame
        ``edss_<month>`` on the grid to 24 months (expected EDSS as rated; at baseline the one that was),
        ``relapses_24`` (expected number), ``relapse_risk_24`` (probability of at least one), ``worsening_risk_24``
        (probability that lasting disability has risen by 1.5 from EDSS 0, by 1.0 up to 5.5, by 0.5 from 6.0) and
        ``new_t2_24`` (expected number).
    """
    days = np.array(MONTHS) * days_per_month
    course = _expected_relapses(rates, int(np.ceil(days[-1] / STEP_DAYS)))
    columns: dict[str, Array] = {"edss_0": edss.astype(np.float64)}
    for month, day in zip(MONTHS[1:], days[1:], strict=True):
        columns[f"edss_{month}"] = _expected_edss(traits, rates, course, day, rating_spread)
    total = _at(course.relapses, days[-1])
    columns["relapses_24"] = total
    columns["relapse_risk_24"] = _at(course.risk, days[-1])
    columns["worsening_risk_24"] = lasting_rise_probability(
        _meaningful_rise(edss) - rates.progression_slope * days[-1] / 365.25, total * rates.residual_probability
    )
    columns["new_t2_24"] = rates.lesion_rate * days[-1] / 365.25
    return pd.DataFrame(columns)


def _expected_edss(traits: Traits, rates: Regime, course: _Relapses, day: float, rating_spread: float) -> Array:
    """Return the expected EDSS as rated on a day."""
    p = parameters()
    level = (
        traits.lasting
        + traits.transient * np.exp(-day / p["relapse_recovery"])
        + rates.progression_slope * day / 365.25
    )
    memory = np.exp(-day / p["fluctuation_time"])
    # Between the ends of two steps the fluctuation is interpolated, which takes a little of its spread away.
    within = day % STEP_DAYS / STEP_DAYS
    kept = 1.0 - 2.0 * within * (1.0 - within) * (1.0 - np.exp(-STEP_DAYS / p["fluctuation_time"]))
    state = traits.fluctuation_sd**2 * (1.0 - memory**2) * kept
    some = np.clip(_at(course.risk, day), 1e-9, 1.0)
    mean = _at(course.added, day) / some
    variance = np.maximum(_at(course.added_variance, day) / some - (1.0 - some) * mean**2, 1e-6)
    shape = np.maximum(mean, 1e-6) ** 2 / variance
    expected = np.zeros(len(traits))
    nodes = [(1.0 - some, np.zeros(len(traits)))]
    drawn = [np.interp(np.log(shape), _SHAPES, quantile) * mean for quantile in _gamma_quantiles()]
    # The few nodes lose a part of the mean in the tail.
    scale = np.divide(mean, np.mean(drawn, axis=0), out=np.ones_like(mean), where=mean > 0)
    nodes += [(some / len(_NODES), value * scale) for value in drawn]
    for share, added in nodes:
        reached = np.minimum(level + added, HIGHEST_DISABILITY)
        steady = steadiness(reached)
        spread = np.hypot(steady * np.sqrt(state + p["rating_noise"] ** 2), rating_spread)
        expected += share * expected_rating(reached + steady * traits.fluctuation * memory, spread)
    return expected


@cache
def _gamma_quantiles() -> Array:
    """Tabulate the quantiles at the nodes of gamma distributions of mean 1, (nodes, logarithms of the shape)."""
    shape = np.exp(_SHAPES)
    return np.asarray(gammaincinv(shape, np.array(_NODES)[:, None]) / shape, dtype=np.float64)


def expected_rating(disability: Array, spread: Array) -> Array:
    """Return the expected EDSS of a normally distributed disability rated on the scale, as `on_scale` rates it.

    Parameters
    ----------
    disability, spread : ndarray
        Mean and standard deviation.
    """
    row = np.clip((disability - _LEVELS[0]) / (_LEVELS[1] - _LEVELS[0]), 0.0, len(_LEVELS) - 1.001)
    column = np.clip((spread - _SPREADS[0]) / (_SPREADS[1] - _SPREADS[0]), 0.0, len(_SPREADS) - 1.001)
    i, j = row.astype(np.intp), column.astype(np.intp)
    u, v, table = row - i, column - j, _ratings()
    low = table[i, j] * (1.0 - u) + table[i + 1, j] * u
    high = table[i, j + 1] * (1.0 - u) + table[i + 1, j + 1] * u
    return np.asarray(low * (1.0 - v) + high * v, dtype=np.float64)


@cache
def _ratings() -> Array:
    """Tabulate the expected rating, (levels, spreads): the sum of each step of the scale times its probability."""
    scale = np.array(EDSS_SCALE)
    bounds = (scale[1:] + scale[:-1]) / 2.0
    above = ndtr((_LEVELS[:, None, None] - bounds) / _SPREADS[:, None])
    return np.asarray(above @ np.diff(scale), dtype=np.float64)


@dataclass(frozen=True)
class _Relapses:
    """Expectations at the end of each step, (patients, steps + 1).

    Relapses so far; the probability of at least one; what they add to disability then, and its variance.
    """

    relapses: Array
    risk: Array
    added: Array
    added_variance: Array


def _expected_relapses(rates: Regime, steps: int) -> _Relapses:
    """Return what is expected of relapses: in each step one at most, and none in the step after one.

    With p the probability in a step without a relapse before it, that of a relapse in step s is
    ``r(s) = p(s) (1 - r(s - 1))``. A relapse of peak P adds ``P (f + (1 - f) L)`` once the share f of what recovers
    is still felt, with L the lasting share of the peak, 0 in most.
    """
    p = parameters()
    fading = np.exp(-STEP_DAYS / p["relapse_recovery"])
    least, spread = p["relapse_peak_minimum"], p["relapse_peak_mean"]
    peak, peak_square = least + spread, (least + spread) ** 2 + spread**2
    lasting = rates.residual_probability * (1.0 + p["residual_share_minimum"]) / 2.0
    minimum = p["residual_share_minimum"]
    lasting_square = rates.residual_probability * (1.0 + minimum + minimum**2) / 3.0
    shape = (len(rates.relapse_rate), steps + 1)
    relapses, risk, added, added_variance = (np.zeros(shape) for _ in range(4))
    # Sums over the relapses so far of r, and of r times the share still felt and its square, and the same of what
    # two relapses in neighbouring steps would add together, which do not occur.
    felt, felt_square, pairs = (np.zeros((3, shape[0])) for _ in range(3))
    now = np.zeros(shape[0])
    for step in range(steps):
        free = -np.expm1(-rates.relapse_rate * recency((step + 0.5) * STEP_YEARS) * STEP_YEARS)
        before, now = now, free * (1.0 - now)
        faded = fading ** np.arange(3.0)[:, None]
        felt = felt * faded + now
        felt_square = felt_square * faded + now**2
        pairs = pairs * faded + before * now
        relapses[:, step + 1] = relapses[:, step] + now
        risk[:, step + 1] = 1.0 - (1.0 - risk[:, step]) * (1.0 - free)
        added[:, step + 1] = peak * (felt[0] * lasting + felt[1] * (1.0 - lasting))
        squares = felt[0] * lasting_square + 2.0 * (felt[1] - felt[2]) * lasting
        squares += (felt[2] - 2.0 * felt[1]) * lasting_square + felt[2]
        # Squared means of what each relapse adds, and of neighbours (taken as equally faded).
        own = felt_square + 2.0 * pairs
        means = own[0] * lasting**2 + 2.0 * own[1] * lasting * (1.0 - lasting) + own[2] * (1.0 - lasting) ** 2
        added_variance[:, step + 1] = peak_square * squares - peak**2 * means
    return _Relapses(relapses, risk, added, added_variance)


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
